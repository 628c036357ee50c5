"""From claimed to the end: the mark before a body is sent, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, null, or_, select, update
from sqlmodel import Session

from digest.database import Repeated, written
from digest.faults import Point, reach
from digest.ledger.claims import Claim
from digest.models import TRANSITIONS, Delivery, State, Subscription, Suppression, User, table

_deliveries, _users = table(Delivery), table(User)
_subscriptions, _suppressions = table(Subscription), table(Suppression)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed delivery.

    ``tried`` is 1 if the server was asked, ``next_attempt_at`` when to try a deferred one again,
    ``dead_address`` the normalised address if the server says that it does not exist, and
    ``sick_address`` that address if it was given up for a reason that lies in its mailbox.
    """

    claim: Claim
    state: State
    reason: str = ""
    reply: str = ""
    next_attempt_at: datetime | None = None
    tried: int = 0
    dead_address: str = ""
    sick_address: str = ""


_LEFT = select(_subscriptions.c.user_id).where(
    _subscriptions.c.user_id == _deliveries.c.user_id,
    _subscriptions.c.unsubscribed_at.is_not(None),
)
_BARRED = (
    select(_suppressions.c.email_key)
    .join(_users, _users.c.email_key == _suppressions.c.email_key)
    .where(_users.c.id == _deliveries.c.user_id)
)
_ADDRESS = select(_users.c.email_key).where(_users.c.id == _deliveries.c.user_id)
_MARK = Repeated(
    update(_deliveries)
    .where(
        _deliveries.c.id == bindparam("delivery"),
        _deliveries.c.owner == bindparam("holder"),
        _deliveries.c.fence == bindparam("held"),
        _deliveries.c.state == State.CLAIMED,
        ~_LEFT.exists(),
        ~_BARRED.exists(),
        _ADDRESS.scalar_subquery() == bindparam("addressed"),
    )
    .values(
        state=State.SENDING,
        message_id=bindparam("named"),
        sent_to=bindparam("addressed"),
        updated_at=bindparam("at"),
    )
)
_MARKED = select(_deliveries.c.id, _deliveries.c.fence).where(
    _deliveries.c.id.in_(bindparam("marked", expanding=True)),
    _deliveries.c.owner == bindparam("holder"),
    _deliveries.c.state == State.SENDING,
)


class Mark(NamedTuple):
    """That the body of a claimed mail is about to be sent, and to which normalised address."""

    claim: Claim
    message_id: str
    address: str | None


def mark(session: Session, owner: str, marks: Sequence[Mark], now: datetime) -> set[int]:
    """Record, before the first byte of their bodies, that these mails are being sent.

    Returns the ids that may go on. The same statement looks whether the reader has left meanwhile
    or has another address, whether the address was suppressed, and whether the claim is still this
    owner's.
    """
    at = written(session, now)
    rows = [
        {
            "delivery": claim.id,
            "holder": owner,
            "held": claim.fence,
            "named": message_id,
            "addressed": address,
            "at": at,
        }
        for claim, message_id, address in marks
    ]
    if _MARK.run(session, rows) == len(marks):
        marked = {one.claim.id for one in marks}
    else:  # some may not go on, or this is said once more, as nobody knew if it had been stored
        marked = _marked(session, owner, marks)
    reach(Point.MARKING)
    return marked


def _marked(session: Session, owner: str, marks: Sequence[Mark]) -> set[int]:
    asked = {"marked": [one.claim.id for one in marks], "holder": owner}
    found = {tuple(row) for row in session.connection().execute(_MARKED, asked)}
    return {one.claim.id for one in marks if (one.claim.id, one.claim.fence) in found}


_SETTLE = Repeated(
    update(_deliveries)
    .where(
        _deliveries.c.id == bindparam("delivery"),
        _deliveries.c.owner == bindparam("holder"),
        _deliveries.c.fence == bindparam("held"),
        or_(_deliveries.c.state == bindparam("one"), _deliveries.c.state == bindparam("other")),
    )
    .values(
        state=bindparam("to"),
        reason=bindparam("why"),
        reply=bindparam("said"),
        next_attempt_at=bindparam("again"),
        attempts=bindparam("tried"),
        owner=null(),
        updated_at=bindparam("at"),
    )
)
_BEFORE = {
    to: [state for state in (State.CLAIMED, State.SENDING) if to in TRANSITIONS[state]]
    for to in State
}
"""From which states of a claim an outcome may come."""


def settle(session: Session, owner: str, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Record what became of claims; a claim that is no longer this owner's is left alone."""
    at = written(session, now)
    rows = [
        {
            "delivery": outcome.claim.id,
            "holder": owner,
            "held": outcome.claim.fence,
            "one": _BEFORE[outcome.state][0],
            "other": _BEFORE[outcome.state][-1],
            "to": outcome.state,
            "why": outcome.reason,
            "said": outcome.reply,
            "again": outcome.next_attempt_at and written(session, outcome.next_attempt_at),
            "tried": outcome.claim.attempts + outcome.tried,
            "at": at,
        }
        for outcome in outcomes
    ]
    _SETTLE.run(session, rows)
    if rows:
        reach(Point.SETTLING)


def backoff(attempts: int, *, base: float, cap: float, jitter: float) -> timedelta:
    """How long to wait after the attempt number ``attempts`` + 1: doubling, capped, and spread.

    ``base`` and ``cap`` are seconds; ``jitter`` in [0, 1) takes up to a quarter off.
    """
    return timedelta(seconds=min(cap, base * 2 ** min(attempts, 30)) * (1 - jitter / 4))
