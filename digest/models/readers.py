"""What readers chose: when they are written to, what of, and what they say of their posts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, true
from sqlmodel import Field, SQLModel

from digest.cadence import Frequency
from digest.models.columns import CLUSTERED, instant, preset


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
    next_due_at: datetime | None = instant(default=None, index=True)
    unsubscribed_at: datetime | None = instant(default=None)
    frequency: str = preset(Frequency.WEEKLY, Frequency.WEEKLY.value)
    counted_from: str | None = None
    paused_through: str | None = None
    adaptive: bool = preset(default=True, in_sql=true())
    chosen_timezone: str | None = None
    locale: str | None = None
    hidden: str = preset("", "")
    numbers: bool = preset(default=True, in_sql=true())
    erased_at: datetime | None = instant(default=None)


class Suppression(SQLModel, table=True):
    """An address that may not be mailed, kept by its normalised form so that a new import or a
    second account does not bring it back.
    """

    __tablename__ = "suppressions"

    email_key: str = Field(primary_key=True)
    reason: str
    since: datetime = instant()
    detail: str = ""


class Correction(SQLModel, table=True):
    """What an author said the kind of a post is, beside what was guessed at that time; both are
    names of :class:`~digest.kinds.Kind`.
    """

    __tablename__ = "corrections"
    __table_args__ = (CLUSTERED,)

    post_id: str = Field(primary_key=True, foreign_key="posts.id")
    guessed: str
    chosen: str
    corrected_at: datetime = instant()


class Guess(SQLModel, table=True):
    """How many people an author thought had seen a post at the age of 48 hours, before the answer
    was told. The primary key is the rule: one guess per post, and the first counts.
    """

    __tablename__ = "guesses"
    __table_args__ = (CheckConstraint("value > 0", name="positive"), CLUSTERED)

    user_id: str = Field(primary_key=True, foreign_key="users.id")
    post_id: str = Field(primary_key=True, foreign_key="posts.id")
    value: int = Field(sa_type=BigInteger)
    at: datetime = instant(index=True)


class Omission(SQLModel, table=True):
    """A topic that a user does not want the mail to be about, as posts have it. It stands until
    they take it back.
    """

    __tablename__ = "omissions"
    __table_args__ = (CLUSTERED,)

    user_id: str = Field(primary_key=True, foreign_key="users.id")
    topic: str = Field(primary_key=True)
    omitted_at: datetime = instant()
