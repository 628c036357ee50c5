"""The store of snapshots: what compose needs from the database, and what is kept of its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlmodel import Session

from digest.compose import Broken, Composed, Loaded, Snapshot
from digest.database import among, execute_many, fetch, insert
from digest.errors import DigestError
from digest.facts import Batch, history, judgements
from digest.facts.history import histories
from digest.facts.judgements import careers
from digest.facts.weeks import author_weeks
from digest.faults import Point, reach
from digest.models import Delivery, State, table
from digest.models import Snapshot as Stored
from digest.sections import Section

_snapshots, _deliveries = table(Stored), table(Delivery)
_FROZEN = select(_snapshots.c.user_id, _snapshots.c.body).where(
    among(_snapshots.c.user_id, "users"),
    _snapshots.c.period == bindparam("period"),
    _snapshots.c.body.is_not(None),
)


def load(
    session: Session, batch: Batch, sections: Sequence[Section], *, frozen: bool = True
) -> Loaded:
    """The facts of a batch: one query per fact, whatever the number of users and sections.

    Without ``frozen`` nothing stays as it was when a mail was made of it.
    """
    return Loaded(
        frozen=bodies(session, batch) if frozen else {},
        weeks=batch.fact(session, author_weeks),
        histories=batch.fact(session, histories),
        facts={section.name: _load(session, batch, section) for section in sections},
    )


def _load(session: Session, batch: Batch, section: Section) -> Mapping[str, Any] | Broken:
    try:
        return section.load(session, batch)
    except (DBAPIError, NoConnection, DigestError, MemoryError):
        raise  # other sections and batches would meet it too
    except Exception as error:  # noqa: BLE001 - whatever it is, other batches get their mails
        return Broken(section.name, error)


def bodies(session: Session, batch: Batch) -> dict[str, Snapshot]:
    """The snapshots of the batch's week that mails were made from, by user."""
    rows = fetch(session, _FROZEN, users=batch.users, period=str(batch.period))
    return {row.user_id: Snapshot.from_json(row.body) for row in rows}


def keep(
    session: Session,
    batch: Batch,
    composed: Mapping[str, Composed],
    now: datetime,
    *,
    mailed: AbstractSet[str],
) -> None:
    """Store new snapshots, and the earlier weeks and judgements that were worked out with them.

    Who is not ``mailed`` is told nothing: of their week only the totals stay.
    """
    if not batch.users:
        return
    history.keep(session, batch.fact(session, histories), now)
    judgements.keep(session, batch.fact(session, careers).values())
    rows = [
        {
            "user_id": user,
            "period": one.snapshot.period,
            "views": one.snapshot.views,
            "reach": one.snapshot.reach,
            "reactions": one.snapshot.reactions,
            "told": " ".join(one.snapshot.sections) if user in mailed else "",
            "body": one.snapshot.as_json() if user in mailed else None,
            "created_at": now,
        }
        for user, one in composed.items()
        if not one.stored
    ]
    statement = insert(session, _snapshots)
    figures = ("views", "reach", "reactions", "told", "body")
    totals = {name: statement.excluded[name] for name in figures}
    execute_many(
        session,
        statement.on_conflict_do_update(
            index_elements=["user_id", "period"], set_=totals, where=_snapshots.c.body.is_(None)
        ),
        rows,
    )
    reach(Point.KEEPING)


def stored(session: Session, user: str, period: str) -> Snapshot | None:
    """The snapshot a mail was made from, if there was one."""
    body = session.scalar(
        select(_snapshots.c.body).where(_snapshots.c.user_id == user, _snapshots.c.period == period)
    )
    return Snapshot.from_json(body) if body else None


def last_period(session: Session, user: str) -> str | None:
    """The latest week of which a user's mail was made."""
    mailed = (_snapshots.c.user_id == user, _snapshots.c.body.is_not(None))
    return cast("str | None", session.scalar(select(func.max(_snapshots.c.period)).where(*mailed)))


class PastWeek(NamedTuple):
    """One of an author's weeks, None being unknown; ``mailed``: there was a mail of it."""

    period: str
    views: int | None
    reach: int | None
    reactions: int | None
    mailed: bool


def past_weeks(session: Session, user: str, limit: int) -> list[PastWeek]:
    """An author's latest weeks, oldest first."""
    sent = select(_deliveries.c.id).where(
        _deliveries.c.user_id == user,
        _deliveries.c.period == _snapshots.c.period,
        _deliveries.c.state == State.SENT,
    )
    columns = (_snapshots.c.period, _snapshots.c.views, _snapshots.c.reach, _snapshots.c.reactions)
    rows = fetch(
        session,
        select(*columns, sent.exists().label("mailed"))
        .where(_snapshots.c.user_id == user)
        .order_by(_snapshots.c.period.desc())
        .limit(limit),
    )
    return [
        PastWeek(period, views, reach, acts, bool(mailed))
        for period, views, reach, acts, mailed in reversed(rows)
    ]
