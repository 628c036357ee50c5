"""Real processes: killed, stopped, and side by side; the server's own list is the truth."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlmodel import Session

from digest import crew, deciding, process, window, workers
from digest.crew import Crew
from digest.facts import Batch
from digest.ledger import Scope
from digest.models import Run
from digest.run import Report
from digest.sections import Section
from tests.office import (
    ANY,
    PATIENCE,
    Office,
    counted,
    ended,
    message_id,
    now,
    once,
    open_office,
    pause,
    serving,
)
from tests.scripted_smtp import Received, Script, ScriptedServer, Step, Wait

USERS = [f"user{n:02}" for n in range(40)]
EVERYBODY = {f"{user}@people.example" for user in USERS}
CONNECTIONS = 4
PERIOD = window.last_full_week(now(), window.zone("UTC"))
WEEK, MONDAY = str(PERIOD), window.week(PERIOD, window.zone("UTC")).start


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path, connections=CONNECTIONS, batch=15) as office:
        office.enrol(*USERS, now=now(), monday=MONDAY)
        yield office


def send(office: Office, server: ScriptedServer, *more: str) -> subprocess.Popen[str]:
    """``digest send`` of the week, as a process."""
    words = ("send", "--week", WEEK, *more)
    return office.start(*words, port=server.port, connections=CONNECTIONS, batch=15)


def finish(office: Office, server: ScriptedServer) -> Report:
    """The next send, in this process: it takes back what the dead one had."""
    office.recover()
    office.settings = office.mailing_to(server)
    office.resettle()
    return workers.send(office.shop, Scope((WEEK,), wanted=(WEEK,)), now)


_SEND_AND_SAY = """
import os
from dataclasses import replace
from datetime import UTC, datetime
from digest import config, ledger, workers
from digest.database import Database
from digest.deciding import workshop
from digest.sections import Section

def load(session, batch):
    os.write(1, f"{os.getpid()} {len(batch.site)}\\n".encode())
    return {}

settings = config.load()
shop = workshop(Database(settings.database_url), settings)
first = Section("first", 0, load, lambda facts, batch: None)
shop = replace(shop, sections=[first, *shop.sections])
report = workers.send(shop, ledger.Scope(), lambda: datetime.now(UTC), workers=2)
print(os.getpid(), report.total)
"""


def test_what_is_the_same_for_the_site_is_found_before_the_workers_part(office: Office) -> None:
    """And not by each of them: what is known is said before each batch is looked at."""
    office.plan(WEEK, now())
    done = office.start(program=_SEND_AND_SAY)
    out, err = done.communicate(timeout=PATIENCE)
    said = [(int(process), int(number)) for process, number in map(str.split, out.splitlines())]
    parent, mails = said.pop()
    assert mails == len(EVERYBODY), err
    before, *others = said
    assert before[0] == parent
    assert others
    assert all(process != parent and known > before[1] for process, known in others)


def test_trouble_with_the_database_while_looking_ahead_stops_nobody(office: Office) -> None:
    office.plan(WEEK, now())
    trouble = """
from digest.errors import DatabaseUnavailable
parent = os.getpid()

def load(session, batch, known=load):
    if os.getpid() == parent:
        raise DatabaseUnavailable("away for a moment")
    return known(session, batch)

settings ="""
    done = office.start(program=_SEND_AND_SAY.replace("\nsettings =", trouble, 1))
    out, err = done.communicate(timeout=PATIENCE)
    assert out.splitlines()[-1].split()[1] == f"{len(EVERYBODY)}", err


@pytest.mark.parametrize(("asked", "left"), [(["nobody"], []), (["user01", "nobody"], ["user01"])])
def test_only_who_may_be_mailed_is_looked_at_ahead(
    office: Office, asked: list[str], left: list[str]
) -> None:
    """As where it is decided, so that no section meets others than it knows from there."""
    seen: list[str] = []

    def load(session: Session, batch: Batch) -> dict[str, None]:
        seen.extend(batch.users)
        return {}

    shop = replace(office.shop, sections=[Section("own", 1, load, lambda *_: None)])
    office.sql("UPDATE subscriptions SET unsubscribed_at = next_due_at WHERE user_id = 'user00'")
    with office.database.reading() as session:
        deciding.look_ahead(session, shop, WEEK, "UTC", ["user00", *asked])
    assert seen == left


@pytest.mark.parametrize("ahead", [[], ["user00"]])
def test_what_was_looked_at_ahead_is_not_asked_again(office: Office, ahead: list[str]) -> None:
    asked: list[str] = []
    with office.database.reading() as session:
        if ahead:
            deciding.look_ahead(session, office.shop, WEEK, "UTC", ahead)
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
        decided = deciding.decide(session, office.shop, WEEK, "UTC", USERS)
    assert decided.decisions.keys() == set(USERS)
    of_all_posts = [words for words in asked if "FROM posts" in words and "LIMIT" in words]
    assert bool(of_all_posts) is not bool(ahead)


def assert_each_mail_once(server: ScriptedServer) -> None:
    assert Counter(server.accepted) == dict.fromkeys(EVERYBODY, 1)


@pytest.mark.parametrize("verb", ["RCPT", ".", "MAIL"])
def test_after_a_kill_everybody_gets_the_mail_and_at_most_one_copy_per_connection(
    office: Office, verb: str
) -> None:
    """Killed before a mark, with bodies on their way, and between an answer and its record."""
    running: list[subprocess.Popen[str]] = []

    def kill() -> None:
        running[0].kill()

    with serving({verb: once(kill, at=17)}) as server:
        running.append(send(office, server))
        assert ended(running[0]).code == -signal.SIGKILL
        left = counted(office.states())
        assert 0 <= left.get("sending", 0) <= CONNECTIONS
        assert left.get("pending", 0) + left.get("claimed", 0) > 0
        report = finish(office, server)
        assert report.stopped is None
        assert counted(office.states()) == {"sent": 40}
        assert set(server.accepted) == EVERYBODY
        repeats = len(server.accepted) - len(EVERYBODY)
        assert repeats <= left.get("sending", 0)
        copies: dict[str, list[Received]] = defaultdict(list)
        for message in server.received:
            copies[message.rcpt_to].append(message)
        for same in copies.values():
            assert len({message_id(message.body) for message in same}) == 1
            assert len({message.body for message in same}) == 1
        assert {run.outcome for run in office.all(Run)} == {"died", "done"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_send_drains_says_so_and_leaves_no_doubt(
    office: Office, number: signal.Signals
) -> None:
    running: list[subprocess.Popen[str]] = []
    stop = once(lambda: running[0].send_signal(number), at=9)
    with serving({"DATA": stop}) as server:
        running.append(send(office, server))
        end = ended(running[0])
        assert end.code == 130
        assert "still pending" in end.err
        assert "Traceback" not in end.err
        states = counted(office.states())
        assert set(states) == {"sent", "pending"}
        assert 9 <= states["sent"] == len(server.accepted) < 40
        finish(office, server)
        assert_each_mail_once(server)


def test_two_sends_at_once_mail_everybody_once(office: Office) -> None:
    script: Script = {".": lambda _: Wait(0.01, "250 2.0.0 queued")}
    with serving(script) as server:
        both = [send(office, server), send(office, server)]
        assert [ended(process).code for process in both] == [0, 0]
        assert_each_mail_once(server)
    assert counted(office.states()) == {"sent": 40}


def test_a_send_that_finds_every_mail_in_other_hands_says_so_and_ends_well(office: Office) -> None:
    """The first one is paused with all mails claimed and one of them being sent."""
    with serving() as server:
        # With a limit it has nothing left to claim: a pause within a claim would hold a lock.
        words = ("send", "--week", WEEK, "--limit", "40")
        first = office.start(
            *words, port=server.port, connections=1, batch=40, fault="marked:1:stop"
        )
        pause(first)
        end = ended(send(office, server))
        first.send_signal(signal.SIGCONT)
        assert ended(first).code == 0
        assert_each_mail_once(server)
    assert end.code == 0, end.err
    assert "39 being prepared by a run that is under way" in end.out
    assert "1 being sent by a run that is under way" in end.out


def test_workers_share_the_mails_and_the_report_adds_them_up(office: Office) -> None:
    with serving({".": lambda _: Wait(0.01, "250 2.0.0 queued")}) as server:
        end = ended(send(office, server, "--workers", "2", "--limit", "31"))
        assert end.code == 0, end.err
        assert "31 sent" in end.out
        assert len(set(server.accepted)) == len(server.accepted) == 31
    assert [run.outcome for run in office.all(Run)] == ["done", "done"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("interrupt", [os.kill, os.killpg], ids=["the parent alone", "all"])
def test_workers_drain_when_interrupted_whoever_is_told(
    office: Office, interrupt: Callable[[int, int], None], number: signal.Signals
) -> None:
    """A terminal sends SIGINT to all of them, a supervisor SIGTERM to all or to the parent."""
    running: list[subprocess.Popen[str]] = []
    told: list[int] = []

    def stop() -> None:
        told.append(number)
        interrupt(running[0].pid, number)

    def slow(_recipient: str) -> Step:  # from then on: a busy machine passes the signal on late
        return Wait(1, "250 2.0.0 queued") if told else None

    with serving({"DATA": once(stop, at=9), ".": slow}) as server:
        running.append(send(office, server, "--workers", "2"))
        end = ended(running[0])
    assert end.code == 130
    assert "Traceback" not in end.err
    states = counted(office.states())
    assert set(states) == {"sent", "pending"}
    assert states["sent"] == len(server.accepted) < 40


def test_workers_drain_also_when_they_are_told_twice(office: Office) -> None:
    """By a supervisor that stops the whole group, and by their parent."""
    running: list[subprocess.Popen[str]] = []
    told: list[signal.Signals] = []

    def tell(_argument: str) -> Wait | None:
        if not told:
            return None
        for run in office.all(Run):
            os.kill(run.pid, signal.SIGTERM)
        return Wait(0.05, "250 2.0.0 queued")

    def stop() -> None:
        told.append(signal.SIGTERM)
        os.kill(running[0].pid, signal.SIGTERM)

    with serving({"DATA": once(stop, at=9), ".": tell}) as server:
        running.append(send(office, server, "--workers", "2"))
        assert ended(running[0]).code == 130
    assert set(counted(office.states())) == {"sent", "pending"}
    assert {run.outcome for run in office.all(Run)} == {"done"}


def test_a_second_signal_ends_workers_at_once(office: Office) -> None:
    """The server does not answer any more, and nobody wants to wait for it."""
    running: list[subprocess.Popen[str]] = []

    told: list[float] = []

    def twice() -> None:
        told.append(time.monotonic())
        running[0].send_signal(signal.SIGTERM)
        running[0].send_signal(signal.SIGINT)

    silence: list[Step] = [*[None] * 4, *[Wait(10 * PATIENCE)] * 40]
    with serving({".": silence, "DATA": once(twice, at=7)}) as server:
        running.append(send(office, server, "--workers", "2"))
        assert ended(running[0]).code == 130
        assert time.monotonic() - told[0] < 30
    assert set(counted(office.states())) <= {"sent", "sending", "claimed", "pending"}


def test_an_error_in_a_worker_reaches_the_report_in_words(office: Office) -> None:
    """Here the database refuses every mark."""
    office.refuse_marks()
    with serving() as server:
        end = ended(send(office, server, "--workers", "2"))
    assert end.code == 2
    assert "disk is full" in end.err
    assert "make room" in end.err
    assert "Traceback" not in end.err
    assert server.received == []
    assert counted(office.states()) == {"pending": 40}


def test_a_worker_that_is_killed_does_not_stop_the_other(office: Office) -> None:
    def kill() -> None:
        os.kill(office.all(Run)[0].pid, signal.SIGKILL)

    with serving({".": once(kill, at=5)}) as server:
        end = ended(send(office, server, "--workers", "2"))
        assert end.code == 1
        assert "a worker process died" in end.err
        finish(office, server)
        assert set(server.accepted) == EVERYBODY
        assert len(server.accepted) <= len(EVERYBODY) + CONNECTIONS


@pytest.mark.parametrize(("rate", "sent"), [(1, 1), (3, 2)])
def test_workers_together_keep_to_the_rate_of_a_domain(
    office: Office, rate: int, sent: int
) -> None:
    """A share is whole, so that of three a minute two workers send one each."""
    with serving() as server:
        words = ("send", "--week", WEEK, "--workers", "2", "--limit", "40")  # 20 for each
        end = ended(office.start(*words, port=server.port, rate_per_domain=rate))
        assert end.code == 1, end.err
        assert len(server.accepted) == sent
    assert len(office.all(Run)) == min(rate, 2)


def test_workers_that_load_everything_anew_share_the_mails_too(office: Office) -> None:
    """The daemon's: it has a loop and threads, and cannot be copied."""
    office.plan(WEEK, now())
    with serving() as server:
        office.settings = office.mailing_to(server)
        office.resettle()

        async def main() -> Report:
            crew = Crew(office.shop, ANY, now, workers=2, command="daemon", limit=31, copied=False)
            return await crew.report(asyncio.Event(), lambda _: None)

        assert asyncio.run(main()).states == {("sent", ""): 31}
        assert len(set(server.accepted)) == len(server.accepted) == 31


def test_what_one_crew_learnt_of_domains_the_next_one_knows(office: Office) -> None:
    """The daemon's crews come minutes apart; a domain's minute and its pause are not over then."""
    office.plan(WEEK, now())
    with serving() as server:
        office.settings = office.mailing_to(server)
        office.resettle(rate_per_domain=4)
        shop = office.shop

        async def main() -> Report:
            crew = Crew(shop, ANY, now, workers=2, command="daemon", limit=20, copied=False)
            return await crew.report(asyncio.Event(), lambda _: None)

        assert asyncio.run(main()).states["sent", ""] == 4
        assert len(shop.domains.known()["people.example"].recent) == 4
        assert asyncio.run(main()).states.keys() == {("deferred", "domain-paused")}
        assert len(server.accepted) == 4


@pytest.mark.parametrize(
    ("most", "waiting", "number"), [(2, 0, 1), (2, 199, 1), (2, 200, 2), (2, 9999, 2), (1, 9999, 1)]
)
def test_only_where_it_pays_there_are_several_processes(
    most: int, waiting: int, number: int
) -> None:
    assert workers.fitting(most, waiting, worth=100) == number


def test_by_itself_there_is_one_process_per_core() -> None:
    assert workers.fitting(0, 10_000_000, worth=100) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "number", "shares"), [(5, 2, [3, 2]), (1, 4, [1]), (4, 4, [1] * 4)]
)
def test_a_limit_is_shared_out_exactly(limit: int, number: int, shares: list[int]) -> None:
    assert crew._shares(limit, number) == shares


def test_a_run_lets_go_of_the_signals_when_it_ends() -> None:
    async def main(stop: asyncio.Event) -> bool:
        return stop.is_set()

    assert process.until_stopped(main) == (False, False)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
