"""One engine per kind of database: a SQLite file, or PostgreSQL.

Writers on SQLite begin with ``BEGIN IMMEDIATE``: a transaction that starts by reading and then
writes would be refused at once when another writer is at work, whatever the busy timeout. On
PostgreSQL a reader asks for REPEATABLE READ, which is what a reader on SQLite always has: one state
from beginning to end.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from digest.errors import ConfigError

LOCK_SECONDS = 10
"""How long a statement waits for what another transaction holds."""
PAGE_CACHE_KIB = 4 * 1024
"""What SQLite may keep of a file in memory, for each connection."""
_HINT = "for example sqlite:///var/digest.db or postgresql://user:password@host/name"
_PATIENCE = {
    "connect_timeout": 10,
    # A server that vanished without a word is noticed within a minute, not after two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "digest",
}
"""What libpq is told where the URL does not say otherwise."""


def open_engine(url: str) -> Engine:
    """The engine for ``url``; nothing is connected yet. A ConfigError says why it cannot be."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The parser's own words may repeat a part of the password.
        raise ConfigError(
            "DATABASE_URL",
            "is not the address of a database",
            hint=f"{_HINT}; @ : / ? # % in a password are written percent-encoded",
        ) from None
    try:
        if parsed.drivername in {"postgresql", "postgresql+psycopg"}:
            return _postgresql(parsed)
        if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
            return _sqlite(parsed)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "DATABASE_URL",
            f"cannot be used: {error}",
            hint="PostgreSQL needs an extra package: pip install 'digest[postgres]'",
        ) from error
    except (ArgumentError, NoSuchModuleError, OSError, RuntimeError) as error:
        raise ConfigError("DATABASE_URL", f"cannot be used: {error}", hint=_HINT) from error
    raise ConfigError("DATABASE_URL", f"cannot be used: {parsed.drivername}", hint=_HINT)


def reading(engine: Engine) -> Engine:
    """``engine`` for transactions that see one state and change nothing."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", reads=True)
    return engine


def writing(engine: Engine) -> Engine:
    """``engine`` for transactions that will write."""
    return engine.execution_options(writes=True)


def _sqlite(url: URL) -> Engine:
    if "uri" not in url.query:
        url = _with_folder(url)
    waits = {} if "timeout" in url.query else {"timeout": LOCK_SECONDS}
    engine = create_engine(url, hide_parameters=True, json_serializer=_json, connect_args=waits)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _json(value: object) -> str:
    """What a column of JSON keeps: a snapshot takes 17 µs so, and 42 by the standard library.

    It writes some of what is no JSON as well, and would not give it back: tests see to it that
    sections say nothing of the kind.
    """
    return to_json(value).decode()


def _with_folder(url: URL) -> URL:
    """Make the folder of the file, which may stand below the home folder (``~``)."""
    if not url.database:
        return url
    path = Path(url.database).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return url.set(database=str(path))


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    _write_ahead(connection)
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        f"cache_size = -{PAGE_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Keep the file with a write-ahead log.

    Where that is new to the file, and another connection is about to write, SQLite refuses at once,
    whatever the timeout: two programs that meet an empty file would stop one another.
    """
    ((milliseconds,),) = connection.execute("PRAGMA busy_timeout").fetchall()
    end = monotonic() + milliseconds / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() >= end:
                raise
            sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        json_serializer=_json,
        isolation_level="READ COMMITTED",
        execution_options={"preserve_rowcount": True},  # the driver forgets it with the cursor
        pool_pre_ping=True,  # a restarted server is met by a new connection, not by an error
        connect_args={k: v for k, v in _PATIENCE.items() if k not in url.query},
    )
    whole = engine.dialect.import_dbapi().types.numeric.IntLoader

    def prepare(connection: Any, _record: object) -> None:
        # sum(bigint) is numeric there; all that is summed are whole numbers.
        connection.adapters.register_loader("numeric", whole)
        connection.execute("SET TIME ZONE 'UTC'")  # instants without a zone are UTC, as in append()
        if "lock_timeout" not in str(url.query.get("options", "")):
            connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.commit()

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: Connection) -> None:
    # Not by SQLAlchemy's option, which would spare a round trip: a connection that had it says READ
    # WRITE from then on, and so writes even where the server was told that nobody should.
    if connection.get_execution_options().get("reads", False):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
