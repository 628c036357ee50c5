"""What people did in public over twelve weeks, all over the site: who reacted to which posts.

Worked out once per run and bounded in memory, however large the site is: of the latest
:data:`POSTS` public posts, the first :data:`REACTORS` people each. Posts in groups are not public,
views are nobody's business, and anonymous reactions say nothing about anybody.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, cast

from sqlalchemy import bindparam, case, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch, posts, reactions
from digest.models import NOBODY, ReactionType
from digest.stats.likeness import rarity
from digest.stats.proportions import BetaPrior, beta_prior

SPAN = timedelta(weeks=12)
POSTS, REACTORS = 10_000, 50
LOOKED_AT = 100
"""How many of a person's latest acts and posts are looked at: nobody's history is unbounded."""
TOPICS = 5
"""How many topics of a post count; the platform names the most important first."""
_SLICE = 2_000
_PRIOR_FROM = 2_000


@dataclass(frozen=True, slots=True)
class PublicPost:
    """A post that everybody can see; ``weight`` is what it says about people who reacted to it."""

    id: str
    author: str
    published_at: datetime
    topics: tuple[str, ...]
    weight: float = 0.0
    reactors: tuple[str, ...] = ()


@dataclass
class PublicActs:
    """The public acts of the site up to ``end``; ``posts`` are newest first.

    By person: the places in ``posts`` of what they have ``written``, ``reacted`` to and ``replied``
    to, and when they did anything for the ``last`` time.
    """

    end: datetime
    posts: list[PublicPost] = field(default_factory=list)
    written: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    reacted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    replied: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    last: dict[str, datetime] = field(default_factory=dict)
    _audiences: dict[str, frozenset[str]] = field(default_factory=dict)
    _tastes: dict[str, dict[str, float]] = field(default_factory=dict)

    def by(self, author: str) -> list[int]:
        """The latest posts of somebody."""
        return self.written.get(author, [])[:LOOKED_AT]

    def of(self, person: str) -> list[int]:
        """The latest posts of others that somebody reacted to."""
        return self.reacted.get(person, [])[:LOOKED_AT]

    def audience(self, author: str) -> frozenset[str]:
        """Whoever reacted to the latest posts of somebody."""
        if author not in self.written:
            return frozenset()
        if author not in self._audiences:
            everybody = (person for at in self.by(author) for person in self.posts[at].reactors)
            self._audiences[author] = frozenset(everybody)
        return self._audiences[author]

    def taste(self, person: str) -> dict[str, float]:
        """The topics that somebody reacts to: so many posts of each, shared where one has more."""
        if person not in self.reacted:  # most people, on a large site: nothing is kept of them
            return {}
        if person not in self._tastes:
            found: dict[str, float] = defaultdict(float)
            for at in self.of(person):
                for topic in self.posts[at].topics:
                    found[topic] += 1 / len(self.posts[at].topics)
            self._tastes[person] = found
        return self._tastes[person]

    @cached_property
    def everybody(self) -> dict[str, float]:
        """The share of each topic in all reactions."""
        found: dict[str, float] = defaultdict(float)
        for post in self.posts:
            for topic in post.topics:
                found[topic] += len(post.reactors) / len(post.topics)
        total = sum(found.values()) or 1.0
        return {topic: count / total for topic, count in found.items()}

    @cached_property
    def answering(self) -> BetaPrior | None:
        """What people have in common who react: how often that is a reply."""
        some = sorted(self.reacted)[:_PRIOR_FROM]
        return beta_prior(
            [(len(self.replied.get(who, ())), len(self.reacted[who])) for who in some]
        )


def named(topics: str) -> tuple[str, ...]:
    """The topics of a post that count, as they are written in its row."""
    return tuple(topic for topic in topics.split(";") if topic)[:TOPICS]


_PUBLIC = (
    select(posts.c.id, posts.c.author_id, posts.c.published_at, posts.c.topics)
    .where(
        posts.c.published_at >= bindparam("start"),
        posts.c.published_at < bindparam("end"),
        posts.c.group_id.is_(None),
    )
    .order_by(posts.c.published_at.desc(), posts.c.id)
    .limit(POSTS)
)
_OF_POST = reactions.c.post_id
_FIRST = func.min(reactions.c.at)
_REACTED = (
    select(
        reactions.c.post_id,
        reactions.c.actor_id,
        func.max(reactions.c.at).label("last"),
        func.max(case((reactions.c.type == ReactionType.REPLY, 1), else_=0)).label("replied"),
        func.row_number()
        .over(partition_by=_OF_POST, order_by=(_FIRST, reactions.c.actor_id))
        .label("place"),
        func.count().over(partition_by=_OF_POST).label("reactors"),
    )
    .join_from(reactions, posts, posts.c.id == reactions.c.post_id)
    .where(
        among(reactions.c.post_id, "posts"),
        reactions.c.at < bindparam("end"),
        reactions.c.actor_id != NOBODY,
        reactions.c.actor_id != posts.c.author_id,
    )
    .group_by(reactions.c.post_id, reactions.c.actor_id)
    .subquery()
)
_FIRST_REACTORS = (
    select(_REACTED)
    .where(_REACTED.c.place <= REACTORS)
    .order_by(_REACTED.c.post_id, _REACTED.c.place)
)


def public_acts(session: Session, batch: Batch) -> PublicActs:
    """The acts that happened before this period was over anywhere on Earth.

    So the answer is the same for every batch, whatever its zone, and for a preview and a mail.
    """
    end = batch.period.shift(1).dawn
    known = batch.site.get(PublicActs)
    if known is None or known.end != end:
        known = batch.site[PublicActs] = _load(session, end)
    return cast(PublicActs, known)


def _load(session: Session, end: datetime) -> PublicActs:
    acts = PublicActs(end)
    rows = fetch(session, _PUBLIC, start=end - SPAN, end=end)
    for start in range(0, len(rows), _SLICE):  # only the reactions to some posts at a time
        _add(session, acts, rows[start : start + _SLICE])
    return acts


def _add(session: Session, acts: PublicActs, rows: list[Any]) -> None:
    places = {row.id: len(acts.posts) + number for number, row in enumerate(rows)}
    people: dict[str, list[str]] = defaultdict(list)
    weights: dict[str, float] = {}
    found = fetch(session, _FIRST_REACTORS, posts=list(places), end=acts.end)
    for id_, who, last, replied, _, reactors in found:
        people[id_].append(who)
        weights[id_] = rarity(reactors)
        acts.last[who] = max(last, acts.last.get(who, last))
        if replied:
            acts.replied[who].add(places[id_])
    for id_, author, published_at, topics in rows:
        reacted = tuple(people.get(id_, ()))
        for who in reacted:
            acts.reacted[who].append(len(acts.posts))
        acts.written[author].append(len(acts.posts))
        acts.last[author] = max(published_at, acts.last.get(author, published_at))
        acts.posts.append(
            PublicPost(id_, author, published_at, named(topics), weights.get(id_, 0.0), reacted)
        )
