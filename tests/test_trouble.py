"""The database in trouble: nothing is sent that is not marked, and what is known is not forgotten.

Trouble that may pass is waited for; trouble that will not pass stops the run with a hint. After
each, everybody is counted, nobody is lost, and only mails in doubt go a second time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest

import digest
from digest import scheduler
from digest.database import Database
from digest.database.migrating import head
from digest.errors import DatabaseError, DatabaseUnavailable
from digest.run import Report
from tests.databases import locked, postgres_only, server, sqlite_only
from tests.office import PATIENCE, Office, counted, ended, now, once, open_office, serving, until

USERS = [f"user{n:02}" for n in range(30)]
CODE = Path(digest.__file__).parents[1]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Thirty people wait for their mail, in batches of ten over three connections."""
    with open_office(
        tmp_path, lock_seconds=0.2, database_patience_seconds=20, connections=3, batch=10
    ) as office:
        office.enrol(*USERS)
        office.plan()
        yield office


def script(act: Callable[[], object], verb: str = ".", at: int = 8) -> dict[str, Any]:
    """Something happens when the server has heard ``verb`` for the ``at``-th time."""
    return {verb: once(act, at)}


@contextmanager
def for_a_while(trouble: Callable[[], Any], seconds: float = 1.0) -> Iterator[Callable[[], None]]:
    """What begins a trouble, a context manager, that somebody ends after some time."""
    ends: list[threading.Timer] = []

    def begin() -> None:
        stack = ExitStack()
        stack.enter_context(trouble())
        timer = threading.Timer(seconds, stack.close)
        timer.start()
        ends.append(timer)

    yield begin
    for timer in ends:
        timer.join()


def everyone_once(office: Office) -> None:
    """All are sent, and arrived once."""
    assert counted(office.states()) == {"sent": len(USERS)}
    assert sorted(office.server.accepted) == sorted(f"{user}@people.example" for user in USERS)


def nobody_lost(office: Office, before: list[str], doubtful: set[str]) -> None:
    """A run after the trouble brings everybody's mail; a second copy only where in doubt."""
    office.recover()
    office.send()
    assert counted(office.states()) == {"sent": len(USERS)}
    copies = Counter(before) + Counter(office.server.accepted)
    assert set(copies) == {f"{user}@people.example" for user in USERS}
    twice = {address.partition("@")[0] for address, number in copies.items() if number > 1}
    assert twice <= doubtful
    assert max(copies.values()) <= 2


def said(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.getMessage() for record in caplog.records)


def is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


# --- trouble that passes -------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["DATA", "."], ids=["before the mark", "before the outcome"])
def test_a_lock_of_another_program_is_waited_for_and_said_once(
    office: Office, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    meanwhile: list[int] = []

    @contextmanager
    def counting() -> Iterator[None]:
        with locked(office.settings.database_url):
            meanwhile.append(-said(caplog, "another program is writing"))
            yield
            meanwhile.append(said(caplog, "another program is writing"))

    with for_a_while(counting) as lock:
        office.send(script(lock, verb))
    everyone_once(office)
    assert sum(meanwhile) <= 1
    # A commit of our own may be slow enough to be another trouble.
    assert said(caplog, "the database is back") == said(caplog, "Nothing is sent meanwhile") >= 1


def test_no_body_is_sent_while_a_lock_lasts_but_those_that_were_marked(office: Office) -> None:
    during: list[int] = []

    @contextmanager
    def counting() -> Iterator[None]:
        with locked(office.settings.database_url):
            during.append(len(office.server.received))
            yield
            during.append(len(office.server.received))

    with for_a_while(counting) as lock:
        office.send(script(lock))
    everyone_once(office)
    begun, over = during
    assert over - begun <= office.settings.connections


def test_when_patience_is_at_an_end_the_run_stops_and_only_open_mails_are_in_doubt(
    tmp_path: Path,
) -> None:
    with open_office(
        tmp_path, lock_seconds=0.2, database_patience_seconds=0.5, connections=3, batch=10
    ) as office:
        office.enrol(*USERS)
        office.plan()
        stack = ExitStack()
        with stack, pytest.raises(DatabaseUnavailable, match="waited") as stopped:
            office.send(script(lambda: stack.enter_context(locked(office.settings.database_url))))
        assert "another program" in stopped.value.hint
        states = office.states()
        doubtful = {user for user, state in states.items() if state == "sending"}
        assert len(states) == len(USERS)
        assert len(doubtful) <= 3
        assert set(counted(states)) <= {"sent", "sending", "claimed", "pending"}
        nobody_lost(office, office.server.accepted, doubtful)


@sqlite_only
@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a small disk")
@pytest.mark.parametrize("verb", ["DATA", "."], ids=["before the mark", "before the outcome"])
def test_a_full_disk_is_waited_for_until_there_is_room(
    tmp_path: Path, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        open_office(disk, database_patience_seconds=20, connections=3, batch=10) as office,
    ):
        office.enrol(*USERS)
        office.plan()
        with for_a_while(lambda: filled(disk)) as fill:
            office.send(script(fill, verb))
        everyone_once(office)
        assert said(caplog, "Nothing is sent meanwhile") == 1
        assert said(caplog, "make room on the disk") == 1


@sqlite_only
@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a small disk")
@pytest.mark.parametrize("verb", ["DATA", "."], ids=["before the mark", "before the outcome"])
def test_a_disk_that_stays_full_stops_the_run_and_loses_nobody(tmp_path: Path, verb: str) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        open_office(disk, database_patience_seconds=0.5, connections=3, batch=10) as office,
    ):
        office.enrol(*USERS)
        office.plan()
        stack = ExitStack()
        with stack, pytest.raises(DatabaseUnavailable, match="full") as stopped:
            office.send(script(lambda: stack.enter_context(filled(disk)), verb))
        assert "make room" in stopped.value.hint
        doubtful = {user for user, state in office.states().items() if state == "sending"}
        assert len(doubtful) <= 3
        nobody_lost(office, office.server.accepted, doubtful)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Nothing more can be written there."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096) == 4096:
                pass
        except OSError:
            pass
    yield
    filler.unlink()


# --- a server that goes away ---------------------------------------------------------------------


@postgres_only
@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("verb", ["DATA", "."], ids=["before the mark", "before the outcome"])
def test_a_restart_of_the_server_is_waited_for(
    office: Office, mode: str, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    with for_a_while(lambda: stopped_server(mode), 0.5) as restart:
        office.send(script(restart, verb))
    everyone_once(office)
    # Whoever did not ask meanwhile meets a dead connection later.
    assert 1 <= said(caplog, "Nothing is sent meanwhile") <= 2
    assert said(caplog, "the database is back") == said(caplog, "Nothing is sent meanwhile")


@contextmanager
def stopped_server(mode: str) -> Iterator[None]:
    server().stop(mode)
    yield
    server().start()


@postgres_only
@pytest.mark.parametrize("verb", ["DATA", "."], ids=["before the mark", "before the outcome"])
def test_connections_that_are_cut_are_made_again(office: Office, verb: str) -> None:
    def cut() -> None:
        disconnect(office)

    office.send(script(cut, verb))
    everyone_once(office)


def disconnect(office: Office) -> None:
    name = office.database.engine.url.database
    found = f"FROM pg_stat_activity WHERE datname = '{name}'"
    server().sql(f"SELECT pg_terminate_backend(pid) {found}")


@postgres_only
def test_a_server_that_became_read_only_stops_the_run_at_once(office: Office) -> None:
    database = f"ALTER DATABASE {office.database.engine.url.database}"

    def demote() -> None:
        server().sql(f"{database} SET default_transaction_read_only = on")
        disconnect(office)

    with pytest.raises(DatabaseError, match="read-only") as stopped:
        office.send(script(demote))
    assert not isinstance(stopped.value, DatabaseUnavailable)
    server().sql(f"{database} RESET default_transaction_read_only")
    disconnect(office)
    doubtful = {user for user, state in office.states().items() if state == "sending"}
    assert len(doubtful) <= 3
    nobody_lost(office, office.server.accepted, doubtful)


# --- trouble that stays --------------------------------------------------------------------------


def test_a_table_that_was_taken_away_stops_the_run_at_once(office: Office) -> None:
    with pytest.raises(DatabaseError, match=r"no such table|does not exist") as stopped:
        office.send(script(lambda: office.sql("ALTER TABLE deliveries RENAME TO away")))
    assert not isinstance(stopped.value, DatabaseUnavailable)
    assert stopped.value.hint
    office.sql("ALTER TABLE away RENAME TO deliveries")
    doubtful = {user for user, state in office.states().items() if state == "sending"}
    assert len(doubtful) <= 3
    nobody_lost(office, office.server.accepted, doubtful)


def test_a_newer_version_of_the_tables_stops_claims_and_what_is_under_way_is_finished(
    office: Office,
) -> None:
    def upgrade() -> None:
        office.sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(DatabaseError, match="newer version") as stopped:
        office.send(script(upgrade, at=2))
    assert "install that version" in stopped.value.hint
    states = counted(office.states())
    assert set(states) == {"sent", "pending"}
    assert states["pending"] >= 10
    office.sql(f"UPDATE alembic_version SET version_num = '{head()}'")
    nobody_lost(office, office.server.accepted, set())


# --- as processes --------------------------------------------------------------------------------


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A copy of the program that has one migration more."""
    copy = tmp_path / "newer"
    for name in ("digest", "templates"):
        shutil.copytree(CODE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    latest = max((copy / "digest" / "migrations" / "versions").glob("0*.py")).name[:4]
    (copy / "digest" / "migrations" / "versions" / "9999_more.py").write_text(
        f'revision, down_revision = "9999", "{latest}"\n'
        "branch_labels = depends_on = None\n"
        "def upgrade() -> None:\n"
        "    from alembic import op\n"
        '    op.execute("CREATE TABLE more (id INTEGER)")\n'
    )
    return copy


def test_pending_migrations_are_made_at_the_start_and_an_older_program_then_stops(
    office: Office, newer: Path
) -> None:
    """A send of this version is under way when the newer one is installed and started."""
    upgraded = []

    def upgrade() -> None:
        upgraded.append(
            subprocess.run(
                [sys.executable, "-m", "digest", "status"],
                cwd=office.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(newer),
                    "DIGEST_DATABASE_URL": office.url,
                },
                capture_output=True,
                text=True,
                check=False,
            )
        )

    with serving(script(upgrade, at=2)) as smtp:
        sending = ended(
            office.start("send", "--week", "2026-W46", port=smtp.port, batch=10, connections=3)
        )
        office.server = smtp
    (upgraded_,) = upgraded
    assert upgraded_.returncode == 0
    assert "the database was brought up to date (" in upgraded_.stderr
    assert "→ 9999)" in " ".join(upgraded_.stderr.split())
    assert sending.code == 1
    assert "newer version" in sending.err
    assert set(counted(office.states())) == {"sent", "pending"}
    assert ended(office.start("status")).code == 2


def test_a_signal_while_the_database_is_away_ends_the_process_soon(office: Office) -> None:
    with ExitStack() as stack:
        waiting = threading.Event()

        def lock() -> None:
            stack.enter_context(locked(office.settings.database_url))
            waiting.set()

        with serving(script(lock)) as smtp:
            process = office.start("send", "--week", "2026-W46", port=smtp.port, connections=3)
            assert waiting.wait(PATIENCE)
            assert process.stderr is not None
            told = ""
            while "Nothing is sent" not in told:
                line = process.stderr.readline()
                assert line, f"ended: {told}"
                told = " ".join(f"{told} {line}".split())
            process.send_signal(signal.SIGTERM)
            result = ended(process)
    assert "WARNING" in told
    assert result.code == 130
    assert "waited" in result.err
    assert "Traceback" not in result.err
    left = counted(office.states())
    assert left["sending"] <= 3
    assert sum(left.values()) == len(USERS)


def test_a_daemon_waits_says_it_once_and_goes_on(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """Its patience is shorter than the trouble, tick after tick."""
    caplog.set_level(logging.INFO)
    office.resettle(tick_seconds=0.02)
    office.sql("UPDATE deliveries SET created_at = ?", f"{now():%Y-%m-%d %H:%M:%S.%f}")
    office.sql("UPDATE subscriptions SET next_due_at = NULL")
    impatient = Database(office.settings.database_url, patience=0.05)
    reports: list[Report] = []

    async def main() -> None:
        async with office.server as smtp:
            office.resettle(smtp_url=office.mailing_to(smtp).smtp_url)
            shop = replace(office.shop, database=impatient)
            stop = asyncio.Event()
            with locked(office.settings.database_url):
                serving_ = asyncio.create_task(
                    scheduler.serve(shop, now, stop, done=reports.append)
                )
                await until(lambda: said(caplog, "waited up to"))
                await asyncio.sleep(1)  # many ticks, and none can do anything
                assert not reports
                assert said(caplog, "Nothing is sent meanwhile") == 1
                assert not said(caplog, "the database is back")
                told = [one.getMessage() for one in caplog.records if is_error(one)]
                assert 1 <= len(told) == len(set(told)) <= 2
            await until(lambda: reports)
            stop.set()
            await serving_

    with closing(impatient):
        asyncio.run(asyncio.wait_for(main(), PATIENCE))
    # So little patience may end again on a slow disk, without anybody's lock.
    assert counted(office.states()) == {"sent": len(USERS)}
    assert len(set(office.server.accepted)) == len(USERS)
    assert said(caplog, "the database is back") == said(caplog, "Nothing is sent meanwhile") >= 1


# --- a commit without an answer ------------------------------------------------------------------


@postgres_only
@pytest.mark.parametrize("words", ["claimed", "sending", "sent"])
def test_a_commit_whose_answer_is_lost_is_made_again_and_changes_nothing(
    tmp_path: Path, words: str
) -> None:
    """The server commits, and the wire is cut before it can say so."""
    with open_office(tmp_path, connections=1, batch=10, database_patience_seconds=20) as office:
        office.enrol(*USERS)
        office.plan()
        with Wire(server().port, words) as wire:
            url = office.settings.database_url.replace(f":{server().port}/", f":{wire.port}/")
            with closing(Database(url + "?sslmode=disable&gssencmode=disable")) as through:
                office.shop = replace(office.shop, database=through)
                office.send()
        assert wire.cuts == 1
        everyone_once(office)


class Wire:
    """A way to the server that is cut once: after a COMMIT that follows these words."""

    def __init__(self, port: int, words: str) -> None:
        self._to, self._words = port, words.encode()
        self.cuts = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._ends: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                state = _State()
                threading.Thread(target=self._up, args=(near, far, state), daemon=True).start()
                threading.Thread(target=self._down, args=(near, far, state), daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket, state: _State) -> None:
        with suppress(OSError):
            while data := near.recv(65_536):
                state.heard = state.heard or self._words in data
                if state.heard and b"COMMIT" in data and not self.cuts:
                    state.cut = True
                    self.cuts += 1
                far.sendall(data)
        _shut(far)

    def _down(self, near: socket.socket, far: socket.socket, state: _State) -> None:
        with suppress(OSError):
            while data := far.recv(65_536):
                if state.cut and b"COMMIT" in data:
                    break  # it is done, and nobody is told
                near.sendall(data)
        _shut(near)
        _shut(far)


@dataclass
class _State:
    heard: bool = False
    cut: bool = False


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
