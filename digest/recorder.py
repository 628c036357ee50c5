"""Marks and outcomes of all connections, committed together.

One durable mark per mail before its body, and one outcome after it, would be two slow commits per
mail. While one commit is on its way to the disk, whatever else arrives waits for the next: the
slower the disk, the larger the groups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from digest import bounces, ledger
from digest.database import Database
from digest.faults import Point, reach
from digest.ledger import Mark, Outcome
from digest.subscriptions import suppress

HEARTBEAT = timedelta(seconds=15)
OUTCOMES_A_COMMIT = 100
PATIENCE_SECONDS = 0.05
"""How long an outcome waits for a mark to share its commit with."""

Clock = Callable[[], datetime]


@dataclass(slots=True)
class _Waiting:
    marks: list[tuple[Mark, asyncio.Future[bool]]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    askers: list[asyncio.Future[None]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.marks or self.outcomes or self.askers)

    def waiting(self) -> Iterator[asyncio.Future[Any]]:
        """All who want to know."""
        yield from (done for _, done in self.marks)
        yield from self.askers


class Recorder:
    """Writes to the ledger on behalf of one run; use it as an asynchronous context manager.

    Leaving it commits what is left. While the database is in trouble that may pass, marks wait and
    outcomes are kept; a group that may have been committed is committed again, which changes
    nothing. Any other error of the database is raised to everybody who waits for a mark, and again
    when leaving: no body is sent that is not marked.
    """

    def __init__(
        self,
        database: Database,
        owner: str,
        clock: Clock,
        *,
        hurried: Callable[[], bool] = lambda: False,
        soft_bounces: int = 3,
    ) -> None:
        self._database, self._owner, self._clock = database, owner, clock
        self._hurried, self._soft_bounces = hurried, soft_bounces
        self._waiting = _Waiting()
        self._wanted = asyncio.Event()
        self._urgent = asyncio.Event()
        self._closing = False
        self._error: BaseException | None = None
        self._beat_at = clock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing = True
        self._wanted.set()
        self._urgent.set()
        await self._task
        self._thread.shutdown()
        if self._error is not None and error is None:
            raise self._error

    async def mark(self, mark: Mark) -> bool:
        """Record durably that the body is about to be sent; False: do not send it."""
        if self._error is not None:
            raise self._error
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.marks.append((mark, done))
        self._wanted.set()
        self._urgent.set()
        return await done

    def settle(self, outcome: Outcome) -> None:
        """Record an outcome soon; nobody has to wait for it."""
        self._waiting.outcomes.append(outcome)
        self._wanted.set()
        if len(self._waiting.outcomes) >= OUTCOMES_A_COMMIT:
            self._urgent.set()

    async def settled(self) -> None:
        """Wait until every outcome that was handed over is in the ledger."""
        if self._error is not None:
            raise self._error
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.askers.append(done)
        self._wanted.set()
        self._urgent.set()
        await done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing or self._waiting:
            if await _set_within(self._wanted, HEARTBEAT.total_seconds()):
                # An outcome alone waits a moment for a mark to come along, or for a full group.
                await _set_within(self._urgent, PATIENCE_SECONDS)
            group, self._waiting = self._waiting, _Waiting()
            self._wanted.clear()
            self._urgent.clear()
            if self._closing:
                self._wanted.set()
            try:
                allowed = await loop.run_in_executor(self._thread, self._record, group)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to all who wait
                self._fail(group, error)
                return
            if group:  # and not only a sign of life
                reach(Point.COMMITTED)
            for mark, done in group.marks:
                if not done.done():  # its connection may have been given up meanwhile
                    done.set_result(mark.claim.id in allowed)
            for asker in group.askers:
                if not asker.done():
                    asker.set_result(None)

    def _record(self, group: _Waiting) -> set[int]:
        now = self._clock()
        allowed = self._database.patiently(partial(self._commit, group, now), self._hurried)
        if now - self._beat_at > HEARTBEAT:
            self._beat_at = now
        return allowed

    def _commit(self, group: _Waiting, now: datetime) -> set[int]:
        with self._database.writing() as session:
            if now - self._beat_at > HEARTBEAT:  # first, as whoever ends a run locks that row first
                ledger.heartbeat(session, self._owner, now)
            ledger.settle(session, self._owner, group.outcomes, now)
            for outcome in group.outcomes:
                if outcome.dead_address:
                    suppress(session, outcome.dead_address, "hard-bounce", now, outcome.reply)
                elif outcome.sick_address:
                    bounces.given_up(session, outcome, self._soft_bounces, now)
            marks = [mark for mark, _ in group.marks]
            return ledger.mark(session, self._owner, marks, now) if marks else set()

    def _fail(self, group: _Waiting, error: Exception) -> None:
        self._error = error
        for done in (*group.waiting(), *self._waiting.waiting()):
            if not done.done():
                done.set_exception(error)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    if event.is_set():
        return True
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
