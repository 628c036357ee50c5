"""Who is due, who left, and which addresses may not be mailed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal, select, update
from sqlmodel import Session

from digest import database, window
from digest.config import Settings
from digest.models import Subscription, Suppression, User, table

_users, _subscriptions = table(User), table(Subscription)


@dataclass(frozen=True, slots=True)
class Due:
    """A subscription whose time has come; ``slot`` is the latest such time up to now."""

    user_id: str
    timezone: str
    slot: datetime


def enrol(session: Session, settings: Settings, now: datetime) -> int:
    """Give every user without a subscription one, and let changed zones take effect.

    Returns how many subscriptions are new. One statement per zone, whatever the number of users.
    """
    zone_of = func.coalesce(_users.c.timezone, literal(settings.timezone))
    without = ~_users.c.id.in_(select(_subscriptions.c.user_id))
    new = 0
    for name in session.scalars(select(zone_of).where(without).distinct()).all():
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
        chosen = select(*columns.values()).where(without, zone_of == name)
        statement = database.insert(session, _subscriptions).from_select(list(columns), chosen)
        new += session.connection().execute(statement).rowcount
    _follow_moves(session, settings, now)
    return new


def _follow_moves(session: Session, settings: Settings, now: datetime) -> None:
    """Recompute the next send of users whose zone is not the one it was worked out with."""
    zone_of = func.coalesce(_users.c.timezone, literal(settings.timezone))
    moved = (
        select(zone_of, _subscriptions.c.weekday, _subscriptions.c.hour)
        .join(_subscriptions, _subscriptions.c.user_id == _users.c.id)
        .where(_subscriptions.c.timezone != zone_of)
        .distinct()
    )
    for name, weekday, hour in session.execute(moved).all():
        session.execute(
            update(_subscriptions)
            .where(
                _subscriptions.c.weekday == weekday,
                _subscriptions.c.hour == hour,
                _subscriptions.c.timezone != name,
                _subscriptions.c.user_id.in_(select(_users.c.id).where(zone_of == name)),
            )
            .values(
                timezone=name,
                next_due_at=window.next_due(now, weekday=weekday, hour=hour, tz=window.zone(name)),
            )
        )


def due(session: Session, now: datetime, limit: int) -> list[Due]:
    """Up to ``limit`` active subscriptions whose time has come, the longest waiting first."""
    rows = session.execute(
        select(
            _subscriptions.c.user_id,
            _subscriptions.c.weekday,
            _subscriptions.c.hour,
            _subscriptions.c.timezone,
        )
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


def rhythm(session: Session, user_id: str) -> tuple[int, int]:
    """The weekday (0 = Monday) and hour at which a user is written to."""
    row = session.execute(
        select(_subscriptions.c.weekday, _subscriptions.c.hour).where(
            _subscriptions.c.user_id == user_id
        )
    ).one()
    return row.weekday, row.hour


def unsubscribe(session: Session, user_id: str, now: datetime) -> bool:
    """Stop mailing ``user_id``; False if there is no such user. Doing it twice is doing it once."""
    return _set_left(session, user_id, now)


def resubscribe(session: Session, user_id: str, now: datetime) -> bool:
    """Undo :func:`unsubscribe`; the next send is in the future, whatever was missed."""
    done = _set_left(session, user_id, None)
    if done:
        advance(session, [user_id], now)
    return done


def _set_left(session: Session, user_id: str, at: datetime | None) -> bool:
    left = _subscriptions.c.unsubscribed_at
    changed = session.connection().execute(
        update(_subscriptions)
        .where(_subscriptions.c.user_id == user_id)
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
