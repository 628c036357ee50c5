"""The database: engine, sessions, migrations. Nothing else knows which kind of database it is.

A SQLite file, or PostgreSQL (psycopg 3) with the same tables, the same statements and the same
promises.
"""

from digest.database.dialect import (
    Repeated,
    analyze,
    append,
    execute_many,
    fetch,
    insert,
    insert_missing,
    written,
)
from digest.database.functions import among, later, once, paired, seconds
from digest.database.migrating import require_version
from digest.database.sessions import Database, Load

__all__ = [
    "Database",
    "Load",
    "Repeated",
    "among",
    "analyze",
    "append",
    "execute_many",
    "fetch",
    "insert",
    "insert_missing",
    "later",
    "once",
    "paired",
    "require_version",
    "seconds",
    "written",
]
