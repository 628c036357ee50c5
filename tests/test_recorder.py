"""Marks and outcomes share commits, and no body is sent that is not marked."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from digest import ledger
from digest.database import Database
from digest.errors import DatabaseError, DatabaseUnavailable
from digest.ledger import Claim, Outcome
from digest.models import Run, State, Suppression
from digest.recorder import HEARTBEAT, OUTCOMES_A_COMMIT, Recorder
from tests.databases import locked
from tests.office import NOW, PATIENCE, Office, counted, marking, open_office, until

USERS = [f"user{n:03}" for n in range(150)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path, lock_seconds=0.2, database_patience_seconds=0.2) as office:
        office.enrol(*USERS)
        office.plan()
        yield office


@pytest.fixture
def owner(office: Office) -> Iterator[str]:
    with ledger.running(office.database, office.settings.locks, "test", lambda: NOW) as owner:
        yield owner


@pytest.fixture
def claims(office: Office, owner: str) -> list[Claim]:
    return office.claim(owner, size=len(USERS))


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, PATIENCE))


@contextmanager
def commits(office: Office) -> Iterator[list[object]]:
    """Grows by one with every commit."""
    seen: list[object] = []

    def count(connection: object) -> None:
        seen.append(connection)

    event.listen(office.database.engine, "commit", count)
    yield seen
    event.remove(office.database.engine, "commit", count)


def test_all_who_wait_for_a_mark_share_one_commit_with_the_outcomes_before_it(
    office: Office, owner: str, claims: list[Claim]
) -> None:
    async def main() -> None:
        async with Recorder(office.database, owner, lambda: NOW) as recorder:
            for claim in claims[:50]:
                recorder.settle(Outcome(claim, State.SKIPPED, "quiet"))
            with commits(office) as seen:
                marks = [recorder.mark(marking(claim)) for claim in claims[50:100]]
                assert all(await asyncio.gather(*marks))
            assert len(seen) == 1

    run(main())
    assert counted(office.states()) == {"skipped": 50, "sending": 50, "claimed": 50}


def test_outcomes_without_a_mark_are_committed_in_groups_and_at_the_end(
    office: Office, owner: str, claims: list[Claim]
) -> None:
    async def main() -> None:
        with commits(office) as seen:
            async with Recorder(office.database, owner, lambda: NOW) as recorder:
                for claim in claims:
                    recorder.settle(Outcome(claim, State.SKIPPED, "quiet"))
            assert 1 <= len(seen) <= 2

    assert len(claims) > OUTCOMES_A_COMMIT
    run(main())
    assert counted(office.states()) == {"skipped": 150}


def test_an_outcome_alone_is_committed_soon_without_anything_else_to_come(
    office: Office, owner: str, claims: list[Claim]
) -> None:
    async def main() -> None:
        async with Recorder(office.database, owner, lambda: NOW) as recorder:
            recorder.settle(Outcome(claims[0], State.SKIPPED, "quiet"))
            await until(lambda: office.states()[claims[0].user] == State.SKIPPED)

    run(main())


def test_a_mark_is_refused_to_whoever_lost_the_claim_and_only_to_them(
    office: Office, owner: str, claims: list[Claim]
) -> None:
    office.sql("UPDATE deliveries SET fence = fence + 1 WHERE user_id = 'user001'")

    async def main() -> None:
        async with Recorder(office.database, owner, lambda: NOW) as recorder:
            marks = [recorder.mark(marking(claim)) for claim in claims[:3]]
            assert await asyncio.gather(*marks) == [True, False, True]

    run(main())


def test_a_suppression_of_the_same_group_is_heeded_by_the_marks_in_it(
    office: Office, owner: str, claims: list[Claim]
) -> None:
    """An address that just proved dead is not tried again for its other user."""
    first, second, *_ = claims
    office.sql("UPDATE users SET email_key = 'user000@people.example' WHERE id = 'user001'")

    async def main() -> None:
        async with Recorder(office.database, owner, lambda: NOW) as recorder:
            dead = "user000@people.example"
            recorder.settle(Outcome(first, State.FAILED, "address", "550", dead_address=dead))
            assert await recorder.mark(marking(second)) is False

    run(main())
    (suppression,) = office.all(Suppression)
    assert (suppression.reason, suppression.detail) == ("hard-bounce", "550")


def test_when_patience_is_at_an_end_the_error_reaches_everyone_who_waits_and_whoever_comes_later(
    office: Office, owner: str, claims: list[Claim]
) -> None:
    async def main() -> None:
        recorder = Recorder(office.database, owner, lambda: NOW)
        with pytest.raises(DatabaseError, match="lock"):  # noqa: PT012 - raised on leaving
            async with recorder:
                with locked(office.settings.database_url):
                    marks = [recorder.mark(marking(claim)) for claim in claims[:5]]
                    found = await asyncio.gather(*marks, return_exceptions=True)
                assert [type(error) for error in found] == [DatabaseUnavailable] * 5
                with pytest.raises(DatabaseError):
                    await recorder.mark(marking(claims[6]))

    run(main())
    assert counted(office.states()) == {"claimed": 150}


def test_marks_wait_and_outcomes_are_kept_while_the_database_is_in_trouble(
    office: Office, owner: str, claims: list[Claim]
) -> None:
    url = office.settings.database_url

    async def main() -> None:
        with closing(Database(url)) as patient:
            await record(Recorder(patient, owner, lambda: NOW))

    async def record(waiting: Recorder) -> None:
        async with waiting as recorder:
            with locked(url):
                marks = [asyncio.create_task(recorder.mark(marking(c))) for c in claims[:5]]
                recorder.settle(Outcome(claims[5], State.SKIPPED, "quiet"))
                done, _ = await asyncio.wait(marks, timeout=0.5)
                assert done == set()
            assert all(await asyncio.gather(*marks))

    run(main())
    assert counted(office.states()) == {"sending": 5, "skipped": 1, "claimed": 144}


def test_no_body_is_sent_while_the_database_cannot_be_written(tmp_path: Path) -> None:
    with open_office(tmp_path, connections=2) as office:
        office.enrol("ann", "ben", "cem")
        office.plan()

        office.refuse_marks()
        with pytest.raises(DatabaseError, match="disk is full") as stopped:
            office.send()
        assert "make room" in stopped.value.hint
        assert any(line.startswith("DATA") for _, line in office.server.commands)
        assert office.server.received == []
        assert counted(office.states()) == {"pending": 3}


def test_a_quiet_run_still_says_that_it_is_alive(
    office: Office, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to mark or to settle for longer than a heartbeat: the lease goes on."""
    monkeypatch.setattr("digest.recorder.HEARTBEAT", timedelta(milliseconds=20))
    times = iter(NOW + n * HEARTBEAT for n in range(1_000_000))

    def clock() -> datetime:
        return next(times)

    async def main() -> None:
        async with Recorder(office.database, owner, clock):
            await until(lambda: office.all(Run)[0].heartbeat_at > NOW)

    run(main())


def test_nothing_to_record_is_no_trouble(office: Office, owner: str) -> None:
    async def main() -> None:
        with commits(office) as seen:
            async with Recorder(office.database, owner, lambda: NOW):
                pass
            assert seen == []

    run(main())
