"""Runs and deliveries: the only writer of their states.

The promise, one mail per user and period, is kept by the database: a unique constraint, claims by
compare-and-set, and updates that name their owner and fence, so that a process which was paused or
declared dead finds nothing to change. :data:`digest.models.TRANSITIONS` says what may follow what.

Every process that works on deliveries is a run, and holds a lock on a file while it lives. A new
start on the same host therefore knows at once which runs are dead; runs of other hosts are given a
lease, renewed by their heartbeat.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import (
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlmodel import Session

from digest.database import Database, execute_many, insert
from digest.errors import UsageError
from digest.models import TRANSITIONS, Delivery, Run, State, Subscription, Suppression, User, table

_deliveries, _runs, _users = table(Delivery), table(Run), table(User)
_subscriptions, _suppressions = table(Subscription), table(Suppression)

OPEN = (State.PENDING, State.DEFERRED)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this run alone may work on, as long as owner and fence are in the row."""

    id: int
    user: str
    period: str
    timezone: str
    fence: int
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed delivery.

    ``tried`` is 1 if the server was asked, ``next_attempt_at`` when to try a deferred one again,
    and ``dead_address`` the normalised address if the server says that it does not exist.
    """

    claim: Claim
    state: State
    reason: str = ""
    reply: str = ""
    next_attempt_at: datetime | None = None
    tried: int = 0
    dead_address: str = ""


# --- runs ----------------------------------------------------------------------------------------


@contextmanager
def running(
    database: Database, locks: Path, command: str, clock: Callable[[], datetime]
) -> Iterator[str]:
    """Be a run: yields its owner's name, and closes the books at the end, however it ends."""
    owner, now = uuid.uuid4().hex, clock()
    locks.mkdir(parents=True, exist_ok=True)
    path = locks / owner
    outcome = "interrupted"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with database.writing() as session:
            row = {
                "owner": owner,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "command": command,
                "started_at": now,
                "heartbeat_at": now,
                "outcome": "",
            }
            execute_many(session, insert(session, _runs), [row])
        try:
            yield owner
            outcome = "done"
        finally:
            with database.writing() as session:
                _close(session, owner, clock(), outcome)
            path.unlink(missing_ok=True)


def heartbeat(session: Session, owner: str, now: datetime) -> None:
    """Say that the run is alive, so that its lease goes on."""
    session.execute(update(_runs).where(_runs.c.owner == owner).values(heartbeat_at=now))


@dataclass(frozen=True, slots=True)
class Recovered:
    """What dead runs left behind: claims given back, and deliveries in doubt."""

    returned: int = 0
    in_doubt: int = 0


def recover(
    session: Session, locks: Path, now: datetime, lease: timedelta, on_unknown: str
) -> Recovered:
    """Close the books of runs that died.

    What they had only claimed is known to be unsent and is pending again. What they were sending
    may have arrived: it becomes unknown, and under ``on_unknown = "resend"`` pending again, as is
    whatever else is unknown.
    """
    returned = in_doubt = 0
    open_runs = select(_runs.c.owner, _runs.c.heartbeat_at, _runs.c.host).where(
        _runs.c.finished_at.is_(None)
    )
    for owner, heartbeat_at, host in session.execute(open_runs).all():
        if not _died(host, locks / owner, lease_is_over=heartbeat_at < now - lease):
            continue
        left = _close(session, owner, now, "died")
        returned, in_doubt = returned + left.returned, in_doubt + left.in_doubt
        (locks / owner).unlink(missing_ok=True)
    if on_unknown == "resend":
        reopen(session, State.UNKNOWN, now)
    return Recovered(returned, in_doubt)


def _died(host: str, lock: Path, *, lease_is_over: bool) -> bool:
    """Whether a run is dead: nobody holds the lock that it held on this host while it lived.

    Of another host only the lease tells, and of a run that keeps its locks in another folder.
    """
    if host != socket.gethostname():
        return lease_is_over
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return lease_is_over
    return True


def _close(session: Session, owner: str, now: datetime, outcome: str) -> Recovered:
    """End a run: its claims are open again, and what it was sending is in doubt."""
    own = update(_deliveries).where(_deliveries.c.owner == owner)
    back = own.where(_deliveries.c.state == State.CLAIMED).values(state=State.PENDING)
    lost = own.where(_deliveries.c.state == State.SENDING).values(
        state=State.UNKNOWN, reason="interrupted"
    )
    returned, in_doubt = (
        session.connection().execute(statement.values(owner=None, updated_at=now)).rowcount
        for statement in (back, lost)
    )
    session.execute(
        update(_runs)
        .where(_runs.c.owner == owner, _runs.c.finished_at.is_(None))
        .values(finished_at=now, outcome=outcome)
    )
    return Recovered(returned, in_doubt)


# --- from due to claimed -------------------------------------------------------------------------


def plan(session: Session, rows: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """Open deliveries ({user_id, period, timezone, and state, reason where it is decided}).

    A delivery that exists already, in whatever state, stays as it is.
    """
    blank = {"state": State.PENDING, "reason": "", "attempts": 0, "fence": 0, "reply": ""}
    values = [{**blank, **row, "created_at": now, "updated_at": now} for row in rows]
    execute_many(session, insert(session, _deliveries).on_conflict_do_nothing(), values)


def plan_zone(
    session: Session,
    period: str,
    timezone: str,
    now: datetime,
    *,
    users: Sequence[str] = (),
    limit: int | None = None,
) -> int:
    """Open deliveries of ``period`` for everyone in a zone who has none yet; one statement."""
    has_one = select(_deliveries.c.id).where(
        _deliveries.c.user_id == _subscriptions.c.user_id, _deliveries.c.period == period
    )
    chosen = (
        select(
            _subscriptions.c.user_id,
            literal(period),
            literal(timezone),
            literal(State.PENDING),
            literal(""),
            literal(0),
            literal(0),
            literal(""),
            literal(now, _deliveries.c.created_at.type),
            literal(now, _deliveries.c.created_at.type),
        )
        .join(_users, _users.c.id == _subscriptions.c.user_id)  # who was deleted has no row there
        .where(_subscriptions.c.timezone == timezone, ~has_one.exists())
        .order_by(_subscriptions.c.user_id)
    )
    if users:
        chosen = chosen.where(_subscriptions.c.user_id.in_(users))
    if limit is not None:
        chosen = chosen.limit(limit)
    names = ["user_id", "period", "timezone", "state", "reason", "attempts", "fence", "reply"]
    statement = insert(session, _deliveries).from_select(
        [*names, "created_at", "updated_at"], chosen
    )
    return session.connection().execute(statement.on_conflict_do_nothing()).rowcount


@dataclass(frozen=True, slots=True)
class Scope:
    """Which open deliveries a run may take; empty is all.

    ``wanted`` are the periods that somebody asked for, which are never too late to be sent.
    """

    periods: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()

    def holds(self) -> Any:
        """The condition in SQL."""
        return and_(
            _deliveries.c.period.in_(self.periods) if self.periods else true(),
            _deliveries.c.user_id.in_(self.users) if self.users else true(),
        )


def claim(session: Session, owner: str, scope: Scope, now: datetime, size: int) -> list[Claim]:
    """Take up to ``size`` open deliveries of one zone and period, by compare-and-set.

    A run that was declared dead meanwhile gets none: nobody would give its claims back.
    """
    ready = _ready(now, scope)
    alive = select(_runs.c.id).where(_runs.c.owner == owner, _runs.c.finished_at.is_(None))
    order = (_deliveries.c.timezone, _deliveries.c.period, _deliveries.c.user_id)
    first = session.execute(
        select(_deliveries.c.timezone, _deliveries.c.period).where(ready).order_by(*order).limit(1)
    ).first()
    if first is None:
        return []
    same = and_(_deliveries.c.timezone == first.timezone, _deliveries.c.period == first.period)
    chosen: Select[Any] = (
        select(_deliveries.c.id)
        .where(ready, same)
        .order_by(*order)
        .limit(size)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(
        update(_deliveries)
        .where(_deliveries.c.id.in_(chosen), _deliveries.c.state.in_(OPEN), alive.exists())
        .values(
            state=State.CLAIMED,
            owner=owner,
            fence=_deliveries.c.fence + 1,
            next_attempt_at=None,
            updated_at=now,
        )
        .returning(
            _deliveries.c.id,
            _deliveries.c.user_id,
            _deliveries.c.period,
            _deliveries.c.timezone,
            _deliveries.c.fence,
            _deliveries.c.attempts,
            _deliveries.c.created_at,
        )
    )
    return sorted((Claim(*row) for row in rows), key=lambda claim: claim.user)


def _ready(now: datetime, scope: Scope) -> Any:
    # The states stand as text, not as parameters: only so is the index of open deliveries used.
    return and_(
        text("deliveries.state IN ('pending', 'deferred')"),
        or_(_deliveries.c.next_attempt_at.is_(None), _deliveries.c.next_attempt_at <= now),
        scope.holds(),
    )


def reopen(
    session: Session,
    state: Literal[State.FAILED, State.UNKNOWN],
    now: datetime,
    scope: Scope = Scope(),
) -> int:
    """Make failed or unknown deliveries pending again; returns how many.

    What failed begins anew. What is unknown keeps its wait and the number of its attempts: a server
    that never answers the final dot is not handed the same mail over and over.
    """
    attempts = literal(0) if state is State.FAILED else _deliveries.c.attempts
    return (
        session.connection()
        .execute(
            update(_deliveries)
            .where(_deliveries.c.state == state, scope.holds())
            .values(state=State.PENDING, attempts=attempts, owner=None, updated_at=now)
        )
        .rowcount
    )


# --- from claimed to the end ---------------------------------------------------------------------


_LEFT = select(_subscriptions.c.user_id).where(
    _subscriptions.c.user_id == _deliveries.c.user_id,
    _subscriptions.c.unsubscribed_at.is_not(None),
)
_BARRED = (
    select(_suppressions.c.email_key)
    .join(_users, _users.c.email_key == _suppressions.c.email_key)
    .where(_users.c.id == _deliveries.c.user_id)
)
_MARK = (
    update(_deliveries)
    .where(
        _deliveries.c.id == bindparam("delivery"),
        _deliveries.c.owner == bindparam("holder"),
        _deliveries.c.fence == bindparam("held"),
        _deliveries.c.state == State.CLAIMED,
        ~_LEFT.exists(),
        ~_BARRED.exists(),
    )
    .values(
        state=State.SENDING,
        message_id=bindparam("named"),
        updated_at=bindparam("at", type_=_deliveries.c.updated_at.type),
    )
)
_MARKED = select(_deliveries.c.id, _deliveries.c.fence).where(
    _deliveries.c.id.in_(bindparam("marked", expanding=True)),
    _deliveries.c.owner == bindparam("holder"),
    _deliveries.c.state == State.SENDING,
)


def mark(
    session: Session, owner: str, claims: Sequence[tuple[Claim, str]], now: datetime
) -> set[int]:
    """Record, before the first byte of their bodies, that these (claim, Message-ID) are being sent.

    Returns the ids that may go on. The same statement looks whether the reader has left meanwhile
    or the address was suppressed, and whether the claim is still this owner's.
    """
    rows = [
        {"delivery": c.id, "holder": owner, "held": c.fence, "named": message_id, "at": now}
        for c, message_id in claims
    ]
    execute_many(session, _MARK, rows)
    asked = {"marked": [claim.id for claim, _ in claims], "holder": owner}
    marked = {tuple(row) for row in session.connection().execute(_MARKED, asked)}
    return {claim.id for claim, _ in claims if (claim.id, claim.fence) in marked}


_SETTLE = (
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
        next_attempt_at=bindparam("again", type_=_deliveries.c.next_attempt_at.type),
        attempts=bindparam("tried"),
        owner=None,
        updated_at=bindparam("at", type_=_deliveries.c.updated_at.type),
    )
)
_BEFORE = {
    to: [state for state in (State.CLAIMED, State.SENDING) if to in TRANSITIONS[state]]
    for to in State
}
"""From which states of a claim an outcome may come."""


def settle(session: Session, owner: str, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Record what became of claims; a claim that is no longer this owner's is left alone."""
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
            "again": outcome.next_attempt_at,
            "tried": outcome.claim.attempts + outcome.tried,
            "at": now,
        }
        for outcome in outcomes
    ]
    execute_many(session, _SETTLE, rows)


def backoff(attempts: int, *, base: float, cap: float, jitter: float) -> timedelta:
    """How long to wait after the attempt number ``attempts`` + 1: doubling, capped, and spread.

    ``base`` and ``cap`` are seconds; ``jitter`` in [0, 1) takes up to a quarter off.
    """
    return timedelta(seconds=min(cap, base * 2 ** min(attempts, 30)) * (1 - jitter / 4))


# --- looking -------------------------------------------------------------------------------------


def is_ready(session: Session, now: datetime) -> bool:
    """Whether there is anything to claim."""
    return session.scalar(select(_deliveries.c.id).where(_ready(now, Scope())).limit(1)) is not None


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
