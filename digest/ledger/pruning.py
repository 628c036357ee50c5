"""What the ledger may forget, and what it remembers of having forgotten.

A delivery that is gone could be sent again. So every pruning first closes the weeks that it takes
from, for good: its run stays, and its outcome is the first week that is still open.
"""

from __future__ import annotations

import os
import socket
import uuid
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, insert, or_, select
from sqlmodel import Session

from digest.errors import UsageError
from digest.models import Delivery, Run, State, table

_deliveries, _runs = table(Delivery), table(Run)
_COMMAND = "prune"
_OVER = (State.SENT, State.FAILED, State.SKIPPED, State.SUPPRESSED)
"""What is still open, or in doubt, is never forgotten."""


def first_open(session: Session) -> str:
    """The first week that may still be sent or made anew; "" where nothing was pruned."""
    return (
        session.scalar(select(func.max(_runs.c.outcome)).where(_runs.c.command == _COMMAND)) or ""
    )


def require_open(session: Session, period: str) -> None:
    """Raise a :class:`UsageError` where a week has been closed by a pruning."""
    first = first_open(session)
    if period < first:
        raise UsageError(
            f"the week {period} was pruned: what was seen, or who was mailed, is no longer known",
            hint=f"the first week that can still be sent or made is {first}",
        )


def close_before(session: Session, period: str, now: datetime) -> None:
    """Close every week before ``period`` for good; one that is closed stays so."""
    if period <= first_open(session):
        return
    row = {
        "owner": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": _COMMAND,
        "started_at": now,
        "heartbeat_at": now,
        "finished_at": now,
        "outcome": period,
    }
    session.execute(insert(_runs).values(row))


def forgettable(period: str) -> ColumnElement[bool]:
    """The deliveries of weeks before ``period`` that are over."""
    over = or_(*(_deliveries.c.state == state for state in _OVER))  # IN cannot be run for many keys
    return and_(_deliveries.c.period < period, over)


def forgettable_runs(before: datetime) -> ColumnElement[bool]:
    """The runs that ended before an instant, but for the one that closes weeks."""
    latest = _runs.alias()
    first = select(func.max(latest.c.outcome)).where(latest.c.command == _COMMAND)
    spent = or_(_runs.c.command != _COMMAND, _runs.c.outcome < first.scalar_subquery())
    return and_(_runs.c.finished_at < before, spent)
