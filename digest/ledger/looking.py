"""Reading the ledger: how many are in which state, and one user's row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlmodel import Session

from digest.errors import UsageError
from digest.models import Delivery, table

_deliveries = table(Delivery)


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
