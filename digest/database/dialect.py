"""Statements that SQLite and PostgreSQL write differently."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session

from digest.models import UtcDateTime


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


def execute_many(session: Session, statement: Insert | Any, rows: Sequence[dict[str, Any]]) -> None:
    """Run ``statement`` once per row; no rows is no work."""
    if rows:
        session.connection().execute(statement, rows)


class later(FunctionElement[datetime]):  # noqa: N801 - reads as a function in SQL
    """``later(instant, hours)``: the instant so many hours after a column's."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(later, "sqlite")
def _later_sqlite(element: later, compiler: SQLCompiler, **options: Any) -> str:
    instant, hours = (compiler.process(clause, **options) for clause in element.clauses)
    # The format in which instants are stored, so that comparing texts compares times.
    return f"strftime('%Y-%m-%d %H:%M:%f000', {instant}, {hours} || ' hours')"


@compiles(later, "postgresql")
def _later_postgresql(element: later, compiler: SQLCompiler, **options: Any) -> str:
    instant, hours = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({instant} + make_interval(hours => {hours}))"
