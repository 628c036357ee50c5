"""Other people's posts worth sharing: what an author's audience reacts to, new, not yet seen (F11).

The score of a post for an author is the sum over its topics of P_aud(t) · P_item(t), times
2^(-age/24 h), times the share of the author's followers who have not been shown it:

- P_item spreads a post evenly over its topics;
- P_aud are the topics that those who react to the author's posts react to elsewhere, nobody with
  more than :data:`PERSON_MOST` of the weight, and the rest of the weight with the site's topics;
- an age counts to the end of the author's week.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import product
from math import ceil
from typing import cast

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch
from digest.facts.acts import PublicActs
from digest.models import Follow, table
from digest.sections.sharing.pooling import KEPT, Item, Pool

HALF_LIFE = timedelta(hours=24)
PEOPLE = 200
"""How many of an author's followers and audience are looked at: enough to tell 2 % from 5 %."""
PERSON_MOST, SITE_WEIGHT = 0.05, 20.0
"""The most that one person's taste weighs, and how many reactions the site's taste is worth."""
TASTES_FROM, FANS_FROM = 5, 3
"""So many people must have a taste, and so many of them react to the topic of a suggestion."""
SHOWN = 3
HOT = timedelta(hours=3)
GEM_SEEN, GEM_QUARTER = 0.02, 4
_NOTHING = 0.01
"""Less than this share of a post is what rounding leaves of none."""


@dataclass(frozen=True, slots=True)
class Taste:
    """The topics of an audience: their weights, which sum to 1, and how many people like each."""

    weights: Mapping[str, float]
    fans: Mapping[str, int]
    people: int


@dataclass(frozen=True, slots=True)
class Find:
    """A suggestion: the item, the topic for which it was chosen, and its tags."""

    item: Item
    topic: str
    score: float
    tags: tuple[str, ...]


def taste(acts: PublicActs, author: str) -> Taste | None:
    """What those who react to an author's posts react to elsewhere; None for too few of them.

    A person weighs as much as they react, at most :data:`PERSON_MOST`; what is left of the weight
    is the whole site's, so that few people do not make a taste.
    """
    tastes = _elsewhere(acts, author)
    if len(tastes) < TASTES_FROM:
        return None
    total = SITE_WEIGHT + sum(sum(own.values()) for own in tastes)
    weights: dict[str, float] = defaultdict(float)
    fans: Counter[str] = Counter()
    left = 1.0
    for own in tastes:
        mine = sum(own.values())
        weight = min(mine / total, PERSON_MOST)
        left -= weight
        fans.update(own.keys())
        for topic, number in own.items():
            weights[topic] += weight * number / mine
    for topic, share in acts.everybody.items():
        weights[topic] += left * share
    return Taste(weights, fans, len(tastes))


def _elsewhere(acts: PublicActs, author: str) -> list[dict[str, float]]:
    """The topics of each of the audience, but for what they reacted to of the author's."""
    here: dict[tuple[str, str], float] = defaultdict(float)
    for post in (acts.posts[at] for at in acts.by(author)):
        for person, topic in product(post.reactors, post.topics):
            here[person, topic] += 1 / len(post.topics)
    tastes = []
    for person in nsmallest(PEOPLE, acts.audience(author)):
        left = {t: n - here.get((person, t), 0.0) for t, n in acts.taste(person).items()}
        elsewhere = {topic: number for topic, number in left.items() if number > _NOTHING}
        if elsewhere:
            tastes.append(elsewhere)
    return tastes


_follows = table(Follow)
_NUMBERED = (
    select(
        _follows.c.followee_id,
        _follows.c.follower_id,
        func.row_number()
        .over(partition_by=_follows.c.followee_id, order_by=_follows.c.follower_id)
        .label("place"),
    )
    .where(
        among(_follows.c.followee_id, "users"),
        _follows.c.since < bindparam("end"),
        _follows.c.until.is_(None) | (_follows.c.until >= bindparam("end")),
    )
    .subquery()
)
_FOLLOWERS = select(_NUMBERED.c.followee_id, _NUMBERED.c.follower_id).where(
    _NUMBERED.c.place <= PEOPLE
)


def followers(session: Session, batch: Batch, authors: Collection[str]) -> dict[str, list[str]]:
    """Some of the followers of each author, chosen by id, which says nothing about them."""
    found: dict[str, list[str]] = defaultdict(list)
    for author, follower in fetch(session, _FOLLOWERS, users=authors, end=batch.window.end):
        found[author].append(follower)
    return found


def finds(
    pool: Pool,
    author: str,
    liking: Taste,
    people: Collection[str],
    omitted: Collection[str] = (),
) -> list[Find]:
    """Up to three posts for an author, of different topics and people, the best first.

    ``people`` stand for the author's followers. Never the author's own posts, and none they reacted
    to, and none on a topic that they ``omitted``, be it one of several.
    """
    known = set(pool.reacted.get(author, ()))
    seen = Counter(at for person in people for at in pool.saw.get(person, ()))
    scored = []
    for at, item in enumerate(pool.items):
        topic = _reason(item, liking)
        if any(name in omitted for name in item.topics):
            continue
        if topic and item.author != author and at not in known:
            share = _share_seen(item, seen[at], len(people))
            scored.append((score(item, liking, pool.end, share), at, topic, share))
    scored.sort(key=lambda one: (-one[0], one[1]))
    quarter = scored[: ceil(len(scored) / GEM_QUARTER)]
    chosen: list[Find] = []
    for one in scored:
        points, at, topic, share = one
        item = pool.items[at]
        if any(topic == other.topic or item.author == other.item.author for other in chosen):
            continue
        tags = _tags(item, pool.end, share, best=one in quarter)
        chosen.append(Find(item, topic, points, tags))
        if len(chosen) == SHOWN:
            break
    return chosen


def score(item: Item, liking: Taste, end: datetime, seen: float | None) -> float:
    """How well an item suits an audience, how new it is, and how few have been shown it.

    An unknown share takes nothing away.
    """
    suits = sum(liking.weights.get(topic, 0.0) for topic in item.topics) / len(item.topics)
    fresh = 2.0 ** -((end - item.published_at) / HALF_LIFE)
    return cast(float, suits * fresh * (1 - (seen or 0.0)))


def _reason(item: Item, liking: Taste) -> str | None:
    """The topic of an item that the audience likes best, if enough of them do."""
    liked = [topic for topic in item.topics if liking.fans.get(topic, 0) >= FANS_FROM]
    return min(liked, key=lambda topic: (-liking.weights[topic], topic), default=None)


def _share_seen(item: Item, seen: int, people: int) -> float | None:
    """The share of ``people`` who have been shown an item; None where nobody knows.

    Of an item with more viewers than are kept, those kept stand for all.
    """
    if item.viewers is None or not people:
        return None
    return min(1.0, seen / people * max(1.0, item.viewers / KEPT))


def _tags(item: Item, end: datetime, seen: float | None, *, best: bool) -> tuple[str, ...]:
    gem = best and seen is not None and seen <= GEM_SEEN
    tags = {
        "rising": item.rising,
        "gem": gem,
        "hot": end - item.published_at < HOT,
    }
    return tuple(tag for tag, holds in tags.items() if holds)
