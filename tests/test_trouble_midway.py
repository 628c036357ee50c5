"""The ground gives way while ``digest send`` runs: real disks, real damage, a real server's limits.

Each time: clear words with a hint, nobody missed, and once it is mended everybody's mail once.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.databases import postgres_only, server, sqlite_only
from tests.office import (
    PATIENCE,
    Ended,
    Office,
    counted,
    ended,
    now,
    once,
    open_office,
    pause,
    serving,
    wait_for,
)
from tests.scripted_smtp import ScriptedServer

USERS = [f"user{n:02}" for n in range(60)]  # more than two processes take up at once
ADDRESSES = {f"{user}@people.example" for user in USERS}
CONNECTIONS = 3


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Sixty people wait for their mail."""
    with open_office(tmp_path) as office:
        prepare(office)
        yield office


def prepare(office: Office) -> None:
    office.enrol(*USERS)
    office.plan()


def start(office: Office, smtp: ScriptedServer, *words: str, **more: Any) -> subprocess.Popen[str]:
    settings = {"batch": 10, "connections": CONNECTIONS, "database_patience_seconds": 20, **more}
    return office.start("send", "--week", "2026-W46", *words, port=smtp.port, **settings)


def midway(act: Callable[[], object]) -> dict[str, Any]:
    """A server at which something happens when it has the eighth mail and has not answered."""
    return {".": once(act, 8)}


def told(end: Ended) -> str:
    """What was said, however the lines were broken."""
    assert "Traceback" not in end.err
    return " ".join(end.err.split())


def until_it_waits(process: subprocess.Popen[str]) -> str:
    """What a process says until it waits for its database."""
    assert process.stderr is not None
    said = ""
    while "Nothing is sent meanwhile" not in said:
        line = process.stderr.readline()
        assert line, said
        said = " ".join(f"{said} {line}".split())
    return said


def in_doubt(office: Office) -> set[str]:
    found = {user for user, state in office.states().items() if state in {"sending", "unknown"}}
    assert len(found) <= CONNECTIONS
    return found


def the_next_send_brings_the_rest(
    office: Office, before: list[str], doubtful: set[str], **more: Any
) -> None:
    """Everybody has their mail then; a second copy only who was in doubt."""
    with serving() as smtp:
        end = ended(start(office, smtp, retry_base_seconds=0.001, **more))
        if end.code:  # those in doubt were deferred for a moment
            end = ended(start(office, smtp, **more))
        copies = Counter(before) + Counter(smtp.accepted)
    assert end.code == 0, end.err
    assert counted(office.states()) == {"sent": len(USERS)}
    assert set(copies) == ADDRESSES
    assert {address.partition("@")[0] for address, n in copies.items() if n > 1} <= doubtful
    assert max(copies.values()) <= 2


# --- a disk that turns read-only -----------------------------------------------------------------


class Disk:
    """A disk of its own in a file, which the kernel makes read-only after an error."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._image = folder / "disk", folder / "image"
        self.folder.mkdir()
        with self._image.open("wb") as file:
            file.truncate(32 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)
        self.mount()

    def mount(self) -> None:
        words = ["mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.folder)]
        if subprocess.run(words, check=False, capture_output=True).returncode:
            pytest.skip("this machine lets nobody mount a disk")

    def unmount(self) -> None:
        subprocess.run(["umount", self.folder], check=True)

    def fail(self) -> None:
        """What the kernel does when it finds a file system damaged."""
        words = ["findmnt", "--noheadings", "--output", "SOURCE", str(self.folder)]
        found = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        trigger = Path("/sys/fs/ext4", Path(found).name, "trigger_fs_error")
        trigger.write_text("trouble")

    def mend(self) -> None:
        self.unmount()
        subprocess.run(["e2fsck", "-p", self._image], check=False, capture_output=True)
        self.mount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.getuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root can mount a disk, and mkfs.ext4 makes one")
    disk = Disk(tmp_path)
    try:
        yield disk
    finally:
        disk.unmount()


@sqlite_only
def test_a_disk_that_turns_read_only_stops_the_send_and_loses_nobody(disk: Disk) -> None:
    """With one connection, so that no commit is on its way: at that instant ext4 forgets some."""
    alone: dict[str, Any] = {"workers": 1, "connections": 1, "database_patience_seconds": 0.5}
    with open_office(disk.folder) as office:
        prepare(office)
        os.sync()  # the empty database was copied there, by nobody who waits for the disk
        with serving(midway(disk.fail)) as smtp:
            end = ended(start(office, smtp, **alone))
            again = ended(start(office, smtp, **alone))
        assert (end.code, again.code) == (1, 2)  # on the way, and from the start
        assert "see whether the disk is full, broken, read-only" in told(end)
        assert re.search("read-?only", told(again))
        office.database.close()
        disk.mend()
        doubtful = in_doubt(office)
        assert counted(office.states())["sent"] == 7
        the_next_send_brings_the_rest(office, smtp.accepted, doubtful)
        office.database.close()


@contextmanager
def closed(file: Path) -> Iterator[None]:
    """Nobody may write to the file and its folder any more."""
    modes = {path: path.stat().st_mode for path in [*file.parent.glob("digest.db*"), file.parent]}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    yield
    for path, mode in modes.items():
        path.chmod(mode)


BOUND = (
    []
    if os.getuid()
    else ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", "--"]
)
"""Starts a process to which the modes of files apply, also where we are root."""


@sqlite_only
def test_a_file_that_is_closed_before_workers_open_it_stops_them(office: Office) -> None:
    """The parent stands still between planning and starting them, while somebody runs chmod."""
    with serving() as smtp:
        sending = start(office, smtp, "--workers", "2", under=BOUND, fault="planned:1:stop")
        pause(sending)
        office.database.close()
        with closed(office.folder / "digest.db"):
            sending.send_signal(signal.SIGCONT)
            end = ended(sending)
            again = ended(start(office, smtp, under=BOUND))
        assert smtp.accepted == []
    for one in (end, again):
        assert one.code == 2
        assert "attempt to write a readonly database" in told(one)
        assert "make the file and its folder writable for this user" in told(one)
    assert counted(office.states()) == {"pending": len(USERS)}
    the_next_send_brings_the_rest(office, [], set(), under=BOUND)


# --- damage --------------------------------------------------------------------------------------


def damage(office: Office, name: str) -> Callable[[], None]:
    """Overwrite the pages of a table and its indexes in the file; what it gives mends them."""
    file = office.folder / "digest.db"
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        where = "SELECT rootpage FROM sqlite_master WHERE tbl_name = ? AND rootpage > 0"
        places = [(page - 1) * size for (page,) in connection.execute(where, (name,))]
    kept = [_read(file, place, size) for place in places]
    for place in places:
        _overwrite(file, place, b"\xa5" * size)

    def mend() -> None:
        for place, content in zip(places, kept, strict=True):
            _overwrite(file, place, content)

    return mend


def _read(file: Path, place: int, size: int) -> bytes:
    words = [f"if={file}", "iflag=skip_bytes,count_bytes", f"skip={place}", f"count={size}"]
    return _dd(*words)


def _overwrite(file: Path, place: int, content: bytes) -> None:
    _dd(f"of={file}", "oflag=seek_bytes", "conv=notrunc", f"seek={place}", given=content)


def _dd(*words: str, given: bytes = b"") -> bytes:
    """In a process of its own: if this one closed the file, its locks on it would be gone."""
    done = subprocess.run(
        ["dd", "status=none", *words], input=given, check=True, capture_output=True
    )
    return done.stdout


@sqlite_only
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("name", ["posts", "views"])
def test_a_damaged_page_of_facts_stops_the_send_and_nobody_is_in_doubt(
    office: Office, name: str, workers: str
) -> None:
    mends: list[Callable[[], None]] = []
    with serving(midway(lambda: mends.append(damage(office, name)))) as smtp:
        end = ended(start(office, smtp, "--workers", workers, batch=4))
    assert end.code == 1
    assert "malformed" in told(end)
    assert "restore it from a backup" in told(end)
    left = counted(office.states())
    assert set(left) == {"sent", "pending"}
    assert left["sent"] == len(smtp.accepted) >= 8
    mends[0]()
    the_next_send_brings_the_rest(office, smtp.accepted, set())


@sqlite_only
def test_a_daemon_says_of_damage_once_and_goes_on_when_it_is_mended(office: Office) -> None:
    office.sql("UPDATE deliveries SET created_at = ?", f"{now():%Y-%m-%d %H:%M:%S.%f}")
    office.sql("UPDATE subscriptions SET next_due_at = NULL")
    mends: list[Callable[[], None]] = []
    runs = "SELECT count(*) FROM runs"
    with serving(midway(lambda: mends.append(damage(office, "views")))) as smtp:
        settings: dict[str, Any] = {"tick_seconds": 0.1, "batch": 4, "connections": CONNECTIONS}
        daemon = office.start("daemon", port=smtp.port, **settings)
        try:
            wait_for(lambda: mends)
            begun = office.sql(runs)[0][0]
            wait_for(lambda: office.sql(runs)[0][0] >= begun + 5)
            assert len(smtp.accepted) < len(USERS)
            mends[0]()
            wait_for(lambda: counted(office.states()) == {"sent": len(USERS)})
        finally:
            daemon.send_signal(signal.SIGTERM)
        end = ended(daemon)
    assert end.code == 0
    assert told(end).count("malformed") == 1
    assert sorted(smtp.accepted) == sorted(ADDRESSES)


# --- a limit that is met -------------------------------------------------------------------------


@sqlite_only
def test_a_limit_to_the_size_of_files_is_waited_for_until_it_is_raised(office: Office) -> None:
    """As a quota does it; and what is under way meanwhile is not forgotten."""
    began = threading.Event()
    processes: list[subprocess.Popen[str]] = []

    def limit(size: int) -> None:
        most = resource.RLIM_INFINITY
        resource.prlimit(processes[0].pid, resource.RLIMIT_FSIZE, (size, most))

    def tighten() -> None:
        limit(8192)
        began.set()

    with serving(midway(tighten)) as smtp:
        processes.append(start(office, smtp, "--workers", "1"))
        assert began.wait(PATIENCE)
        said = until_it_waits(processes[0])
        during = len(smtp.received)
        limit(resource.RLIM_INFINITY)
        end = ended(processes[0])
    assert end.code == 0
    assert "over quota" in f"{said} {told(end)}"
    assert "the database is back" in told(end)
    assert during <= 8 + CONNECTIONS
    assert counted(office.states()) == {"sent": len(USERS)}
    assert sorted(smtp.accepted) == sorted(ADDRESSES)


# --- a PostgreSQL server at its limits -----------------------------------------------------------


@pytest.fixture
def plain_user(office: Office) -> Iterator[str]:
    """A user who owns the database and is bound by limits, as the tests' own is not."""
    name = str(office.database.engine.url.database)
    server().sql("CREATE USER sender PASSWORD 'plain'")
    server().sql("GRANT digest TO sender")
    yield server().url(name, user="sender", password="plain")
    server().sql("DROP USER sender")


@postgres_only
def test_a_limit_of_connections_that_is_met_on_the_way_is_waited_for(
    office: Office, plain_user: str
) -> None:
    url = office.settings.database_url
    office.resettle(database_url=plain_user)

    def limit() -> None:
        server().sql("ALTER USER sender CONNECTION LIMIT 0")
        mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sender'"
        server().sql(mine)

    with serving(midway(limit)) as smtp:
        sending = start(office, smtp)
        said = until_it_waits(sending)
        during = len(smtp.received)
        server().sql("ALTER USER sender CONNECTION LIMIT -1")
        end = ended(sending)
    office.resettle(database_url=url)
    assert end.code == 0
    assert "the database is back" in f"{said} {told(end)}"
    assert during <= 8 + CONNECTIONS
    assert counted(office.states()) == {"sent": len(USERS)}
    assert sorted(smtp.accepted) == sorted(ADDRESSES)


@postgres_only
def test_a_limit_of_connections_at_the_start_ends_with_2_and_says_what_to_allow(
    office: Office, plain_user: str
) -> None:
    url = office.settings.database_url
    office.resettle(database_url=plain_user)
    server().sql("ALTER USER sender CONNECTION LIMIT 0")
    with serving() as smtp:
        end = ended(start(office, smtp))
        assert smtp.accepted == []
    office.resettle(database_url=url)
    assert end.code == 2
    assert "too many connections" in told(end)
    assert "allow more connections on the server, or run fewer processes" in told(end)
    assert counted(office.states()) == {"pending": len(USERS)}


@postgres_only
def test_a_deadlock_with_another_program_is_done_once_more(office: Office) -> None:
    """It holds the mails to come, and wants the one whose outcome we have just written."""
    others: list[threading.Thread] = []
    found: list[str] = []
    holding = threading.Event()

    def deadlock() -> None:
        others.append(threading.Thread(target=lambda: found.append(_cross(office, holding))))
        others[0].start()
        assert holding.wait(PATIENCE)

    with serving(midway(deadlock)) as smtp:
        end = ended(start(office, smtp, connections=1))
    others[0].join(PATIENCE)
    assert found == ["waited for us"]
    assert end.code == 0
    assert "deadlock detected" in told(end)
    assert counted(office.states()) == {"sent": len(USERS)}
    assert sorted(smtp.accepted) == sorted(ADDRESSES)


def _cross(office: Office, holding: threading.Event) -> str:
    """Another program that locks rows in the order that crosses ours; it never gives way."""
    url = office.settings.database_url
    with closing(psycopg.connect(url)) as other, closing(psycopg.connect(url)) as watch:
        other.execute("SET deadlock_timeout = '1min'")
        mails = "SELECT user_id FROM deliveries WHERE state = 'claimed' FOR UPDATE"
        assert other.execute(mails).fetchall()
        ours = "SELECT user_id FROM deliveries WHERE state = 'sending'"
        (under_way,) = other.execute(ours).fetchall()
        watch.autocommit = True
        holding.set()
        waiting = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock'"
        )
        wait_for(lambda: watch.execute(waiting).fetchall())
        other.execute("UPDATE deliveries SET reply = reply WHERE user_id = %s", under_way)
        other.rollback()
    return "waited for us"


@contextmanager
def small_tablespace() -> Iterator[Path]:
    """A place for tables of 24 MiB, in the reach of the server."""
    if os.getuid() != 0:
        pytest.skip("only root can make a small disk")
    folder = server().folder / "tiny"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(folder)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        shutil.chown(folder, "postgres")
        server().sql(f"CREATE TABLESPACE tiny LOCATION '{folder}'")
        yield folder
        server().sql("DROP TABLESPACE tiny")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@postgres_only
@pytest.mark.parametrize("mended", [True, False], ids=["room is made", "it stays full"])
def test_a_full_disk_of_the_server_is_waited_for(office: Office, mended: bool) -> None:
    name = str(office.database.engine.url.database)
    office.database.close()
    patience = 20 if mended else 0.5
    with small_tablespace() as tiny:
        server().sql(f"ALTER DATABASE {name} SET TABLESPACE tiny")
        filler = tiny / "filler"
        with serving(midway(lambda: fill(filler))) as smtp:
            sending = start(office, smtp, database_patience_seconds=patience)
            said = until_it_waits(sending)
            if mended:
                filler.unlink()
            end = ended(sending)
        assert "No space left on device" in said
        assert "make room on the disk" in said
        assert end.code == (0 if mended else 1), end.err
        filler.unlink(missing_ok=True)
        doubtful = in_doubt(office)
        assert not (mended and doubtful)
        the_next_send_brings_the_rest(office, smtp.accepted, doubtful)
        office.database.close()
        server().sql(f"ALTER DATABASE {name} SET TABLESPACE pg_default")


def fill(filler: Path) -> None:
    """Take all room there is on a disk."""
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096) == 4096:
                pass
        except OSError:
            pass
