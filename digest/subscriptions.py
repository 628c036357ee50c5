"""Who is due, who left, and which addresses may not be mailed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlmodel import Session

from digest import database, window
from digest.config import Settings
from digest.errors import UsageError
from digest.models import Subscription, Suppression, User, table

_users, _subscriptions = table(User), table(Subscription)
_ENROLLED = select(
    _subscriptions.c.user_id, _subscriptions.c.unsubscribed_at, _subscriptions.c.erased_at
).where(database.among(_subscriptions.c.user_id, "users"))
_LEAVE = (
    update(_subscriptions)
    .where(
        database.among(_subscriptions.c.user_id, "users"),
        _subscriptions.c.unsubscribed_at.is_(None),
    )
    .values(unsubscribed_at=bindparam("now", type_=_subscriptions.c.unsubscribed_at.type))
)


@dataclass(frozen=True, slots=True)
class Due:
    """A subscription whose time has come; ``slot`` is the latest such time up to now."""

    user_id: str
    timezone: str
    slot: datetime


class Rhythm(NamedTuple):
    """When in a week somebody is written to; ``weekday`` 0 is Monday."""

    weekday: int
    hour: int
    tz: ZoneInfo


def enrol(session: Session, settings: Settings, now: datetime) -> int:
    """Give every user without a subscription one, and let changed zones take effect.

    Returns how many subscriptions are new. One statement per zone, whatever the number of users.
    A zone that nobody knows counts as none: the site's own takes its place.
    """
    zone_of = func.coalesce(_users.c.timezone, literal(settings.timezone))
    own = select(_subscriptions.c.user_id).where(_subscriptions.c.user_id == _users.c.id)
    without = ~own.exists()
    new = 0
    for written in session.scalars(select(zone_of).where(without).distinct()).all():
        name = known_zone(written, settings)
        due = window.next_due(
            now, weekday=settings.weekday, hour=settings.hour, tz=window.zone(name)
        )
        columns = {
            "user_id": _users.c.id,
            "weekday": literal(settings.weekday),
            "hour": literal(settings.hour),
            "timezone": literal(name),
            "next_due_at": literal(due, _subscriptions.c.next_due_at.type),
        }
        chosen = select(*columns.values()).where(without, zone_of == written)
        statement = database.insert(session, _subscriptions).from_select(list(columns), chosen)
        new += session.connection().execute(statement.on_conflict_do_nothing()).rowcount
    _follow_moves(session, settings, now)
    return new


def _follow_moves(session: Session, settings: Settings, now: datetime) -> None:
    """Recompute the next send of users whose zone is not the one it was worked out with.

    A zone that the reader chose stands before the platform's.
    """
    zone_of = func.coalesce(
        _subscriptions.c.chosen_timezone, _users.c.timezone, literal(settings.timezone)
    )
    stored = session.scalars(select(_subscriptions.c.timezone).distinct())
    lost = [name for name in stored if known_zone(name, settings) != name]
    rhythm = (
        _subscriptions.c.timezone,
        _subscriptions.c.weekday,
        _subscriptions.c.hour,
        _subscriptions.c.next_due_at,
    )
    changed = (
        select(zone_of, *rhythm)
        .join(_subscriptions, _subscriptions.c.user_id == _users.c.id)
        .where(
            or_(
                _subscriptions.c.timezone != zone_of,
                _subscriptions.c.timezone.in_(lost),
                _subscriptions.c.next_due_at.is_(None),
            )
        )
        .distinct()
    )
    for written, before, weekday, hour, planned in session.execute(changed).all():
        name = known_zone(written, settings)
        if name == before and planned is not None:
            continue
        session.execute(
            update(_subscriptions)
            .where(
                *(
                    column.is_not_distinct_from(value)
                    for column, value in zip(rhythm, (before, weekday, hour, planned), strict=True)
                ),
                select(_users.c.id)
                .where(_users.c.id == _subscriptions.c.user_id, zone_of == written)
                .exists(),
            )
            .values(
                timezone=name,
                next_due_at=window.next_due(now, weekday=weekday, hour=hour, tz=window.zone(name))
                if planned is None or before in lost
                else moved(
                    planned,
                    Rhythm(weekday, hour, window.zone(before)),
                    Rhythm(weekday, hour, window.zone(name)),
                ),
            )
        )


def moved(planned: datetime, old: Rhythm, new: Rhythm) -> datetime:
    """The send that was planned in the rhythm ``old``, in another.

    It stays in the same week, so that no week is lost or doubled. It may have passed already,
    where somebody travelled east or chose an earlier day.
    """
    day = planned.astimezone(old.tz).date()
    day -= timedelta(days=(day.weekday() - old.weekday) % 7)  # past midnight, if 23:00 is missing
    day += timedelta(days=new.weekday - old.weekday)
    return window.instant(datetime.combine(day, time(new.hour)), new.tz)


def known_zone(timezone: str | None, settings: Settings) -> str:
    """``timezone`` where it is one, else the site's."""
    try:
        window.zone(timezone or "")
    except UsageError:
        return settings.timezone
    return timezone or settings.timezone


def due(session: Session, now: datetime, limit: int) -> list[Due]:
    """Up to ``limit`` subscriptions whose time has come, the longest waiting first."""
    rows = session.execute(
        select(
            _subscriptions.c.user_id,
            _subscriptions.c.weekday,
            _subscriptions.c.hour,
            _subscriptions.c.timezone,
        )
        .join(_users, _users.c.id == _subscriptions.c.user_id)  # who was deleted has no row there
        .where(_subscriptions.c.next_due_at <= now)
        .order_by(_subscriptions.c.next_due_at, _subscriptions.c.user_id)
        .limit(limit)
    )
    return [
        Due(
            user_id,
            timezone,
            window.last_due(now, weekday=weekday, hour=hour, tz=window.zone(timezone)),
        )
        for user_id, weekday, hour, timezone in rows
    ]


def advance(session: Session, users: list[str], now: datetime) -> None:
    """Move the next send of ``users`` past ``now``."""
    columns = (_subscriptions.c.weekday, _subscriptions.c.hour, _subscriptions.c.timezone)
    chosen = _subscriptions.c.user_id.in_(users)
    for weekday, hour, timezone in session.execute(select(*columns).where(chosen).distinct()).all():
        session.execute(
            update(_subscriptions)
            .where(
                chosen, *(c == v for c, v in zip(columns, (weekday, hour, timezone), strict=True))
            )
            .values(
                next_due_at=window.next_due(
                    now, weekday=weekday, hour=hour, tz=window.zone(timezone)
                )
            )
        )


def pages(
    session: Session,
    timezone: str,
    users: Sequence[str],
    size: int,
    *conditions: ColumnElement[bool],
) -> Iterator[list[str]]:
    """The users of a zone, ``size`` at a time; of some ``users`` only, if any are named."""
    page = (
        select(_subscriptions.c.user_id)
        .where(_subscriptions.c.timezone == timezone, *conditions)
        .order_by(_subscriptions.c.user_id)
        .limit(size)
    )
    if users:
        page = page.where(_subscriptions.c.user_id.in_(users))
    after = ""
    while found := list(session.scalars(page.where(_subscriptions.c.user_id > after))):
        yield found
        after = found[-1]


def upcoming(session: Session, user: str | None = None, limit: int = 20) -> Iterator[Due]:
    """The next sends in order of time; of one user, or of all up to ``limit``."""
    statement = (
        select(_subscriptions.c.user_id, _subscriptions.c.timezone, _subscriptions.c.next_due_at)
        .where(
            _subscriptions.c.unsubscribed_at.is_(None), _subscriptions.c.next_due_at.is_not(None)
        )
        .order_by(_subscriptions.c.next_due_at, _subscriptions.c.user_id)
        .limit(limit)
    )
    if user is not None:
        statement = statement.where(_subscriptions.c.user_id == user)
    for row in session.execute(statement):
        yield Due(*row)


def unsubscribe(session: Session, user_id: str, now: datetime) -> bool:
    """Stop mailing ``user_id``; False if there is no such user. Doing it twice is doing it once."""
    return _set_left(session, user_id, now)


def leave(session: Session, users: Sequence[str], now: datetime) -> dict[str, bool]:
    """Stop mailing all of ``users`` who are enrolled: whether each of those can come back."""
    enrolled = database.fetch(session, _ENROLLED, users=users)
    staying = [row.user_id for row in enrolled if row.unsubscribed_at is None]
    if staying:
        session.connection().execute(_LEAVE, {"users": staying, "now": now})
    return {row.user_id: row.erased_at is None for row in enrolled}


def resubscribe(session: Session, user_id: str, now: datetime) -> bool:
    """Undo :func:`unsubscribe`; the next send is in the future, whatever was missed.

    False for who is unknown, and for whose data were erased: that is final.
    """
    done = _set_left(session, user_id, None)
    if done:
        advance(session, [user_id], now)
    return done


def _set_left(session: Session, user_id: str, at: datetime | None) -> bool:
    left = _subscriptions.c.unsubscribed_at
    changed = session.connection().execute(
        update(_subscriptions)
        .where(
            _subscriptions.c.user_id == user_id,
            true() if at else _subscriptions.c.erased_at.is_(None),
        )
        .values(unsubscribed_at=func.coalesce(left, literal(at, left.type)) if at else None)
    )
    return changed.rowcount == 1


def suppress(
    session: Session, email_key: str, reason: str, now: datetime, detail: str = ""
) -> None:
    """Never mail the address ``email_key`` again; the first reason stays."""
    row = {"email_key": email_key, "reason": reason, "since": now, "detail": detail}
    session.connection().execute(
        database.insert(session, table(Suppression)).values(row).on_conflict_do_nothing()
    )
