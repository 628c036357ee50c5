"""The rows that readers give and the writer stores: one type per table, and what went wrong.

A row is what a source says, already checked: names and titles are clean, instants are in the form
in which they are stored. ``file`` and ``line`` say where it came from. Where a source gives the
same user or post several times, the one with the latest ``as_of`` counts, then the last one read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, NewType, TypeAlias

from digest.models import NOBODY

TOTALS = ("views", "likes", "reposts", "replies")
"""What a counter counts."""

Instant = NewType("Instant", str)
"""A UTC instant as it is stored, ``2026-11-09 08:00:00.000000``: comparing texts compares times."""

ALWAYS = Instant("1970-01-01 00:00:00.000000")
"""Since when somebody follows, where nobody knows."""


class UserRow(NamedTuple):
    """A person; ``email_key`` None means that no server would take the address."""

    id: str
    name: str
    email: str
    email_key: str | None
    handle: str | None = None
    locale: str | None = None
    timezone: str | None = None
    joined_at: Instant | None = None
    as_of: str = ""
    file: str = ""
    line: int = 0


class GroupRow(NamedTuple):
    """A place to post in."""

    id: str
    name: str
    file: str = ""
    line: int = 0


class MembershipRow(NamedTuple):
    """A user is in a group; ``since`` None is unknown."""

    group_id: str
    user_id: str
    since: Instant | None = None
    file: str = ""
    line: int = 0


class PostRow(NamedTuple):
    """A post. One without a title that ``answers`` another takes its title from that one."""

    id: str
    author_id: str
    published_at: Instant | None = None
    title: str = ""
    text: str = ""
    url: str = ""
    kind: str = ""
    topics: str = ""
    group_id: str | None = None
    answers: str = ""
    as_of: str = ""
    file: str = ""
    line: int = 0


class ViewRow(NamedTuple):
    """``count`` displays of a post to ``viewer_id``, or to nobody named."""

    post_id: str
    at: Instant
    viewer_id: str = NOBODY
    via: str = ""
    count: int = 1  # type: ignore[assignment]  # the column is called so; tuple.count is not used
    file: str = ""
    line: int = 0


class ReactionRow(NamedTuple):
    """``count`` likes, reposts or replies of a post by ``actor_id``, or by nobody named."""

    post_id: str
    at: Instant
    actor_id: str
    type: str
    count: int = 1  # type: ignore[assignment]  # the column is called so; tuple.count is not used
    file: str = ""
    line: int = 0


class CounterRow(NamedTuple):
    """A post's totals as read at one instant; None is unknown."""

    post_id: str
    at: Instant
    views: int | None = None
    likes: int | None = None
    reposts: int | None = None
    replies: int | None = None
    file: str = ""
    line: int = 0


class FollowRow(NamedTuple):
    """Somebody follows an author, ``since`` then and ``until`` then (None: still)."""

    followee_id: str
    follower_id: str
    since: Instant = ALWAYS
    until: Instant | None = None
    file: str = ""
    line: int = 0


Row: TypeAlias = (
    UserRow | GroupRow | MembershipRow | PostRow | ViewRow | ReactionRow | CounterRow | FollowRow
)


class Outcome(StrEnum):
    """What became of something that was not quite right."""

    REJECTED = "rejected"
    """The row was not imported."""
    MENDED = "mended"
    """The row was imported without the part that could not be used."""
    NOTED = "noted"
    """Worth knowing, and as it should be: a column without use, posts without an author."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A row (``line`` 0: the file) that could not be imported, or not as it was."""

    outcome: Outcome
    file: str
    line: int
    reason: str
    row: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{where}: {self.reason}"
