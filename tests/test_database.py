"""The database: migrations, waiting, and what is said when it cannot work."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, inspect, select, text, update
from sqlalchemy.exc import StatementError
from sqlmodel import SQLModel

from digest.database import Database, Repeated, engines
from digest.database.migrating import alembic, head
from digest.database.trouble import translated
from digest.errors import ConfigError, DatabaseError, DatabaseUnavailable
from digest.models import Run, User, table
from tests.databases import new_database, sql, sqlite_only

NOW = datetime(2026, 11, 16, 7, tzinfo=UTC)
ALICE = {"id": "alice", "name": "Alice", "email": "alice@fieldnotes.example"}
BOB = {"id": "bob", "name": "Bob", "email": "bob@fieldnotes.example"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "digest.db"


@pytest.fixture
def db(file: Path) -> Iterator[Database]:
    """An empty database with all its tables."""
    db = Database(new_database(file, tables=False))
    db.migrate()
    yield db
    db.close()


def names(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(table(User).c.name).order_by(table(User).c.id)))


def shape(db: Database) -> set[Any]:
    """What the database itself says its tables and columns are."""
    found = inspect(db.engine)
    return {
        (table, column["name"], str(column["type"]))
        for table in found.get_table_names()
        for column in found.get_columns(table)
    }


def schema(file: Path) -> set[str]:
    """What SQLite itself says the tables and indexes are, in one spelling."""
    with sqlite3.connect(file) as connection:
        found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {" ".join(sql.split()) for (sql,) in found if "alembic_version" not in sql}


# --- migrations ----------------------------------------------------------------------------------


def test_an_empty_database_gets_every_table(db: Database) -> None:
    assert {name for name, *_ in shape(db)} >= set(SQLModel.metadata.tables)


def test_the_files_of_migrations_are_named_by_their_place() -> None:
    """So that a start need not load Alembic to know that there is nothing to do."""
    scripts = ScriptDirectory.from_config(alembic())
    named = {Path(script.path).name.partition("_")[0] for script in scripts.walk_revisions()}
    assert named == {script.revision for script in scripts.walk_revisions()}
    assert scripts.get_current_head() == head()


def test_migrating_twice_changes_nothing(db: Database) -> None:
    with db.writing() as session:
        session.execute(insert(table(User)), [ALICE])
    before = shape(db)
    db.migrate()
    assert shape(db) == before
    assert names(db) == ["Alice"]


def test_the_migrations_lead_to_what_the_models_say(db: Database) -> None:
    with db.engine.connect() as connection:
        command.check(alembic(connection))


@sqlite_only
def test_the_migrations_make_the_same_indexes_and_checks_as_the_models(
    db: Database, tmp_path: Path, file: Path
) -> None:
    """Partial indexes, checks and clustering are beyond what Alembic compares."""
    fresh = Database(f"sqlite:///{tmp_path / 'models.db'}")
    with fresh.engine.begin() as connection:
        SQLModel.metadata.create_all(connection)
    fresh.close()
    migrated, modelled = (
        {clause for sql in schema(path) for clause in _clauses(sql)}
        for path in (file, tmp_path / "models.db")
    )
    assert migrated == modelled


def _clauses(sql: str) -> set[str]:
    """The lines of a definition, each with the table it is of: their order does not matter."""
    head, _, body = sql.partition(" (")
    return {f"{head}: {clause.strip(' )')}" for clause in body.split(", ")}


def test_starting_several_times_at_once_on_an_empty_database_works(file: Path) -> None:
    url = new_database(file, tables=False)
    code = (
        "import sys; from digest.database import Database; "
        "db = Database(sys.argv[1]); db.migrate(); db.close()"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    ended = [(process.communicate()[1], process.returncode) for process in started]
    assert [(error, status) for error, status in ended if status] == []
    with closing(Database(url)) as db:
        assert names(db) == []


@sqlite_only
def test_whoever_meets_a_new_file_that_another_begins_to_write_waits(file: Path) -> None:
    """SQLite itself refuses a write-ahead log then, and does not wait."""
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(0.3, other.execute, ["COMMIT"])
        ends.start()
        with closing(Database(f"sqlite:///{file}")) as db:
            db.migrate()
        ends.join()


@sqlite_only
def test_a_new_file_that_another_writes_for_long_is_said_to_be_locked(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            closing(Database(f"sqlite:///{file}?timeout=0.2")) as db,
            pytest.raises(DatabaseUnavailable, match="locked"),
        ):
            db.migrate()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(db: Database) -> None:
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = shape(db)
    with pytest.raises(DatabaseError, match="newer version") as caught:
        db.migrate()
    assert caught.value.hint
    assert shape(db) == before


def test_a_database_of_another_program_is_refused_and_left_alone(file: Path) -> None:
    url = new_database(file, tables=False)
    sql(url, "CREATE TABLE posts (theirs INTEGER)")
    with closing(Database(url)) as db:
        before = shape(db)
        with pytest.raises(DatabaseError, match="already exists") as caught:
            db.migrate()
        assert "another program" in caught.value.hint
        assert shape(db) == before


# --- transactions --------------------------------------------------------------------------------


def test_a_failed_write_leaves_no_trace(db: Database) -> None:
    with pytest.raises(RuntimeError), db.writing() as session:  # noqa: PT012
        session.execute(insert(table(User)), [ALICE])
        raise RuntimeError
    assert names(db) == []


@sqlite_only
def test_two_writers_wait_for_each_other_instead_of_failing(db: Database) -> None:
    """Both read before they write, which SQLite refuses at once unless told beforehand."""
    entered = threading.Event()

    def slow() -> None:
        with db.writing() as session:
            count = len(session.execute(select(table(User).c.id)).all())
            entered.set()  # the lock is taken by the first statement
            time.sleep(0.3)
            session.execute(insert(table(User)), [ALICE | {"name": f"{count} before"}])

    writer = threading.Thread(target=slow)
    writer.start()
    entered.wait()
    with db.writing() as session:
        count = len(session.execute(select(table(User).c.id)).all())
        session.execute(insert(table(User)), [BOB | {"name": f"{count} before"}])
    writer.join()
    assert names(db) == ["0 before", "1 before"]


def test_readers_do_not_wait_for_a_writer_and_see_one_state(db: Database) -> None:
    with db.reading() as session:
        assert session.execute(select(table(User).c.id)).all() == []
        with db.writing() as other:
            other.execute(insert(table(User)), [ALICE])
        assert session.execute(select(table(User).c.id)).all() == []
    assert names(db) == ["Alice"]


@sqlite_only
def test_a_writer_that_waits_too_long_says_what_to_do(file: Path, db: Database) -> None:
    impatient = Database(f"sqlite:///{file}?timeout=0")
    with db.writing() as session:
        session.execute(insert(table(User)), [ALICE])
        with pytest.raises(DatabaseError, match="locked") as caught, impatient.writing() as other:
            other.execute(insert(table(User)), [BOB])
    impatient.close()
    assert names(db) == ["Alice"]
    assert "another program is writing" in caught.value.hint


def test_rows_that_point_nowhere_are_refused(db: Database) -> None:
    with pytest.raises(DatabaseError, match=r"(?i)foreign key"), db.writing() as session:
        session.execute(text("INSERT INTO memberships (group_id, user_id) VALUES ('g', 'u')"))


@sqlite_only
def test_an_outcome_is_on_the_disk_before_it_counts(db: Database) -> None:
    with db.reading() as session:
        settings = {
            name: session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 1000 * engines.LOCK_SECONDS,
    }


# --- a database that cannot be used --------------------------------------------------------------


@sqlite_only
def test_a_file_that_may_not_be_written_says_so(db: Database, file: Path) -> None:
    readonly = Database(f"sqlite:///file:{file}?mode=ro&uri=true")
    assert names(readonly) == []
    with pytest.raises(DatabaseError, match="readonly") as caught, readonly.writing() as session:
        session.execute(insert(table(User)), [ALICE])
    readonly.close()
    assert "writable" in caught.value.hint


@sqlite_only
def test_a_folder_in_the_place_of_the_file_says_so(tmp_path: Path) -> None:
    with (
        closing(Database(f"sqlite:///{tmp_path}")) as db,
        pytest.raises(DatabaseError, match="unable to open") as caught,
    ):
        db.migrate()
    assert not isinstance(caught.value, DatabaseUnavailable)
    assert "it is a folder" in caught.value.hint
    assert "mounted read-only?" in caught.value.hint


@sqlite_only
def test_a_file_that_is_no_database_says_so(file: Path) -> None:
    file.write_bytes(b"These are not the bytes you are looking for. " * 100)
    db = Database(f"sqlite:///{file}")
    with pytest.raises(DatabaseError, match="not a database") as caught:
        db.migrate()
    db.close()
    assert "backup" in caught.value.hint


@sqlite_only
def test_a_damaged_file_says_so(db: Database, file: Path) -> None:
    with db.writing() as session:
        rows = [ALICE | {"id": f"{n}", "name": "x" * 100} for n in range(2000)]
        session.execute(insert(table(User)), rows)
    db.close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    content = file.read_bytes()
    file.write_bytes(content[:size] + b"\xff" * (len(content) - size))
    with pytest.raises(DatabaseError, match="malformed") as caught:
        names(db)
    assert "backup" in caught.value.hint


def test_a_database_without_tables_says_so(file: Path) -> None:
    url = new_database(file, tables=False)
    missing = pytest.raises(DatabaseError, match=r"no such table|does not exist")
    with closing(Database(url)) as db, missing as caught:
        names(db)
    assert caught.value.hint


@sqlite_only
def test_a_full_disk_says_so(db: Database) -> None:
    rows = [ALICE | {"id": f"{n}", "name": "x" * 1000} for n in range(500)]
    with db.reading() as session:
        session.execute(text("PRAGMA max_page_count = 1"))
    with pytest.raises(DatabaseError, match="full") as caught, db.writing() as session:
        session.execute(insert(table(User)), rows)
    assert "make room" in caught.value.hint
    assert names(db) == []


def test_a_connection_that_nobody_gives_back_is_trouble_that_may_pass(file: Path) -> None:
    engine = create_engine(f"sqlite:///{file}", pool_size=1, max_overflow=0, pool_timeout=0.01)
    with (
        closing(engine.connect()),
        pytest.raises(DatabaseUnavailable, match="no connection came free") as told,
        translated(engine),
    ):
        engine.connect()
    assert "try again" in told.value.hint
    engine.dispose()


def test_an_error_never_shows_the_data_it_was_about(db: Database) -> None:
    with pytest.raises(DatabaseError) as caught, db.writing() as session:
        session.execute(insert(table(User)), [ALICE, ALICE])
    assert "fieldnotes.example" not in f"{caught.value!r} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "oracle+nothing://x", "sqlite:////dev/null/digest.db"]
)
def test_a_url_that_cannot_work_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert caught.value.setting == "DATABASE_URL"
    assert caught.value.hint


@sqlite_only
def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'a' / 'b' / 'digest.db'}")
    db.migrate()
    db.close()
    assert (tmp_path / "a" / "b" / "digest.db").is_file()


@sqlite_only
def test_a_file_below_the_home_folder_may_be_written_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    db = Database("sqlite:///~/digest.db")
    db.migrate()
    db.close()
    assert (tmp_path / "digest.db").is_file()


# --- instants ------------------------------------------------------------------------------------


def test_an_instant_without_a_zone_is_refused_not_guessed(db: Database) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(StatementError, match="has no zone"), db.writing() as session:
        session.execute(insert(table(User)), [ALICE | {"joined_at": naive}])


def test_an_instant_of_another_zone_comes_back_as_the_same_instant_in_utc(db: Database) -> None:
    chatham = NOW.astimezone(timezone(timedelta(hours=13, minutes=45)))
    with db.writing() as session:
        session.execute(insert(table(User)), [ALICE | {"joined_at": chatham}])
        session.execute(insert(table(User)), [BOB])
    with db.reading() as session:
        joined = session.scalars(select(table(User).c.joined_at).order_by(table(User).c.id)).all()
    assert joined == [NOW, None]
    assert joined[0] is not None
    assert joined[0].tzinfo is UTC


@pytest.mark.parametrize(
    "written", ["2026-11-16 00:00:00", "2026-11-16T01:00:00.000+01:00", "2026-11-16"]
)
def test_an_instant_that_another_program_wrote_is_read(db: Database, written: str) -> None:
    with db.writing() as session:
        session.execute(insert(table(User)), [ALICE])
        session.execute(text("UPDATE users SET joined_at = :at"), {"at": written})
    with db.reading() as session:
        assert session.scalar(select(table(User).c.joined_at)) == datetime(2026, 11, 16, tzinfo=UTC)


@pytest.mark.parametrize("value", [NOW, None])
def test_a_statement_for_many_rows_holds_plain_values_only(db: Database, value: object) -> None:
    """Nobody would write them as their column wants it."""
    ended = Repeated(update(table(Run)).values(finished_at=value))
    with pytest.raises(TypeError, match="plain values"), db.writing() as session:
        ended.run(session, [{}])


def test_instants_are_compared_by_time_whatever_their_zone(db: Database) -> None:
    """SQLite compares texts, so what is stored and what is asked for need one spelling."""
    run = {"host": "h", "pid": 1, "command": "send", "heartbeat_at": NOW, "outcome": ""}
    with db.writing() as session:
        for n, hours in enumerate((-12, 0, 14)):
            at = (NOW + timedelta(minutes=n)).astimezone(timezone(timedelta(hours=hours)))
            session.execute(insert(table(Run)), [run | {"owner": f"{n}", "started_at": at}])
        later = table(Run).c.started_at >= (NOW + timedelta(minutes=1)).astimezone(
            timezone(timedelta(hours=-5))
        )
        owners = session.scalars(select(table(Run).c.owner).where(later))
        assert sorted(owners) == ["1", "2"]


def test_work_in_the_background_is_done_by_one_thread_however_much_there_is(db: Database) -> None:
    """Each thread more keeps memory of its own that what a batch needed is hardly given back to."""

    def work() -> int:
        time.sleep(0.01)
        return threading.get_ident()

    async def ask() -> list[int]:
        return await asyncio.gather(*(db.in_background(work, lambda: False) for _ in range(5)))

    (thread,) = set(asyncio.run(ask()))
    assert thread != threading.get_ident()


def test_whoever_is_cancelled_leaves_no_work_behind(db: Database) -> None:
    """A thread that goes on would have a connection that nobody closes any more."""
    began, asked, over = threading.Event(), threading.Event(), []

    def work() -> None:
        with db.reading() as session:
            session.execute(text("SELECT 1"))
            began.set()
            asked.wait(10)
            time.sleep(0.05)
        over.append(True)

    async def main() -> None:
        task = asyncio.create_task(db.in_background(work, lambda: False))
        await asyncio.to_thread(began.wait, 10)
        task.cancel()
        asked.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert over

    asyncio.run(main())
