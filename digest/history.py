"""An author's earlier weeks: what snapshots say, and what facts say of weeks before the first run.

A week is worked out from facts once and then kept, so that a platform with a history gets full
comparisons from its first mail, and the numbers of old mails never change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from digest import window
from digest.database import execute_many, insert
from digest.facts import (
    Batch,
    Metric,
    counters,
    posts,
    reactions,
    slot,
    views,
    within,
)
from digest.models import NOBODY, Snapshot, table
from digest.window import Period, Window

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


@dataclass(frozen=True, slots=True)
class Since:
    """When each kind of fact about an author begins; None: there never was any."""

    views: datetime | None
    reactions: datetime | None

    @property
    def first(self) -> datetime | None:
        """The beginning of all that is known."""
        known = [instant for instant in (self.views, self.reactions) if instant]
        return min(known, default=None)


def histories(session: Session, batch: Batch) -> dict[str, History]:
    """The earlier weeks of every author of the batch."""
    periods = [batch.period.shift(-n) for n in range(WEEKS, 0, -1)]
    found = {user: History(since=since) for user, since in _since(session, batch).items()}
    stored = _stored(session, batch, periods)
    missing = {
        user: [period for period in _needed(history, periods, batch) if period not in stored[user]]
        for user, history in found.items()
    }
    users = [user for user, gaps in missing.items() if gaps]
    worked_out = _from_facts(session, batch, users, periods) if users else {}
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
    rows = [
        {
            "user_id": user,
            "period": week.period,
            "views": week.views,
            "reach": week.reach,
            "reactions": week.reactions,
            "body": None,
            "created_at": now,
        }
        for user, history in found.items()
        for week in history.fresh
    ]
    execute_many(session, insert(session, _snapshots).on_conflict_do_nothing(), rows)


def totals(
    period: str, seen: int | None, reach: int | None, acts: int | None, since: Since | None
) -> Week:
    """A week's totals: where no fact was found, zero if such facts had begun, else unknown."""
    seen = seen if seen is not None or not (since and since.views) else 0
    acts = acts or (0 if since and since.reactions else None)
    return Week(period, seen, 0 if seen == 0 else reach, acts)


def _since(session: Session, batch: Batch) -> dict[str, Since]:
    """When facts about each author begin: one index look-up per post and kind."""

    def first(column: Any, *conditions: Any) -> Any:
        owner = column.table.c.post_id == posts.c.id
        return select(func.min(column)).where(owner, *conditions).scalar_subquery()

    rows = session.execute(
        select(
            posts.c.author_id,
            func.min(first(views.c.at)).label("views"),
            func.min(first(counters.c.at, counters.c.views.is_not(None))).label("counted"),
            func.min(first(reactions.c.at)).label("reactions"),
        )
        .where(posts.c.author_id.in_(batch.users))
        .group_by(posts.c.author_id)
    )
    return {
        row.author_id: Since(
            min((at for at in (row.views, row.counted) if at), default=None),
            row.reactions,
        )
        for row in rows
    }


def _needed(history: History, periods: Sequence[Period], batch: Batch) -> list[str]:
    """The whole weeks after the author's first fact; the first, partial one does not count."""
    first = history.since.first if history.since else None
    if first is None:
        return []
    return [str(p) for p in periods if window.week(p, batch.tz).start >= first]


def _stored(
    session: Session, batch: Batch, periods: Sequence[Period]
) -> dict[str, dict[str, Week]]:
    found: dict[str, dict[str, Week]] = defaultdict(dict)
    columns = (_snapshots.c.period, _snapshots.c.views, _snapshots.c.reach, _snapshots.c.reactions)
    for user, *totals in session.execute(
        select(_snapshots.c.user_id, *columns).where(
            _snapshots.c.user_id.in_(batch.users),
            _snapshots.c.period >= str(periods[0]),
            _snapshots.c.period <= str(periods[-1]),
        )
    ):
        week = Week(*totals)
        found[user][week.period] = week
    return found


def _from_facts(
    session: Session, batch: Batch, users: Sequence[str], periods: Sequence[Period]
) -> dict[tuple[str, str], tuple[int | None, int | None, int | None]]:
    """Views, reach and reactions of each author and week, in one pass over the facts."""
    bounds = [window.week(p, batch.tz).start for p in periods] + [batch.window.start]
    span = Window(bounds[0], bounds[-1])
    names = [str(period) for period in periods]
    seen = _seen(session, users, span, bounds)
    reacted = _reacted(session, users, span, bounds)
    week = slot(views.c.at, bounds).label("week")
    reach = {
        (row.author_id, row.week): row.reach
        for row in session.execute(
            within(
                views, users, span, week, func.count(views.c.viewer_id.distinct()).label("reach")
            )
            .where(views.c.viewer_id != posts.c.author_id, views.c.viewer_id != NOBODY)
            .group_by(posts.c.author_id, week)
        )
    }
    return {
        (user, names[n]): (seen.get((user, n)), reach.get((user, n)), reacted.get((user, n)))
        for user, n in seen.keys() | reacted.keys()
    }


_Totals = dict[tuple[str, int], int]


def _seen(
    session: Session, users: Sequence[str], span: Window, bounds: Sequence[datetime]
) -> _Totals:
    """Views per author and week."""
    week = slot(views.c.at, bounds).label("week")
    total: _Totals = {}
    logged = set()
    for row in session.execute(
        within(
            views,
            users,
            span,
            views.c.post_id,
            week,
            func.sum(views.c.count).label("total"),
        )
        .where(views.c.viewer_id != posts.c.author_id)
        .group_by(posts.c.author_id, views.c.post_id, week)
    ):
        key = row.author_id, row.week
        total[key] = total.get(key, 0) + row.total
        logged.add((row.post_id, row.week))
    for key, post, gains in _gains(session, users, span, bounds, counters.c.views_gain):
        if (post, key[1]) not in logged:
            total[key] = total.get(key, 0) + gains
    return total


def _reacted(
    session: Session, users: Sequence[str], span: Window, bounds: Sequence[datetime]
) -> _Totals:
    """Reactions per author and week."""
    week = slot(reactions.c.at, bounds).label("week")
    total: _Totals = {}
    logged = set()
    for row in session.execute(
        within(
            reactions,
            users,
            span,
            reactions.c.post_id,
            week,
            func.sum(reactions.c.count).label("n"),
        )
        .where(reactions.c.actor_id != posts.c.author_id)
        .group_by(posts.c.author_id, reactions.c.post_id, week)
    ):
        key = row.author_id, row.week
        total[key] = total.get(key, 0) + row.n
        logged.add((row.post_id, row.week))
    acts = sum(
        (func.coalesce(c, 0) for c in (counters.c.reposts_gain, counters.c.replies_gain)),
        start=func.coalesce(counters.c.likes_gain, 0),
    )
    for key, post, gains in _gains(session, users, span, bounds, acts):
        if gains and (post, key[1]) not in logged:
            total[key] = total.get(key, 0) + gains
    return total


def _gains(
    session: Session, users: Sequence[str], span: Window, bounds: Sequence[datetime], gain: Any
) -> list[tuple[tuple[str, int], str, int]]:
    """Counter gains as ((author, week), post, gain)."""
    week = slot(counters.c.at, bounds).label("week")
    rows = session.execute(
        within(counters, users, span, counters.c.post_id, week, func.sum(gain).label("gain"))
        .where(gain.is_not(None))
        .group_by(posts.c.author_id, counters.c.post_id, week)
    )
    return [((row.author_id, row.week), row.post_id, row.gain) for row in rows]
