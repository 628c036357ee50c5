"""What columns are made of, and how indexes and constraints are called."""

from __future__ import annotations

from collections.abc import Callable
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
    """An aware instant in UTC. SQLite forgets zones, so naive values are refused, not guessed.

    SQLite keeps text (:func:`as_text`), which is read and written in one step each: a batch has
    thousands, and SQLAlchemy's own way and ours one after the other take three times as long.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """What writes values, chosen once per statement."""
        return _to_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        """What reads values, chosen once per statement."""
        if dialect.name == "sqlite":
            return _from_text
        return super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Python to database, where it is no text."""
        del dialect
        return None if value is None else in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Database to Python, where it is no text."""
        del dialect
        return None if value is None else value.astimezone(UTC)


def as_text(instant: datetime) -> str:
    """``instant`` as SQLite keeps it, so that comparing texts compares times."""
    return in_utc(instant).replace(tzinfo=None).isoformat(" ", "microseconds")


def in_utc(instant: datetime) -> datetime:
    """``instant`` in UTC; a ValueError where it has no zone."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no zone")
    return instant.astimezone(UTC)


def _to_text(value: datetime | None) -> str | None:
    return None if value is None else as_text(value)


def _from_text(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(f"{value}+00:00")
    except ValueError:  # another program wrote it, with its zone
        found = datetime.fromisoformat(value)
    if found.tzinfo is UTC:
        return found
    # A date alone takes the zone that was added for a time: it is a morning in UTC.
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def table(model: type[SQLModel]) -> Table:
    """The Core table of ``model``; queries select columns, not objects."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]


def instant(**options: Any) -> Any:
    """A column of instants."""
    return Field(sa_type=cast(Any, UtcDateTime), **options)


def preset(default: Any, in_sql: Any) -> Any:
    """A column that older rows, and rows that other programs insert, get ``default`` in."""
    return Field(default=default, sa_column_kwargs={"server_default": in_sql})
