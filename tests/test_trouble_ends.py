"""How a send ends when the database gives out: one exit code, whoever sends and whatever it was."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from digest import errors
from digest.errors import DigestError
from tests.databases import locked
from tests.office import Ended, Office, counted, ended, once, open_office, serving

USERS = [f"user{n:02}" for n in range(30)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Thirty people wait for their mail."""
    with open_office(tmp_path) as office:
        office.enrol(*USERS)
        yield office


def send(office: Office, workers: int, port: int, **settings: Any) -> Ended:
    words = ["send", "--week", "2026-W46", "--workers", str(workers)]
    return ended(office.start(*words, port=port, batch=5, connections=2, **settings))


def told(end: Ended) -> str:
    return " ".join(end.err.split())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_send_whose_patience_runs_out_on_the_way_ends_with_1(
    tmp_path: Path, workers: int
) -> None:
    with open_office(tmp_path, lock_seconds=0.2) as office:
        office.enrol(*USERS)
        with ExitStack() as stack:

            def lock() -> None:
                stack.enter_context(locked(office.settings.database_url))

            with serving({".": once(lock, 8)}) as smtp:
                end = send(office, workers, smtp.port, database_patience_seconds=0.3)
        states = counted(office.states())
    assert end.code == 1
    assert "(waited up to 0.3 s)" in told(end)
    assert "another program is writing to it for long" in told(end)
    assert "Traceback" not in end.err
    assert " sent" in end.out  # what was done before is told
    assert sum(states.values()) == len(USERS)


@pytest.mark.parametrize("workers", [1, 2])
def test_trouble_that_stays_ends_a_send_on_the_way_with_1_too(office: Office, workers: int) -> None:
    def take_away() -> None:
        office.sql("ALTER TABLE deliveries RENAME TO away")

    with serving({".": once(take_away, 8)}) as smtp:
        end = send(office, workers, smtp.port)
    office.sql("ALTER TABLE away RENAME TO deliveries")
    assert end.code == 1
    assert "deliveries" in told(end)
    assert "Traceback" not in end.err
    assert counted(office.states())["sent"] >= 1


@pytest.mark.parametrize("workers", [1, 2])
def test_where_nothing_was_sent_yet_it_ends_with_2(office: Office, workers: int) -> None:
    office.plan()
    office.sql("ALTER TABLE runs RENAME TO away")
    with serving() as smtp:
        end = send(office, workers, smtp.port)
        assert smtp.accepted == []
    office.sql("ALTER TABLE away RENAME TO runs")
    assert end.code == 2
    assert "runs" in told(end)
    assert "Traceback" not in end.err
    assert counted(office.states()) == {"pending": len(USERS)}


def test_a_lock_at_the_start_is_not_waited_for_with_the_patience_of_a_run(tmp_path: Path) -> None:
    with open_office(tmp_path, lock_seconds=0.2) as office:
        office.enrol(*USERS)
        with locked(office.settings.database_url):
            end = send(office, 1, 9, database_patience_seconds=600)
    assert end.code == 2
    assert "another program is writing to it for long" in told(end)
    assert "waited" not in end.err


@pytest.mark.parametrize("workers", [1, 2])
def test_a_table_that_is_needed_only_while_sending_makes_no_difference(
    office: Office, workers: int
) -> None:
    """The trouble is met by the workers, who have nothing to tell of."""
    office.sql("ALTER TABLE views RENAME TO away")
    with serving() as smtp:
        end = send(office, workers, smtp.port)
        assert smtp.accepted == []
    office.sql("ALTER TABLE away RENAME TO views")
    assert end.code == 2
    assert "views" in told(end)
    assert counted(office.states()) == {"pending": len(USERS)}


def test_every_error_can_be_handed_to_another_process() -> None:
    """Workers tell their parent what stopped them."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    made = [_made(kind) for kind in kinds if issubclass(kind, DigestError)]
    assert len(made) > 10
    for error in made:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def _made(kind: type[DigestError]) -> DigestError:
    if issubclass(kind, errors.ConfigError):
        return kind("SMTP_URL", "is wrong", hint="correct it")
    if issubclass(kind, errors.TemplateError):
        return kind("base.html", 7, "is wrong", hint="correct it")
    if issubclass(kind, errors.SendError):
        return kind("no", code=550, enhanced="5.1.1", phase="rcpt", hint="nothing")
    if issubclass(kind, errors.LinkExpired):
        return kind("it is old", user_id="ann", hint="open a newer mail")
    return kind("it is away", hint="wait")
