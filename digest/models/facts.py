"""The platform's facts: who is there, who wrote, saw and did what, and who follows whom.

The primary keys of views, reactions and counters begin with (post, instant), so that one user's
week costs what happened in it, not what the table holds; on SQLite these tables are clustered by
that key.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, Text
from sqlmodel import Field, SQLModel

from digest.models.columns import CLUSTERED, NOBODY, instant


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
    joined_at: datetime | None = instant(default=None)


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
    since: datetime | None = instant(default=None)


class Post(SQLModel, table=True):
    """Something an author published. ``published_at`` None is unknown: such a post is judged by its
    week, never by its age. ``text`` is plain and bounded; ``topics`` are separated by ``;``.
    """

    __tablename__ = "posts"
    # With the id, what happened to an author's posts is found without a look at the posts.
    __table_args__ = (Index(None, "author_id", "published_at", "id"),)

    id: str = Field(primary_key=True)
    author_id: str = Field(foreign_key="users.id")
    published_at: datetime | None = instant(default=None, index=True)
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
    at: datetime = instant(primary_key=True)
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
    at: datetime = instant(primary_key=True)
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
    at: datetime = instant(primary_key=True)
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
    since: datetime = instant(primary_key=True)
    until: datetime | None = instant(default=None)
