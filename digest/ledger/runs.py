"""Runs: who is at work, who died, and what the dead left behind.

Every process that works on deliveries is a run, and holds a lock on a file while it lives. A new
start on the same host therefore knows at once which runs are dead; runs of other hosts are given a
lease, renewed by their heartbeat.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO

from sqlalchemy import event, select, update
from sqlmodel import Session

from digest.database import Database, execute_many, insert
from digest.errors import DatabaseError
from digest.faults import Point, reach
from digest.ledger.claims import reopen
from digest.models import Delivery, Run, State, table

_deliveries, _runs = table(Delivery), table(Run)


@contextmanager
def running(
    database: Database, locks: Path, command: str, clock: Callable[[], datetime]
) -> Iterator[str]:
    """Be a run: yields its owner's name, and closes the books at the end, however it ends."""
    owner, now = uuid.uuid4().hex, clock()
    locks.mkdir(parents=True, exist_ok=True)
    path = locks / owner
    with _held(path):
        with database.writing() as session:
            row = {
                "owner": owner,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "command": command,
                "started_at": now,
                "heartbeat_at": now,
                "outcome": "",
            }
            execute_many(session, insert(session, _runs), [row])
            reach(Point.STARTING)
        try:
            yield owner
        except BaseException:
            # Books that cannot be closed now are closed by the next start: the lock is free then.
            with suppress(DatabaseError):
                _finish(database, owner, clock(), "interrupted", path)
            raise
        finish = partial(_finish, database, owner, clock(), "done", path)
        database.patiently(finish, lambda: False)


def _finish(database: Database, owner: str, now: datetime, outcome: str, lock: Path) -> None:
    with database.writing() as session:
        _close(session, owner, now, outcome)
        reach(Point.CLOSING)
    reach(Point.CLOSED)
    lock.unlink(missing_ok=True)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock on the file ``path``, which is made for it."""
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Between the two steps somebody may have swept it away as left by a dead run.
            if _is_at(lock, path):
                yield
                return


def _is_at(lock: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def heartbeat(session: Session, owner: str, now: datetime) -> None:
    """Say that the run is alive, so that its lease goes on."""
    session.execute(update(_runs).where(_runs.c.owner == owner).values(heartbeat_at=now))


@dataclass(frozen=True, slots=True)
class Recovered:
    """What dead runs left behind: claims given back, and deliveries in doubt."""

    returned: int = 0
    in_doubt: int = 0


def recover(
    session: Session, locks: Path, now: datetime, lease: timedelta, on_unknown: str
) -> Recovered:
    """Close the books of runs that died.

    What they had only claimed is known to be unsent and is pending again. What they were sending
    may have arrived: it becomes unknown, and under ``on_unknown = "resend"`` pending again, as is
    whatever else is unknown.
    """
    returned = in_doubt = 0
    alive, free = set(), _free(locks)
    open_runs = select(_runs.c.owner, _runs.c.heartbeat_at, _runs.c.host).where(
        _runs.c.finished_at.is_(None)
    )
    for owner, heartbeat_at, host in session.execute(open_runs).all():
        if not _died(host, locks / owner, lease_is_over=heartbeat_at < now - lease):
            alive.add(owner)
            continue
        left = _close(session, owner, now, "died")
        returned, in_doubt = returned + left.returned, in_doubt + left.in_doubt
        reach(Point.RECOVERING)
    # Not before: a process that died in between would leave a run that seems to be elsewhere.
    event.listen(session, "after_commit", lambda _: _sweep(locks, free - alive), once=True)
    if on_unknown == "resend":
        reopen(session, State.UNKNOWN, now)
    return Recovered(returned, in_doubt)


def _died(host: str, lock: Path, *, lease_is_over: bool) -> bool:
    """Whether a run is dead: nobody holds the lock that it held on this host while it lived.

    Of another host only the lease tells, and of a run that keeps its locks in another folder.
    """
    if host != socket.gethostname():
        return lease_is_over
    try:
        return _is_free(lock)
    except OSError:
        return lease_is_over


def _is_free(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free(locks: Path) -> set[str]:
    """The locks that nobody holds.

    To be asked before the runs are read: of a run that begins and dies after that, nobody has seen
    that it is open, and without its lock it would seem to be elsewhere.
    """
    free = set()
    for path in locks.glob("*"):
        with suppress(OSError):
            if _is_free(path):
                free.add(path.name)
    return free


def _sweep(locks: Path, over: set[str]) -> None:
    """Remove the locks of runs that are over, however they ended; what cannot be removed stays."""
    for path in (locks / owner for owner in over):
        with suppress(OSError), path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(lock, path):
                path.unlink()  # while it is held: a run that waits for it looks again


def _close(session: Session, owner: str, now: datetime, outcome: str) -> Recovered:
    """End a run: its claims are open again, and what it was sending is in doubt.

    The run itself comes first, so that it is over for a claim that is made at this moment.
    """
    session.execute(
        update(_runs)
        .where(_runs.c.owner == owner, _runs.c.finished_at.is_(None))
        .values(finished_at=now, outcome=outcome)
    )
    own = update(_deliveries).where(_deliveries.c.owner == owner)
    back = own.where(_deliveries.c.state == State.CLAIMED).values(state=State.PENDING)
    lost = own.where(_deliveries.c.state == State.SENDING).values(
        state=State.UNKNOWN, reason="interrupted"
    )
    returned, in_doubt = (
        session.connection().execute(statement.values(owner=None, updated_at=now)).rowcount
        for statement in (back, lost)
    )
    return Recovered(returned, in_doubt)
