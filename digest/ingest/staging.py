"""The temporary tables of an import: every row as it came, then those that will be stored."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Column, Integer, MetaData, Table, Text
from sqlmodel import Session, SQLModel

from digest.ingest.rows import (
    CounterRow,
    FollowRow,
    GroupRow,
    MembershipRow,
    PostRow,
    ReactionRow,
    Row,
    UserRow,
    ViewRow,
)
from digest.models import (
    Counter,
    Follow,
    Group,
    Membership,
    Post,
    Reaction,
    User,
    View,
    table,
)


class Kind(NamedTuple):
    """A type of row, the table it goes to, and the tables it refers to."""

    row: type[Row]
    model: type[SQLModel]
    parents: tuple[tuple[str, type[SQLModel], str], ...] = ()

    @property
    def target(self) -> Table:
        """The real table."""
        return table(self.model)


_OF_POST = (("post_id", Post, "post"),)
KINDS = (
    Kind(UserRow, User),
    Kind(GroupRow, Group),
    Kind(MembershipRow, Membership, (("group_id", Group, "group"), ("user_id", User, "user"))),
    Kind(PostRow, Post, (("author_id", User, "author"),)),
    Kind(ViewRow, View, _OF_POST),
    Kind(ReactionRow, Reaction, _OF_POST),
    Kind(CounterRow, Counter, _OF_POST),
    Kind(FollowRow, Follow),
)
"""In the order in which they refer to each other."""

SUMMED = {"views": "viewer_id", "reactions": "actor_id"}
"""Where equal rows of nobody named add up, and which column names somebody."""


class Staging:
    """The temporary tables of one import."""

    def __init__(self) -> None:
        metadata = MetaData()
        self.rows: dict[str, Table] = {}
        self.ready: dict[str, Table] = {}
        for kind in KINDS:
            target = kind.target
            self.rows[target.name] = Table(
                f"staged_{target.name}",
                metadata,
                Column("n", Integer, primary_key=True),
                *(_column(target, name) for name in kind.row._fields),
                prefixes=["TEMPORARY"],
            )
            ready = ("row_n",) if target.name not in {*SUMMED, "counters"} else fields(kind)
            self.ready[target.name] = Table(
                f"ready_{target.name}",
                metadata,
                Column("k", Integer, primary_key=True),
                *(_column(target, name) for name in ready),
                prefixes=["TEMPORARY"],
            )
        self.touched = Table(
            "staged_touched",
            metadata,
            Column("k", Integer, primary_key=True),
            Column("id", table(Post).c.id.type),
            prefixes=["TEMPORARY"],
        )
        self._metadata = metadata

    def create(self, session: Session) -> None:
        """Make them, empty."""
        self._metadata.create_all(session.connection(), checkfirst=False)

    def drop(self, session: Session) -> None:
        """Give their space back; a failed import may have left none."""
        self._metadata.drop_all(session.connection())


def fields(kind: Kind) -> list[str]:
    """The columns that a row fills."""
    return [name for name in kind.row._fields if name in kind.target.c]


def _column(target: Table, name: str) -> Column[Any]:
    known = target.c.get(name)
    if known is not None:
        return Column(name, known.type)
    return Column(name, Integer if name in {"line", "row_n"} else Text)
