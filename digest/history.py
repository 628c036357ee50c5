"""An author's earlier weeks: what snapshots say, and what facts say of weeks before the first run.

A week is worked out from facts once and then kept, so that a platform with a history gets full
comparisons from its first mail, and the numbers of old mails never change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, case, func, literal, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch, insert_missing, written
from digest.facts import (
    Batch,
    Since,
    beginnings,
    counted,
    counters,
    posts,
    reactions,
    slot,
    views,
    within,
)
from digest.models import NOBODY, Snapshot, table
from digest.weeks import Metric
from digest.window import Window

WEEKS = 26
"""How many earlier weeks a comparison may use."""

_snapshots = table(Snapshot)


@dataclass(frozen=True, slots=True)
class Week:
    """The totals of one author's week; None is unknown."""

    period: str
    views: int | None
    reach: int | None
    reactions: int | None

    def count(self, metric: Metric) -> int | None:
        """The total in the unit of ``metric``."""
        return {"reach": self.reach, "views": self.views, "reactions": self.reactions}[metric]


@dataclass(slots=True)
class History:
    """Up to 26 earlier weeks, oldest first; ``fresh`` are those that are not stored yet.

    ``since`` holds the instant of an author's first view, counter reading and reaction: before it a
    total is unknown, after it a week without any is a true zero.
    """

    weeks: list[Week] = field(default_factory=list)
    fresh: list[Week] = field(default_factory=list)
    since: Since | None = None


def histories(session: Session, batch: Batch) -> dict[str, History]:
    """The earlier weeks of every author of the batch."""
    periods = [batch.period.shift(-n) for n in range(WEEKS, 0, -1)]
    spans = {str(period): window.week(period, batch.tz) for period in periods}
    found = {user: History(since=since) for user, since in batch.fact(session, beginnings).items()}
    stored = _stored(session, batch, list(spans))
    missing = {
        user: [name for name in _needed(history.since, spans) if name not in stored[user]]
        for user, history in found.items()
    }
    users = [user for user, gaps in missing.items() if gaps]
    worked_out = _from_facts(session, batch, users, spans) if users else {}
    for user, history in found.items():
        history.fresh = [
            totals(p, *worked_out.get((user, p), (None, None, None)), history.since)
            for p in missing[user]
        ]
        history.weeks = sorted(
            [*stored[user].values(), *history.fresh], key=lambda week: week.period
        )
    return found


def keep(session: Session, found: dict[str, History], now: datetime) -> None:
    """Store the weeks that were worked out from facts; those stored before stay as they are."""
    at = written(session, now)
    rows = [
        (user, week.period, week.views, week.reach, week.reactions, at)
        for user, history in found.items()
        for week in history.fresh
    ]
    names = ("user_id", "period", "views", "reach", "reactions", "created_at")
    insert_missing(session, _snapshots, names, rows)


def totals(
    period: str, seen: int | None, reach: int | None, acts: int | None, since: Since | None
) -> Week:
    """A week's totals: where no event was found, zero if events had begun, else unknown.

    Of a week in which a counter was not read nothing is known.
    """
    seen = seen if seen is not None or not (since and since.views) else 0
    acts = acts if acts is not None or not (since and since.reactions) else 0
    return Week(period, seen, 0 if seen == 0 else reach, acts)


def _needed(since: Since | None, spans: Mapping[str, Window]) -> list[str]:
    """The weeks from the one in which facts about the author begin."""
    first = since.first if since else None
    return [] if first is None else [name for name, span in spans.items() if span.end > first]


def _stored(session: Session, batch: Batch, names: Sequence[str]) -> dict[str, dict[str, Week]]:
    found: dict[str, dict[str, Week]] = defaultdict(dict)
    columns = (_snapshots.c.period, _snapshots.c.views, _snapshots.c.reach, _snapshots.c.reactions)
    for user, period, *figures in fetch(
        session,
        select(_snapshots.c.user_id, *columns).where(
            among(_snapshots.c.user_id, batch.users),
            _snapshots.c.period >= names[0],
            _snapshots.c.period <= names[-1],
        ),
    ):
        found[user][period] = Week(period, *figures)
    return found


def _from_facts(
    session: Session, batch: Batch, users: Sequence[str], spans: Mapping[str, Window]
) -> dict[tuple[str, str], tuple[int | None, int | None, int | None]]:
    """Views, reach and reactions of each author and week, in one pass over the facts."""
    past = _Past(session, users, [span.start for span in spans.values()], batch)
    names = list(spans)
    seen, reach = past.views()
    acts = past.reactions()
    return {
        (user, names[n]): (seen.get((user, n)), reach.get((user, n)), acts.get((user, n)))
        for user, n in seen.keys() | acts.keys()
    }


_Totals = dict[tuple[str, int], int]
_KINDS = (counters.c.likes_gain, counters.c.reposts_gain, counters.c.replies_gain)
# Null only where all are: what is not known of one kind takes nothing from the others.
_ACTS = case(
    (func.coalesce(*_KINDS).is_not(None), sum((func.coalesce(c, 0) for c in _KINDS), literal(0)))
)


class _Past:
    """The facts of some authors, by author and week.

    Whether a post's week is made from events or from counters is decided post by post; authors
    without counters need not be looked at so closely.
    """

    def __init__(
        self, session: Session, users: Sequence[str], starts: Sequence[datetime], batch: Batch
    ) -> None:
        self._session, self._users = session, users
        self._bounds = [*starts, batch.window.start]
        self._span = Window(starts[0], batch.window.start)
        self._counted = counted(session, batch)

    def views(self) -> tuple[_Totals, _Totals]:
        """Views and reach."""
        named = case((views.c.viewer_id != NOBODY, views.c.viewer_id))
        columns = (func.sum(views.c.count), func.count(named.distinct()))
        total: _Totals = {}
        reach: _Totals = {}
        for author, week, count, people in self._rows(views, *columns):
            total[author, week] = count
            if people:
                reach[author, week] = people
        for key, gain in self._gains(views, counters.c.views_gain).items():
            total[key] = total.get(key, 0) + gain
        return total, reach

    def reactions(self) -> _Totals:
        """Reactions."""
        rows = self._rows(reactions, func.sum(reactions.c.count))
        total: _Totals = {(author, week): count for author, week, count in rows}
        for key, gain in self._gains(reactions, _ACTS).items():
            total[key] = total.get(key, 0) + gain
        return total

    def _rows(self, facts: Table, *columns: Any) -> Iterable[Any]:
        week = slot(facts.c.at, self._bounds).label("week")
        return fetch(
            self._session,
            within(facts, self._users, self._span, week, *columns)
            .where(_BY_OTHERS[facts])
            .group_by(posts.c.author_id, week),
        )

    def _gains(self, facts: Table, gain: Any) -> _Totals:
        """Counter gains of the post-weeks of which there are no events among ``facts``."""
        if not self._counted:
            return {}
        week = slot(counters.c.at, self._bounds).label("week")
        gains = fetch(
            self._session,
            within(counters, self._counted, self._span, counters.c.post_id, week, func.sum(gain))
            .where(gain.is_not(None))
            .group_by(posts.c.author_id, counters.c.post_id, week),
        )
        if not gains:
            return {}
        logged = self._logged(facts, sorted({author for author, *_ in gains}))
        total: _Totals = defaultdict(int)
        for author, post, number, gained in gains:
            if (post, number) not in logged:
                total[author, number] += gained
        return total

    def _logged(self, facts: Table, users: Sequence[str]) -> set[tuple[str, int]]:
        week = slot(facts.c.at, self._bounds).label("week")
        rows = fetch(
            self._session,
            within(facts, users, self._span, facts.c.post_id, week)
            .where(_BY_OTHERS[facts])
            .distinct(),
        )
        return {(post, number) for _, post, number in rows}


_BY_OTHERS = {
    views: views.c.viewer_id != posts.c.author_id,
    reactions: reactions.c.actor_id != posts.c.author_id,
}
