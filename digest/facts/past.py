"""The totals of an author's earlier weeks, worked out from the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, case, func, literal
from sqlmodel import Session

from digest.database import fetch
from digest.facts import (
    Batch,
    bounds,
    counted,
    counters,
    posts,
    reactions,
    slot,
    span,
    views,
    within,
)
from digest.models import NOBODY
from digest.window import Window

WEEKS = 26
"""How many earlier weeks a comparison may use."""

Found = tuple[int | None, int | None, int | None]
"""Views, reach and reactions of a week; None: there was no such event."""


def from_facts(
    session: Session, batch: Batch, users: Sequence[str], spans: Mapping[str, Window]
) -> dict[tuple[str, str], Found]:
    """Views, reach and reactions of each author and week, in one pass over the facts.

    ``spans`` says where each week begins and ends: :data:`WEEKS` of them, one after the other.
    """
    past = _Past(session, users, [span.start for span in spans.values()], batch)
    names = list(spans)
    seen, reach = past.views()
    acts = past.reactions()
    return {
        (user, names[n]): (seen.get((user, n)), reach.get((user, n)), acts.get((user, n)))
        for user, n in seen.keys() | acts.keys()
    }


_Totals = dict[tuple[str, int], int]
_LIKES_AND_MORE = (counters.c.likes_gain, counters.c.reposts_gain, counters.c.replies_gain)
# Null only where all are: what is not known of one kind takes nothing from the others.
_ACTS = case(
    (
        func.coalesce(*_LIKES_AND_MORE).is_not(None),
        sum((func.coalesce(gain, 0) for gain in _LIKES_AND_MORE), literal(0)),
    )
)


class _Kind:
    """What is asked about one kind of facts: its events, its counters, and where events are."""

    def __init__(
        self, facts: Table, by_others: ColumnElement[bool], gain: ColumnElement[int], *columns: Any
    ) -> None:
        week = slot(facts.c.at, WEEKS).label("week")
        self.events = (
            within(facts, week, func.sum(facts.c.count), *columns)
            .where(by_others)
            .group_by(posts.c.author_id, "week")
        )
        self.logged = within(facts, facts.c.post_id, week).where(by_others).distinct()
        week = slot(counters.c.at, WEEKS).label("week")
        self.gains = (
            within(counters, counters.c.post_id, week, func.sum(gain))
            .where(gain.is_not(None))
            .group_by(posts.c.author_id, counters.c.post_id, "week")
        )


_VIEWS = _Kind(
    views,
    views.c.viewer_id != posts.c.author_id,
    counters.c.views_gain,
    func.count(case((views.c.viewer_id != NOBODY, views.c.viewer_id)).distinct()),
)
_REACTIONS = _Kind(reactions, reactions.c.actor_id != posts.c.author_id, _ACTS)


class _Past:
    """The facts of some authors, by author and week.

    Whether a post's week is made from events or from counters is decided post by post; authors
    without counters need not be looked at so closely.
    """

    def __init__(
        self, session: Session, users: Sequence[str], starts: Sequence[datetime], batch: Batch
    ) -> None:
        self._session, self._users = session, users
        whole = Window(starts[0], batch.window.start)
        self._weeks = span(whole) | bounds([*starts, whole.end])
        self._counted = counted(session, batch)

    def views(self) -> tuple[_Totals, _Totals]:
        """Views and reach."""
        total: _Totals = {}
        reach: _Totals = {}
        for author, week, count, people in self._fetch(_VIEWS.events, self._users):
            total[author, week] = count
            if people:
                reach[author, week] = people
        self._add_gains(_VIEWS, total)
        return total, reach

    def reactions(self) -> _Totals:
        """Reactions."""
        rows = self._fetch(_REACTIONS.events, self._users)
        total: _Totals = {(author, week): count for author, week, count in rows}
        self._add_gains(_REACTIONS, total)
        return total

    def _add_gains(self, kind: _Kind, total: _Totals) -> None:
        """Add what counters gained in the post-weeks of which there are no events."""
        gains = self._fetch(kind.gains, self._counted) if self._counted else []
        if not gains:
            return
        authors = sorted({author for author, *_ in gains})
        logged = {(post, number) for _, post, number in self._fetch(kind.logged, authors)}
        for author, post, number, gained in gains:
            if (post, number) not in logged:
                total[author, number] = total.get((author, number), 0) + gained

    def _fetch(self, statement: Select[Any], users: Sequence[str]) -> list[Any]:
        return fetch(self._session, statement, users=users, **self._weeks)
