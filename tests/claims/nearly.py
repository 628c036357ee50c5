"""A community whose authors stand just before a guard."""

from __future__ import annotations

from tests.claims.place import DAY, HOUR, WEEK, Place, marked, some
from tests.community import MONDAY


def nearly() -> Place:
    """Without its guard each author would be told something that does not hold."""
    place = Place(10)
    fans = some("fan", 40)
    weekly = ("lately", "best", "hardly", "brand")
    place.people(*weekly, "topical", "rising", "before", "daily", "quick", "steady", *fans)
    for n in range(14):
        at = MONDAY - n * WEEK + 30 * HOUR
        for who in weekly[: 4 if n < 9 else 3]:
            place.told(f"p-{who}{n}", who, at)
        place.seen(f"p-lately{n}", at, fans[:3])
        place.seen(f"p-best{n}", at, some("crowd", {0: 90, 2: 60}.get(n, 20)))
        place.seen(f"p-hardly{n}", at, some("crowd", 50 if n == 0 else 40 + n % 2))
    _brand(place, fans)
    topics = {"topics": ";".join(map(marked, "ab"))}
    for n in range(6):
        at = MONDAY - (n % 2) * WEEK + n * HOUR
        place.seen(place.told(f"p-topical{n}", "topical", at, **topics), at, fans[:4])
        at = MONDAY - max(0, n - 3) * WEEK + n * HOUR
        place.seen(place.told(f"p-rising{n}", "rising", at, **topics), at, fans[:4])
    place.seen(place.told("p-before", "before", MONDAY - 60 * WEEK), MONDAY, fans[:12])
    place.told("p-daily", "daily", MONDAY - 3 * DAY)
    for n in range(8):
        at = MONDAY + (n - 2) * DAY + 8 * HOUR
        place.seen("p-daily", at, fans[n : n + 12], 5)
    place.reaction("p-daily", "fan1", "repost", MONDAY + 3 * DAY + 8 * HOUR)
    for fan in fans[:5]:
        place.follow("daily", fan, MONDAY - 9 * WEEK)
    for n in range(24):
        at = MONDAY + 4 * DAY - n * 2 * DAY
        place.seen(place.told(f"p-quick{n}", "quick", at), at + 3 * HOUR, fans[: 20 - n % 2 * 14])
        for fan in fans[: 3 - n % 2 * 3]:
            place.reaction(f"p-quick{n}", fan, "like", at + HOUR)
    for n in range(9):
        at = MONDAY - max(2, n) * WEEK + (20 + n) * HOUR
        place.seen(place.told(f"p-steady{n}", "steady", at), at, fans[:2])
    return place


def _brand(place: Place, fans: list[str]) -> None:
    """Who came in three weeks, in two, and whose reposts brought ten people, and nine."""
    for fan, weeks, brought in (("fan0", 4, 10), ("fan1", 3, 9), ("fan2", 2, 0)):
        for n in range(weeks):
            at = MONDAY - n * WEEK + 32 * HOUR
            place.reaction(f"p-brand{n}", fan, "like", at)
        post, at = f"p-brand{weeks + 2}", MONDAY - (weeks - 1) * WEEK + 2 * DAY
        if brought:
            place.reaction(post, fan, "repost", at)
            place.seen(post, at, fans[10 : 10 + brought], via="repost")
