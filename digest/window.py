"""Windows, weeks, periods and the next due time.

A user's week runs from Monday 00:00 to the next Monday 00:00 in *their* zone, so it lasts 167,
168 or 169 hours. Two rules make every local time an instant: a time that does not exist (clocks
go forward) is the first instant that does, and one that happens twice is taken the first time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from digest.errors import UsageError

_PERIOD = re.compile(r"([0-9]{4})-W([0-9]{2})")
_WEEK = timedelta(weeks=1)
_FURTHEST_AHEAD = timedelta(hours=14)
"""Of all zones, the one where every day begins first is so far ahead of UTC."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open span ``[start, end)`` of UTC instants."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The name of a week: its ISO year and week number, written ``2026-W46``."""

    year: int
    week: int

    @classmethod
    @lru_cache(maxsize=1024)  # the same weeks are read for every user
    def parse(cls, text: str) -> Period:
        """Read ``2026-W46``; a week its year does not have is a :class:`UsageError`."""
        match = _PERIOD.fullmatch(text)
        if match is None:
            raise UsageError(
                f"“{text}” is not a week", hint="write the ISO week, for example 2026-W46"
            )
        period = cls(int(match[1]), int(match[2]))
        try:
            _ = period.monday, period.shift(1)
        except (ValueError, OverflowError) as error:
            raise UsageError(
                f"there is no week {text}", hint="ISO years have 52 or 53 weeks"
            ) from error
        return period

    @classmethod
    def of(cls, day: date) -> Period:
        """The week in which ``day`` falls."""
        year, week, _ = day.isocalendar()
        return cls(year, week)

    @property
    def monday(self) -> date:
        """Its first day."""
        return date.fromisocalendar(self.year, self.week, 1)

    @property
    def dawn(self) -> datetime:
        """When it begins where it begins first: nowhere on Earth anything of it is earlier."""
        return datetime.combine(self.monday, time(), UTC) - _FURTHEST_AHEAD

    def shift(self, weeks: int) -> Period:
        """The week so many weeks later (or, negative, earlier)."""
        return Period.of(self.monday + weeks * _WEEK)

    def weeks_since(self, other: Period) -> int:
        """How many weeks later than ``other`` it is; negative if it is earlier."""
        return (self.monday - other.monday) // _WEEK

    def __str__(self) -> str:
        return f"{self.year:04d}-W{self.week:02d}"


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone ``name``; an unknown one is a :class:`UsageError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"“{name}” is not a time zone", hint="use an IANA name, for example Europe/Berlin"
        ) from error


_CONTINENTS = (
    "Africa/ America/ Antarctica/ Arctic/ Asia/ Atlantic/ Australia/ Europe/ Indian/ Pacific/"
)


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The zones to choose from: those named after a place, and UTC."""
    places = tuple(_CONTINENTS.split())
    return frozenset({"UTC", *(n for n in available_timezones() if n.startswith(places))})


def instant(local: datetime, tz: ZoneInfo) -> datetime:
    """The UTC instant of the wall-clock time ``local`` (naive), by the two rules above."""
    first = local.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if first.astimezone(tz).replace(tzinfo=None) == local:
        return first
    before = local.replace(tzinfo=tz, fold=1).astimezone(UTC)
    return _transition(before, first, tz)


def _transition(before: datetime, after: datetime, tz: ZoneInfo) -> datetime:
    """The first whole second in ``(before, after]`` that has the offset of ``after``."""
    offset = after.astimezone(tz).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(tz).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)


@lru_cache(maxsize=8192)
def days(period: Period, tz: ZoneInfo) -> tuple[datetime, ...]:
    """The eight midnights (UTC) that bound the seven days of ``period`` in zone ``tz``.

    A day that a zone skipped altogether (Apia, 30 December 2011) has length zero.
    """
    return tuple(
        instant(datetime.combine(period.monday + timedelta(days=n), time()), tz) for n in range(8)
    )


def week(period: Period, tz: ZoneInfo) -> Window:
    """The window of ``period`` for a person living in ``tz``."""
    midnights = days(period, tz)
    return Window(midnights[0], midnights[7])


def last_full_week(now: datetime, tz: ZoneInfo) -> Period:
    """The latest week that was over at ``now``, seen from ``tz``."""
    return Period.of(now.astimezone(tz).date()).shift(-1)


def next_due(after: datetime, *, weekday: int, hour: int, tz: ZoneInfo) -> datetime:
    """The first instant after ``after`` at which it is ``weekday`` (0 = Monday), ``hour``:00."""
    return min(due for due in _dues(after, weekday, hour, tz) if due > after)


def last_due(now: datetime, *, weekday: int, hour: int, tz: ZoneInfo) -> datetime:
    """The latest instant up to ``now`` at which it was ``weekday``, ``hour``:00."""
    return max(due for due in _dues(now, weekday, hour, tz) if due <= now)


def _dues(around: datetime, weekday: int, hour: int, tz: ZoneInfo) -> list[datetime]:
    today = around.astimezone(tz).date()
    first = today + timedelta(days=weekday - today.weekday())
    return [
        instant(datetime.combine(first + weeks * _WEEK, time(hour)), tz)
        for weeks in (-2, -1, 0, 1, 2)
    ]
