"""How attention is spread over people, in the eight weeks up to the mail (F12).

Who looked at an author's posts, without names, and to whose posts an author reacted: the same
measure as of those who reacted, which :mod:`digest.facts.reactors` knows by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Float, bindparam, case, func, literal_column, select
from sqlalchemy import cast as as_type
from sqlmodel import Session

from digest import window
from digest.database import fetch
from digest.facts import Batch, posts, reactions, span, views, within
from digest.facts.history import LATELY
from digest.models import NOBODY
from digest.stats.diversity import Spread
from digest.window import Window

ACTS_FROM, PEOPLE_FROM = 30, 5
"""So many acts by so many people, or nothing is said of how they are spread."""
UNNAMED_MOST = 0.1
"""The share of acts by nobody named that leaves the picture what it is."""


def tells(spread: Spread) -> bool:
    """Whether enough is known to say how acts are spread."""
    if spread.acts < ACTS_FROM or spread.people < PEOPLE_FROM:
        return False
    return spread.unnamed <= UNNAMED_MOST * (spread.acts + spread.unnamed)


def _figures(
    acts: ColumnElement[Any], named: ColumnElement[bool]
) -> tuple[ColumnElement[Any], ...]:
    """The figures of a :class:`Spread` over rows of one person each, with their number of acts."""
    n = as_type(case((named, acts), else_=0), Float)  # whole numbers to the third would overflow
    return (
        func.sum(case((named, acts), else_=0)).label("acts"),
        func.count(case((named, literal_column("1")))).label("people"),
        func.sum(n * (n - 1)).label("pairs"),
        func.sum(n * (n - 1) * (n - 2)).label("triples"),
        func.sum(case((named, 0), else_=acts)).label("unnamed"),
    )


def _spread(row: Any) -> Spread:
    return Spread(int(row.acts), row.people, row.pairs, row.triples, int(row.unnamed))


# --- who looked ----------------------------------------------------------------------------------

_PER_VIEWER = (
    within(views, views.c.viewer_id, func.sum(views.c.count).label("acts"))
    .where(views.c.viewer_id != posts.c.author_id)
    .group_by(posts.c.author_id, views.c.viewer_id)
    .subquery()
)
_VIEWED = select(
    _PER_VIEWER.c.author_id,
    *_figures(_PER_VIEWER.c.acts, _PER_VIEWER.c.viewer_id != NOBODY),
).group_by(_PER_VIEWER.c.author_id)


def viewing(session: Session, batch: Batch, authors: Sequence[str]) -> dict[str, Spread]:
    """How the views of the posts of these authors of the batch are spread over viewers."""
    if not authors:
        return {}
    start = window.week(batch.period.shift(1 - LATELY), batch.tz).start
    whole = Window(start, batch.window.end)
    rows = fetch(session, _VIEWED, users=authors, **span(whole))
    return {row.author_id: _spread(row) for row in rows}


# --- to whom one reacted -------------------------------------------------------------------------

_PER_AUTHOR = (
    select(
        reactions.c.actor_id,
        posts.c.author_id,
        func.sum(reactions.c.count).label("acts"),
    )
    .join_from(reactions, posts, posts.c.id == reactions.c.post_id)
    .where(
        reactions.c.at >= bindparam("start"),
        reactions.c.at < bindparam("end"),
        reactions.c.actor_id != NOBODY,
        reactions.c.actor_id != posts.c.author_id,
    )
    .group_by(reactions.c.actor_id, posts.c.author_id)
    .subquery()
)
_ENOUGH = (
    func.sum(_PER_AUTHOR.c.acts) >= ACTS_FROM,
    func.count() >= PEOPLE_FROM,
)
_GIVEN = (
    select(_PER_AUTHOR.c.actor_id, *_figures(_PER_AUTHOR.c.acts, _PER_AUTHOR.c.acts > 0))
    .group_by(_PER_AUTHOR.c.actor_id)
    .having(*_ENOUGH)
)


class _Given(NamedTuple):
    end: datetime
    by: dict[str, Spread]


def giving(session: Session, batch: Batch) -> dict[str, Spread]:
    """How the reactions of everybody who reacted enough are spread over those who got them.

    No index leads from a person to their reactions, so all of eight weeks are counted in one pass,
    once per run. They end when the period is over anywhere on Earth: the same for every batch.
    """
    end = batch.period.shift(1).dawn
    known = cast("_Given | None", batch.site.get(_Given))
    if known is None or known.end != end:
        start = batch.period.shift(1 - LATELY).dawn
        rows = fetch(session, _GIVEN, **span(Window(start, end)))
        known = batch.site[_Given] = _Given(end, {row.actor_id: _spread(row) for row in rows})
    return known.by
