"""Reading the ledger: how many are in which state, who they are, and one user's row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, text, tuple_
from sqlmodel import Session

from digest.errors import UsageError
from digest.ledger.claims import Scope
from digest.models import Delivery, State, Subscription, table

_deliveries, _subscriptions = table(Delivery), table(Subscription)


def counts(session: Session, condition: Any) -> dict[tuple[str, str], int]:
    """How many of the deliveries that meet ``condition`` are in each (state, reason)."""
    rows = session.execute(
        select(_deliveries.c.state, _deliveries.c.reason, func.count())
        .where(condition)
        .group_by(_deliveries.c.state, _deliveries.c.reason)
    )
    return {(state, reason): count for state, reason, count in rows}


def of_period(period: str) -> Any:
    """The deliveries of one period, as a condition."""
    return _deliveries.c.period == period


def of_weeks(weeks: Mapping[str, str]) -> Any:
    """The deliveries of each zone's own period, as a condition."""
    return tuple_(_deliveries.c.timezone, _deliveries.c.period).in_(list(weeks.items()))


def in_doubt(session: Session, scope: Scope) -> int:
    """How many deliveries wait to be sent again, or for somebody to settle them."""
    doubtful = and_(_deliveries.c.state == State.UNKNOWN, scope.holds())
    return sum(counts(session, doubtful).values())


def next_attempt(session: Session, scope: Scope) -> datetime | None:
    """When the first of the deferred deliveries in ``scope`` is offered again, if any is."""
    found: datetime | None = session.scalar(
        select(func.min(_deliveries.c.next_attempt_at)).where(
            # As text, so that the index of open deliveries is used.
            text("deliveries.state IN ('pending', 'deferred')"),
            _deliveries.c.state == State.DEFERRED,
            scope.holds(),
        )
    )
    return found


def listed(session: Session, state: str, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` deliveries that are in ``state``, in the order of weeks and users."""
    rows = session.execute(
        select(_deliveries)
        .where(_deliveries.c.state == state, scope.holds())
        .order_by(_deliveries.c.period, _deliveries.c.user_id)
        .limit(limit)
    )
    return [
        {
            "user": row.user_id,
            "week": row.period,
            "reason": row.reason,
            "since": row.updated_at.isoformat(),
            "attempts": row.attempts,
            "message_id": row.message_id,
            "reply": row.reply,
        }
        for row in rows
    ]


def unplanned(session: Session, period: str, limit: int) -> list[str]:
    """Up to ``limit`` users who have no delivery of ``period``."""
    planned = select(_deliveries.c.user_id).where(of_period(period))
    return list(
        session.scalars(
            select(_subscriptions.c.user_id)
            .where(_subscriptions.c.user_id.not_in(planned))
            .order_by(_subscriptions.c.user_id)
            .limit(limit)
        )
    )


def find(session: Session, user: str, period: str) -> Any | None:
    """The ledger's row of one user and period."""
    return session.execute(
        select(_deliveries).where(_deliveries.c.user_id == user, _deliveries.c.period == period)
    ).first()


def latest_period(session: Session) -> str:
    """The latest period in the ledger."""
    period = session.scalar(select(func.max(_deliveries.c.period)))
    if period is None:
        raise UsageError("nothing was sent yet", hint="run: digest send")
    return str(period)
