"""What only a server can do: sort by a language, lock rows, refuse a password, be away."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, insert, literal, select, text

from digest import look, planning
from digest.database import Database
from digest.errors import ConfigError, DatabaseError
from digest.ingest import ingest_rows
from digest.ingest.importing import MUCH
from digest.ingest.rows import UserRow
from digest.ledger import claim
from digest.models import Counter, Run, User, table
from tests.conftest import Front
from tests.databases import ask, new_database, postgres_only, server
from tests.office import ANY, NOW, Office, open_office

IDS = ["B", "a", "é", "Z", "_", "10", "9", "ß", "zz", "-1", "日"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


# --- plans ---------------------------------------------------------------------------------------


@postgres_only
@pytest.mark.parametrize(("number", "seen"), [(MUCH - 1, False), (MUCH, True)])
def test_after_a_large_import_the_server_knows_how_much_there_is(
    office: Office, number: int, *, seen: bool
) -> None:
    """Otherwise the first mails of popular authors are planned as if there were next to nothing."""
    people = (UserRow(f"{n}", "", f"u{n}@x.example", f"u{n}@x.example") for n in range(number))
    assert ingest_rows(office.database, people).changed == number
    asked = "SELECT reltuples FROM pg_class WHERE relname = 'users'"
    assert ask(office.database, asked) == [(number if seen else -1,)]  # -1: it never looked


# --- who may write -------------------------------------------------------------------------------


@postgres_only
def test_who_only_looks_writes_nothing_and_the_next_only_where_the_server_lets_it(
    office: Office,
) -> None:
    """One connection serves both, and must not carry over from one to the other."""
    change = text("UPDATE users SET name = 'x'")
    with pytest.raises(DatabaseError, match="read-only"), office.database.reading() as session:
        session.execute(change)
    with office.database.writing() as session:
        session.execute(change)
    with office.database.reading() as session:
        session.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        session.commit()
    with pytest.raises(DatabaseError, match="read-only"), office.database.writing() as session:
        session.execute(change)


# --- one address ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://digest:secret@host:port/name",
        "postgresql+psycopg2://digest:secret@host/name",
        "postgresql+asyncpg://digest:secret@host/name",
        "postgres:secret",
    ],
)
def test_an_address_that_cannot_work_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Database(url)
    said = f"{caught.value} {caught.value.__cause__}"
    assert not any(part in said for part in ("secret", "ssword"))
    assert "postgresql://user:password@host/name" in caught.value.hint


def test_without_the_extra_package_the_hint_names_it(tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text("raise ModuleNotFoundError('No module named psycopg')")
    code = "import os; from digest.database import Database; Database(os.environ['URL'])"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path), "URL": "postgresql://u:secret@localhost/d"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ConfigError: DATABASE_URL: cannot be used: No module named psycopg" in ended.stderr
    assert "secret" not in ended.stderr


@pytest.mark.parametrize("words", [("send",), ("daemon",), ("status",)], ids=" ".join)
def test_a_server_that_is_not_there_is_said_at_the_start(
    digest: Front, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgresql://digest:secret@127.0.0.1:1/name")
    result = digest(*words)
    assert result.code == 2
    assert "refused" in result.err
    assert "start the server" in result.err
    assert "secret" not in result.out + result.err


def test_the_check_shows_the_database_without_its_password(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgresql://digest:secret@127.0.0.1:1/name")
    result = digest("check")
    assert result.code == 2
    assert "wrong database:" in result.out
    assert "start the server" in result.out
    assert "secret" not in result.out + result.err


@postgres_only
@pytest.mark.parametrize(
    ("url", "hint"),
    [
        (lambda: server().url("nowhere"), "make the database"),
        (lambda: server().url("postgres", password="wrong"), "user and password"),
        (lambda: server().url("postgres", user="stranger"), "user and password"),
    ],
    ids=["no such database", "wrong password", "no such user"],
)
def test_what_the_server_refuses_is_said_with_what_to_do(url: object, hint: str) -> None:
    assert callable(url)
    with closing(Database(url())) as database, pytest.raises(DatabaseError) as caught:
        database.migrate()
    assert hint in caught.value.hint
    assert "wrong@" not in str(caught.value)


@postgres_only
def test_a_user_without_rights_is_told_whose_the_database_must_be(tmp_path: Path) -> None:
    new_database(tmp_path, tables=False)
    server().sql("DROP ROLE IF EXISTS guest")
    server().sql("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    server().sql("CREATE DATABASE fresh TEMPLATE template0")
    try:
        url = server().url("fresh", user="guest", password="guest")
        with closing(Database(url)) as database, pytest.raises(DatabaseError) as caught:
            database.migrate()
        assert "owner of the database" in caught.value.hint
    finally:
        server().sql("DROP DATABASE fresh WITH (FORCE)")


@postgres_only
def test_a_database_that_cannot_hold_every_name_is_refused() -> None:
    server().sql(
        "CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE_PROVIDER libc LOCALE 'C'"
    )
    try:
        with closing(Database(server().url("latin"))) as database:
            with pytest.raises(DatabaseError, match="LATIN1") as caught:
                database.migrate()
            assert "UTF8" in caught.value.hint
    finally:
        server().sql("DROP DATABASE latin WITH (FORCE)")


# --- the same answers ----------------------------------------------------------------------------


def test_text_compares_as_python_compares_it(database: Database) -> None:
    """The server of these tests sorts by the rules of English, which no query may notice."""
    people = [{"id": id_, "name": id_, "email": f"{n}@people.example"} for n, id_ in enumerate(IDS)]
    ids = table(User).c.id
    with database.writing() as session:
        session.execute(insert(table(User)), people)
    with database.reading() as session:
        assert list(session.scalars(select(ids).order_by(ids))) == sorted(IDS)
        assert set(session.scalars(select(ids).where(ids > "a"))) == {i for i in IDS if i > "a"}
        assert session.scalar(select(func.max(ids))) == max(IDS)


@postgres_only
def test_every_text_of_every_table_compares_so(database: Database) -> None:
    left = ask(
        database,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND udt_name IN ('varchar', 'text')"
        " AND collation_name IS DISTINCT FROM 'C' AND table_name <> 'alembic_version'",
    )
    assert left == []
    assert server().sql("SELECT 'a' < 'B'") == [(True,)], "else the test above proves nothing"


def test_every_user_is_met_once_by_pages_and_claims_whatever_their_ids(office: Office) -> None:
    office.resettle(batch=2)
    office.enrol(*IDS)
    rehearsed = look.rehearse(office.shop, NOW, None, (), None)
    assert rehearsed.states.total() == len(IDS)
    office.plan()
    begin_run(office, "me")
    claims = [one for _ in range(8) for one in office.claim("me", size=2)]
    assert [claim.user for claim in claims] == sorted(IDS)


def test_a_sum_of_large_numbers_is_a_whole_number(database: Database) -> None:
    big = 2**62
    statement = select(func.sum(literal(big, table(Counter).c.views.type)))
    with database.reading() as session:
        found = session.scalar(statement)
        assert type(found) is int
        assert found == big


def test_a_reader_cannot_write_on_a_server(office: Office) -> None:
    """And sees one state: tests/test_database.py."""
    with office.database.reading() as session:
        level = session.connection().get_isolation_level()
    assert level in {"REPEATABLE READ", "SERIALIZABLE"}  # the second is SQLite's own


# --- claims --------------------------------------------------------------------------------------


def begin_run(office: Office, name: str) -> None:
    """Write a run into the books."""
    row = {"owner": name, "host": "h", "pid": 1, "command": "test", "outcome": ""}
    with office.database.writing() as session:
        session.execute(insert(table(Run)), [row | {"started_at": NOW, "heartbeat_at": NOW}])


@postgres_only
def test_claims_pass_over_what_others_are_taking_and_never_wait(office: Office) -> None:
    users = [f"user{n:02}" for n in range(30)]
    office.enrol(*users[:20])
    office.enrol(*users[20:], timezone="Asia/Tokyo")
    office.plan()
    for name in ("one", "two", "three"):
        begin_run(office, name)
    with (
        office.database.writing() as first,
        office.database.writing() as second,
        office.database.writing() as third,
    ):
        for session in (second, third):
            session.execute(text("SET LOCAL lock_timeout = '1ms'"))  # whoever waits, fails
        mine = claim(first, "one", ANY, NOW, 5)
        theirs = claim(second, "two", ANY, NOW, 5)
        rest = claim(third, "three", ANY, NOW, 100)
        nothing = claim(third, "three", ANY, NOW, 100)
    taken = [[one.user for one in claims] for claims in (mine, theirs, rest)]
    assert sorted(map(len, taken)) == [5, 5, 20]
    assert sorted(user for users_ in taken for user in users_) == users
    assert nothing == []


def test_many_claimers_at_once_share_everything_and_nothing_twice(office: Office) -> None:
    users = [f"user{n:03}" for n in range(200)]
    office.enrol(*users)
    office.plan()
    found: dict[str, list[str]] = {}
    start = threading.Barrier(4)

    def take(owner: str) -> None:
        mine = found.setdefault(owner, [])
        start.wait()
        while claims := office.claim(owner, size=7):
            mine.extend(one.user for one in claims)

    owners = ["a", "b", "c", "d"]
    for owner in owners:
        begin_run(office, owner)
    threads = [threading.Thread(target=take, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(user for mine in found.values() for user in mine) == users
    assert {row.fence for row in office.rows().values()} == {1}


def test_a_run_that_is_declared_dead_while_it_claims_keeps_nothing(office: Office) -> None:
    """Whoever closes the books waits for the claim, or the claim finds them closed."""
    users = [f"user{n:03}" for n in range(100)]
    office.enrol(*users)
    office.plan()
    begin_run(office, "me")
    start = threading.Barrier(2)
    claimed: list[str] = []

    def take() -> None:
        start.wait()
        while claims := office.claim("me", size=3):
            claimed.extend(one.user for one in claims)

    thread = threading.Thread(target=take)
    thread.start()
    start.wait()
    office.sql("UPDATE runs SET host = 'elsewhere'")
    office.recover(now=NOW + timedelta(hours=1))
    thread.join()
    assert set(office.states().values()) == {"pending"}
    assert office.claim("me") == []


# --- indexes -------------------------------------------------------------------------------------


@postgres_only
def test_claims_and_due_times_are_found_by_their_indexes(office: Office) -> None:
    """Among 20,000 deliveries of the past there are few open ones."""
    office.enrol("ann")
    office.sql(
        "INSERT INTO users (id, name, email) SELECT 'u' || n, 'U', 'u' || n || '@people.example'"
        " FROM generate_series(1, 20000) n"
    )
    office.sql(
        "INSERT INTO deliveries (user_id, period, timezone, state, reason, attempts, fence, reply,"
        " created_at, updated_at) SELECT 'u' || n, '2026-W40', 'UTC', 'sent', '', 1, 1, '',"
        " now(), now() FROM generate_series(1, 20000) n"
    )
    office.sql(
        "INSERT INTO subscriptions SELECT 'u' || n, 0, 8, 'UTC', now() + interval '10 years'"
        " FROM generate_series(1, 20000) n"
    )
    office.plan()
    for name in ("deliveries", "subscriptions", "users"):
        office.sql(f"ANALYZE {name}")
    begin_run(office, "me")
    plans = explained(office, lambda: office.claim("me"))
    with office.database.writing() as session:
        plans += explained(office, lambda: planning.plan_due(session, office.settings, NOW))
    assert "ix_deliveries_open" in plans
    assert "ix_subscriptions_next_due_at" in plans
    assert "Seq Scan on deliveries" not in plans
    assert "Seq Scan on subscriptions" not in plans


def explained(office: Office, act: Callable[[], object]) -> str:
    """How the server answers the questions that ``act`` asks."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        asked.append((statement, values))

    event.listen(office.database.engine, "before_cursor_execute", note)
    act()
    event.remove(office.database.engine, "before_cursor_execute", note)
    with office.database.writing() as session:
        lines = [
            line
            for statement, values in asked
            if statement.startswith(("SELECT", "UPDATE")) and isinstance(values, dict)
            for (line,) in session.connection().exec_driver_sql(f"EXPLAIN {statement}", values)
        ]
    return "\n".join(lines)
