"""The audience of authors whose views are not logged (F6): always a range or a lower end.

Two ways, each with guards of its own: what the site's posts with logged views reached that drew as
many reactions, and how many people there are at least, judging by those who reacted (Chao 1984).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import Any

from sqlmodel import Session

from digest.facts import Batch, Since, beginnings
from digest.facts.estimates import FOLLOWERS_FROM, PEOPLE_DAYS, reactors, site_ranges
from digest.facts.following import followers_when_posted
from digest.facts.history import told_lately
from digest.facts.judgements import HOURS, Judged, careers
from digest.facts.weeks import AuthorWeek, author_weeks
from digest.sections import Section
from digest.sections.top_posts import EXCERPT
from digest.stats.ranges import Ranges
from digest.stats.unseen import chao1
from digest.text import clean

SHOWN = 3
ONCE_FROM, TWICE_FROM = 5, 2
"""The estimate of people needs so many who reacted to exactly one post, and to exactly two."""
CLEARLY = 1.25
"""So many times the people who reacted are more than a word about them."""
PEOPLE_FROM = 10
"""Nothing is said of fewer people than this."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One author: this week's new posts, followers when each was posted, and who reacted in four
    weeks (people in all, on one post, on two). ``again``: an earlier mail counted some of the same
    people.
    """

    posts: tuple[Judged, ...] = ()
    followers: tuple[int, ...] = ()
    ranges: Ranges | None = None
    reactors: tuple[int, int, int] = (0, 0, 0)
    shown: frozenset[str] = frozenset()
    again: bool = False


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """Authors whose posts were never seen by anybody that the platform told us of."""
    begun, weeks = batch.fact(session, beginnings), batch.fact(session, author_weeks)
    unseen = [
        user for user, since in begun.items() if _is_unseen(since, weeks.get(user, AuthorWeek()))
    ]
    if not unseen:
        return {}
    people = reactors(session, unseen, batch.window.end)
    again = told_lately(session, batch, SECTION.name, PEOPLE_DAYS // 7 - 1)
    found = _posts(session, batch, unseen, weeks)
    return {
        user: replace(
            found.get(user, Facts()), reactors=people.get(user, (0, 0, 0)), again=user in again
        )
        for user in people.keys() | found.keys()
    }


def _is_unseen(since: Since, week: AuthorWeek) -> bool:
    return since.views is None and week.views is None


def _posts(
    session: Session, batch: Batch, unseen: list[str], weeks: dict[str, AuthorWeek]
) -> dict[str, Facts]:
    """The new posts of authors with followers, and the ranges that hold on this site."""
    judged = batch.fact(session, careers)
    new = {
        user: [
            post for post in judged[user].new if post.views is None and post.engagers is not None
        ]
        for user in unseen
        if user in judged
    }
    ids = [post.id for posts in new.values() for post in posts]
    followers = followers_when_posted(session, ids) if ids else {}
    if not any(number >= FOLLOWERS_FROM for number in followers.values()):
        return {}
    ranges = site_ranges(session, batch)
    if ranges is None:
        return {}
    return {
        user: Facts(
            tuple(posts),
            tuple(followers.get(post.id, 0) for post in posts),
            ranges,
            shown=frozenset(p.id for p in weeks.get(user, AuthorWeek()).top),
        )
        for user, posts in new.items()
    }


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """Up to three posts with their ranges, and the lower end of people; None without either."""
    people, posts = _people(*facts.reactors), _ranged(facts, batch)
    if not posts and people is None:
        return None
    return {"hours": HOURS, "posts": posts, "people": people, "again": facts.again}


def _people(seen: int, once: int, twice: int) -> dict[str, int] | None:
    """The lower end of the interval: the estimate itself is too high too often."""
    if seen < PEOPLE_FROM or once < ONCE_FROM or twice < TWICE_FROM:
        return None
    least = floor(chao1(seen, once, twice).interval.low)
    return {"seen": seen, "least": least, "days": PEOPLE_DAYS} if least > seen else None


def _ranged(facts: Facts, batch: Batch) -> list[dict[str, Any]]:
    """The posts that drew most reactions first; a range of few people, or of one, is none."""
    if facts.ranges is None:
        return []
    entries = []
    for post, followers in zip(facts.posts, facts.followers, strict=True):
        if followers < FOLLOWERS_FROM or post.engagers is None:
            continue
        people = facts.ranges.people(post.engagers, followers)
        low = max(post.engagers, floor(_rounded(people.low, floor)))
        high = ceil(_rounded(people.high, ceil))
        if high >= PEOPLE_FROM and low < high:
            entries.append((-post.engagers, -post.published_at.timestamp(), post, low, high))
    entries.sort(key=lambda entry: (entry[0], entry[1], entry[2].id))
    return [_entry(post, low, high, facts, batch) for _, _, post, low, high in entries[:SHOWN]]


def _rounded(people: float, towards: Any) -> float:
    """Two digits, away from the middle: a range must not look more exact than it is."""
    if people < 1:
        return float(towards(people))
    step = 10 ** max(0, floor(log10(people)) - 1)
    return float(towards(people / step) * step)


def _entry(post: Judged, low: int, high: int, facts: Facts, batch: Batch) -> dict[str, Any]:
    return {
        "id": post.id,
        "title": post.title,
        "excerpt": clean(post.text, EXCERPT),
        "url": post.url,
        "published": batch.day(post.published_at),
        "shown": post.id in facts.shown,
        "engagers": post.engagers,
        "low": low,
        "high": high,
    }


def worth(data: dict[str, Any]) -> float:
    """Much: these authors are told nothing else of who saw them; most where posts are named."""
    return 0.6 if data["posts"] else 0.4


def news(data: dict[str, Any]) -> float:
    """A post's range; or the people, whose number changes little, if no mail counted the same and
    there are clearly more than those who are known.
    """
    if any(post["title"] for post in data["posts"]):
        return 0.5
    people = data["people"]
    clearly = people and people["least"] >= CLEARLY * people["seen"]
    return 0.4 if clearly and not data["again"] else 0.0


SECTION = Section(
    "estimate",
    44,
    load,
    build,
    label="How many people probably saw your posts",
    figures=True,
    calm=False,
    worth=worth,
    news=news,
)
