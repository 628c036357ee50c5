"""From the tables that are there to those that this version needs.

Alembic is loaded only where there is something to do: it would be a tenth of every start.
"""

from __future__ import annotations

import logging
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlmodel import Session

from digest.errors import DatabaseError

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)
_MIGRATIONS = Path(__file__).parents[1] / "migrations"
_CURRENT = text("SELECT version_num FROM alembic_version")
_ONE_AT_A_TIME = 0x64_69_67_65_73_74  # "digest", as the number of an advisory lock


def migrate(connection: Connection) -> None:
    """Bring the tables up to date, in the transaction that ``connection`` has begun."""
    _alone(connection)
    known = inspect(connection).has_table("alembic_version")
    current = connection.scalar(_CURRENT) if known else None
    if current == head():
        return
    if current is not None and current not in _revisions():
        raise newer()
    from alembic import command  # noqa: PLC0415 - see above

    command.upgrade(alembic(connection), "head")
    _compare_bytes(connection)
    if current is not None:
        log.info("the database was brought up to date (%s → %s)", current, head())


def require_version(session: Session) -> None:
    """Raise a DatabaseError if a newer version of digest has changed the tables meanwhile."""
    if session.scalar(_CURRENT) != head():
        raise newer()


def newer() -> DatabaseError:
    """The error for tables that this version does not know."""
    return DatabaseError(
        "the database was made by a newer version of digest",
        hint="install that version, or use another DATABASE_URL",
    )


def alembic(connection: Connection | None = None) -> Config:
    """What Alembic needs to know: where the migrations are, and the connection to run them on."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config(stdout=sys.stdout)  # its default is what that was when it was imported
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision that this version needs: the last one there is."""
    return _revisions()[-1]


@cache
def _revisions() -> list[str]:
    """All of them, in order: each file is named by its number."""
    files = (_MIGRATIONS / "versions").glob("[0-9]*.py")
    return sorted(file.stem.partition("_")[0] for file in files)


def _alone(connection: Connection) -> None:
    """Let one migrate at a time; on SQLite the transaction itself is the lock."""
    if connection.dialect.name != "postgresql":
        return
    connection.execute(text("SET LOCAL lock_timeout = 0"))  # however long the other one takes
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise DatabaseError(
            f"the database keeps text as {encoding}, which cannot hold every name",
            hint="create it with ENCODING 'UTF8' TEMPLATE template0",
        )


def _compare_bytes(connection: Connection) -> None:
    """Make text compare as SQLite and Python compare it, whatever the server's collation.

    Keyset pages, claims and ties depend on the order of ids. A migration need not know of it.
    """
    if connection.dialect.name != "postgresql":
        return
    columns = connection.execute(
        text(
            "SELECT table_name, column_name, udt_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND udt_name IN ('varchar', 'text')"
            " AND collation_name IS DISTINCT FROM 'C' AND table_name <> 'alembic_version'"
        )
    ).all()
    for table, column, kind in columns:
        kind_c = f'TYPE {kind} COLLATE "C"'
        connection.execute(text(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" {kind_c}'))
