"""The week against the author's usual (F4): limits of the author's own weeks, never a bare percent.

Below four earlier weeks there is nothing to compare with; from four on the median; from eight on a
verdict by process-behaviour limits on square roots (Wheeler).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, floor
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from digest import window
from digest.facts import Batch
from digest.facts.history import History, histories
from digest.facts.weeks import AuthorWeek, author_weeks
from digest.sections import Section
from digest.stats.limits import DECIMALS, usual_range
from digest.window import Period

MEDIAN_FROM, VERDICT_FROM = 4, 8
PERCENT_FROM = 20
"""A percent change needs at least so many in both weeks."""
MULTIPLE_ABOVE = 300
"""Above this percent a multiple says it better."""
HOURS_A_WEEK = 168


def load(session: Session, batch: Batch) -> dict[str, tuple[AuthorWeek, History]]:
    """Each author's week and the weeks before it."""
    earlier = batch.fact(session, histories)
    weeks = batch.fact(session, author_weeks)
    return {user: (week, earlier[user]) for user, week in weeks.items() if user in earlier}


def build(facts: tuple[AuthorWeek, History], batch: Batch) -> dict[str, Any] | None:
    """The verdict, as far as the number of earlier weeks allows one."""
    week, history = facts
    metric = week.metric
    earlier = history.whole(metric, batch.tz)
    now = week.count
    if len(earlier) < MEDIAN_FROM or not now:
        return None
    said: dict[str, Any] = {
        "metric": metric,
        "weeks": len(earlier),
        "verdict": None,
        "low": None,
        "high": None,
        "median": round(median(count for _, count in earlier)),
        "percent": None,
        "times": None,
        "first": not any(count for _, count in earlier),
    }
    if len(earlier) >= VERDICT_FROM:
        low, high = whole_range(earlier, str(batch.period), batch)
        verdict = "above" if now > high else "below" if now < low else "within"
        said |= {"verdict": verdict, "low": low, "high": high}
        # “Up to 99” beside a small number that is within it tells only how small that is.
        said["ranged"] = low > 0 or now >= said["median"]
        if verdict != "within" and earlier[-1][0] == str(batch.period.shift(-1)):
            said |= _change(now, earlier[-1][1])
    return said


def even(count: int, period: str, batch: Batch) -> float:
    """The count per 168 hours: weeks in which clocks change are an hour shorter or longer."""
    return count * HOURS_A_WEEK / _hours(period, batch.tz)


def whole_range(earlier: Sequence[tuple[str, int]], period: str, batch: Batch) -> tuple[int, int]:
    """The least and the greatest count that are usual in ``period``, after ``earlier`` weeks.

    Limits are per 168 hours, and stretched to those that the period has.
    """
    limits = usual_range([even(count, before, batch) for before, count in earlier])
    stretched = _hours(period, batch.tz) / HOURS_A_WEEK
    low, high = (round(limit * stretched, DECIMALS) for limit in (limits.low, limits.high))
    # Between two neighbouring whole numbers lies none: then both are usual.
    least, most = sorted((ceil(low), floor(high)))
    return least, most


@lru_cache(maxsize=4096)
def _hours(period: str, tz: ZoneInfo) -> float:
    span = window.week(Period.parse(period), tz)
    return (span.end - span.start).total_seconds() / 3600


def _change(now: int, before: int) -> dict[str, Any]:
    """Against the week before; only where neither number is small."""
    if min(now, before) < PERCENT_FROM:
        return {}
    percent = round(100 * (now - before) / before)
    return {"times": round(now / before)} if percent > MULTIPLE_ABOVE else {"percent": percent}


SECTION = Section(
    "usual", 20, load, build, label="Your week against your usual", figures=True, calm=False
)
