"""Figures that were worked out once and stay as they are: of posts, and of whole weeks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel

from digest.models.columns import CLUSTERED, instant, preset


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


class Snapshot(SQLModel, table=True):
    """The frozen numbers of one user's period. ``body`` is what the mail was made from; None for a
    week before the first run, or without a mail, of which there are totals only. A total of None is
    unknown. ``told`` are the names of its sections, with spaces between them.
    """

    __tablename__ = "snapshots"
    __table_args__ = (CLUSTERED,)

    user_id: str = Field(primary_key=True, foreign_key="users.id")
    period: str = Field(primary_key=True)
    views: int | None = Field(default=None, sa_type=BigInteger)
    reach: int | None = Field(default=None, sa_type=BigInteger)
    reactions: int | None = Field(default=None, sa_type=BigInteger)
    told: str = preset("", "")
    body: dict[str, Any] | None = Field(default=None, sa_type=cast(Any, JSON(none_as_null=True)))
    created_at: datetime = instant()
