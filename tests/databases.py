"""The databases of tests: files or, with ``DIGEST_TEST_DATABASE=postgres``, a server of our own.

Each test gets a database with all tables that nobody else uses. The server is private: made in a
folder of its own by the first test that needs it, and gone at the end. It sorts text by the rules
of a language, so that whatever depends on that order shows.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError

from digest.database import Database

KIND = os.environ.get("DIGEST_TEST_DATABASE", "sqlite")
POSTGRES = KIND == "postgres"
sqlite_only = pytest.mark.skipif(POSTGRES, reason="about the file in which SQLite keeps everything")
postgres_only = pytest.mark.skipif(
    not POSTGRES, reason="about the PostgreSQL server; run: make test-postgres"
)

BRIEF = "DIGEST_TEST_BRIEF" in os.environ


def examples(number: int) -> int:
    """How many random examples to try where ``number`` are tried by hand: the gate has less time.

    On PostgreSQL, which runs what SQLite ran before, a database of one's own takes longest.
    """
    return max(3, number // (1 if not BRIEF else 8 if POSTGRES else 4))


REQUIRED = os.environ.get("DIGEST_REQUIRE", "").split(",")
"""What a test run must have; elsewhere tests that need a missing thing skip and say so."""
_TEMPLATE, _PASSWORD = "empty", "p@ss:word/100%"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # the machine does not lose its power; the server may be killed all the same
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "lc_messages": "C",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "timezone": "Asia/Kathmandu",  # nothing may depend on where the server stands
}
_numbers = count()
_used: list[str] = []


class Server:
    """A PostgreSQL server on a free port of the loopback; it does not run as root."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="digest-postgres-", dir=_in_memory()))
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        self._make()
        self._listen()

    def _make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(_PASSWORD)
        if self._user:
            shutil.chown(secret, self._user)
        words = ["--username=digest", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync"]
        words += ["--encoding=UTF8", "--locale=C.UTF-8"]
        if int(self._programs.parent.name) >= 15:
            words += ["--locale-provider=icu", "--icu-locale=en-US"]
        self.run("initdb", *words)
        lines = [f"{name} = '{value}'" for name, value in _SETTINGS.items()]
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join([*lines, ""]))

    def _listen(self) -> None:
        """Start on a port that is free; another program may take it in between."""
        for last in (False, False, True):
            self.port = _lasting_port()
            try:
                self.start()
            except subprocess.CalledProcessError:
                if last:
                    raise
            else:
                return

    def run(self, program: str, *words: str) -> None:
        """One of PostgreSQL's programs, on this server's folder."""
        subprocess.run(
            [str(self._programs / program), f"--pgdata={self.folder / 'data'}", *words],
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def start(self) -> None:
        port = f"--options=-p {self.port}"
        self.run("pg_ctl", "start", "--wait", "--silent", port, f"--log={self.folder / 'log'}")

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "stop", "--wait", "--silent", f"--mode={mode}")

    def url(self, name: str, *, user: str = "digest", password: str = "") -> str:
        secret = password or _PASSWORD.replace("%", "%25").replace("@", "%40").replace("/", "%2F")
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, name: str = "postgres") -> list[Any]:
        """Outside any transaction, and as the owner of the server."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="digest",
            password=_PASSWORD,
            dbname=name,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def discard(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)


def _lasting_port() -> int:
    """A free one that no connection is given by the system: it must be free after a restart too."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")


def _in_memory() -> str | None:
    """Where the server's files are no files on a disk, if there is room: a thousand are made."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30
    return str(memory) if roomy and os.access(memory, os.W_OK) else None


@cache
def programs() -> Path | None:
    """The newest PostgreSQL of this machine, where Debian keeps it; None: there is none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    return found[-1] if found else None


@cache
def server() -> Server:
    """The server of this test session, with a database of all tables to copy from."""
    where = programs()
    if where is None:
        assert "postgres" not in REQUIRED, "PostgreSQL is missing"
        pytest.skip("needs a PostgreSQL server; on Debian: apt install postgresql")
    made = Server(where)
    made.sql(f"CREATE DATABASE {_TEMPLATE}")
    _migrate(made.url(_TEMPLATE))
    return made


@cache
def _empty_file() -> bytes:
    """A file with all tables, made once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        _migrate(f"sqlite:///{folder}/empty.db")
        return Path(folder, "empty.db").read_bytes()


def _migrate(url: str) -> None:
    with closing(Database(url)) as database:
        database.migrate()


def new_database(file: Path, *, tables: bool = True) -> str:
    """The URL of a new database, with all tables or none; on SQLite it is ``file``."""
    if not POSTGRES:
        if tables:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_empty_file())
        return f"sqlite:///{file}"
    name = f"test_{next(_numbers)}"
    server().sql(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE if tables else 'template0'}")
    _used.append(name)
    return server().url(name)


def waiting(url: str, seconds: float) -> str:
    """The same database for somebody who waits so long for a lock."""
    lock_timeout = f"options=-c%20lock_timeout%3D{seconds * 1000:.0f}"
    return f"{url}?{lock_timeout if POSTGRES else f'timeout={seconds}'}"


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another program writes for long: everybody may read, and nobody else write."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    try:
        with engine.connect() as other:
            if POSTGRES:
                _lock_between_commits(other)
            else:
                other.connection.driver_connection.isolation_level = None  # type: ignore[union-attr]
                other.exec_driver_sql("PRAGMA busy_timeout = 60000")
                other.exec_driver_sql("BEGIN EXCLUSIVE")
            yield
            other.exec_driver_sql("ROLLBACK")
    finally:
        engine.dispose()


def _lock_between_commits(other: Connection) -> None:
    """All tables or none: who waits for the next while it holds one can be a deadlock's victim."""
    for _ in range(2000):
        try:
            other.exec_driver_sql("LOCK TABLE deliveries, runs, users IN EXCLUSIVE MODE NOWAIT")
        except OperationalError:
            other.rollback()
            time.sleep(0.005)
        else:
            return
    raise TimeoutError("others never let go of the tables")


def mark() -> int:
    """How many databases there are by now."""
    return len(_used)


def sweep(since: int) -> None:
    """Drop the databases that were made after a mark, whoever is still connected."""
    while len(_used) > since:
        server().sql(f"DROP DATABASE {_used.pop()} WITH (FORCE)")


def stop_server() -> None:
    """At the end of the session."""
    if server.cache_info().currsize:
        server().discard()


@contextmanager
def other_program(url: str) -> Iterator[Any]:
    """A connection of a program that knows none of our rules; it commits at the end."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    try:
        with engine.begin() as connection:
            if POSTGRES:  # as on SQLite: instants without a zone, and no look where rows point
                connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            yield connection
    finally:
        engine.dispose()


def sql(url: str, statement: str, *values: Any, **named: Any) -> list[Any]:
    """Run one statement as another program would, and give the rows it finds.

    Marks are ``?`` or ``:name``; what comes back is written as SQLite keeps it.
    """
    for place, value in enumerate(values):
        statement = statement.replace("?", f":_{place}", 1)
        named[f"_{place}"] = value
    with other_program(url) as connection:
        found = connection.execute(text(statement), named)
        return [tuple(map(_plain, row)) for row in found] if found.returns_rows else []


def ask(database: Database, statement: str, *values: Any, **named: Any) -> list[Any]:
    """What :func:`sql` finds in an open database."""
    url = database.engine.url.render_as_string(hide_password=False)
    return sql(url, statement, *values, **named)


@contextmanager
def overheard(database: Database) -> Iterator[list[str]]:
    """The statements that the database is asked meanwhile."""
    asked: list[str] = []

    def hear(*said: Any) -> None:
        asked.append(said[2])

    event.listen(database.engine, "before_cursor_execute", hear)
    try:
        yield asked
    finally:
        event.remove(database.engine, "before_cursor_execute", hear)


@contextmanager
def steps(database: Database) -> Iterator[Callable[[], int]]:
    """How many thousands of steps SQLite takes meanwhile: work, whatever else the machine does."""
    taken = 0

    def count_one() -> int:
        nonlocal taken
        taken += 1
        return 0

    def listen(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(count_one, 1000)

    event.listen(database.engine, "checkout", listen)
    try:
        yield lambda: taken
    finally:
        event.remove(database.engine, "checkout", listen)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    if isinstance(value, Decimal):
        return int(value)
    return json.dumps(value) if isinstance(value, dict) else value
