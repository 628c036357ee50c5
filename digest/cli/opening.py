"""What every command stands on: the time, the database, and who is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from sqlalchemy import func, select

from digest import subscriptions
from digest.config import Settings
from digest.database import Database
from digest.models import User, table


def clock() -> datetime:
    """The one place where the command line reads the clock."""
    return datetime.now(UTC)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database, with all tables of this version; closed at the end."""
    with suppress(OSError):  # whoever needs it says what is wrong; addresses and mails live there
        settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_url, patience=settings.database_patience_seconds)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def enrol(database: Database, settings: Settings) -> None:
    """Give everybody who has none a subscription."""
    with database.writing() as session:
        subscriptions.enrol(session, settings, clock())


def number_of_users(database: Database, *conditions: object) -> int:
    """How many users there are, or how many meet the conditions."""
    with database.reading() as session:
        users = table(User)
        return session.scalar(select(func.count()).select_from(users).where(*conditions)) or 0  # type: ignore[arg-type]
