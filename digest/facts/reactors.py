"""Who reacted to an author's posts in the last eight weeks, and in the eight weeks before.

One query serves all that is said about it. Who only looked is not in here, but in
:mod:`digest.facts.attention`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from sqlalchemy import Float, bindparam, case, cast, func, or_, select
from sqlmodel import Session

from digest import window
from digest.database import fetch
from digest.facts import Batch, bounds, posts, reactions, slot, span, users, within
from digest.facts.attention import ACTS_FROM
from digest.facts.history import LATELY, latest_weeks
from digest.models import NOBODY, UtcDateTime
from digest.stats.diversity import Spread
from digest.window import Window

LEADING = 10
"""How many of those who reacted most are compared with those of the eight weeks before; one more is
read, to know where they end.
"""
FAITHFUL = 20
"""How many of those who came in most weeks are looked at."""


@dataclass(frozen=True, slots=True)
class Reactor:
    """A person: reactions in the last eight weeks and ``before``, weeks and posts of the last.

    ``name`` is None for somebody who has no account here.
    """

    id: str
    name: str | None
    reactions: int
    before: int
    weeks: int
    posts: int


@dataclass(slots=True)
class Reactors:
    """The people of eight weeks: their reactions, how many they are, and the first of them.

    ``pairs`` and ``triples`` are those of their :class:`~digest.stats.diversity.Spread`;
    ``unnamed`` are reactions of nobody named. ``most`` reacted most, ``most_before`` did in the
    eight weeks before, and ``faithful`` came in most weeks, then to most posts.
    """

    reactions: int = 0
    pairs: int = 0
    people: int = 0
    unnamed: int = 0
    most: list[Reactor] = field(default_factory=list)
    most_before: list[Reactor] = field(default_factory=list)
    faithful: list[Reactor] = field(default_factory=list)
    triples: float = 0

    @property
    def spread(self) -> Spread:
        """How the reactions are spread over the people."""
        return Spread(self.reactions, self.people, self.pairs, self.triples, self.unnamed)


_LATELY = reactions.c.at >= bindparam("lately", type_=UtcDateTime)
_WEEK = case((_LATELY, slot(reactions.c.at, LATELY)))
_PER_PERSON = (
    within(
        reactions,
        reactions.c.actor_id.label("actor"),
        (reactions.c.actor_id == NOBODY).label("nobody"),
        func.sum(case((_LATELY, reactions.c.count), else_=0)).label("reactions"),
        func.sum(case((_LATELY, 0), else_=reactions.c.count)).label("before"),
        func.count(_WEEK.distinct()).label("weeks"),
        func.count(case((_LATELY, reactions.c.post_id)).distinct()).label("posts"),
    )
    .where(reactions.c.actor_id != posts.c.author_id)
    .group_by(posts.c.author_id, reactions.c.actor_id)
    .subquery()
)
_each = _PER_PERSON.c
_OF_AUTHOR = (_each.author_id, _each.nobody)
_n = cast(_each.reactions, Float)  # whole numbers to the third would overflow
_RANKED = select(
    _PER_PERSON,
    func.sum(_each.reactions).over(partition_by=_OF_AUTHOR).label("total"),
    func.sum(_each.reactions * (_each.reactions - 1)).over(partition_by=_OF_AUTHOR).label("pairs"),
    func.sum(_n * (_n - 1) * (_n - 2)).over(partition_by=_OF_AUTHOR).label("triples"),
    func.sum(case((_each.reactions > 0, 1), else_=0)).over(partition_by=_OF_AUTHOR).label("people"),
    *(
        func.row_number().over(partition_by=_OF_AUTHOR, order_by=(*order, _each.actor)).label(name)
        for name, order in {
            "most": (_each.reactions.desc(), _each.posts.desc()),
            "most_before": (_each.before.desc(),),
            "faithful": (_each.weeks.desc(), _each.posts.desc()),
        }.items()
    ),
).subquery()
_ranked = _RANKED.c
_REACTORS = (
    select(_RANKED, users.c.name)
    .outerjoin(users, users.c.id == _ranked.actor)
    .where(
        or_(
            _ranked.most <= LEADING + 1,
            _ranked.most_before <= LEADING + 1,
            _ranked.faithful <= FAITHFUL,
        )
    )
)


def all_reactors(session: Session, batch: Batch) -> dict[str, Reactors]:
    """Of authors with enough reactions in eight weeks, and of brands with any."""
    asked = [
        user
        for user, weeks in batch.fact(session, latest_weeks).items()
        if sum(week.reactions or 0 for week in weeks) >= ACTS_FROM or user in batch.brands
    ]
    if not asked:
        return {}
    found = {user: Reactors() for user in asked}
    rows = fetch(session, _REACTORS, users=asked, **_sixteen_weeks(batch))
    for row in rows:
        theirs = found[row.author_id]
        if row.nobody:
            theirs.unnamed = row.reactions
        else:
            theirs.reactions, theirs.people = row.total, row.people
            theirs.pairs, theirs.triples = int(row.pairs), row.triples
    for kind, counted, limit in _LISTS:
        for row in sorted(rows, key=attrgetter(kind)):
            if not row.nobody and getattr(row, kind) <= limit and getattr(row, counted):
                getattr(found[row.author_id], kind).append(_reactor(row))
    return found


_LISTS = (
    ("most", "reactions", LEADING + 1),
    ("most_before", "before", LEADING + 1),
    ("faithful", "weeks", FAITHFUL),
)


def _reactor(row: Any) -> Reactor:
    return Reactor(row.actor, row.name or None, row.reactions, row.before, row.weeks, row.posts)


def _sixteen_weeks(batch: Batch) -> dict[str, Any]:
    """The parameters of the query: its span, and where the last eight weeks begin and divide."""
    first = batch.period.shift(1 - LATELY)
    mondays = [window.week(first.shift(n), batch.tz).start for n in range(LATELY)]
    start = window.week(first.shift(-LATELY), batch.tz).start
    return {
        **span(Window(start, batch.window.end)),
        **bounds([*mondays, batch.window.end]),
        "lately": mondays[0],
    }
