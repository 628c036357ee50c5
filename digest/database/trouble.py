"""What a driver complains of, in words that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, exc
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from digest.errors import DatabaseError, DatabaseUnavailable

_HINTS = (
    ("locked", "another program is writing to it for long; stop it or try again"),
    ("lock timeout", "another program is writing to it for long; stop it or try again"),
    ("readonly", "make the file and its folder writable for this user"),
    (
        "unable to open",
        "its folder is missing, it is a folder, or cannot be read and written (mounted read-only?)",
    ),
    ("not a database", "the file is not SQLite, or damaged; restore it from a backup"),
    ("malformed", "the file is damaged; restore it from a backup"),
    (
        "i/o error",
        "see whether the disk is full, broken, read-only or over quota; nothing recorded is lost",
    ),
    ("disk", "make room on the disk; nothing that was recorded is lost"),
    ("no space left", "make room on the disk; nothing that was recorded is lost"),
    ("already exists", "the database is of another program; use another DATABASE_URL"),
    ("no such table", "the database is of another program, or its tables were removed"),
    ("connection refused", "start the server, or correct DATABASE_URL"),
    ("could not translate host name", "correct the host in DATABASE_URL"),
    ("authentication failed", "correct the user and password in DATABASE_URL"),
    ("no password supplied", "DATABASE_URL needs a password: postgresql://user:password@host/name"),
    ("permission denied", "make this user the owner of the database, see docs/configuration.md"),
    ("does not exist", "make the database and its user, see docs/configuration.md"),
    ("too many", "allow more connections on the server, or run fewer processes"),
    ("remaining connection slots", "allow more connections on the server, or run fewer processes"),
    ("starting up", "the server is on its way; try again"),
    ("shutting down", "the server is being stopped or started; try again"),
)


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn the driver's complaints into one that says what to do."""
    try:
        yield
    except exc.TimeoutError as error:
        raise DatabaseUnavailable(
            f"{_name(engine)}: no connection came free",
            hint="too much asks at once, or something holds them for long; try again",
        ) from error
    except DBAPIError as error:
        complaint = _complaint(error)
        hint = next((hint for word, hint in _HINTS if word in complaint.lower()), "")
        # PostgreSQL repeats the row that it refused, so that error is not passed on.
        cause = None if isinstance(error, IntegrityError) else error
        kind = DatabaseUnavailable if _may_pass(error, complaint) else DatabaseError
        raise kind(f"{_name(engine)}: {complaint}", hint=hint) from cause


_PASSING_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
}
_PASSING_STATES = ("08", "40", "53", "57P0", "55P03", "58030")
"""Connection, rolled back, resources, shutting down or starting, lock timeout, I/O (appendix A)."""
_LASTING = ("authentication failed", "no password supplied", "does not exist", "pg_hba.conf")
"""Where a connection is refused there is no code, only words."""


def _name(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _may_pass(error: DBAPIError, complaint: str) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _PASSING_SQLITE
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state).startswith(_PASSING_STATES) and state != "57P04"  # was dropped
    broken = error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return broken and not any(word in complaint for word in _LASTING)


def _complaint(error: DBAPIError) -> str:
    """The driver's words as one line, without the details, which may hold data."""
    said = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig)
    return " ".join(said.split())
