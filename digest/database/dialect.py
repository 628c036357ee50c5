"""Statements that SQLite and PostgreSQL write differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Insert, Select, Table, Update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlmodel import Session

from digest.models.columns import as_text, in_utc


def append(session: Session, into: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert tuples as they are, in the order of the columns but for the first, which counts.

    Several times faster than dictionaries, because no value is looked at: instants must be written
    as :class:`~digest.models.UtcDateTime` writes them.
    """
    connection = session.connection()
    names = [column.name for column in list(into.columns)[1:]]
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {into.name} ({', '.join(names)}) FROM STDIN", rows)
        return
    marks = ", ".join("?" * len(names))
    connection.exec_driver_sql(
        f"INSERT INTO {into.name} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - our own names
        cast(Any, rows),
    )


def insert_missing(
    session: Session, into: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert tuples as they are, those whose key is there already left out; no rows is no work.

    Fast for the same reason as :func:`append`: instants are written by :func:`written`.
    """
    if not rows:
        return
    connection = session.connection()
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    marks = ", ".join([mark] * len(names))
    connection.exec_driver_sql(
        f"INSERT INTO {into.name} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608 - our own names
        cast(Any, rows),
    )


def analyze(session: Session, tables: Sequence[str]) -> None:
    """Have PostgreSQL look at what is in ``tables`` that grew much; SQLite goes by indices alone.

    It plans by what it last saw, and looks again by itself only within minutes: a week of a popular
    author takes seconds then, and without it many minutes.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ANALYZE {', '.join(tables)}")


def written(session: Session, instant: datetime) -> str | datetime:
    """``instant`` as :class:`~digest.models.UtcDateTime` writes it."""
    if session.get_bind().dialect.name == "postgresql":
        return in_utc(instant)
    return as_text(instant)


class Repeated:
    """A statement that is run for some rows, again and again: compiled once for either database.

    No value is looked at on its way, which would take longer than the statement itself: rows give
    every parameter by name as the database takes it, instants by :func:`written`. Values that stand
    in the statement are texts or numbers, and NULL is ``null()``.
    """

    def __init__(self, statement: Update) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, Mapping[str, Any], Sequence[str] | None]] = {}

    def run(self, session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
        """How many rows of the table were changed; no rows is no work."""
        if not rows:
            return 0
        connection = session.connection()
        text, constants, order = self._text(connection.dialect)
        whole = [{**constants, **row} for row in rows]
        given = [tuple(row[name] for name in order) for row in whole] if order else whole
        return connection.exec_driver_sql(text, cast(Any, given)).rowcount

    def _text(self, dialect: Dialect) -> tuple[str, Mapping[str, Any], Sequence[str] | None]:
        """The statement in SQL, the values that stand in it, and the order of its parameters."""
        if dialect.name not in self._compiled:
            compiled = self._statement.compile(dialect=dialect)
            text = str(compiled)
            constants = {
                name: bind.value for name, bind in compiled.binds.items() if not bind.required
            }
            if not all(isinstance(value, str | int | float) for value in constants.values()):
                raise TypeError(f"a statement for many rows holds other than plain values: {text}")
            self._compiled[dialect.name] = text, constants, compiled.positiontup
        return self._compiled[dialect.name]


def _copy(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def insert(session: Session, into: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    dialect = session.get_bind().dialect.name
    return postgresql.insert(into) if dialect == "postgresql" else sqlite.insert(into)


def fetch(session: Session, statement: Select[Any], **parameters: Any) -> list[Any]:
    """Every row that ``statement`` selects with ``parameters``, fetched at once.

    As plain columns and not by way of the ORM, and not one by one: a batch asks for thousands. A
    statement that is asked of many batches is a constant with parameters: to build it takes longer
    than to run it for a few users.
    """
    return list(session.connection().execute(statement, parameters).all())


def execute_many(session: Session, statement: Insert | Any, rows: Sequence[dict[str, Any]]) -> None:
    """Run ``statement`` once per row; no rows is no work."""
    if rows:
        session.connection().execute(statement, rows)
