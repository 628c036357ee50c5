"""From a report to what follows: whose mail it was, and whether the address may be mailed again.

Only a report that names a mail of ours changes anything, and it changes only the address that
this mail was sent to. Its name is a keyed hash, so nobody can make one up for somebody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session

from digest.address import key_of
from digest.bounces.findings import Kind, Report
from digest.database import insert
from digest.ledger import Outcome
from digest.models import Bounce, Delivery, Suppression, User, table
from digest.smtp.replies import DISABLED_STATUS, parse_enhanced
from digest.subscriptions import suppress, unsubscribe

_bounces, _deliveries = table(Bounce), table(Delivery)
_suppressions, _users = table(Suppression), table(User)

DISABLED_PERIODS = 2
"""A mailbox that is disabled rarely comes back, and some are: one word for it is not enough."""
PERIOD_LETTER = slice(4, 6)
"""Where ``-W`` stands in a period; servers change the case of local parts."""
UNWANTED = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})
"""Feedback that asks for no more mail; the rest is about our proofs, or takes a complaint back."""


class Action(StrEnum):
    """What was done about a mail."""

    SUPPRESSED = "suppressed"
    """The address is not mailed any more."""
    COUNTED = "counted"
    """It counts: with enough of them the address is suppressed."""
    NOTED = "noted"
    """It is kept with the delivery, and changes nothing."""
    KNOWN = "known"
    """This mail was read before."""
    NONE = "none"
    """It is not about a mail of ours, or says nothing."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that a report is about; ``email_key`` is the address that it was sent to."""

    user: str
    period: str
    email_key: str
    current: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about a report, to which delivery, and why."""

    action: Action
    why: str
    sent: Sent | None = None


def fingerprint(content: bytes) -> str:
    """What a mail is recognised by when it is read again."""
    return hashlib.sha256(content).hexdigest()


def record(
    session: Session,
    report: Report,
    mark: str,
    now: datetime,
    *,
    hosts: Sequence[str],
    limit: int,
) -> Done:
    """Find the delivery, keep the report with it, and act.

    ``mark`` is the mail's :func:`fingerprint`, ``hosts`` the domains of our Message-IDs and
    ``limit`` the number of periods with soft bounces that suppress an address.
    """
    sent = _find(session, report, hosts)
    if sent is None:
        return Done(Action.NONE, "it names no mail of ours" if report.tokens else report.why)
    if report.kind is Kind.UNRECOGNISED:
        return Done(Action.NONE, report.why, sent)
    row = {
        "fingerprint": mark,
        "user_id": sent.user,
        "period": sent.period,
        "email_key": sent.email_key,
        "reported": _reported(report)[:254],
        "kind": report.kind.value,
        "status": report.leading.status if report.leading else "",
        "said": report.why[:500],
        "counts": _counts(report),
        "received_at": now,
    }
    return _kept(session, row) or _act(session, report, sent, limit, now)


def given_up(session: Session, outcome: Outcome, limit: int, now: datetime) -> None:
    """Keep a delivery that failed while it was offered, for a reason that lies in the mailbox.

    It counts like a mail that says so later.
    """
    claim = outcome.claim
    row = {
        "fingerprint": f"delivery {claim.id}.{claim.fence}",
        "user_id": claim.user,
        "period": claim.period,
        "email_key": outcome.sick_address,
        "reported": "",
        "kind": Kind.SOFT.value,
        "status": _status(outcome.reply),
        "said": outcome.reply,
        "counts": True,
        "received_at": now,
    }
    if _kept(session, row) is None:
        _count(session, outcome.sick_address, limit, outcome.reply, now)


def lift(session: Session, email_key: str) -> bool:
    """Mail an address again; what came back so far does not count any more.

    False if it was not suppressed.
    """
    connection = session.connection()
    connection.execute(
        update(_bounces).where(_bounces.c.email_key == email_key).values(counts=False)
    )
    lifted = connection.execute(delete(_suppressions).where(_suppressions.c.email_key == email_key))
    return lifted.rowcount == 1


def of_delivery(session: Session, user: str, period: str) -> list[Any]:
    """What came back of one delivery, in the order it was read."""
    return list(
        session.execute(
            select(_bounces)
            .where(_bounces.c.user_id == user, _bounces.c.period == period)
            .order_by(_bounces.c.received_at, _bounces.c.fingerprint)
        )
    )


def _find(session: Session, report: Report, hosts: Sequence[str]) -> Sent | None:
    """The delivery by the surest of the tokens, by way of the index of Message-IDs."""
    for token in report.tokens:
        name = token.name[:4] + token.name[PERIOD_LETTER].upper() + token.name[6:]
        names = {f"<{name}@{host}>" for host in (*hosts, token.host)}
        row = session.execute(
            select(
                _deliveries.c.user_id,
                _deliveries.c.period,
                _deliveries.c.sent_to,
                _users.c.email_key,
            )
            .join(_users, _users.c.id == _deliveries.c.user_id)
            .where(_deliveries.c.message_id.in_(sorted(names)))
        ).first()
        if row is not None:
            return _sent(report, *row)
    return None


def _sent(report: Report, user: str, period: str, sent_to: str | None, key: str | None) -> Sent:
    # Deliveries from before addresses were kept: only where the report names today's address.
    known = sent_to or (key if key and key == _reported(report) else "")
    return Sent(user, period, known, current=bool(known) and known == key)


def _reported(report: Report) -> str:
    return key_of(report.leading.recipient) or "" if report.leading else ""


def _counts(report: Report) -> bool:
    return report.kind is Kind.SOFT and any(one.judged.counts for one in report.failures)


def _kept(session: Session, row: dict[str, Any]) -> Done | None:
    """Store a row; where it is there already, that is all there is to do."""
    stored = session.connection().execute(
        insert(session, _bounces).values(row).on_conflict_do_nothing()
    )
    return None if stored.rowcount else Done(Action.KNOWN, "it was read before")


def _act(session: Session, report: Report, sent: Sent, limit: int, now: datetime) -> Done:
    if not sent.email_key:
        return Done(Action.NOTED, "the address that the mail was sent to is not known", sent)
    if report.kind is Kind.HARD:
        suppress(session, sent.email_key, "hard-bounce", now, report.why)
        return Done(Action.SUPPRESSED, report.why, sent)
    if report.kind is Kind.COMPLAINT and report.feedback in UNWANTED:
        suppress(session, sent.email_key, "complaint", now, report.why)
        if sent.current:
            unsubscribe(session, sent.user, now)
        return Done(Action.SUPPRESSED, report.why, sent)
    if _counts(report):
        return Done(*_count(session, sent.email_key, limit, report.why, now), sent)
    return Done(Action.NOTED, report.why, sent)


def _count(
    session: Session, email_key: str, limit: int, said: str, now: datetime
) -> tuple[Action, str]:
    """Suppress an address whose mailbox was not to be reached in so many different periods.

    ``limit`` for any reason, :data:`DISABLED_PERIODS` where its server says that it is disabled.
    """
    found = session.execute(
        select(_bounces.c.period, _bounces.c.status)
        .where(_bounces.c.email_key == email_key, _bounces.c.counts)
        .distinct()
    ).all()
    counts = [(len({period for period, _ in found}), limit)]
    if disabled := sum(status == DISABLED_STATUS for _, status in found):
        counts.append((disabled, DISABLED_PERIODS))
    number, most = min(counts, key=lambda count: count[1] - count[0])
    if number < most:
        return Action.COUNTED, f"{number} of {most} periods: {said}"
    suppress(session, email_key, "soft-bounces", now, said)
    return Action.SUPPRESSED, f"the mailbox could not be reached in {number} periods: {said}"


def _status(reply: str) -> str:
    """The enhanced code of a reply as the ledger keeps it, "" where it has none."""
    code, _, text = reply.partition(" ")
    return parse_enhanced(int(code), text) if code.isdecimal() else ""
