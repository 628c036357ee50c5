"""The tables: facts, subscriptions, the ledger, snapshots, suppressions.

Ids of users, posts and groups are the platform's own, kept as text: they may be longer than
64 bits, negative, or words. Every instant is UTC. The primary keys of views, reactions and counters
begin with (post, instant), so that one user's week costs what happened in it, not what the table
holds; on SQLite these tables are clustered by that key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
    true,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from digest.cadence import Frequency

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING

CLUSTERED = {"sqlite_with_rowid": False}
NOBODY = ""
"""The viewer or actor of an anonymous count: a person the platform did not name."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC. SQLite forgets zones, so naive values are refused, not guessed."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Python to database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Database to Python."""
        del dialect  # both kinds of database answer alike, but for the zone
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def table(model: type[SQLModel]) -> Table:
    """The Core table of ``model``; queries select columns, not objects."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]


def _instant(**options: Any) -> Any:
    return Field(sa_type=cast(Any, UtcDateTime), **options)


def _preset(default: Any, in_sql: Any) -> Any:
    """A column that older rows, and rows that other programs insert, get ``default`` in."""
    return Field(default=default, sa_column_kwargs={"server_default": in_sql})


# --- facts ---------------------------------------------------------------------------------------


class User(SQLModel, table=True):
    """A person with posts and an address. ``email_key`` is the address normalised for comparison,
    None where no server would take it.
    """

    __tablename__ = "users"

    id: str = Field(primary_key=True)
    name: str
    email: str
    email_key: str | None = Field(default=None, index=True)
    handle: str | None = None
    locale: str | None = None
    timezone: str | None = None
    joined_at: datetime | None = _instant(default=None)


class Group(SQLModel, table=True):
    """A place whose members see what is posted in it."""

    __tablename__ = "groups"

    id: str = Field(primary_key=True)
    name: str


class Membership(SQLModel, table=True):
    """A user's membership in a group; ``since`` None is unknown."""

    __tablename__ = "memberships"
    __table_args__ = (CLUSTERED,)

    group_id: str = Field(primary_key=True, foreign_key="groups.id")
    user_id: str = Field(primary_key=True, foreign_key="users.id", index=True)
    since: datetime | None = _instant(default=None)


class Post(SQLModel, table=True):
    """Something an author published. ``published_at`` None is unknown: such a post is judged by its
    week, never by its age. ``text`` is plain and bounded; ``topics`` are separated by ``;``.
    """

    __tablename__ = "posts"
    __table_args__ = (Index(None, "author_id", "published_at"),)

    id: str = Field(primary_key=True)
    author_id: str = Field(foreign_key="users.id")
    published_at: datetime | None = _instant(default=None, index=True)
    title: str = ""
    text: str = Field(default="", sa_type=Text)
    url: str = ""
    kind: str = ""
    topics: str = ""
    group_id: str | None = Field(default=None, foreign_key="groups.id")


class View(SQLModel, table=True):
    """``count`` displays of a post to ``viewer_id`` (or to nobody named) at one instant."""

    __tablename__ = "views"
    __table_args__ = (CheckConstraint("count > 0", name="positive"), CLUSTERED)

    post_id: str = Field(primary_key=True, foreign_key="posts.id")
    at: datetime = _instant(primary_key=True)
    viewer_id: str = Field(default=NOBODY, primary_key=True)
    via: str = Field(default="", primary_key=True)
    count: int = Field(default=1, sa_type=BigInteger)


class ReactionType(StrEnum):
    """What a person can do with a post in public."""

    LIKE = "like"
    REPOST = "repost"
    REPLY = "reply"


class Reaction(SQLModel, table=True):
    """``count`` public acts on a post by ``actor_id`` (or by nobody named) at one instant."""

    __tablename__ = "reactions"
    __table_args__ = (CheckConstraint("count > 0", name="positive"), CLUSTERED)

    post_id: str = Field(primary_key=True, foreign_key="posts.id")
    at: datetime = _instant(primary_key=True)
    actor_id: str = Field(default=NOBODY, primary_key=True)
    type: str = Field(primary_key=True)
    count: int = Field(default=1, sa_type=BigInteger)


class Counter(SQLModel, table=True):
    """Cumulative totals of a post, as read at one instant, and what each gained since the highest
    total before. A total or gain of None is unknown (a first reading is a baseline).
    """

    __tablename__ = "counters"
    __table_args__ = (CLUSTERED,)

    post_id: str = Field(primary_key=True, foreign_key="posts.id")
    at: datetime = _instant(primary_key=True)
    views: int | None = Field(default=None, sa_type=BigInteger)
    likes: int | None = Field(default=None, sa_type=BigInteger)
    reposts: int | None = Field(default=None, sa_type=BigInteger)
    replies: int | None = Field(default=None, sa_type=BigInteger)
    views_gain: int | None = Field(default=None, sa_type=BigInteger)
    likes_gain: int | None = Field(default=None, sa_type=BigInteger)
    reposts_gain: int | None = Field(default=None, sa_type=BigInteger)
    replies_gain: int | None = Field(default=None, sa_type=BigInteger)


class Follow(SQLModel, table=True):
    """Someone chose to see an author's posts from ``since`` (the epoch: always) to ``until``."""

    __tablename__ = "follows"
    __table_args__ = (CLUSTERED,)

    followee_id: str = Field(primary_key=True)
    follower_id: str = Field(primary_key=True)
    since: datetime = _instant(primary_key=True)
    until: datetime | None = _instant(default=None)


# --- subscriptions -------------------------------------------------------------------------------


class Subscription(SQLModel, table=True):
    """When a user is written to, and what they chose.

    ``next_due_at`` was worked out from weekday, hour and timezone; ``timezone`` is the reader's
    own where ``chosen_timezone`` says so, else the platform's. ``frequency``, ``counted_from``,
    ``paused_through`` and ``adaptive`` are a :class:`~digest.cadence.Cadence`. ``hidden`` are the
    names of sections that the reader does not want, with spaces between them. Whose data were
    erased keeps this row, so that no import makes a reader of them again.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("hour BETWEEN 0 AND 23", name="hour"),
    )

    user_id: str = Field(primary_key=True, foreign_key="users.id")
    weekday: int
    hour: int
    timezone: str
    next_due_at: datetime | None = _instant(default=None, index=True)
    unsubscribed_at: datetime | None = _instant(default=None)
    frequency: str = _preset(Frequency.WEEKLY, Frequency.WEEKLY.value)
    counted_from: str | None = None
    paused_through: str | None = None
    adaptive: bool = _preset(default=True, in_sql=true())
    chosen_timezone: str | None = None
    locale: str | None = None
    hidden: str = _preset("", "")
    numbers: bool = _preset(default=True, in_sql=true())
    erased_at: datetime | None = _instant(default=None)


class Suppression(SQLModel, table=True):
    """An address that may not be mailed, kept by its normalised form so that a new import or a
    second account does not bring it back.
    """

    __tablename__ = "suppressions"

    email_key: str = Field(primary_key=True)
    reason: str
    since: datetime = _instant()
    detail: str = ""


# --- the ledger ----------------------------------------------------------------------------------


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
    started_at: datetime = _instant()
    heartbeat_at: datetime = _instant()
    finished_at: datetime | None = _instant(default=None)
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
    next_attempt_at: datetime | None = _instant(default=None)
    owner: str | None = None
    fence: int = 0
    message_id: str | None = None
    sent_to: str | None = None
    """The normalised address at the time of the mark: what a bounce is about, whatever the user's
    address is by then."""
    reply: str = ""
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


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
    received_at: datetime = _instant()


class Judgement(SQLModel, table=True):
    """The figures of a post at the age at which all posts are compared (48 hours), worked out once.

    ``talkers`` are distinct repliers, ``engagers`` distinct people with any reaction; ``audience``
    is viewers and engagers together, so that engagers / audience is a true proportion. None is
    unknown: without named viewers there is no reach.
    """

    __tablename__ = "judgements"
    __table_args__ = (CLUSTERED,)

    post_id: str = Field(primary_key=True, foreign_key="posts.id")
    views: int | None = Field(default=None, sa_type=BigInteger)
    reach: int | None = Field(default=None, sa_type=BigInteger)
    audience: int | None = Field(default=None, sa_type=BigInteger)
    engagers: int | None = Field(default=None, sa_type=BigInteger)
    talkers: int = Field(default=0, sa_type=BigInteger)
    reactions: int = Field(default=0, sa_type=BigInteger)


class Correction(SQLModel, table=True):
    """What an author said the kind of a post is, beside what was guessed at that time; both are
    names of :class:`~digest.kinds.Kind`.
    """

    __tablename__ = "corrections"
    __table_args__ = (CLUSTERED,)

    post_id: str = Field(primary_key=True, foreign_key="posts.id")
    guessed: str
    chosen: str
    corrected_at: datetime = _instant()


class Guess(SQLModel, table=True):
    """How many people an author thought had seen a post at the age of 48 hours, before the answer
    was told. The primary key is the rule: one guess per post, and the first counts.
    """

    __tablename__ = "guesses"
    __table_args__ = (CheckConstraint("value > 0", name="positive"), CLUSTERED)

    user_id: str = Field(primary_key=True, foreign_key="users.id")
    post_id: str = Field(primary_key=True, foreign_key="posts.id")
    value: int = Field(sa_type=BigInteger)
    at: datetime = _instant(index=True)


class Omission(SQLModel, table=True):
    """A topic that a user does not want the mail to be about, as posts have it. It stands until
    they take it back.
    """

    __tablename__ = "omissions"
    __table_args__ = (CLUSTERED,)

    user_id: str = Field(primary_key=True, foreign_key="users.id")
    topic: str = Field(primary_key=True)
    omitted_at: datetime = _instant()


class Snapshot(SQLModel, table=True):
    """The frozen numbers of one user's period. ``body`` is what the mail was made from; None for a
    week before the first run, of which only totals were worked out. A total of None is unknown.
    ``told`` are the names of its sections, with spaces between them.
    """

    __tablename__ = "snapshots"
    __table_args__ = (CLUSTERED,)

    user_id: str = Field(primary_key=True, foreign_key="users.id")
    period: str = Field(primary_key=True)
    views: int | None = Field(default=None, sa_type=BigInteger)
    reach: int | None = Field(default=None, sa_type=BigInteger)
    reactions: int | None = Field(default=None, sa_type=BigInteger)
    told: str = _preset("", "")
    body: dict[str, Any] | None = Field(default=None, sa_type=cast(Any, JSON(none_as_null=True)))
    created_at: datetime = _instant()
