"""The crash matrix of docs/operations.md, row by row: real processes that die where it says.

The document is the expectation: what the ledger shows and what may have arrived is read from it.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from digest import look, subscriptions, window
from digest.faults import Point
from digest.models import Run, Snapshot, Subscription, table
from tests.office import (
    Ended,
    Office,
    counted,
    ended,
    message_id,
    now,
    open_office,
    pause,
    said,
    serving,
    wait_for,
)
from tests.scripted_smtp import ScriptedServer, Wait
from tests.test_docs import DOCS, chapter, named, rows

USERS = ["ann", "ben", "cem", "dot", "eli", "fay"]
FIRST, LAST = USERS[0], USERS[-1]
PERIOD = window.last_full_week(now(), window.zone("UTC"))
WEEK, MONDAY = str(PERIOD), window.week(PERIOD, window.zone("UTC")).start

MATRIX = {row[0].strip("`"): row[1:] for row in rows(chapter(DOCS / "operations.md", "Points"))}
ARRIVED = {"nothing": {0}, "the mail": {1}, "perhaps the mail": {0, 1}}
TIMES = {Point.COMMITTED: 2}
"""The first commit is of a mark, and the second of the outcome that follows it."""
ALONE = [point for point in Point if point not in {Point.PARENT, Point.ADVANCING}]
"""Where a plain ``digest send`` comes by."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Six people, whose mails go one after the other over one connection."""
    with open_office(tmp_path) as office:
        office.enrol(*USERS, now=now(), monday=MONDAY)
        yield office


def send(
    office: Office, server: ScriptedServer, *more: str, **settings: str
) -> subprocess.Popen[str]:
    words = ("send", "--week", WEEK, *more)
    return office.start(*words, port=server.port, connections=1, **settings)


def die(office: Office, server: ScriptedServer, point: Point) -> None:
    """A send that is killed when it reaches ``point``."""
    end = ended(send(office, server, fault=f"{point}:{TIMES.get(point, 1)}"))
    assert end.code == -signal.SIGKILL, end
    wait_for(lambda: server.is_idle)  # what left before it died arrives
    assert_sums_to_the_audience(office)


def finish(office: Office, server: ScriptedServer) -> Ended:
    """The next send, which ends well and leaves nothing behind."""
    end = ended(send(office, server))
    assert end.code == 0, end
    assert_sums_to_the_audience(office)
    assert all(run.finished_at for run in office.all(Run))
    return end


def locks(office: Office) -> int:
    return len(list(office.settings.locks.iterdir()))


def assert_sums_to_the_audience(office: Office) -> None:
    if office.rows():
        assert sum(look.status(office.database, WEEK)["states"].values()) == len(USERS)


def copies(server: ScriptedServer) -> Counter[str]:
    """How often each user's mail arrived; a repeat is the same to the last byte."""
    first: dict[str, bytes] = {}
    for message in server.received:
        assert message.body == first.setdefault(message.rcpt_to, message.body)
    assert len({message_id(body) for body in first.values()}) == len(first)
    return Counter(message.rcpt_to.partition("@")[0] for message in server.received)


def snapshots(office: Office) -> int:
    with office.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table(Snapshot))) or 0


def leave(office: Office, user: str) -> None:
    with office.database.writing() as session:
        subscriptions.unsubscribe(session, user, now())


def told(point: Point) -> tuple[str, set[int]]:
    """What the document says of the first mail: its state, and how often it may have arrived."""
    _, ledger, arrived, _ = MATRIX[point]
    return ledger.split("`")[1] if "`" in ledger else "", ARRIVED[arrived]


def test_the_matrix_has_a_row_for_every_point_and_no_other() -> None:
    assert named(chapter(DOCS / "operations.md", "Points")) == list(Point)


@pytest.mark.parametrize("point", ALONE)
def test_after_a_death_the_ledger_is_as_told_and_the_next_send_ends_it(
    office: Office, point: Point
) -> None:
    """Nobody is missed, and only a mail that stood as ``sending`` may come twice."""
    state, may_have_arrived = told(point)
    with serving() as server:
        if point is Point.RECOVERING:
            die(office, server, Point.MARKED)
        die(office, server, point)
        found = office.rows()
        assert (found[FIRST].state if found else "") == state
        assert counted(office.states()).get("sending", 0) <= 1
        arrived = copies(server)
        assert arrived[FIRST] in may_have_arrived
        assert sum(arrived.values()) in may_have_arrived | {len(USERS)}
        leave(office, LAST)
        finish(office, server)
        assert locks(office) == 0
        in_doubt = int(state == "sending")
        assert copies(server)[FIRST] == 1 + arrived[FIRST] * in_doubt
        assert all(copies(server)[user] == 1 for user in USERS[1:-1])
        # Who leaves is not mailed any more, whatever was claimed for them.
        assert office.rows()[LAST].state == ("sent" if arrived[LAST] else "skipped")
        assert copies(server)[LAST] == arrived[LAST]
    assert counted(office.states()) == {
        "sent": len(USERS) - (not arrived[LAST]),
        **({} if arrived[LAST] else {"skipped": 1}),
    }


@pytest.mark.parametrize(("point", "kept"), [(Point.KEEPING, 0), (Point.KEPT, len(USERS))])
def test_snapshots_are_kept_together_or_not_at_all(office: Office, point: Point, kept: int) -> None:
    with serving() as server:
        die(office, server, point)
    assert snapshots(office) == kept


def test_a_run_that_died_while_it_began_leaves_no_trace(office: Office) -> None:
    with serving() as server:
        die(office, server, Point.STARTING)
        assert office.all(Run) == []
        assert locks(office) == 1
        finish(office, server)
        assert locks(office) == 0


def test_a_refused_send_does_not_hide_who_died_before_it(office: Office) -> None:
    """Recovery is undone with the rest of the transaction, and so is everything it says."""
    with serving() as server:
        die(office, server, Point.MARKED)
        assert ended(send(office, server, "--user", "nobody")).code == 2
        assert "1 mails are in doubt" in finish(office, server).out


def test_held_mails_are_never_repeated_and_wait_for_a_decision(office: Office) -> None:
    """Killed where the mail had arrived and nobody was told."""
    with serving() as server:
        die(office, server, Point.AFTER_REPLY)
        end = ended(send(office, server, on_unknown="hold"))
        assert "1 mail is in doubt. Which, and what to do about it: digest settle" in end.out
        assert counted(office.states()) == {"unknown": 1, "sent": 5}
        assert set(copies(server).values()) == {1}


# --- in the daemon -------------------------------------------------------------------------------


def overdue(office: Office, *, standing: subprocess.Popen[str] | None = None) -> None:
    """Everybody's hour was a minute ago, by the real clock, and ``standing`` stands still.

    It is stopped while the lock is ours: a process that stood still with it would stop all others.
    """
    past = now() - timedelta(minutes=1)
    office.resettle(quiet_weeks="always")  # it may have been another week
    with office.database.writing() as session:
        rhythm = {"weekday": past.weekday(), "hour": past.hour, "next_due_at": past}
        session.execute(update(table(Subscription)).values(rhythm))
        if standing is not None:
            standing.send_signal(signal.SIGSTOP)
            pause(standing)


def daemon(office: Office, server: ScriptedServer, fault: str = "") -> subprocess.Popen[str]:
    return office.start("daemon", port=server.port, connections=1, tick_seconds=0.1, fault=fault)


@contextmanager
def stopping(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        end = ended(process)
    assert end.code == 0, end


def everybody_has_it(office: Office) -> bool:
    return counted(office.states()) == {"sent": len(USERS)}


def test_planning_and_moving_on_are_one_step_for_the_daemon(office: Office) -> None:
    """Otherwise who was planned twice, or moved on and not planned, would miss a week."""
    overdue(office)
    before = office.all(Subscription)
    with serving() as server:
        end = ended(daemon(office, server, Point.ADVANCING))
        assert end.code == -signal.SIGKILL, end
        assert (office.rows(), office.all(Subscription)) == ({}, before)
        assert MATRIX[Point.ADVANCING][1:3] == ["nothing", "nothing"]
        with stopping(daemon(office, server)):
            wait_for(lambda: everybody_has_it(office))
        assert set(copies(server).values()) == {1}


def test_of_two_daemons_the_other_takes_over(office: Office) -> None:
    with serving() as server:
        other = daemon(office, server)
        with stopping(other):
            assert said(other).startswith("Looking")
            try:
                overdue(office, standing=other)
                assert ended(daemon(office, server, Point.AFTER_REPLY)).code == -signal.SIGKILL
                assert counted(office.states())["sending"] == 1
            finally:
                other.send_signal(signal.SIGCONT)
            wait_for(lambda: everybody_has_it(office))
        assert copies(server) == dict.fromkeys(USERS, 1) | {FIRST: 2}


# --- paused, and declared dead -------------------------------------------------------------------


def silence(office: Office) -> None:
    """The run counts as one of another host that was not heard of for longer than its lease."""
    with office.database.writing() as session:
        long_ago = {"host": "elsewhere", "heartbeat_at": now() - timedelta(hours=1)}
        session.execute(update(table(Run)).values(long_ago))


@pytest.mark.parametrize(
    ("point", "repeats"), [(Point.AFTER_354, 0), (Point.MARKED, 1), (Point.HANDED_OVER, 1)]
)
def test_who_was_paused_past_the_lease_sends_only_what_was_under_way(
    office: Office, point: Point, repeats: int
) -> None:
    """The fence holds: its marks, outcomes and claims find nothing to change."""
    with serving() as server:
        # With a limit it has nothing left to claim: a pause within a claim would hold a lock.
        everybody = ("--limit", str(len(USERS)))
        paused = send(office, server, *everybody, fault=f"{point}:1:stop")
        try:
            pause(paused)
            silence(office)
            finish(office, server)
            after = office.rows()
        finally:
            paused.send_signal(signal.SIGCONT)
            end = ended(paused)
        assert end.code == 1, end
        assert "took this run for dead" in end.err
        assert copies(server) == dict.fromkeys(USERS, 1) | {FIRST: 1 + repeats}
    assert office.rows() == after


# --- several workers -----------------------------------------------------------------------------


def test_workers_whose_parent_dies_at_once_drain_and_end(office: Office) -> None:
    with serving() as server:
        end = ended(send(office, server, "--workers", "2", fault=Point.PARENT))
        assert end.code == -signal.SIGKILL, end
        assert "Traceback" not in end.err
        assert set(counted(office.states())) <= {"sent", "pending"}
        finish(office, server)
        assert copies(server) == dict.fromkeys(USERS, 1)


def test_workers_whose_parent_is_killed_finish_what_is_under_way_and_end(office: Office) -> None:
    """Output ends when the last of them has: nobody goes on by themselves."""
    running: list[subprocess.Popen[str]] = []
    reached = itertools.count(1)

    def kill(_recipient: str) -> Wait | None:
        """At the second mail; from then on there is time to hear of it before one is sent."""
        if (mail := next(reached)) == 2:
            running[0].kill()
        return Wait(0.5, "354 go ahead") if mail >= 2 else None

    with serving({"DATA": kill}) as server:
        running.append(send(office, server, "--workers", "2"))
        end = ended(running[0])
        assert end.code == -signal.SIGKILL
        assert "Traceback" not in end.err
        assert set(counted(office.states())) == {"sent", "pending"}
        assert {run.outcome for run in office.all(Run)} == {"done"}
        finish(office, server)
        assert copies(server) == dict.fromkeys(USERS, 1)


# --- the points themselves -----------------------------------------------------------------------


@pytest.mark.parametrize("order", ["nowhere", "marked:0", "marked:x", "marked:1:jump", ":1"])
def test_an_order_that_names_no_way_to_die_is_refused(office: Office, order: str) -> None:
    with serving() as server:
        end = ended(send(office, server, fault=order))
    assert end.code == 2
    assert "FAULT" in end.err
    assert office.rows() == {}


@pytest.mark.parametrize(("orders", "code"), [([""], 0), (["marked", ""], 0), (["marked"], -9)])
def test_a_point_does_nothing_unless_the_last_order_asks_for_it(
    orders: list[str], code: int
) -> None:
    armed = "; ".join(f"faults.arm({order!r})" for order in orders)
    passing = "[faults.reach(point) for point in faults.Point]; print('alive')"
    words = [sys.executable, "-c", f"from digest import faults; {armed}; {passing}"]
    process = subprocess.run(words, capture_output=True, text=True, check=False)
    assert process.returncode == code
    assert process.stdout == ("" if code else "alive\n")
