"""Who gets a delivery of which week, and when it is too late for one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import Session

from digest import ledger, subscriptions, window
from digest.config import Settings
from digest.errors import UsageError
from digest.faults import Point, reach
from digest.models import State, Subscription, User, table
from digest.window import Period

_users, _subscriptions = table(User), table(Subscription)
CATCH_UP_SKIP = timedelta(hours=1)
"""With ``catch_up = "skip"`` a digest this late is skipped; less is the scheduler's own delay."""


def plan_week(
    session: Session,
    now: datetime,
    *,
    period: str | None = None,
    users: Sequence[str] = (),
    limit: int | None = None,
) -> int:
    """Open the deliveries of ``period``, or of each user's last full week; returns how many."""
    require_known(session, users)
    planned = 0
    for timezone, name in weeks(session, now, period).items():
        left = None if limit is None else limit - planned
        planned += ledger.plan_zone(session, name, timezone, now, users=users, limit=left)
        reach(Point.PLANNING)
    return planned


def plan_due(session: Session, settings: Settings, now: datetime, most: int = 1000) -> int:
    """Open the deliveries whose hour has come and move their subscriptions on; returns how many.

    After a time without any run only the latest week is made up for, if it is not too late.
    """
    late = settings.max_lateness if settings.catch_up == "send" else CATCH_UP_SKIP
    due = subscriptions.due(session, now, most)
    rows = []
    for one in due:
        period = window.last_full_week(one.slot, window.zone(one.timezone))
        row = {"user_id": one.user_id, "period": str(period), "timezone": one.timezone}
        if now - one.slot > late:
            row |= {"state": State.SKIPPED, "reason": "late"}
        rows.append(row)
    ledger.plan(session, rows, now)
    reach(Point.ADVANCING)
    subscriptions.advance(session, [one.user_id for one in due], now)
    return len(due)


def weeks(session: Session, now: datetime, period: str | None = None) -> dict[str, str]:
    """The period to send in each zone: ``period`` where it is over, or the last full week.

    A week that is over nowhere is a :class:`UsageError`: half a week would be a wrong number. So is
    one that was pruned: nobody knows any more who was mailed.
    """
    if period is not None:
        ledger.require_open(session, period)
    names = sorted(session.scalars(select(_subscriptions.c.timezone).distinct()))
    if period is None:
        return {n: str(window.last_full_week(now, window.zone(n))) for n in names}
    over = {n: period for n in names if is_over(period, n, now)}
    if names and not over:
        raise not_over(period)
    return over


def is_over(period: str, timezone: str, now: datetime) -> bool:
    """Whether the week has ended for people who live in ``timezone``."""
    return window.week(Period.parse(period), window.zone(timezone)).end <= now


def not_over(period: str) -> UsageError:
    """The error for a week that has not ended."""
    return UsageError(f"the week {period} is not over yet", hint="a digest is of a full week")


def require_known(session: Session, users: Sequence[str]) -> None:
    """Raise a :class:`UsageError` for the first of these ids that is no user."""
    known = set(session.scalars(select(_users.c.id).where(_users.c.id.in_(users))))
    for user in users:
        if user not in known:
            raise UsageError(
                f"there is no user {user}", hint="digest status counts those there are"
            )
