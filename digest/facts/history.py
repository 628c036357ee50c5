"""An author's earlier weeks: what snapshots say, and what facts say of weeks before the first run.

A week is worked out from facts once and then kept, so that a platform with a history gets full
comparisons from its first mail, and the numbers of old mails never change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch, insert_missing, written
from digest.facts import Batch, Since, beginnings
from digest.facts.past import WEEKS, Found, from_facts
from digest.facts.weeks import Metric, author_weeks
from digest.models import Snapshot, table
from digest.window import Period, Window

LATELY = 8
"""Weeks that a look at an author's audience goes back, the week of the mail included."""

_snapshots = table(Snapshot)


class Week(NamedTuple):
    """The totals of one author's week, None being unknown, and the sections of its mail."""

    period: str
    views: int | None
    reach: int | None
    reactions: int | None
    told: str = ""

    def total(self, metric: Metric) -> int | None:
        """The total in the unit of ``metric``."""
        return cast("int | None", getattr(self, metric))


@dataclass(slots=True)
class History:
    """Up to 26 earlier weeks, oldest first; ``fresh`` are those that are not stored yet.

    ``since`` holds the instant of an author's first view, counter reading and reaction: before it a
    total is unknown, after it a week without any is a true zero.
    """

    weeks: list[Week] = field(default_factory=list)
    fresh: list[Week] = field(default_factory=list)
    since: Since | None = None

    def whole(self, metric: Metric, tz: ZoneInfo) -> list[tuple[str, int]]:
        """The known weeks that may be compared, oldest first, with their totals.

        Not the one in the middle of which facts of the kind begin: it is a part of a week.
        """
        known = [(week.period, n) for week in self.weeks if (n := week.total(metric)) is not None]
        begun = self.since.of(metric) if self.since else None
        if known and begun is not None:
            first = window.week(Period.parse(known[0][0]), tz)
            if first.start < begun < first.end:
                return known[1:]
        return known

    def shown(self, ago: Mapping[str, int]) -> dict[str, int]:
        """How many weeks ago each section was last in a mail; ``ago`` says it of each period."""
        told = (week for week in self.weeks if week.told)
        return {name: ago[week.period] for week in told for name in week.told.split()}


def histories(session: Session, batch: Batch) -> dict[str, History]:
    """The earlier weeks of every author of the batch."""
    periods = [batch.period.shift(-n) for n in range(WEEKS, 0, -1)]
    spans = {str(period): window.week(period, batch.tz) for period in periods}
    found = {user: History(since=since) for user, since in batch.fact(session, beginnings).items()}
    _add_stored(session, batch, list(spans), found)
    missing = {user: gaps for user, past in found.items() if (gaps := _missing(past, spans))}
    worked_out = from_facts(session, batch, list(missing), spans) if missing else {}
    for user, gaps in missing.items():
        history = found[user]
        history.fresh = [
            totals(p, spans[p].end, worked_out.get((user, p), _NOTHING), history.since)
            for p in gaps
        ]
        history.weeks = sorted([*history.weeks, *history.fresh], key=attrgetter("period"))
    if batch.told:
        for user, history in found.items():
            history.weeks = [
                week._replace(told=batch.told.get((user, week.period), week.told))
                for week in history.weeks
            ]
    return found


def latest_weeks(session: Session, batch: Batch) -> dict[str, list[Week]]:
    """The last eight weeks, this one included, of authors to whom something happened in it.

    It costs no query: it says for whom a look at all the facts of these weeks can be worth it.
    """
    first = str(batch.period.shift(1 - LATELY))
    earlier = batch.fact(session, histories)
    return {
        user: [
            *(past for past in earlier.get(user, History()).weeks if past.period >= first),
            Week(str(batch.period), week.views, week.reach, week.reactions),
        ]
        for user, week in batch.fact(session, author_weeks).items()
        if week.known
    }


def told_lately(session: Session, batch: Batch, section: str, weeks: int) -> set[str]:
    """Authors with a mail of the last ``weeks`` weeks before this one that had the section."""
    first = str(batch.period.shift(-weeks))
    return {
        user
        for user, past in batch.fact(session, histories).items()
        if any(week.period >= first and section in week.told.split() for week in past.weeks)
    }


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


_NOTHING: Found = (None, None, None)


def totals(period: str, end: datetime, found: Found, since: Since | None) -> Week:
    """A week's totals of the views, reach and reactions that were found.

    Where no event was, zero if events had begun by its end, else unknown. Of a week in which a
    counter was not read nothing is known.
    """
    seen, reach, acts = found
    if seen is None and since and since.views and since.views < end:
        seen = 0
    if acts is None and since and since.reactions and since.reactions < end:
        acts = 0
    return Week(period, seen, 0 if seen == 0 else reach, acts)


def _missing(past: History, spans: Mapping[str, Window]) -> list[str]:
    """The weeks from the one in which facts about the author begin that are not stored."""
    first = past.since.first if past.since else None
    if first is None:
        return []
    known = {week.period for week in past.weeks}
    return [name for name, span in spans.items() if name not in known and span.end > first]


_STORED = (
    select(
        _snapshots.c.user_id,
        _snapshots.c.period,
        _snapshots.c.views,
        _snapshots.c.reach,
        _snapshots.c.reactions,
        _snapshots.c.told,
    )
    .where(
        among(_snapshots.c.user_id, "users"),
        _snapshots.c.period >= bindparam("first"),
        _snapshots.c.period <= bindparam("last"),
    )
    .order_by(_snapshots.c.user_id, _snapshots.c.period)
)


def _add_stored(
    session: Session, batch: Batch, names: Sequence[str], found: Mapping[str, History]
) -> None:
    """The weeks that were worked out before, oldest first."""
    asked = {"users": batch.users, "first": names[0], "last": names[-1]}
    for user, period, seen, reach, acts, told in fetch(session, _STORED, **asked):
        if user in found:
            found[user].weeks.append(Week(period, seen, reach, acts, told))
