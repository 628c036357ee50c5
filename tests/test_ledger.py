"""The ledger's promises, each against a real database file: one row, one owner, one mail."""

from __future__ import annotations

import fcntl
import itertools
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from digest import ledger, subscriptions
from digest.errors import UsageError
from digest.ledger import Claim, Decision, Outcome, Recovered, Scope
from digest.ledger.runs import _held
from digest.models import TRANSITIONS, Run, State, table
from tests.office import (
    ANY,
    LEASE,
    NOW,
    WEEK,
    Office,
    counted,
    ended,
    marking,
    open_office,
    wait_for,
)

INSTANT = "2026-11-16 09:00:00.000000"
LONG_AGO = "2026-11-15 09:00:00.000000"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Ann, Ben and Cem are due."""
    with open_office(tmp_path) as office:
        office.enrol("ann", "ben", "cem")
        office.plan()
        yield office


@pytest.fixture
def owner(office: Office) -> Iterator[str]:
    """A run that lives as long as the test."""
    with ledger.running(office.database, office.settings.locks, "test", lambda: NOW) as owner:
        yield owner


def settle(office: Office, owner: str, *outcomes: Outcome) -> None:
    with office.database.writing() as session:
        ledger.settle(session, owner, outcomes, NOW)


def mark(office: Office, owner: str, *claims: Claim) -> set[int]:
    with office.database.writing() as session:
        return ledger.mark(session, owner, [marking(claim) for claim in claims], NOW)


def reopen(office: Office, state: State, scope: Scope = ANY) -> int:
    assert state is State.FAILED or state is State.UNKNOWN
    with office.database.writing() as session:
        return ledger.reopen(session, state, NOW, scope)


# --- one row -------------------------------------------------------------------------------------


def test_the_database_itself_refuses_a_second_row_of_a_user_and_period(office: Office) -> None:
    again = (
        "INSERT INTO deliveries (user_id, period, timezone, state, reason, attempts, fence, reply,"
        f" created_at, updated_at) VALUES ('ann', '{WEEK}', 'UTC', 'pending', '', 0, 0, '',"
        f" '{INSTANT}', '{INSTANT}')"
    )
    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        office.sql(again)


@pytest.mark.parametrize("state", State)
def test_planning_again_leaves_a_delivery_as_it_is_in_whatever_state(
    office: Office, state: State
) -> None:
    office.sql(f"UPDATE deliveries SET state = '{state}', attempts = 2")
    before = office.rows()
    assert office.plan(now=NOW + timedelta(hours=1)) == 0
    with office.database.writing() as session:
        row = {"user_id": "ann", "period": WEEK, "timezone": "UTC"}
        ledger.plan(session, [row], NOW + timedelta(hours=1))
    assert office.rows() == before


def test_whoever_was_deleted_is_not_planned_and_stops_nobody(office: Office) -> None:
    """Another program may delete a user and leave the subscription behind."""
    office.sql("DELETE FROM users WHERE id = 'ben'")
    assert office.plan("2026-W45") == 2


# --- one owner -----------------------------------------------------------------------------------


def test_claims_are_taken_zone_by_zone_and_the_oldest_week_first(
    office: Office, owner: str
) -> None:
    office.enrol("dot", "eli", timezone="Asia/Tokyo")
    office.plan()
    office.plan("2026-W45")
    taken: list[Claim] = []
    with office.database.reading() as session:
        coming = ledger.upcoming(session, NOW, Scope(), 7)
    with office.database.writing() as session:
        while claims := ledger.claim(session, owner, Scope(), NOW, 3):
            taken += claims
    order = [(claim.timezone, claim.period, claim.user) for claim in taken]
    assert order == sorted(order)
    assert len(order) == len(set(order)) == 2 * 5
    assert [(zone, week, user) for week, zone, user in coming] == order[:7]


def test_what_is_coming_is_only_what_can_be_claimed_now(office: Office) -> None:
    later = "UPDATE deliveries SET state = 'deferred', next_attempt_at = ? WHERE user_id = 'ann'"
    office.sql(later, "2026-11-16 10:00:00.000000")
    with office.database.reading() as session:
        coming = ledger.upcoming(session, NOW, Scope(users=("ann", "ben")), 9)
    assert coming == [(WEEK, "UTC", "ben")]


def test_a_claim_keeps_to_its_scope_and_size(office: Office, owner: str) -> None:
    office.plan("2026-W45")
    with office.database.writing() as session:
        mine = ledger.claim(session, owner, Scope((WEEK,), ("ann", "cem")), NOW, 100)
        assert [(c.user, c.period) for c in mine] == [("ann", WEEK), ("cem", WEEK)]
        assert len(ledger.claim(session, owner, Scope(), NOW, 2)) == 2


def test_claims_of_many_connections_never_overlap(tmp_path: Path) -> None:
    users = [f"user{n:03}" for n in range(120)]
    with open_office(tmp_path) as office, ExitStack() as runs:
        office.enrol(*users)
        office.plan()
        locks = office.settings.locks
        owners = [
            runs.enter_context(ledger.running(office.database, locks, "test", lambda: NOW))
            for _ in range(4)
        ]
        taken: list[str] = []
        together = Barrier(4)

        def take(owner: str) -> None:
            together.wait(10)
            while claims := office.claim(owner, size=7):
                taken.extend(claim.user for claim in claims)

        threads = [Thread(target=take, args=(owner,)) for owner in owners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == users
        fences = {row.fence for row in office.rows().values()}
        assert fences == {1}


def test_a_deferred_delivery_is_claimed_only_when_its_time_has_come(
    office: Office, owner: str
) -> None:
    (claim, *_) = office.claim(owner)
    later = NOW + timedelta(minutes=5)
    settle(office, owner, Outcome(claim, State.DEFERRED, next_attempt_at=later, tried=1))
    assert office.claim(owner, NOW) == []
    with office.database.reading() as session:
        assert not ledger.waiting(session, later - timedelta(microseconds=1))
        assert ledger.waiting(session, later)
    (again,) = office.claim(owner, later)
    assert (again.user, again.attempts, again.fence) == ("ann", 1, 2)


# --- one mail: owner and fence -------------------------------------------------------------------


def test_a_claim_that_was_taken_back_can_be_neither_marked_nor_settled_by_its_old_owner(
    office: Office, owner: str
) -> None:
    """A worker was paused past its lease, declared dead, and wakes up."""
    office.sql(f"UPDATE runs SET host = 'elsewhere', heartbeat_at = '{LONG_AGO}'")
    old = office.claim(owner)
    assert office.recover() == Recovered(returned=3)
    locks = office.settings.locks
    with ledger.running(office.database, locks, "test", lambda: NOW) as other:
        new = office.claim(other)
        assert {claim.fence for claim in new} == {2}
        assert mark(office, owner, *old) == set()
        assert mark(office, other, *new) == {claim.id for claim in new}
        settle(office, owner, *(Outcome(claim, State.FAILED) for claim in old))
        assert counted(office.states()) == {"sending": 3}
        # Not even the new owner may act on the old claim.
        assert mark(office, other, *old) == set()
        settle(office, other, *(Outcome(claim, State.FAILED) for claim in old))
        assert counted(office.states()) == {"sending": 3}
        settle(office, other, *(Outcome(claim, State.SENT, tried=1) for claim in new))
    assert counted(office.states()) == {"sent": 3}


def test_a_claim_that_a_run_gave_back_and_took_again_is_another_claim(
    office: Office, owner: str
) -> None:
    old, *_ = office.claim(owner, size=1)
    settle(office, owner, Outcome(old, State.PENDING))
    new, *_ = office.claim(owner, size=1)
    assert (new.id, new.fence) == (old.id, old.fence + 1)
    assert mark(office, owner, old) == set()
    assert office.rows()["ann"].state == "claimed"
    assert mark(office, owner, new) == {new.id}


def test_a_run_that_was_declared_dead_can_claim_nothing_more(office: Office, owner: str) -> None:
    """Nobody would give back what it claimed: its books are closed."""
    office.sql(f"UPDATE runs SET host = 'elsewhere', heartbeat_at = '{LONG_AGO}'")
    office.recover()
    assert office.claim(owner) == []
    assert counted(office.states()) == {"pending": 3}


@pytest.mark.parametrize(
    "meanwhile",
    [
        f"UPDATE subscriptions SET unsubscribed_at = '{INSTANT}' WHERE user_id = 'ben'",
        f"INSERT INTO suppressions VALUES ('ben@people.example', 'complaint', '{INSTANT}', '')",
        "UPDATE users SET email_key = 'new@people.example' WHERE id = 'ben'",
    ],
    ids=["left", "suppressed", "moved"],
)
def test_who_left_moved_or_was_suppressed_since_the_claim_is_not_marked(
    office: Office, owner: str, meanwhile: str
) -> None:
    ann, ben, cem = office.claim(owner)
    office.sql(meanwhile)
    assert mark(office, owner, ann, ben, cem) == {ann.id, cem.id}
    assert office.states() == {"ann": State.SENDING, "ben": State.CLAIMED, "cem": State.SENDING}


def test_what_is_marked_once_more_may_go_on(office: Office, owner: str) -> None:
    """Nobody knew if the first commit had been one; the second changes nothing."""
    ann, ben, cem = office.claim(owner)
    assert mark(office, owner, ann, ben) == {ann.id, ben.id}
    before = office.rows()
    assert mark(office, owner, ann, ben) == {ann.id, ben.id}
    assert office.rows() == before
    assert mark(office, owner, ann, cem) == {ann.id, cem.id}


def test_a_mark_keeps_the_message_id(office: Office, owner: str) -> None:
    ann, *_ = office.claim(owner)
    mark(office, owner, ann)
    assert office.rows()["ann"].message_id == f"<{ann.id}>"


def test_an_outcome_is_kept_with_its_words_and_counts_the_attempt(
    office: Office, owner: str
) -> None:
    ann, ben, _ = office.claim(owner)
    settle(
        office,
        owner,
        Outcome(ann, State.FAILED, "address", "550 5.1.1 no such user", tried=1),
        Outcome(ben, State.SKIPPED, "quiet"),
    )
    rows = office.rows()
    assert (rows["ann"].reason, rows["ann"].reply, rows["ann"].attempts, rows["ann"].owner) == (
        "address",
        "550 5.1.1 no such user",
        1,
        None,
    )
    assert (rows["ben"].state, rows["ben"].attempts) == ("skipped", 0)


# --- what may follow what ------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_no_function_of_the_ledger_makes_a_transition_that_is_not_in_the_table(
    office: Office, owner: str, state: State
) -> None:
    (ann, *_) = office.claim(owner)
    office.sql(f"UPDATE deliveries SET state = '{state}'")
    office.claim(owner, NOW)
    became = {State(row.state) for row in office.rows().values()} - {state}
    assert became <= TRANSITIONS[state]
    for to in State:
        office.sql(f"UPDATE deliveries SET state = '{state}', owner = '{owner}', fence = 1")
        try:
            settle(office, owner, Outcome(ann, to))
        except LookupError:
            continue  # not an outcome at all
        after = State(office.rows()["ann"].state)
        assert after == state or after in TRANSITIONS[state]
        if to in TRANSITIONS[state] and state in {State.CLAIMED, State.SENDING}:
            assert after == to
    office.sql(f"UPDATE deliveries SET state = '{state}', owner = '{owner}', fence = 1")
    mark(office, owner, ann)
    after = State(office.rows()["ann"].state)
    assert after == state or after in TRANSITIONS[state]
    for reopened in (State.FAILED, State.UNKNOWN):
        office.sql(f"UPDATE deliveries SET state = '{state}'")
        assert reopen(office, reopened) == (3 if state is reopened else 0)
    for decision in Decision:
        office.sql(f"UPDATE deliveries SET state = '{state}'")
        with office.database.writing() as session:
            settled = ledger.resolve(session, decision, Scope((WEEK,), ("ann",)), NOW)
        assert settled == ([("ann", WEEK)] if state is State.UNKNOWN else [])
        after = State(office.rows()["ann"].state)
        assert (after in TRANSITIONS[state]) is bool(settled)


def test_the_table_names_every_state_and_ends_in_three(office: Office) -> None:
    ends = {state for state, after in TRANSITIONS.items() if not after}
    assert set(TRANSITIONS) == set(State)
    assert ends == {State.SENT, State.SKIPPED, State.SUPPRESSED}


def test_failed_ones_begin_anew_and_others_are_left_alone(office: Office) -> None:
    office.plan("2026-W45")
    office.sql("UPDATE deliveries SET state = 'failed', attempts = 12")
    assert reopen(office, State.FAILED, Scope((WEEK,), ("ann",))) == 1
    assert counted(office.states()) == {"pending": 1, "failed": 2}
    assert office.rows()["ann"].attempts == 0


# --- death and recovery --------------------------------------------------------------------------


def test_a_run_that_ends_gives_its_claims_back_and_admits_what_is_in_doubt(office: Office) -> None:
    """However it ends: what it was sending may have arrived."""
    locks = office.settings.locks
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117 - the error must come from inside
        with ledger.running(office.database, locks, "test", lambda: NOW) as owner:
            claims = office.claim(owner, size=2)
            mark(office, owner, claims[0])
            raise ZeroDivisionError
    assert office.states() == {"ann": State.UNKNOWN, "ben": State.PENDING, "cem": State.PENDING}
    assert office.rows()["ann"].reason == "interrupted"
    (run,) = office.all(Run)
    assert (run.outcome, run.finished_at) == ("interrupted", NOW)
    assert list(locks.iterdir()) == []


def test_a_run_notes_when_it_ended(office: Office) -> None:
    times = itertools.count()
    clock = lambda: NOW + timedelta(minutes=next(times))  # noqa: E731
    with ledger.running(office.database, office.settings.locks, "test", clock):
        pass
    (run,) = office.all(Run)
    assert (run.started_at, run.finished_at) == (NOW, NOW + timedelta(minutes=1))
    assert run.outcome == "done"


DIE = """
import os, sys
from datetime import datetime
from pathlib import Path
from digest import ledger
from digest.database import Database
from digest.ledger import Scope
from tests.office import marking
url, locks, now = sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
database = Database(url)
with ledger.running(database, locks, "test", lambda: now) as owner:
    with database.writing() as session:
        claims = ledger.claim(session, owner, Scope(), now, 2)
        ledger.mark(session, owner, [marking(claims[0])], now)
    print("ready", flush=True)
    sys.stdin.readline()
    os._exit(9)
"""


@pytest.fixture
def other_run(office: Office) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own that was sending Ann's mail and had claimed Ben's."""
    words = [office.settings.database_url, str(office.settings.locks), NOW.isoformat()]
    process = subprocess.Popen(
        [sys.executable, "-c", DIE, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    ended(process)


def test_a_live_run_is_left_alone_and_a_dead_one_is_known_at_once(
    office: Office, other_run: subprocess.Popen[str]
) -> None:
    """No lease is waited for on the same host, and none ends a run that lives."""
    assert office.recover(NOW + 10 * LEASE) == Recovered()
    assert counted(office.states()) == {"sending": 1, "claimed": 1, "pending": 1}
    other_run.kill()
    other_run.wait()
    assert office.recover(on_unknown="hold") == Recovered(returned=1, in_doubt=1)
    assert office.states() == {"ann": State.UNKNOWN, "ben": State.PENDING, "cem": State.PENDING}
    (run,) = office.all(Run)
    assert (run.outcome, run.finished_at) == ("died", NOW)
    assert list(office.settings.locks.iterdir()) == []
    assert office.recover(on_unknown="hold") == Recovered()


@pytest.mark.parametrize(("policy", "state"), [("resend", "pending"), ("hold", "unknown")])
def test_what_is_in_doubt_is_sent_again_or_held(
    office: Office, owner: str, policy: str, state: str
) -> None:
    (claim, *_) = office.claim(owner)
    mark(office, owner, claim)
    office.sql(f"UPDATE runs SET host = 'elsewhere', heartbeat_at = '{LONG_AGO}'")
    office.recover(on_unknown=policy)
    assert office.rows()["ann"].state == state


@pytest.mark.parametrize("elsewhere", ["another host", "another folder"])
def test_a_run_whose_lock_is_out_of_sight_is_dead_only_after_its_lease(
    office: Office, owner: str, elsewhere: str
) -> None:
    """On another host, or on this one with another folder for what the program keeps."""
    office.claim(owner)
    if elsewhere == "another host":
        office.sql("UPDATE runs SET host = 'elsewhere'")
    else:
        (office.settings.locks / owner).unlink()
    assert office.recover(NOW + LEASE) == Recovered()
    with office.database.writing() as session:
        ledger.heartbeat(session, owner, NOW + LEASE)
    assert office.recover(NOW + 2 * LEASE) == Recovered()
    assert office.recover(NOW + 2 * LEASE + timedelta(seconds=1)) == Recovered(returned=3)


def test_a_server_that_leaves_every_mail_in_doubt_is_asked_less_and_less(
    office: Office, owner: str
) -> None:
    """What is unknown goes again after its wait, and not at every start."""
    (claim, *_) = office.claim(owner)
    mark(office, owner, claim)
    later = NOW + timedelta(minutes=5)
    settle(office, owner, Outcome(claim, State.UNKNOWN, next_attempt_at=later, tried=1))
    office.recover()
    assert office.rows()["ann"].state == "pending"
    assert office.claim(owner, NOW) == []
    (again,) = office.claim(owner, later)
    assert again.attempts == 1


def test_a_lock_that_nobody_holds_is_swept_away_and_one_that_is_held_stays(
    office: Office, owner: str
) -> None:
    """A process may die between taking its lock and entering its run."""
    locks = office.settings.locks
    (locks / "0123").touch()
    office.recover()
    assert [path.name for path in locks.iterdir()] == [owner]


def test_a_run_whose_lock_is_swept_away_while_it_begins_takes_another(tmp_path: Path) -> None:
    """Or it would seem to be on another host for as long as it lives."""
    path = tmp_path / "0123"
    begun, over = Event(), Event()

    def begin() -> None:
        with _held(path):
            begun.set()
            over.wait()

    with path.open("w") as sweeper:
        fcntl.flock(sweeper, fcntl.LOCK_EX)
        run = Thread(target=begin)
        run.start()
        wait_for(lambda: opened(path) == 2)
        path.unlink()
    assert begun.wait(10)
    with path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    over.set()
    run.join()


def opened(path: Path) -> int:
    """How often this process has ``path`` open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += link.readlink() == path
    return found


def test_a_recovery_that_is_undone_leaves_the_dead_to_the_next(
    office: Office, other_run: subprocess.Popen[str]
) -> None:
    """Its lock must stay, or the run would seem to be on another host."""
    other_run.kill()
    other_run.wait()
    with pytest.raises(ZeroDivisionError), office.database.writing() as session:  # noqa: PT012
        ledger.recover(session, office.settings.locks, NOW, LEASE, "resend")
        raise ZeroDivisionError
    assert office.recover(on_unknown="hold") == Recovered(returned=1, in_doubt=1)


def test_something_odd_among_the_locks_stays_and_stops_nobody(office: Office) -> None:
    locks = office.settings.locks
    (locks / "0 a folder").mkdir(parents=True)
    (locks / "1 of nobody").touch()
    (locks / "2 to nowhere").symlink_to("nothing")
    office.recover()
    assert [path.name for path in sorted(locks.iterdir())] == ["0 a folder", "2 to nowhere"]


# --- waiting, looking ----------------------------------------------------------------------------


@given(
    attempts=st.integers(0, 10_000),
    base=st.floats(0.001, 86_400),
    cap=st.floats(0.001, 604_800),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_a_wait_is_never_longer_than_the_cap_nor_shorter_than_three_quarters_of_its_step(
    attempts: int, base: float, cap: float, jitter: float
) -> None:
    wait = ledger.backoff(attempts, base=base, cap=cap, jitter=jitter).total_seconds()
    step = min(cap, base * 2.0 ** min(attempts, 30))
    assert step * 0.75 - 1e-6 <= wait <= step + 1e-6


@given(attempts=st.integers(0, 20), jitter=st.floats(0, 1, exclude_max=True))
def test_each_wait_is_at_least_as_long_as_the_one_before(attempts: int, jitter: float) -> None:
    waits = [
        ledger.backoff(n, base=300, cap=14_400, jitter=jitter) for n in (attempts, attempts + 1)
    ]
    assert waits[0] <= waits[1]


def test_an_empty_ledger_is_looked_at_without_trouble(tmp_path: Path) -> None:
    with open_office(tmp_path) as office:
        assert office.plan() == 0
        assert office.recover() == Recovered()
        with office.database.writing() as session:
            assert not ledger.waiting(session, NOW)
            assert ledger.counts(session, ledger.of_period(WEEK)) == {}
            assert ledger.find(session, "ann", WEEK) is None
            assert ledger.mark(session, "nobody", [], NOW) == set()
            ledger.settle(session, "nobody", [], NOW)
            with pytest.raises(UsageError, match="nothing was sent yet"):
                ledger.latest_period(session)


def test_counts_are_per_state_and_reason(office: Office) -> None:
    office.sql("UPDATE deliveries SET state = 'skipped', reason = 'quiet' WHERE user_id = 'ann'")
    with office.database.reading() as session:
        assert ledger.counts(session, ledger.of_period(WEEK)) == {
            ("skipped", "quiet"): 1,
            ("pending", ""): 2,
        }
        assert ledger.latest_period(session) == WEEK


def test_leaving_before_the_claim_is_not_the_ledgers_business(office: Office, owner: str) -> None:
    """The gates say why; the ledger only makes sure at the last moment."""
    with office.database.writing() as session:
        subscriptions.unsubscribe(session, "ann", NOW)
    assert [claim.user for claim in office.claim(owner)] == ["ann", "ben", "cem"]


def test_a_run_that_begins_and_dies_while_another_recovers_is_found_the_next_time(
    office: Office,
) -> None:
    """Its lock must stay: without it, it would be waited for as if it were on another host."""
    locks = office.settings.locks
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "long-dead").touch()
    with office.database.writing() as session:
        ledger.recover(session, locks, NOW, timedelta(hours=1), "resend")
        (locks / "late").touch()  # its row is committed meanwhile, where that is not waited for
    assert [path.name for path in locks.iterdir()] == ["late"]
    row = {"owner": "late", "host": socket.gethostname(), "pid": 1, "command": "send"}
    times = {"started_at": NOW, "heartbeat_at": NOW, "outcome": ""}
    with office.database.writing() as session:
        session.execute(table(Run).insert(), [row | times])
    office.recover()
    (run,) = office.all(Run)
    assert (run.owner, run.outcome) == ("late", "died")
    assert not list(locks.iterdir())
