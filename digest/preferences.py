"""What a reader chose, how it is kept, and when their next mail comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session

from digest import subscriptions, window
from digest.cadence import PAUSE_WEEKS, Cadence, Frequency
from digest.config import Settings
from digest.database import among, fetch
from digest.models import Post, Subscription, Suppression, User, table
from digest.subscriptions import Rhythm
from digest.window import Period

_users, _posts, _subscriptions = table(User), table(Post), table(Subscription)
_suppressions = table(Suppression)
_LOOK_AHEAD = 60
"""Weeks; a pause and four weeks between mails are over long before."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a reader can choose. ``timezone`` and ``locale`` None follow the platform.

    ``off`` is having left, ``paused`` a break of four weeks; after either, ``frequency`` holds
    again. ``hidden`` are the names of sections that are not wanted.
    """

    frequency: Frequency = Frequency.WEEKLY
    off: bool = False
    paused: bool = False
    adaptive: bool = True
    weekday: int = 0
    hour: int = 8
    timezone: str | None = None
    locale: str | None = None
    hidden: frozenset[str] = frozenset()
    numbers: bool = True


@dataclass(frozen=True, slots=True)
class Reader:
    """A subscriber: their preferences, and what follows from them.

    ``timezone`` is the one that holds, ``platform_timezone`` what the platform says; ``posted`` is
    the week of the last post; ``next_due_at`` when they are looked at next, mail or not. A
    ``suppressed`` address gets no mail, whatever is chosen.
    """

    user_id: str
    preferences: Preferences
    cadence: Cadence
    timezone: str
    platform_timezone: str | None
    next_due_at: datetime | None
    posted: Period | None
    suppressed: bool

    @property
    def tz(self) -> ZoneInfo:
        """The zone that the reader lives in."""
        return window.zone(self.timezone)

    @property
    def rhythm(self) -> Rhythm:
        """When in a week they are written to."""
        return Rhythm(self.preferences.weekday, self.preferences.hour, self.tz)


def find(session: Session, user_id: str, now: datetime) -> Reader | None:
    """The subscriber ``user_id``; None for who is unknown, gone, or was erased."""
    return next(iter(readers(session, [user_id], now)), None)


_POSTED = select(func.max(_posts.c.published_at)).where(
    _posts.c.author_id == _users.c.id, _posts.c.published_at < bindparam("now")
)
_BARRED = select(_suppressions.c.email_key).where(_suppressions.c.email_key == _users.c.email_key)
_READERS = (
    select(
        *_subscriptions.c,
        _users.c.timezone.label("platform_timezone"),
        _POSTED.scalar_subquery().label("posted_at"),
        _BARRED.exists().label("suppressed"),
    )
    .join(_users, _users.c.id == _subscriptions.c.user_id)
    .where(among(_subscriptions.c.user_id, "users"), _subscriptions.c.erased_at.is_(None))
)


def readers(session: Session, ids: Sequence[str], now: datetime) -> list[Reader]:
    """The subscribers among these ids; ``now`` tells whose break is over."""
    return [_reader(row, now) for row in fetch(session, _READERS, users=ids, now=now)]


def _reader(row: Any, now: datetime) -> Reader:
    cadence = Cadence(
        Frequency(row.frequency),
        Period.parse(row.counted_from) if row.counted_from else None,
        Period.parse(row.paused_through) if row.paused_through else None,
        row.adaptive,
    )
    tz = window.zone(row.timezone)
    preferences = Preferences(
        frequency=cadence.frequency,
        off=row.unsubscribed_at is not None,
        paused=cadence.pauses(window.last_full_week(now, tz)),
        adaptive=row.adaptive,
        weekday=row.weekday,
        hour=row.hour,
        timezone=row.chosen_timezone,
        locale=row.locale,
        hidden=frozenset(row.hidden.split()),
        numbers=row.numbers,
    )
    posted = row.posted_at and Period.of(row.posted_at.astimezone(tz).date())
    return Reader(
        row.user_id,
        preferences,
        cadence,
        row.timezone,
        row.platform_timezone,
        row.next_due_at,
        posted,
        bool(row.suppressed),
    )


def save(
    session: Session, settings: Settings, reader: Reader, wanted: Preferences, now: datetime
) -> Reader:
    """Keep what a reader chose, and return them as they are now. Twice is once.

    The mail of the coming week is neither lost nor doubled where the day or the hour is moved;
    every two or four weeks are counted from the mail that came last.
    """
    before = reader.preferences
    name = subscriptions.known_zone(wanted.timezone or reader.platform_timezone, settings)
    due = _next_due(reader, wanted, name, settings, now)
    session.connection().execute(
        update(_subscriptions)
        .where(_subscriptions.c.user_id == reader.user_id, _subscriptions.c.erased_at.is_(None))
        .values(
            frequency=wanted.frequency.value,
            counted_from=_anchor(reader, wanted, now),
            paused_through=_paused_through(reader, wanted, due),
            adaptive=wanted.adaptive,
            weekday=wanted.weekday,
            hour=wanted.hour,
            timezone=name,
            chosen_timezone=wanted.timezone,
            locale=wanted.locale,
            hidden=" ".join(sorted(wanted.hidden)),
            numbers=wanted.numbers,
            next_due_at=due,
        )
    )
    if wanted.off:
        subscriptions.unsubscribe(session, reader.user_id, now)
    elif before.off:
        subscriptions.resubscribe(session, reader.user_id, now)
    return find(session, reader.user_id, now) or reader


def _next_due(
    reader: Reader, wanted: Preferences, name: str, settings: Settings, now: datetime
) -> datetime:
    """When the reader is looked at next: the same week's mail at its new day, hour and zone."""
    rhythm = Rhythm(wanted.weekday, wanted.hour, window.zone(name))
    if reader.next_due_at is not None:
        if reader.rhythm == rhythm:
            return reader.next_due_at
        moved = subscriptions.moved(reader.next_due_at, reader.rhythm, rhythm)
        if moved > now - settings.max_lateness:
            return moved
    return _next(now, rhythm)


def _anchor(reader: Reader, wanted: Preferences, now: datetime) -> str | None:
    """The week to count from: kept while the frequency is, else that of the last mail."""
    if wanted.frequency in {Frequency.WEEKLY, Frequency.EVENTFUL}:
        return None
    if wanted.frequency == reader.cadence.frequency and reader.cadence.anchor is not None:
        return str(reader.cadence.anchor)
    weekday, hour, tz = reader.rhythm
    last = window.last_due(now, weekday=weekday, hour=hour, tz=tz)
    return str(window.last_full_week(last, reader.tz))


def _paused_through(reader: Reader, wanted: Preferences, due: datetime) -> str | None:
    """The last week of the break; one that has begun is not made longer."""
    if not wanted.paused:
        return None
    if reader.preferences.paused and reader.cadence.paused_through is not None:
        return str(reader.cadence.paused_through)
    return str(window.last_full_week(due, reader.tz).shift(PAUSE_WEEKS - 1))


def sends(reader: Reader, settings: Settings, now: datetime) -> Iterator[datetime]:
    """The coming instants at which a mail is due; whether there is something to say is not known.

    Who has left, or whose address is suppressed, has none. The first may have passed a moment ago:
    it is due at once.
    """
    if reader.preferences.off or reader.suppressed:
        return
    slot = reader.next_due_at
    if slot is None or slot <= now - settings.max_lateness:
        slot = _next(now, reader.rhythm)
    adaptive = reader.cadence.adaptive and settings.adaptive_cadence
    cadence = replace(reader.cadence, adaptive=adaptive)
    for _ in range(_LOOK_AHEAD):
        if cadence.mails(window.last_full_week(slot, reader.tz), reader.posted):
            yield slot
        slot = _next(slot, reader.rhythm)


def _next(after: datetime, rhythm: Rhythm) -> datetime:
    weekday, hour, tz = rhythm
    return window.next_due(after, weekday=weekday, hour=hour, tz=tz)
