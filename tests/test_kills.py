"""Several senders at once, killed at random instants and started again until everybody has a mail.

The server's own list is the truth. ``make kills KILLS=200`` is the long run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from digest import look, window
from digest.models import Run
from tests.databases import POSTGRES
from tests.office import Office, ended, message_id, now, open_office, serving, wait_for
from tests.scripted_smtp import Drop, Script, ScriptedServer, Step, Wait

KILLS = int(os.environ.get("KILLS", "12"))
"""Of the first test; the others get a third of them."""
CONNECTIONS = 3
CROWD = 100
"""Users that are added whenever hardly anybody is left to send to, and kills are."""
PERIOD = window.last_full_week(now(), window.zone("UTC"))
WEEK, MONDAY = str(PERIOD), window.week(PERIOD, window.zone("UTC")).start
SENDERS: tuple[tuple[str, ...], ...] = ((), ("--workers", "2"))
"""What the senders that run side by side are called with."""


@dataclass
class Weather:
    """A server that is slow, now and then refuses for the moment, and may hang up after the dot."""

    dice: random.Random
    hangs_up: float = 0.03
    answers: list[Step] = field(default_factory=list)
    """Of every message whose end was read, in the order of ``server.received``."""

    def script(self) -> Script:
        return {"RCPT": self._rcpt, ".": self._dot}

    def _rcpt(self, _argument: str) -> Step:
        return "451 4.3.0 come back later" if self.dice.random() < 0.03 else None

    def _dot(self, _argument: str) -> Step:
        hangs_up = self.dice.random() < self.hangs_up
        step = Drop() if hangs_up else Wait(self.dice.uniform(0, 0.25), "250 2.0.0 queued")
        self.answers.append(step)
        return step


@dataclass
class Siege:
    """Senders under fire, and what is known of every user."""

    office: Office
    server: ScriptedServer
    weather: Weather
    dice: random.Random
    settings: dict[str, Any]
    users: list[str] = field(default_factory=list)
    running: dict[tuple[str, ...], subprocess.Popen[str]] = field(default_factory=dict)
    orphaned: list[subprocess.Popen[str]] = field(default_factory=list)
    kills: int = 0
    bound: int = 0
    """Connections of the runs that were killed: as many mails may be in doubt."""
    in_flight: Counter[str] = field(default_factory=Counter)
    """How often each user's mail was being sent when its sender was killed."""
    nearly: set[str] = field(default_factory=set)
    """Whose mail may have been marked, and not begun, by a sender that was killed."""

    # --- what is known ---------------------------------------------------------------------------

    def hung_up(self) -> Counter[str]:
        """How often the server took a user's mail and left without an answer."""
        pairs = zip(list(self.weather.answers), list(self.server.received), strict=False)
        return Counter(user_of(got.rcpt_to) for step, got in pairs if isinstance(step, Drop))

    def copies(self) -> Counter[str]:
        return Counter(user_of(message.rcpt_to) for message in list(self.server.received))

    def repeats(self) -> int:
        return self.copies().total() - len(self.copies())

    def unsettled(self, *states: str) -> int:
        found = self.office.states()
        return sum(found.get(user) not in states for user in self.users)

    def check(self) -> None:
        """What must hold at every instant, whoever is at work."""
        counts = look.status(self.office.database, WEEK)["states"] if self.office.rows() else {}
        assert not counts or sum(counts.values()) == len(self.users)
        sent = {user for user, state in self.office.states().items() if state == "sent"}
        copies, doubts = self.copies(), self.in_flight + self.hung_up()
        assert sent <= copies.keys(), "recorded as sent, and never arrived"
        assert all(copies[user] <= 1 + doubts[user] for user in copies), "repeated without a doubt"
        assert self.in_flight.total() <= self.bound

    # --- what is done ----------------------------------------------------------------------------

    def crowd(self) -> None:
        new = [f"user{len(self.users) + n:05}" for n in range(CROWD)]
        self.office.enrol(*new, now=now(), monday=MONDAY)
        self.users += new

    def start(self, *senders: tuple[str, ...]) -> None:
        """Let these senders begin again, where they are not at work."""
        for words in senders:
            process = self.running.get(words)
            if process is None or process.poll() is not None:
                if process is not None:
                    self.bury(process)
                self.running[words] = self.office.start(
                    *("send", "--week", WEEK, *words), port=self.server.port, **self.settings
                )

    def bury(self, process: subprocess.Popen[str]) -> None:
        """A sender that ended by itself; 1: some mails were deferred, or a worker was killed."""
        end = ended(process)
        assert end.code in {0, 1}, end
        assert "Traceback" not in end.err, end.err

    def wait_a_moment(self, victim: subprocess.Popen[str]) -> None:
        """Until a random instant: while the victim starts up, or somewhere between two mails."""
        if self.dice.random() < 0.25:
            time.sleep(self.dice.uniform(0, 1.5))  # not to wait for something: to be anywhere
            return
        wait_for(lambda: self.is_at_work(victim) or victim.poll() is not None)
        enough = len(self.server.received) + self.dice.randint(0, 20)
        wait_for(lambda: len(self.server.received) >= enough or victim.poll() is not None)
        time.sleep(self.dice.uniform(0, 0.02))

    def is_at_work(self, victim: subprocess.Popen[str]) -> bool:
        family = family_of(victim)
        return any(run.pid in family and not run.finished_at for run in self.office.all(Run))

    def kill_somebody(self) -> None:
        """A whole sender, the parent of workers alone, or one worker alone."""
        victim = self.running[self.dice.choice(SENDERS)]
        self.wait_a_moment(victim)
        family = family_of(victim)
        whom = self.dice.choice([family, family, family[:1], family[-1:]])
        if victim.poll() is not None:
            return
        for pid in whom:
            signal_to(pid, signal.SIGSTOP)
        wait_for(lambda: all(is_still(pid) for pid in whom))
        self.note(whom)
        for pid in whom:
            signal_to(pid, signal.SIGKILL)
        self.kills += 1
        if victim.pid in whom:
            victim.wait()
            self.orphaned.append(victim)
            del self.running[next(w for w, one in self.running.items() if one is victim)]

    def note(self, whom: list[int]) -> None:
        """Write down what is under way while the processes stand still: it is what a kill leaves.

        Were they killed first, another sender's start might close their books before we look.
        """
        runs = self.office.all(Run)
        owners = {run.owner for run in runs if run.pid in whom and not run.finished_at}
        held = Counter(
            row.owner
            for row in self.office.rows().values()
            if row.state == "sending" and row.owner in owners
        )
        assert all(number <= CONNECTIONS for number in held.values())
        if POSTGRES:  # a commit that has reached the server goes on there, and no mail follows it
            mine = ((user, row) for user, row in self.office.rows().items() if row.owner in owners)
            self.nearly |= {user for user, row in mine if row.state == "claimed"}
        self.in_flight += Counter(
            user
            for user, row in self.office.rows().items()
            if row.state == "sending" and row.owner in owners
        )
        self.bound += CONNECTIONS * len(owners)

    def besiege(self, kills: int, *settled: str) -> None:
        """Kill so many, then let everybody's mail come to its end."""
        while self.kills < kills:
            if self.unsettled(*settled) < CROWD // 2:
                self.crowd()
            self.start(*SENDERS)
            self.kill_somebody()
            self.check()
        self.end(*settled)

    def end(self, *settled: str) -> None:
        """Let one sender go on until every mail is settled, and wait for all to end."""
        while self.unsettled(*settled):
            self.start(SENDERS[0])
            self.running[SENDERS[0]].wait()
        for process in self.running.values():
            self.bury(process)
        self.running.clear()
        for process in self.orphaned:
            assert "Traceback" not in ended(process).err
        self.check()

    def abandon(self) -> None:
        """After a failed test: nobody stays behind."""
        for process in [*self.running.values(), *self.orphaned]:
            for pid in family_of(process):
                signal_to(pid, signal.SIGKILL)
            ended(process)

    def report(self) -> str:
        missing = len(set(self.users) - self.copies().keys())
        return (
            f"{self.kills} kills, {len(self.users)} users, {missing} missing, "
            f"{self.repeats()} repeats, {self.in_flight.total()} in flight at the kills "
            f"(bound {self.bound}), {self.hung_up().total()} hung up on"
        )


def user_of(address: str) -> str:
    return address.partition("@")[0]


def family_of(parent: subprocess.Popen[str]) -> list[int]:
    """A sender and the processes it started that are senders too, the parent first."""
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    try:
        pids = [int(pid) for pid in children.read_text().split()]
        senders = [pid for pid in pids if b"resource_tracker" not in command_of(pid)]
    except (FileNotFoundError, ProcessLookupError):
        senders = []
    return [parent.pid, *senders]


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def signal_to(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it was faster
        os.kill(pid, number)


def is_still(pid: int) -> bool:
    """Whether every thread of a process is stopped, or it is gone."""
    try:
        tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):
        return not Path(f"/proc/{pid}").exists()
    return all(task.rpartition(") ")[2][0] in "TtZX" for task in tasks)


def besieged(folder: Path, seed: int, *, hangs_up: float = 0.03, **more: Any) -> Iterator[Siege]:
    weather = Weather(random.Random(seed), hangs_up)
    settings = {"connections": CONNECTIONS, "batch": 10, "retry_base_seconds": 0.1}
    settings |= {"max_attempts": 1000, **more}
    # Of many who write to SQLite one may wait long: its queue has no order.
    with open_office(folder, lock_seconds=60) as office, serving(weather.script()) as server:
        siege = Siege(office, server, weather, random.Random(seed), settings)
        siege.crowd()
        try:
            yield siege
        finally:
            siege.abandon()


@pytest.fixture
def siege(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Siege]:
    yield from besieged(tmp_path, **request.param)


def with_(**options: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("siege", [options], indirect=True, ids=[""])


@with_(seed=1)
def test_whoever_is_killed_nobody_is_missed_and_only_what_was_in_flight_comes_twice(
    siege: Siege, capsys: pytest.CaptureFixture[str]
) -> None:
    siege.besiege(KILLS, "sent")
    assert set(siege.users) == siege.copies().keys()
    assert siege.repeats() <= siege.in_flight.total() + siege.hung_up().total()
    bodies: dict[str, bytes] = {}
    for message in siege.server.received:
        assert message.body == bodies.setdefault(message.rcpt_to, message.body)
    assert len({message_id(body) for body in bodies.values()}) == len(siege.users)
    with capsys.disabled():
        print(f"\nresend: {siege.report()}")


@with_(seed=2, on_unknown="hold")
def test_who_holds_what_is_in_doubt_repeats_nothing_and_can_settle_it(
    siege: Siege, capsys: pytest.CaptureFixture[str]
) -> None:
    siege.besiege(KILLS // 3, "sent", "unknown")
    assert siege.repeats() == 0
    doubtful = {user for user, state in siege.office.states().items() if state == "unknown"}
    assert doubtful <= (siege.in_flight + siege.hung_up()).keys() | siege.nearly
    listed = json.loads(ended(siege.office.start("settle", "--json", "--limit", "10000")).out)
    assert {row["user"] for row in listed["deliveries"]} == doubtful
    settle_by_what_arrived(siege, doubtful)
    assert siege.copies() == dict.fromkeys(siege.users, 1)
    with capsys.disabled():  # who is in doubt may be missing until then
        print(f"\nhold: {siege.report()}, {len(doubtful)} had to be settled")


def settle_by_what_arrived(siege: Siege, doubtful: set[str]) -> None:
    """As an operator does who has read the mail server's log."""
    arrived = siege.copies().keys() & doubtful
    for users, decision in ((arrived, "--sent"), (doubtful - arrived, "--resend")):
        words = [word for user in sorted(users) for word in ("--user", user)]
        if users:
            assert ended(siege.office.start("settle", *words, decision)).code == 0
    siege.weather.hangs_up = 0
    siege.end("sent")


@with_(seed=3, hangs_up=0)
def test_who_is_told_to_stop_leaves_no_doubt_and_repeats_nothing(
    siege: Siege, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also while it starts up; a terminal tells the whole family, a supervisor the parent."""
    stops = 0
    while stops < KILLS // 3:
        siege.start(*SENDERS)
        victim = siege.running[siege.dice.choice(SENDERS)]
        siege.wait_a_moment(victim)
        number = siege.dice.choice([signal.SIGTERM, signal.SIGINT])
        everybody = siege.dice.random() < 0.5
        for pid in family_of(victim)[: None if everybody else 1]:
            signal_to(pid, number)
        end = ended(victim)
        assert end.code in {0, 1, 130, -number}, end
        del siege.running[next(w for w, one in siege.running.items() if one is victim)]
        stops += 1
        assert "unknown" not in siege.office.states().values()
        siege.check()
        if siege.unsettled("sent") < CROWD // 2:
            siege.crowd()
    siege.besiege(0, "sent")
    assert siege.copies() == dict.fromkeys(siege.users, 1)
    with capsys.disabled():
        print(f"\nstops: {stops}, {siege.report()}")
