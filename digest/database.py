"""The engine, its sessions and the migrations: the only module that knows the dialect.

Writers on SQLite begin with ``BEGIN IMMEDIATE``: a transaction that starts by reading and then
writes would be refused at once when another writer is at work, whatever the busy timeout.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Select,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine
from sqlmodel import Session

from digest.errors import ConfigError, DatabaseError
from digest.models import UtcDateTime

BUSY_TIMEOUT_SECONDS = 10
PAGE_CACHE_KIB = 8 * 1024

_HINTS = (
    ("locked", "another program is writing to it for long; stop it or try again"),
    ("readonly", "make the file and its folder writable for this user"),
    ("unable to open", "the folder does not exist or is not readable for this user"),
    ("not a database", "the file is not SQLite, or damaged; restore it from a backup"),
    ("malformed", "the file is damaged; restore it from a backup"),
    ("disk", "make room on the disk; nothing that was recorded is lost"),
    ("already exists", "the database is of another program; use another DATABASE_URL"),
    ("no such table", "the database is of another program, or its tables were removed"),
)


class Database:
    """One database: ``reading()`` and ``writing()`` open a session in a transaction."""

    def __init__(self, url: str) -> None:
        """Prepare the engine for ``url``; nothing is opened yet."""
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "sqlite" and "uri" not in parsed.query:
                parsed = _with_folder(parsed)
            self.engine = create_engine(parsed, hide_parameters=True)
        except (ArgumentError, NoSuchModuleError, ImportError, OSError, RuntimeError) as error:
            raise ConfigError(
                "DATABASE_URL",
                f"cannot be used: {error}",
                hint="for example sqlite:///var/digest.db",
            ) from error
        self.dialect = self.engine.dialect.name
        if self.dialect == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database and changes nothing."""
        with _translated(self.engine), Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits at the end, or leaves no trace."""
        with _translated(self.engine), Session(self._writer) as session, session.begin():
            yield session

    @contextmanager
    def loading(self, *, whole: bool = False) -> Iterator[Load]:
        """One connection for a large import; its temporary tables outlive its transactions.

        ``whole`` makes everything one transaction: all of it is kept, or nothing.
        """
        with _translated(self.engine), self.engine.connect() as connection:
            load = Load(connection, whole=whole)
            if not whole:
                yield load
                return
            with load.transaction(writes=True):
                yield load

    def migrate(self) -> None:
        """Bring the tables to what this version needs; an empty database gets all of them."""
        with _translated(self.engine), self._writer.connect() as connection, connection.begin():
            current = _revision(connection)
            if current == _head():
                return
            if current is not None and current not in _known_revisions():
                raise DatabaseError(
                    "the database was made by a newer version of digest",
                    hint="install that version, or use another DATABASE_URL",
                )
            command.upgrade(_alembic(connection), "head")

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


class Load:
    """The transactions of a large import: staging takes no lock, storing takes it for moments."""

    def __init__(self, connection: Connection, *, whole: bool) -> None:
        """Work on ``connection``; with ``whole`` its one transaction is the caller's."""
        self.session = Session(connection)
        self.whole = whole
        self._connection = connection

    @contextmanager
    def staging(self) -> Iterator[Session]:
        """A transaction that writes to temporary tables only, however long it takes."""
        with nullcontext() if self.whole else self.transaction(writes=False):
            yield self.session

    @contextmanager
    def storing(self) -> Iterator[Session]:
        """A transaction that writes to the real tables; keep it short."""
        with nullcontext() if self.whole else self.transaction(writes=True):
            yield self.session

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:
        """Begin in the way ``writes`` needs, and commit at the end."""
        self._connection.execution_options(writes=writes)
        with self.session.begin():
            yield


def append(session: Session, into: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert tuples as they are, in the order of the columns but for the first, which counts.

    Several times faster than dictionaries, because no value is looked at: instants must be written
    as :class:`~digest.models.UtcDateTime` writes them.
    """
    connection = session.connection()
    names = ", ".join(column.name for column in list(into.columns)[1:])
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * (len(into.columns) - 1))
    connection.exec_driver_sql(
        f"INSERT INTO {into.name} ({names}) VALUES ({marks})",  # noqa: S608 - our own names
        cast(Any, rows),
    )


def insert(session: Session, into: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    dialect = session.get_bind().dialect.name
    return postgresql.insert(into) if dialect == "postgresql" else sqlite.insert(into)


def fetch(session: Session, statement: Select[Any]) -> list[Any]:
    """Every row that ``statement`` selects, fetched at once.

    As plain columns and not by way of the ORM, and not one by one: a batch asks for thousands.
    """
    return list(session.connection().execute(statement).all())


def execute_many(session: Session, statement: Insert | Any, rows: Sequence[dict[str, Any]]) -> None:
    """Run ``statement`` once per row; no rows is no work."""
    if rows:
        session.connection().execute(statement, rows)


class _Texts(TypeDecorator[list[str]]):
    """Many texts as one parameter: an array, or JSON where there are none."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """What the database takes."""
        return dialect.type_descriptor(ARRAY(Text) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> Any:
        """Python to database."""
        return value if dialect.name == "postgresql" else json.dumps(value)


def among(column: ColumnElement[str], texts: Collection[str]) -> ColumnElement[bool]:
    """Is ``column`` one of ``texts``? A batch is one parameter, whatever its size.

    ``IN`` with a parameter for each costs more than the query itself.
    """
    return column.bool_op("IN")(_Each(bindparam(None, list(texts), type_=_Texts, unique=True)))


class _Each(FunctionElement[str]):
    """The elements of one parameter, as a sub-query."""

    inherit_cache = True


@compiles(_Each, "sqlite")
def _each_sqlite(element: _Each, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **options)}))"  # noqa: S608 - no values, a parameter


@compiles(_Each, "postgresql")
def _each_postgresql(element: _Each, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **options)}))"


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


def _with_folder(url: URL) -> URL:
    """Make the folder of the file, which may stand below the home folder (``~``)."""
    if not url.database:
        return url
    path = Path(url.database).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return url.set(database=str(path))


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"cache_size = -{PAGE_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    """Turn the driver's complaints into one that says what to do."""
    try:
        yield
    except DBAPIError as error:
        complaint = str(error.orig)
        hint = next((hint for word, hint in _HINTS if word in complaint.lower()), "")
        name = engine.url.render_as_string(hide_password=True)
        raise DatabaseError(f"{name}: {complaint}", hint=hint) from error


def _alembic(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _head() -> str | None:
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def _known_revisions() -> set[str]:
    scripts = ScriptDirectory.from_config(_alembic())
    return {script.revision for script in scripts.walk_revisions()}


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
