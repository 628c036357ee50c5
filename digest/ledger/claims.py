"""From due to claimed: deliveries are opened, and each is taken by one run only.

Claims are compare-and-set: the row says who holds it, and a fence counts how often it changed
hands, so that a process which was paused or declared dead finds nothing to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, and_, func, literal, or_, select, text, true, update
from sqlmodel import Session

from digest.database import execute_many, insert, require_version
from digest.faults import Point, reach
from digest.models import Delivery, Run, State, Subscription, User, table

_deliveries, _runs, _users = table(Delivery), table(Run), table(User)
_subscriptions = table(Subscription)

OPEN = (State.PENDING, State.DEFERRED)
_ORDER = (_deliveries.c.timezone, _deliveries.c.period, _deliveries.c.user_id)
"""How claims are made: so that as few zones as can be are in a batch."""


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
    reopened_at: datetime | None = None

    @property
    def opened_at(self) -> datetime:
        """Since when it could have been sent."""
        return self.reopened_at or self.created_at


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


def is_alive(session: Session, owner: str) -> bool:
    """Whether no other process has declared this run dead, or ended it."""
    return session.scalar(_alive(owner)) is not None


def claim(session: Session, owner: str, scope: Scope, now: datetime, size: int) -> list[Claim]:
    """Take up to ``size`` open deliveries, zone by zone and by compare-and-set.

    A run that was declared dead meanwhile gets none: nobody would give its claims back. Rows that
    another run is about to take are passed over, not waited for.
    """
    require_version(session)
    if session.scalar(_alive(owner).with_for_update(read=True)) is None:
        return []
    chosen = _choose(session, _ready(now, scope), size)
    rows = session.execute(
        update(_deliveries)
        .where(_deliveries.c.id.in_(chosen), _deliveries.c.state.in_(OPEN))
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
            _deliveries.c.reopened_at,
        )
    )
    claims = sorted((Claim(*row) for row in rows), key=_in_order)
    reach(Point.CLAIMING)
    return claims


def holds(session: Session, owner: str, claims: Sequence[Claim]) -> bool:
    """Whether ``claims``, made at once, are this run's: was a commit without an answer one?"""
    found = select(_deliveries.c.id).where(
        _deliveries.c.id == claims[0].id,
        _deliveries.c.fence == claims[0].fence,
        _deliveries.c.owner == owner,
    )
    return session.scalar(found) is not None


def _alive(owner: str) -> Select[tuple[int]]:
    return select(_runs.c.id).where(_runs.c.owner == owner, _runs.c.finished_at.is_(None))


def _in_order(claim: Claim) -> tuple[str, str, str]:
    return claim.timezone, claim.period, claim.user


def _choose(session: Session, ready: Any, size: int) -> Sequence[int]:
    """The ids to take, locked."""
    free = select(_deliveries.c.id).where(ready).order_by(*_ORDER).limit(size)
    return session.scalars(free.with_for_update(skip_locked=True)).all()


def _ready(now: datetime, scope: Scope) -> Any:
    # The states stand as text, not as parameters: only so is the index of open deliveries used.
    return and_(
        text("deliveries.state IN ('pending', 'deferred')"),
        or_(_deliveries.c.next_attempt_at.is_(None), _deliveries.c.next_attempt_at <= now),
        scope.holds(),
    )


def upcoming(
    session: Session, now: datetime, scope: Scope, number: int
) -> list[tuple[str, str, str]]:
    """Period, zone and user of the first that would be claimed; nothing is claimed."""
    chosen = select(_deliveries.c.period, _deliveries.c.timezone, _deliveries.c.user_id)
    rows = session.execute(chosen.where(_ready(now, scope)).order_by(*_ORDER).limit(number))
    return [(period, timezone, user) for period, timezone, user in rows]


def reopen(
    session: Session,
    state: Literal[State.FAILED, State.UNKNOWN],
    now: datetime,
    scope: Scope = Scope(),
) -> int:
    """Make failed or unknown deliveries pending again; returns how many.

    What failed begins anew. What is unknown keeps its wait and the number of its attempts: a server
    that never answers the final dot is not handed the same mail over and over. Neither is too late
    because it was opened long ago.
    """
    attempts = literal(0) if state is State.FAILED else _deliveries.c.attempts
    return (
        session.connection()
        .execute(
            update(_deliveries)
            .where(_deliveries.c.state == state, scope.holds())
            .values(
                state=State.PENDING,
                attempts=attempts,
                owner=None,
                updated_at=now,
                reopened_at=now,
            )
        )
        .rowcount
    )


def waiting(session: Session, now: datetime, scope: Scope = Scope()) -> int:
    """How many deliveries in ``scope`` could be claimed now."""
    count = select(func.count()).select_from(_deliveries).where(_ready(now, scope))
    return session.scalar(count) or 0
