"""The best week for a long time, or of all on record, in the unit of the headline.

Somebody's week is always the best of the last few: that alone is luck. So it must beat at least
eight known weeks before it and be half as much again as their median; where there is a usual range,
it must lie above it, as the mail would else call it within the usual; and while a week is the best,
another one close after it is no news.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch
from digest.facts import Batch
from digest.facts.history import History, Week, histories
from digest.facts.past import WEEKS
from digest.facts.weeks import AuthorWeek, Metric, author_weeks
from digest.models import Snapshot, table
from digest.sections.usual import PERCENT_FROM, VERDICT_FROM, even, whole_range
from digest.window import Period

KNOWN, TIMES = 8, 1.5
"""So many known weeks are beaten, by so many times their median."""
SILENT = 4
"""After a best week, so many weeks pass before another is told."""
_snapshots = table(Snapshot)


class Weeks(NamedTuple):
    """An author's count of the week, and the known ones before it, oldest first.

    ``whole``: nothing is known of the author from before these.
    """

    metric: Metric
    now: int
    earlier: list[tuple[str, int]]
    whole: bool = True


_OLDER = (
    select(
        _snapshots.c.user_id,
        _snapshots.c.period,
        _snapshots.c.views,
        _snapshots.c.reach,
        _snapshots.c.reactions,
    )
    .where(among(_snapshots.c.user_id, "users"), _snapshots.c.period < bindparam("first"))
    .order_by(_snapshots.c.user_id, _snapshots.c.period.desc())
)


def load(session: Session, batch: Batch) -> dict[str, Weeks]:
    """Authors with a week that stands out; weeks of more than half a year ago only of these."""
    past = batch.fact(session, histories)
    found = {
        user: one
        for user, week in batch.fact(session, author_weeks).items()
        if user in past
        and week.count >= PERCENT_FROM  # below it nothing stands out, whatever was before
        and _stands_out((one := _weeks(week, past[user], batch)).earlier, one.now)
    }
    longest = [user for user, one in found.items() if all(n < one.now for _, n in one.earlier)]
    first = str(batch.period.shift(-WEEKS))
    for user, *figures in fetch(session, _OLDER, users=longest, first=first) if longest else []:
        week, one = Week(*figures), found[user]
        count = week.total(one.metric)
        if count is not None:
            one.earlier.insert(0, (week.period, count))
    return {
        user: one._replace(whole=_is_whole(one, past[user], batch)) for user, one in found.items()
    }


def _is_whole(weeks: Weeks, past: History, batch: Batch) -> bool:
    """Do the known weeks begin with the first fact, so that they are all there ever were?

    The part of a week in which facts began may stand before them, where even that was not as good.
    """
    begun = past.since.first if past.since else None
    period = Period.parse(weeks.earlier[0][0])
    before = period.shift(-1)
    parts = [week.total(weeks.metric) for week in past.weeks if week.period == str(before)]
    if any(part is not None and part < weeks.now for part in parts):
        period = before
    return begun is None or begun >= window.week(period, batch.tz).start


def _weeks(week: AuthorWeek, past: History, batch: Batch) -> Weeks:
    return Weeks(week.metric, week.count, past.whole(week.metric, batch.tz))


def _stands_out(earlier: Sequence[tuple[str, float]], now: float) -> bool:
    """Does it beat enough weeks right before it, and clearly?"""
    beaten = _beaten(earlier, now)
    if len(beaten) < KNOWN or now < PERCENT_FROM:
        return False
    return now >= TIMES * median(beaten[-WEEKS:])


def _beaten(earlier: Sequence[tuple[str, float]], now: float) -> list[float]:
    """The counts since the last week that was at least as good."""
    counts = [count for _, count in earlier]
    last = max((n for n, count in enumerate(counts) if count >= now), default=-1)
    return counts[last + 1 :]


def _is_news(earlier: Sequence[tuple[str, int]], period: str, now: int, batch: Batch) -> bool:
    """Does it stand out, and lie above the range that the mail calls usual?"""
    if not _stands_out(_even(earlier, batch), even(now, period, batch)):
        return False
    first = str(Period.parse(period).shift(-WEEKS))
    compared = [one for one in earlier if one[0] >= first]
    return len(compared) < VERDICT_FROM or now > whole_range(compared, period, batch)[1]


def _even(weeks: Sequence[tuple[str, int]], batch: Batch) -> list[tuple[str, float]]:
    return [(period, even(count, period, batch)) for period, count in weeks]


def build(weeks: Weeks, batch: Batch) -> dict[str, Any] | None:
    """Since when no week was as good; ``since`` None: of all on record, ``weeks`` with this one.

    Where older weeks were never looked at, it is since the first that was.

    Weeks in which clocks change count as if they had 168 hours.
    """
    period, earlier = str(batch.period), weeks.earlier
    recent = range(max(0, len(earlier) - SILENT), len(earlier))
    if not _is_news(earlier, period, weeks.now, batch) or any(
        _is_news(earlier[:n], *earlier[n], batch) for n in recent
    ):
        return None
    beaten = len(_beaten(_even(earlier, batch), even(weeks.now, period, batch)))
    ever = beaten == len(earlier) and weeks.whole
    last = earlier[max(0, len(earlier) - beaten - 1)][0]
    since = None if ever else Period.parse(last).monday.isoformat()
    return {
        "kind": "best_week",
        "rarity": min(0.9, 0.5 + 0.4 * beaten / WEEKS),
        "metric": weeks.metric,
        "count": weeks.now,
        "since": since,
        "weeks": len(earlier) + 1,
    }
