"""Communities that lean on every guard: each is as little, as much or as odd as data can be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.claims.nearly import nearly
from tests.claims.place import DAY, HOUR, WEEK, Place, marked, some
from tests.community import MONDAY
from tests.conversions import read

OFTEN = 12
"""Weeks of history that the larger communities have."""
KINDS = ("question", "information", "opinion")


def small() -> Place:
    """Authors of one post with 1 to 12 viewers, of one week, of no views, of three viewers."""
    place = Place()
    fans = some("fan", 60)
    place.people(*some("one", 12), "nil", "leap", "three", "fresh", "viral", *fans)
    for n in range(12):
        at = MONDAY + n * HOUR
        place.told(f"p-one{n}", f"one{n}", at)
        place.seen(f"p-one{n}", at, fans[: n + 1])
    place.told("p-nil", "nil", MONDAY - WEEK)
    for n in range(OFTEN):
        at = MONDAY - n * WEEK + 5 * HOUR
        place.seen(place.told(f"p-three{n}", "three", at), at, fans[:3])
        place.reaction(f"p-three{n}", "fan1", "repost", at + HOUR)
        place.seen(place.told(f"p-viral{n}", "viral", at), at, fans[: 1 + n % 3])
        place.seen(place.told(f"p-leap{n}", "leap", at), at, fans[:25])
    place.seen("p-leap0", MONDAY + 5 * HOUR, some("crowd", 150))
    place.seen("p-viral0", MONDAY + 5 * HOUR, some("crowd", 300))
    for n in range(6):
        at = MONDAY + n * 20 * HOUR
        place.seen(place.told(f"p-fresh{n}", "fresh", at), at, fans[: 20 + n])
        place.reaction(f"p-fresh{n}", f"fan{n}", "reply", at + HOUR)
    return place


def turning() -> Place:
    """Followers come and go within the window, groups hug ten, clocks run backwards."""
    place = Place(2)
    fans = some("fan", 40)
    place.people("host", "late", "back", *fans, timezone="America/New_York")
    for n, fan in enumerate(fans[:30]):
        since = MONDAY - (n % 7) * DAY
        place.follow("host", fan, since, since + 9 * DAY if n % 3 else None)
    for n in range(8):
        at = MONDAY - (n // 2) * WEEK + (n % 2) * 30 * HOUR
        place.seen(place.told(f"p-host{n}", "host", at), at, fans[n : n + 12 + n])
    for n, size in enumerate((3, 9, 10, 11, 23)):
        place.group(f"g{n}", [*fans[:size], "late"])
        at = MONDAY + n * 12 * HOUR
        place.told(f"p-late{n}", "late", at, group_id=f"g{n}")
        place.seen(f"p-late{n}", at, fans[: max(2, size * 2 // 3)])
        place.reaction(f"p-late{n}", fans[0], "reply", at + 3 * HOUR)
    place.seen(place.told("p-late-open", "late", MONDAY), MONDAY, fans[:9])
    at = MONDAY + 3 * DAY
    place.told("p-back", "back", at)
    place.seen("p-back", at - 2 * WEEK, fans[:15])
    place.reaction("p-back", fans[30], "like", at - 5 * WEEK)
    place.follow("back", fans[1], at, at - WEEK)
    place.counter("p-back", at, 50)
    place.counter("p-back", at - DAY, 90)
    return place


def counted() -> Place:
    """Only counters, which fall and come back; some are read once."""
    place = Place(3)
    place.people("meter", "once", "fall")
    for n in range(12):
        place.told(f"p-meter{n}", "meter", MONDAY - n * WEEK, kind=KINDS[n % 3])
        for week in range(n + 2):
            total = 30 * (week + 1) + 7 * n
            at = MONDAY - n * WEEK + week * WEEK + 40 * HOUR
            place.counter(f"p-meter{n}", at, total, likes=week * n, replies=n % 2)
    place.told("p-once", "once", MONDAY - DAY)
    place.counter("p-once", MONDAY + DAY, 900, likes=4)
    place.told("p-fall", "fall", None)
    for n in range(14):
        place.counter("p-fall", MONDAY - (13 - n) * WEEK + DAY, 700 if n % 3 else 100 + 9 * n)
    return place


def busy() -> Place:
    """Readers by the hundred, who repost, reply and come back; the brand is one of the authors."""
    place = Place(4)
    fans, extras = some("fan", 90), some("extra", 60)
    writers = ["brand", "star", "dark"]
    place.people(*writers, *fans, "onlooker")
    for n, fan in enumerate(fans[:70]):
        for who in writers:
            place.follow(who, fan, MONDAY - 30 * WEEK - n * HOUR)
    for n in range(36):
        at = MONDAY + 4 * DAY - n * 56 * HOUR + 9 * HOUR
        kind, topics = KINDS[n % 3], marked(f"topic{n % 2}")
        for who in writers:
            post = place.told(f"p-{who}{n}", who, at, kind=kind, topics=topics)
            crowd = place.dice.sample(fans, 25 + (30 if n % 3 == 0 else 0))
            many = 12 if n % 3 == 0 else 2
            for actor in crowd[:many]:
                what = place.dice.choice(("like", "reply", "like", "repost"))
                place.reaction(post, actor, what, at + place.dice.uniform(0.2, 20) * HOUR)
            if who == "dark":
                continue
            place.seen(post, at, [*crowd, "onlooker"])
            if n % 2 == 0:
                place.reaction(post, "fan3", "repost", at + 5 * HOUR)
                place.seen(post, at + 6 * HOUR, extras[: 4 + n], 30, via="repost")
                place.seen(post, at + 60 * HOUR, extras[10:], 5)
                place.reaction(post, "fan4", "repost", at + 60 * HOUR)
    return place


def logged() -> Place:
    """Enough posts with known viewers to learn ranges from, and an author whose views are not."""
    place = Place(5)
    fans = some("fan", 60)
    place.people("blind", "few", *some("w", 6), *fans)
    for fan in fans[:50]:
        for who in ("blind", "few", *some("w", 6)):
            place.follow(who, fan, MONDAY - 60 * WEEK)
    for n in range(260):
        at = MONDAY + 4 * DAY - n * 14 * HOUR
        post = place.told(f"p-w{n}", f"w{n % 6}", at)
        crowd = place.dice.sample(fans, 12 + n % 25)
        place.seen(post, at, crowd, 30)
        for actor in crowd[: n % 3]:
            place.reaction(post, actor, "like", at + HOUR)
    for n in range(10):
        for who, many in (("blind", 4), ("few", 2)):
            at = MONDAY + 4 * DAY - n * 50 * HOUR
            post = place.told(f"p-{who}{n}", who, at)
            for actor in place.dice.sample(fans[: 9 * many], many if n else 1):
                place.reaction(post, actor, "like", at + HOUR)
    return place


def lasting() -> Place:
    """Posts that grow on their last day, or nearly; rows of weeks; people who act alike."""
    place = Place(8)
    fans = some("fan", 40)
    place.people("grow", "rest", "young", "nearly", "steady", "twin", "other", "half", *fans)
    end = MONDAY + WEEK
    for who, earlier, late, last in (
        ("grow", 12, 3, 30),
        ("rest", 9, 0, 26),
        ("young", 7, 0, 30),
        ("nearly", 12, 3, 19),
    ):
        for n in range(earlier, -1, -1):
            at = end - 9 * DAY - n * 2 * DAY - n * HOUR
            place.seen(place.told(f"p-{who}{n}", who, at), at, fans[: 9 + n % 3], 20)
            if n:
                place.seen(f"p-{who}{n}", at + 8 * DAY, fans[20 : 20 + late], 20)
            else:
                place.seen(f"p-{who}0", end - DAY, fans[:last], 23)
        for actor in ("twin", "other", "half")[: 3 if who in {"grow", "rest"} else 2]:
            place.reaction(f"p-{who}1", actor, "like", MONDAY - 5 * DAY)
    for n in range(28):
        at = MONDAY - n * WEEK + 30 * HOUR
        place.seen(place.told(f"p-steady{n}", "steady", at), at, fans[:3])
    place.told("p-steady-more", "steady", MONDAY + 40 * HOUR)
    for who in ("twin", "other", "half"):
        place.seen(place.told(f"p-{who}", who, MONDAY), MONDAY, fans[:3])
    return place


def metered() -> Place:
    """Counters that were read for the first time, of posts from before: totals and no week."""
    place = Place(9)
    place.people("all", "acts", "few", "zero")
    kinds = (("all", 40, 1), ("acts", 0, 3), ("few", 1, 0), ("zero", 0, 0))
    for n in range(7):
        for who, views, likes in kinds:
            place.told(f"p-{who}{n}", who, MONDAY - (2 + n) * WEEK)
            place.counter(f"p-{who}{n}", MONDAY + DAY, views * n, likes=likes)
    return place


def wild(seed: int) -> Place:
    """Anything, near the guards: a few authors, weeks and readers by the dice."""
    place = Place(seed)
    dice = place.dice
    fans = some("fan", 30)
    authors = some("a", 4)
    place.people(*authors, *fans, timezone=dice.choice(("UTC", "Pacific/Auckland")))
    for author in authors:
        for fan in dice.sample(fans, dice.randrange(8, 30)):
            place.follow(author, fan, MONDAY - dice.randrange(9) * WEEK + dice.randrange(99) * HOUR)
        base, history = dice.choice((3, 9, 11, 20)), dice.choice((1, 3, 4, 7, 8, 9, 13))
        for n in range(dice.randrange(2, 24)):
            at = MONDAY + 6 * DAY - dice.uniform(0, 7 * history) * DAY
            post = place.told(f"p-{author}-{n}", author, at, kind=KINDS[n % 2])
            many = min(30, max(0, round(dice.gauss(base, 5))))
            crowd = dice.sample(fans, many)
            place.seen(post, at, crowd, dice.choice((5, 60, 400)))
            for actor in crowd[: dice.randrange(4)]:
                what = dice.choice(("like", "reply", "repost"))
                place.reaction(post, actor, what, at + dice.uniform(0, 90) * HOUR)
            if dice.random() < 0.2:
                place.view(post, at + HOUR, "", count=dice.randrange(1, 40))
    return place


def guessing() -> Place:
    """Authors whose every week ends with a post that a mail can ask about."""
    place = Place(6)
    fans = some("fan", 30)
    authors = some("g", 22)
    place.people(*authors, *fans)
    for week in range(7):
        for a, author in enumerate(authors[:22]):
            start = MONDAY - (6 - week) * WEEK
            for n, day in enumerate((0, 1, 6, 2, 3, 4, 2)):
                at = start + day * DAY + (8 + a % 3) * HOUR
                post = place.told(f"p-{author}-{week}-{n}", author, at)
                place.seen(post, at, fans[: 10 + a - 4 * (n == 2)] if n < 3 else fans[:7], 14)
    return place


def deskdrop(shared_data: Path) -> Place:
    """A real company's readers. Nobody knows who wrote what: here, whoever came first."""
    place = Place(7)
    rows = read(shared_data / "deskdrop_events_2016" / "users_interactions.csv.gz")
    kinds = {"LIKE": "like", "COMMENT CREATED": "reply", "VIEW": ""}
    begin, end = datetime(2016, 3, 28, tzinfo=UTC), datetime(2016, 6, 20, tzinfo=UTC)
    events = []
    for row in rows:
        at = datetime.fromtimestamp(int(row["timestamp"]), UTC)
        if begin <= at < end and row["eventType"] in kinds:
            events.append((at, row["contentId"], row["personId"], kinds[row["eventType"]]))
    shift = MONDAY + WEEK - end
    authors: dict[str, str] = {}
    people = sorted({person for _, _, person, _ in events})
    names = {person: f"n{n}" for n, person in enumerate(people)}
    place.people(*names.values())
    for at, item, person, kind in sorted(set(events)):
        if item not in authors:
            authors[item] = names[person]
            place.told(f"p{len(authors)}", names[person], at + shift)
            authors[item] = f"p{len(authors)}"
        if kind:
            place.reaction(authors[item], names[person], kind, at + shift)
        else:
            place.view(authors[item], at + shift, names[person])
    return place


PLACES: dict[str, Callable[[], Place]] = {
    "small": small,
    "turning": turning,
    "counted": counted,
    "busy": busy,
    "logged": logged,
    "guessing": guessing,
    "lasting": lasting,
    "nearly": nearly,
    "metered": metered,
} | {f"wild {seed}": lambda seed=seed: wild(seed) for seed in range(11, 16)}
