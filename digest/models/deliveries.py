"""The ledger: runs, deliveries with their states, and what came back of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, Integer, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from digest.models.columns import instant


class State(StrEnum):
    """The states of a delivery; :data:`TRANSITIONS` says which may follow which."""

    PENDING = "pending"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    SUPPRESSED = "suppressed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.CLAIMED}),
    State.CLAIMED: frozenset(
        {
            State.SENDING,
            State.PENDING,  # given back: a lease ran out, or the run was stopped
            State.DEFERRED,
            State.FAILED,
            State.SKIPPED,
            State.SUPPRESSED,
        }
    ),
    State.SENDING: frozenset({State.SENT, State.DEFERRED, State.FAILED, State.UNKNOWN}),
    State.DEFERRED: frozenset({State.CLAIMED}),
    State.FAILED: frozenset({State.PENDING}),  # send --retry-failed
    State.UNKNOWN: frozenset(
        {
            State.PENDING,  # on_unknown = "resend", or settle --resend
            State.SENT,  # settle --sent
            State.FAILED,  # settle --give-up
        }
    ),
    State.SENT: frozenset(),
    State.SKIPPED: frozenset(),
    State.SUPPRESSED: frozenset(),
}


class Run(SQLModel, table=True):
    """One pass over the users who are due. ``owner`` names the process that works on it."""

    __tablename__ = "runs"

    id: int | None = Field(default=None, primary_key=True)
    owner: str = Field(unique=True)
    host: str
    pid: int
    command: str
    started_at: datetime = instant()
    heartbeat_at: datetime = instant()
    finished_at: datetime | None = instant(default=None)
    outcome: str = ""


class Delivery(SQLModel, table=True):
    """One user's mail of one period. The unique constraint is the promise: one row, one mail."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("user_id", "period"),
        Index(None, "period", "state"),
        Index(None, "message_id"),  # a bounce names the mail it is about
        # What is still to do, in the order it is claimed: small, however long the history is.
        Index(
            "ix_deliveries_open",
            "timezone",
            "period",
            "user_id",
            sqlite_where=text("state IN ('pending', 'deferred')"),
            postgresql_where=text("state IN ('pending', 'deferred')"),
        ),
        Index(
            "ix_deliveries_owner",
            "owner",
            sqlite_where=text("owner IS NOT NULL"),
            postgresql_where=text("owner IS NOT NULL"),
        ),
    )

    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    )
    user_id: str = Field(foreign_key="users.id")
    period: str
    timezone: str
    state: str = State.PENDING
    reason: str = ""
    attempts: int = 0
    next_attempt_at: datetime | None = instant(default=None)
    owner: str | None = None
    fence: int = 0
    message_id: str | None = None
    sent_to: str | None = None
    """The normalised address at the time of the mark: what a bounce is about, whatever the user's
    address is by then."""
    reply: str = ""
    created_at: datetime = instant()
    updated_at: datetime = instant()
    reopened_at: datetime | None = instant(default=None)
    """When it was last opened again, by an operator or after a doubt: what is late counts from
    there, while the mail keeps the date of ``created_at``."""


class Bounce(SQLModel, table=True):
    """What came back of one delivery: a mail, or the final reply of a server.

    ``fingerprint`` is a hash of the mail, so that reading it again changes nothing; ``email_key``
    is the address that the delivery was sent to, ``reported`` the one that the mail names. Only
    rows with ``counts`` count towards ``SOFT_BOUNCES``.
    """

    __tablename__ = "bounces"
    __table_args__ = (Index(None, "user_id", "period"),)

    fingerprint: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="users.id")
    period: str
    email_key: str = Field(index=True)
    reported: str = ""
    kind: str
    status: str = ""
    said: str = ""
    counts: bool = False
    received_at: datetime = instant()
