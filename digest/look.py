"""Looking without touching: previews, rehearsals, and who is in which state and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from digest import bounces, ledger, snapshots, subscriptions, window
from digest.audience import Author, Gate
from digest.compose import Snapshot
from digest.config import Settings
from digest.database import Database
from digest.deciding import Decision, Workshop, decide
from digest.editing import LEAST
from digest.errors import UsageError
from digest.ledger import Scope
from digest.mail import Mail
from digest.models import Delivery, State, Subscription, table
from digest.planning import is_over, not_over, require_known, weeks
from digest.preferences import readers, sends
from digest.run import Report
from digest.sections import Section
from digest.window import Period

_deliveries, _subscriptions = table(Delivery), table(Subscription)
UNPLANNED = "unplanned"
"""The state, in reports, of a user who has no delivery of a period yet."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What one user's mail of one period is or would be."""

    snapshot: Snapshot
    mail: Mail


def preview(shop: Workshop, user: str, period: str | None, now: datetime) -> Preview:
    """The mail of one user, exactly as a send makes it; nothing is stored or sent."""
    name, decision = _decision(shop, user, period, now)
    if decision.composed is None:
        gate = decision.stopped_by
        raise UsageError(
            f"{user} gets no mail of {name}: {gate.fact if gate else 'nothing to say'}",
            hint=f"all reasons: digest explain {user}",
        )
    snapshot = decision.composed.snapshot
    return Preview(snapshot, shop.mailer.mail(decision.author, snapshot, now))


def rehearse(
    shop: Workshop, now: datetime, period: str | None, users: Sequence[str], limit: int | None
) -> Report:
    """A send without sending: every mail is made, nothing is stored or offered."""
    report = Report()
    with shop.database.reading() as session:
        require_known(session, users)
        for timezone, name in weeks(session, now, period).items():
            for chosen in _unsent(session, timezone, name, users, shop.settings.batch):
                left = None if limit is None else limit - report.total
                decided = decide(session, shop, name, timezone, chosen[:left])
                for decision in decided.decisions.values():
                    gate = decision.stopped_by
                    if gate is None and decision.composed is not None:
                        shop.mailer.mail(decision.author, decision.composed.snapshot, now)
                    report.states[(gate.state, gate.reason) if gate else (State.PENDING, "")] += 1
    return report


def status(database: Database, period: str | None) -> dict[str, Any]:
    """Counts per state and per reason; they sum to the audience, whoever is missing included."""
    with database.reading() as session:
        name = period or ledger.latest_period(session)
        audience = session.scalar(select(func.count()).select_from(_subscriptions)) or 0
        found = ledger.counts(session, ledger.of_period(name))
        if not found:
            ledger.require_open(session, name)
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for (state, reason), count in found.items():
        states[state] += count
        if reason:
            reasons[f"{state}:{reason}"] += count
    if audience > states.total():
        states[UNPLANNED] = audience - states.total()
    return {
        "week": name,
        "audience": audience,
        "states": dict(sorted(states.items())),
        "reasons": dict(sorted(reasons.items())),
    }


def latest_week(database: Database, now: datetime) -> str:
    """The latest week in the ledger; where nothing was sent yet, the last full one."""
    with database.reading() as session:
        try:
            return ledger.latest_period(session)
        except UsageError:
            ahead = weeks(session, now, None).values()
            if not ahead:
                raise
            return max(ahead)


def members(database: Database, week: str, state: str, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` users who are in ``state`` of ``week``, each with what the ledger says."""
    with database.reading() as session:
        if state == UNPLANNED:
            found = ledger.unplanned(session, week, limit)
            return [{"user": user, "week": week} for user in found]
        return ledger.listed(session, state, Scope((week,)), limit)


def next_attempt(database: Database, scope: Scope) -> datetime | None:
    """When the first of the deferred mails in ``scope`` is offered again, if any is."""
    with database.reading() as session:
        return ledger.next_attempt(session, scope)


def doubts(database: Database, scope: Scope, limit: int) -> dict[str, Any]:
    """How many mails in ``scope`` are in doubt, and the first ``limit`` of them."""
    with database.reading() as session:
        found = ledger.listed(session, State.UNKNOWN, scope, limit)
        return {"in_doubt": ledger.in_doubt(session, scope), "deliveries": found}


def standing(database: Database, period: str | None, now: datetime) -> Counter[tuple[str, str]]:
    """How the deliveries that a send would look at stand: each user's own week, by state."""
    with database.reading() as session:
        condition = ledger.of_weeks(weeks(session, now, period))
        return Counter(ledger.counts(session, condition))


def explain(shop: Workshop, user: str, period: str | None, now: datetime) -> dict[str, Any]:
    """Every gate of one user and period, the one that decided, and what the ledger says."""
    name, decision = _decision(shop, user, period, now)
    with shop.database.reading() as session:
        row = ledger.find(session, user, name)
        returned = [_returned(bounce) for bounce in bounces.of_delivery(session, user, name)]
    stop = decision.stopped_by
    gates = [*decision.gates, *([] if row is None else [_recorded(row)])]
    state, reason = (row.state, row.reason) if row else (UNPLANNED, stop.reason if stop else "")
    composed = None if stop else decision.composed
    return {
        "user": user,
        "period": name,
        "state": str(state),
        "reason": reason,
        "decided_by": stop.name if stop else gates[-1].name,
        "gates": [{"name": g.name, "passed": g.passed, "fact": g.fact} for g in gates],
        "sections": list(composed.snapshot.sections) if composed else [],
        "editing": _editing(shop, decision.author, composed.snapshot) if composed else [],
        "bounces": returned,
    }


def _editing(shop: Workshop, author: Author, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Every section, in the order of the mail, and why it is in or out."""
    return [
        {
            "section": section.name,
            "in": section.name in snapshot.sections,
            "why": _why(section, snapshot, author),
            "subject": section.name == snapshot.lead,
        }
        for section in shop.sections
    ]


def _why(section: Section, snapshot: Snapshot, author: Author) -> str:
    kept = section.name in snapshot.sections
    if section.name in snapshot.rivals:
        return _against_others(*snapshot.rivals[section.name], kept=kept)
    if kept:
        return "has something to say and always stands"
    if section.name in author.hidden:
        return "the reader switched it off"
    if section.figures and not author.numbers:
        return "the reader wants to see no figures"
    if snapshot.quiet and not section.calm:
        return "left out of a quiet week"
    return "has nothing to say this week"


def _against_others(worth: float, weeks: int | None, score: float, *, kept: bool) -> str:
    lately = f", last shown {weeks} week{'s' * (weeks != 1)} ago" if weeks else ""
    fact = f"worth {worth:.2f}{lately}, score {score:.2f}"
    if kept:
        return f"{fact}: among those that have most to say"
    return f"{fact}: " + (f"less than {LEAST:.2f}" if score < LEAST else "others have more to say")


def upcoming(
    session: Session, settings: Settings, user: str | None, now: datetime
) -> list[dict[str, str]]:
    """The next sends, each {user, timezone, utc, local}: eight of one user, or of 20 users."""
    known = [one.user_id for one in subscriptions.upcoming(session, user)]
    slots = [
        (reader.user_id, reader.timezone, slot)
        for reader in readers(session, known, now)
        for slot in islice(sends(reader, settings, now), 1 if user is None else 8)
    ]
    slots.sort(key=lambda found: (found[2], found[0]))
    return [
        {
            "user": user_id,
            "timezone": timezone,
            "utc": slot.isoformat(),
            "local": slot.astimezone(window.zone(timezone)).isoformat(),
        }
        for user_id, timezone, slot in slots
    ]


def _returned(bounce: Any) -> dict[str, Any]:
    """What came back of a delivery."""
    return {
        "class": bounce.kind,
        "status": bounce.status,
        "received_at": bounce.received_at.isoformat(),
        "counts": bounce.counts,
        "why": bounce.said,
    }


def _recorded(row: Any) -> Gate:
    """What the ledger adds to the gates: how far the delivery came, and the server's words."""
    fact = f"{row.state} on {row.updated_at:%Y-%m-%d %H:%M} UTC"
    if row.attempts:
        fact += f", {row.attempts} attempt{'s' * (row.attempts != 1)}"
    if row.next_attempt_at:
        fact += f", again from {row.next_attempt_at:%Y-%m-%d %H:%M} UTC"
    if row.state == State.UNKNOWN:  # what to look for in the mail server's log
        fact += f", Message-ID {row.message_id}"
    if row.reply:
        fact += f": {row.reply}"
    troubled = row.state in {State.FAILED, State.UNKNOWN, State.SKIPPED, State.SUPPRESSED}
    return Gate("ledger", not troubled, fact, reason=row.reason)


def _decision(shop: Workshop, user: str, period: str | None, now: datetime) -> tuple[str, Decision]:
    """One user's decision for a period (default: their last full week), on the path of a send."""
    with shop.database.reading() as session:
        require_known(session, [user])
        zone = select(_subscriptions.c.timezone).where(_subscriptions.c.user_id == user)
        timezone = session.scalar(zone) or shop.settings.timezone
        name = str(Period.parse(period) if period else _last(now, timezone))
        if not is_over(name, timezone, now):
            raise not_over(name)
        if snapshots.stored(session, user, name) is None:
            ledger.require_open(session, name)
        return name, decide(session, shop, name, timezone, [user]).decisions[user]


def _last(now: datetime, timezone: str) -> Period:
    return window.last_full_week(now, window.zone(timezone))


def _unsent(
    session: Session, timezone: str, period: str, users: Sequence[str], size: int
) -> Iterator[list[str]]:
    """Users of a zone whose mail of a period is still to be sent, in keyset pages."""
    settled = select(_deliveries.c.id).where(
        _deliveries.c.user_id == _subscriptions.c.user_id,
        _deliveries.c.period == period,
        _deliveries.c.state.not_in(ledger.OPEN),
    )
    return subscriptions.pages(session, timezone, users, size, ~settled.exists())
