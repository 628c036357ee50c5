"""Many people who leave at the same moment."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, insert

from digest.config import Settings
from digest.database import Database
from digest.models import Subscription, User, table
from digest.subscriptions import enrol
from digest.web.leaving import Door, Leave
from tests.databases import ask

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)
PEOPLE = [f"user-{n:03}" for n in range(200)]


@pytest.fixture
def town(database: Database, settings: Settings) -> Database:
    """Two hundred people who get mails, and Vic, who posts and was never enrolled."""
    with database.writing() as session:
        session.execute(insert(table(User)), list(map(person, PEOPLE)))
        enrol(session, settings, NOW)
        session.execute(insert(table(User)), person("vic"))
    return database


def person(id_: str) -> dict[str, str]:
    return {"id": id_, "name": id_, "email": f"{id_}@people.example"}


def left(database: Database) -> dict[str, Any]:
    return dict(ask(database, "SELECT user_id, unsubscribed_at FROM subscriptions"))


def together(door: Door, *people: str) -> list[Leave | BaseException]:
    async def all_at_once() -> list[Leave | BaseException]:
        return await asyncio.gather(*map(door.leave, people), return_exceptions=True)

    return asyncio.run(all_at_once())


@contextmanager
def listening(database: Database, name: str, heard: Any) -> Iterator[None]:
    event.listen(database.engine, name, heard)
    yield
    event.remove(database.engine, name, heard)


def test_all_who_ask_while_others_are_let_out_leave_in_one_commit(town: Database) -> None:
    commits: list[object] = []
    door, others = Door(town), threading.Event()

    async def all_at_once() -> list[Leave]:
        door._thread.submit(others.wait)
        asking = [asyncio.create_task(door.leave(person)) for person in PEOPLE]
        await asyncio.sleep(0)  # everybody has asked
        others.set()
        return await asyncio.gather(*asking)

    with listening(town, "commit", commits.append):
        assert asyncio.run(all_at_once()) == [Leave.DONE] * len(PEOPLE)
    assert all(left(town).values())
    assert len(commits) == 1


def test_whoever_is_told_so_has_left(town: Database) -> None:
    """The answer comes after the commit: another connection sees it."""
    door = Door(town)

    async def one_by_one() -> None:
        for person in PEOPLE[:5]:
            assert await door.leave(person) is Leave.DONE
            assert left(town)[person]

    asyncio.run(one_by_one())
    assert sum(at is not None for at in left(town).values()) == 5


def test_the_first_time_counts(town: Database) -> None:
    door = Door(town)
    together(door, "user-007")
    first = left(town)["user-007"]
    assert together(door, "user-007", "user-008", "user-007") == [Leave.DONE] * 3
    assert left(town)["user-007"] == first


def test_everybody_is_told_what_is_true_of_them(town: Database) -> None:
    with town.writing() as session:
        rows = table(Subscription)
        session.execute(rows.update().where(rows.c.user_id == "user-001").values(erased_at=NOW))
    said = together(Door(town), "user-000", "user-001", "vic", "long gone")
    assert said == [Leave.DONE, Leave.FOREVER, Leave.NEVER_ENROLLED, Leave.FOREVER]


def test_one_who_cannot_leave_is_in_nobodys_way(town: Database) -> None:
    def refuse(*arguments: Any) -> None:
        if arguments[2].startswith("UPDATE") and "user-013" in str(arguments[3]):
            raise RuntimeError("not this one")

    with listening(town, "before_cursor_execute", refuse):
        said = together(Door(town), *PEOPLE[:20])
    assert [str(one) for one in said if isinstance(one, Exception)] == ["not this one"]
    assert said.count(Leave.DONE) == 19
    assert [one for one in PEOPLE[:20] if left(town)[one] is None] == ["user-013"]


def test_one_who_hangs_up_is_in_nobodys_way(town: Database) -> None:
    door = Door(town)

    async def hang_up() -> Leave:
        impatient = asyncio.ensure_future(door.leave("user-000"))
        await asyncio.sleep(0)
        impatient.cancel()
        return await door.leave("user-001")

    assert asyncio.run(hang_up()) is Leave.DONE
    assert together(door, "user-002") == [Leave.DONE]


def test_a_log_that_nobody_watches_has_whole_lines() -> None:
    """Somebody greps it, and laying lines out for a terminal costs more than a page."""
    words = "word " * 60
    program = (
        "import logging; from digest.console import configure_logging;"
        f"configure_logging(verbose=False); logging.getLogger('digest').warning({words!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    (line,) = done.stderr.splitlines()
    assert line.endswith(f" {logging.getLevelName(logging.WARNING)}  {words}")
