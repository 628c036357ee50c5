"""What columns are made of, and how indexes and constraints are called."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import DateTime, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

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


def instant(**options: Any) -> Any:
    """A column of instants."""
    return Field(sa_type=cast(Any, UtcDateTime), **options)


def preset(default: Any, in_sql: Any) -> Any:
    """A column that older rows, and rows that other programs insert, get ``default`` in."""
    return Field(default=default, sa_column_kwargs={"server_default": in_sql})
