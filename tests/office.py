"""A ledger with authors who are due, the servers they are mailed through, and real processes."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import uvloop
from pydantic import SecretStr
from sqlalchemy import select

from digest import address, deciding, ledger, planning, run, subscriptions
from digest.config import Settings
from digest.database import Database
from digest.deciding import Workshop
from digest.ledger import Claim, Mark, Scope
from digest.mail import Mailer
from digest.models import Delivery, Post, Run, State, Subscription, Suppression, User, View, table
from digest.run import Report
from digest.sections import sections
from tests import databases
from tests.databases import POSTGRES
from tests.scripted_smtp import Script, ScriptedServer

WEEK = "2026-W46"
MONDAY = datetime(2026, 11, 9, tzinfo=UTC)
NOW = MONDAY + timedelta(weeks=1, hours=9)
"""A Monday morning, after the week of the tests."""
SECRET = "a key for tests only, and long enough for them"
LEASE = timedelta(minutes=15)
PATIENCE = 120
"""Seconds until a wait counts as endless, on however busy a machine."""
ANY = Scope()
THIS_WEEK = Scope(wanted=(WEEK,))


def now() -> datetime:
    """The real clock, which other processes go by."""
    return datetime.now(UTC)


@cache
def mailer() -> Mailer:
    """Templates are loaded once for all tests; they do not depend on the test's folder."""
    return Mailer(Settings(secret_key=SecretStr(SECRET)), sections())


class Office:
    """One database, its settings and its workshop."""

    def __init__(self, folder: Path, *, lock_seconds: float | None = None, **settings: Any) -> None:
        self.folder = folder
        self.url = url = databases.new_database(folder / "digest.db")
        self.settings = Settings(
            database_url=url if lock_seconds is None else databases.waiting(url, lock_seconds),
            var=folder / "var",
            secret_key=SecretStr(SECRET),
            **settings,
        )
        patience = self.settings.database_patience_seconds
        self.database = Database(self.settings.database_url, patience=patience)
        self.shop = Workshop(
            self.database, self.settings, sections(), mailer(), deciding.domains(self.settings)
        )
        self.server = ScriptedServer()

    def enrol(
        self,
        *users: str,
        timezone: str | None = "UTC",
        now: datetime = NOW,
        monday: datetime = MONDAY,
    ) -> None:
        """Users with one post each, which three people saw in the week of ``monday``."""
        people = [
            {
                "id": user,
                "name": user.title(),
                "email": f"{user}@people.example",
                "email_key": address.key_of(f"{user}@people.example"),
                "timezone": timezone,
            }
            for user in users
        ]
        written = [
            {"id": f"p-{user}", "author_id": user, "published_at": monday, "title": f"By {user}"}
            for user in users
        ]
        seen = [
            {
                "post_id": f"p-{user}",
                "at": monday + timedelta(days=2, seconds=n),
                "viewer_id": f"{n}",
            }
            for user in users
            for n in range(3)
        ]
        with self.database.writing() as session:
            for rows, model in ((people, User), (written, Post), (seen, View)):
                session.connection().execute(table(model).insert(), rows)
            subscriptions.enrol(session, self.settings, now)

    def plan(self, period: str = WEEK, now: datetime = NOW) -> int:
        """Open everybody's delivery."""
        with self.database.writing() as session:
            return planning.plan_week(session, now, period=period)

    def claim(self, owner: str, now: datetime = NOW, size: int = 100) -> list[Claim]:
        with self.database.writing() as session:
            return ledger.claim(session, owner, Scope(), now, size)

    def recover(self, now: datetime = NOW, on_unknown: str = "resend") -> ledger.Recovered:
        with self.database.writing() as session:
            return ledger.recover(session, self.settings.locks, now, LEASE, on_unknown)

    def resettle(self, **settings: Any) -> None:
        """Change settings after all."""
        self.settings = self.settings.model_copy(update=settings)
        self.shop = replace(
            self.shop, settings=self.settings, domains=deciding.domains(self.settings)
        )

    def sql(self, statement: str, *values: Any, **named: Any) -> list[Any]:
        """Do something as another program would, which knows none of our rules."""
        return databases.sql(self.url, statement, *values, **named)

    def refuse_marks(self) -> None:
        """From now on the database refuses every mark, in the words of a full disk."""
        if POSTGRES:
            self.sql(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN RAISE EXCEPTION ''database or disk is full''; END'"
            )
        act = (
            "EXECUTE FUNCTION full_disk()"
            if POSTGRES
            else "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
        each = "FOR EACH ROW WHEN (NEW.state = 'sending')"
        self.sql(f"CREATE TRIGGER disk BEFORE UPDATE ON deliveries {each} {act}")

    def allow_marks(self) -> None:
        self.sql("DROP TRIGGER disk" + " ON deliveries" * POSTGRES)

    def rows(self) -> dict[str, Any]:
        """The ledger's row of each user; of several weeks, the latest."""
        deliveries = table(Delivery)
        with self.database.reading() as session:
            found = session.execute(select(deliveries).order_by(deliveries.c.period)).all()
        return {row.user_id: row for row in found}

    def states(self) -> dict[str, State]:
        return {user: State(row.state) for user, row in self.rows().items()}

    def all(self, model: type[Run | Subscription | Suppression]) -> list[Any]:
        with self.database.reading() as session:
            return list(session.execute(select(table(model))).all())

    def send(
        self,
        script: Script | None = None,
        *,
        now: datetime = NOW,
        scope: Scope = THIS_WEEK,
        **options: Any,
    ) -> tuple[Report, ScriptedServer]:
        """One run in this process through a scripted server: what it did, and what arrived.

        ``server`` is that server, also where the run raised an error.
        """
        self.server = ScriptedServer(script or {})

        async def main() -> tuple[Report, ScriptedServer]:
            async with self.server as server:
                shop = replace(self.shop, settings=self.mailing_to(server))
                stop = options.pop("stop", None) or asyncio.Event()
                work = run.work(shop, scope, lambda: now, command="test", stop=stop, **options)
                return await asyncio.wait_for(work, PATIENCE), server

        return asyncio.run(main())

    def mailing_to(self, server: ScriptedServer) -> Settings:
        url = SecretStr(f"smtp://127.0.0.1:{server.port}?starttls=never")
        return self.settings.model_copy(update={"smtp_url": url})

    def start(
        self,
        *words: str,
        port: int | None = None,
        under: Sequence[str] = (),
        program: str = "",
        **more: Any,
    ) -> subprocess.Popen[str]:
        """``python -m digest`` with these words, as a process of its own in the test's folder.

        ``under`` is the command, with its words, that starts it; ``program`` is run instead.
        """
        here = {"DATABASE_URL": self.settings.database_url, "VAR": str(self.settings.var)}
        here["QUIET_WEEKS"] = self.settings.quiet_weeks
        here["ADAPTIVE_CADENCE"] = str(self.settings.adaptive_cadence)
        here |= {"SECRET_KEY": SECRET, **{name.upper(): str(value) for name, value in more.items()}}
        if port is not None:
            here["SMTP_URL"] = f"smtp://127.0.0.1:{port}?starttls=never"
        return subprocess.Popen(
            [*under, sys.executable, *(("-c", program) if program else ("-m", "digest")), *words],
            cwd=self.folder,
            env={**os.environ, **{f"DIGEST_{name}": value for name, value in here.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@contextmanager
def open_office(folder: Path, **settings: Any) -> Iterator[Office]:
    """An office whose database is closed at the end."""
    office = Office(folder, **settings)
    try:
        yield office
    finally:
        office.database.close()


@dataclass(frozen=True)
class Ended:
    """What a process said, and how it ended."""

    code: int
    out: str
    err: str


def said(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a process; one that takes too long is killed, and nothing is left."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, out, err)


def marking(claim: Claim) -> Mark:
    """The mark of a claimed mail to the address that its user has had from the beginning."""
    return Mark(claim, f"<{claim.id}>", f"{claim.user}@people.example")


@contextmanager
def serving(script: Script | None = None) -> Iterator[ScriptedServer]:
    """A scripted server in a thread, for the mail of other processes."""
    server = ScriptedServer(script or {})
    ready, done = threading.Event(), asyncio.Event()
    loop = uvloop.new_event_loop()

    async def main() -> None:
        async with server:
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield server
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


def pause(process: subprocess.Popen[str]) -> None:
    """Wait until a process has paused itself, as ``DIGEST_FAULT`` told it to."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


def wait_for(condition: Callable[[], object]) -> None:
    """Look every few milliseconds whether it has come true; for tests without a loop."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def until(condition: Callable[[], object]) -> None:
    """Look every few milliseconds whether it has come true."""
    while not condition():  # noqa: ASYNC110 - it is true of a database, which tells nobody
        await asyncio.sleep(0.01)


def message_id(body: bytes) -> str:
    """The Message-ID of a mail as it was received."""
    lines = body.split(b"\r\n\r\n", 1)[0].decode().splitlines()
    return next(line for line in lines if line.lower().startswith("message-id:"))


def once(act: Callable[[], object], at: int = 1) -> Callable[[str], None]:
    """A step of a script that acts when it is reached the ``at``-th time, and always behaves."""
    reached = itertools.count(1)

    def step(_argument: str) -> None:
        if next(reached) == at:
            act()

    return step


def counted(states: Mapping[str, State]) -> dict[str, int]:
    """How many are in each state."""
    found: dict[str, int] = {}
    for state in states.values():
        found[state.value] = found.get(state.value, 0) + 1
    return found
