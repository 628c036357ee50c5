"""What an operator decides of mails that are in doubt: delivered or not, nobody else can say."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import update
from sqlmodel import Session

from digest.ledger.claims import Scope
from digest.models import Delivery, State, table

_deliveries = table(Delivery)


class Decision(StrEnum):
    """What became of a mail, as far as the operator has found out."""

    RESEND = "resend"
    """It did not arrive, or a second copy does no harm."""
    SENT = "sent"
    """The mail server has it."""
    GIVE_UP = "give-up"
    """It did not arrive, and is not sent any more."""


_WRITTEN: dict[Decision, dict[str, Any]] = {
    Decision.RESEND: {"state": State.PENDING},
    Decision.SENT: {"state": State.SENT, "reason": "settled"},
    Decision.GIVE_UP: {"state": State.FAILED, "reason": "given-up"},
}


def resolve(
    session: Session, decision: Decision, scope: Scope, now: datetime
) -> list[tuple[str, str]]:
    """Settle what is in doubt in ``scope``; returns the (user, period) of each, in order.

    Compare-and-set: what a live run is sending is not in doubt, and what was decided or opened
    again meanwhile is left alone. Attempts are kept, so that a mail that is always in doubt ends.
    """
    opened = {"reopened_at": now} if decision is Decision.RESEND else {}
    changed = session.execute(
        update(_deliveries)
        .where(_deliveries.c.state == State.UNKNOWN, scope.holds())
        .values(**_WRITTEN[decision], **opened, next_attempt_at=None, updated_at=now)
        .returning(_deliveries.c.period, _deliveries.c.user_id)
    )
    return [(user, period) for period, user in sorted(tuple(row) for row in changed)]
