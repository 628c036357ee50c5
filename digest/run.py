"""The order of things, and nothing else: claim, write, send, record.

What is opened is decided in :mod:`digest.planning`, and what is written to whom in
:mod:`digest.letters`; whoever only looks is in :mod:`digest.look`.

``now`` and the clock come from the doors (command line, scheduler); nothing here reads one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from digest import ledger
from digest.config import Settings
from digest.deciding import Workshop
from digest.errors import (
    DatabaseError,
    DigestError,
    SendError,
    StopRun,
    UsageError,
)
from digest.faults import Point, reach
from digest.ledger import Claim, Mark, Outcome, Scope
from digest.letters import Letter, written
from digest.models import State
from digest.outcomes import outcome
from digest.recorder import Clock, Recorder
from digest.smtp import Breaker, Mailbox, Pace, Sender, Server, parse_url

QUEUED = 64
"""Mails at most that wait for a connection, so that none waits for the next batch to be written."""


@dataclass(slots=True)
class Report:
    """What one run did: its deliveries by (state, reason), and what stopped it, if anything."""

    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    planned: int = 0
    recovered: ledger.Recovered = field(default_factory=ledger.Recovered)
    stopped: DigestError | None = None
    interrupted: bool = False

    @property
    def total(self) -> int:
        """How many deliveries were decided."""
        return self.states.total()

    @property
    def never_began(self) -> bool:
        """Whether it stopped before anything was offered, as with a wrong address or password."""
        begun = {State.SENT, State.FAILED, State.DEFERRED, State.UNKNOWN}
        if any(state in begun for state, _ in self.states):
            return False
        if isinstance(self.stopped, SendError):
            return self.stopped.phase in {"address", "connect", "starttls", "auth"}
        return isinstance(self.stopped, (DatabaseError, UsageError))

    @property
    def incomplete(self) -> bool:
        """Whether somebody did not get a mail who should have."""
        troubled = {State.FAILED, State.DEFERRED, State.UNKNOWN}
        return self.stopped is not None or any(state in troubled for state, _ in self.states)


@asynccontextmanager
async def server_of(settings: Settings) -> AsyncIterator[Server]:
    """The configured mail server, or the embedded mailbox while it is open.

    Sending to a server that is not on the loopback needs more settings than a trial does; the
    first that is missing is raised here, before the first mail.
    """
    if settings.smtp_url is None:
        async with Mailbox(settings.mailbox) as server:
            yield server
        return
    server = parse_url(settings.smtp_url.get_secret_value())
    problems = [] if server.is_loopback else settings.problems()
    if problems:
        raise problems[0]
    yield server


async def work(
    shop: Workshop,
    scope: Scope,
    clock: Clock,
    *,
    command: str,
    stop: asyncio.Event,
    limit: int | None = None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Claim what is open and see every claim to its end, batch by batch; ``stop`` drains.

    What was claimed and not begun when the run ends, however it ends, is pending again. What an
    earlier run left open is sent while it is not too late, unless its period is wanted by name.
    """
    report, settings = Report(), shop.settings
    with ledger.running(shop.database, settings.locks, command, clock) as owner:
        async with (
            server_of(settings) as server,
            Recorder(
                shop.database,
                owner,
                clock,
                hurried=stop.is_set,
                soft_bounces=settings.soft_bounces,
            ) as recorder,
            Sender(
                server,
                connections=settings.connections,
                messages_per_connection=settings.messages_per_connection,
                pace=_pace(shop),
                stop=stop,
            ) as sender,
        ):
            queue: asyncio.Queue[Letter] = asyncio.Queue(min(QUEUED, settings.batch))
            line = _Line(shop, sender, recorder, report, clock, stop, progress, queue)
            await _drive(line, partial(_feed, line, owner, scope), limit)
    return report


def _pace(shop: Workshop) -> Pace:
    settings = shop.settings
    breaker = Breaker(
        settings.pause_seconds, settings.pause_cap_seconds, settings.server_patience_seconds
    )
    return Pace(settings.rate, breaker, shop.domains)


async def _drive(
    line: _Line, feed: Callable[[int | None], Coroutine[None, None, None]], limit: int | None
) -> None:
    """Run the tasks of all connections until the feed is through and the queue is empty.

    Where somebody left or moved before their mail was begun, it is open again, and decided anew.
    """
    trouble: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(line.serve()) for _ in range(line.shop.settings.connections)]
            trouble = await _through(line, feed(limit))
            await line.queue.join()
            if line.withdrawn and trouble is None and not line.stop.is_set():
                await line.recorder.settled()
                trouble = await _through(line, feed(line.withdrawn))
                await line.queue.join()
            for task in tasks:
                task.cancel()
    except* DigestError as errors:  # to raise it here would make a group of it again
        trouble = next(_leaves(errors))
    if trouble is not None:
        raise trouble


async def _through(line: _Line, feed: Coroutine[None, None, None]) -> Exception | None:
    """Feed the line. If there is no more, for whatever reason, what is under way is finished.

    To cut that off as well would leave mails in doubt that have only to be waited for.
    """
    try:
        await feed
    except Exception as error:  # noqa: BLE001 - it is raised when nothing is under way any more
        line.stop.set()
        return error
    return None


def _leaves(group: BaseExceptionGroup[DigestError]) -> Iterator[DigestError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


@dataclass(slots=True)
class _Line:
    """From decided batches to the server: a short queue, and one task per connection."""

    shop: Workshop
    sender: Sender
    recorder: Recorder
    report: Report
    clock: Clock
    stop: asyncio.Event
    progress: Callable[[Report], None]
    queue: asyncio.Queue[Letter]
    withdrawn: int = 0

    async def serve(self) -> None:
        """Offer one mail after the other, until cancelled."""
        while True:
            letter = await self.queue.get()
            if not self.stop.is_set():
                await self._offer(letter)
            self.queue.task_done()

    async def _offer(self, letter: Letter) -> None:
        claim, author, marked = letter.claim, letter.author, False

        async def mark() -> bool:
            nonlocal marked
            reach(Point.AFTER_354)
            marked = await self.recorder.mark(Mark(claim, letter.message_id, author.email_key))
            reach(Point.MARKED)
            return marked

        try:
            reply = await self.sender.send(letter.mail_from, letter.rcpt_to, letter.content, mark)
        except StopRun as error:
            self.report.stopped = error
            self.stop.set()
            if marked:  # refused after the final dot, and so known not to have arrived
                self.record(Outcome(claim, State.DEFERRED, "stopped", error.message, tried=1))
            return
        reach(Point.AFTER_REPLY)
        self.record(outcome(claim, author, reply, self.shop.settings, self.clock()))

    def record(self, outcome: Outcome) -> None:
        """Hand an outcome to the ledger and count it."""
        self.recorder.settle(outcome)
        reach(Point.HANDED_OVER)
        if outcome.state == State.PENDING:
            self.withdrawn += 1
        else:
            self.report.states[outcome.state, outcome.reason] += 1
            self.progress(self.report)


async def _feed(line: _Line, owner: str, scope: Scope, limit: int | None) -> None:
    """Claim batches and have them written until nothing is left; each mail goes on the queue."""
    left = limit
    while not line.stop.is_set() and left != 0:
        size = line.shop.settings.batch if left is None else min(left, line.shop.settings.batch)
        take = _Take(line, owner, scope, size)
        claims = await line.shop.database.in_background(take, line.stop.is_set)
        if not claims:
            await _see_whether_closed(line, owner)
            return
        reach(Point.CLAIMED)
        left = left if left is None else left - len(claims)
        async for one in written(line.shop, scope, claims, line.clock, line.stop.is_set):
            if isinstance(one, Outcome):
                line.record(one)
            else:
                await line.queue.put(one)


async def _see_whether_closed(line: _Line, owner: str) -> None:
    """Nothing to take is the end, unless it is because others think that this run is over."""

    def alive() -> bool:
        with line.shop.database.reading() as session:
            return ledger.is_alive(session, owner)

    if not await line.shop.database.in_background(alive, line.stop.is_set):
        line.report.stopped = DigestError(
            "another process took this run for dead, and what it had not begun with it",
            hint="send again: whatever is left is taken then",
        )


class _Take:
    """Claim one batch; tried again, it knows a claim whose commit was made and not answered."""

    def __init__(self, line: _Line, owner: str, scope: Scope, size: int) -> None:
        self._database, self._clock = line.shop.database, line.clock
        self._asked = owner, scope, size
        self._claims: list[Claim] = []

    def __call__(self) -> list[Claim]:
        owner, scope, size = self._asked
        with self._database.writing() as session:
            if not (self._claims and ledger.holds(session, owner, self._claims)):
                self._claims = ledger.claim(session, owner, scope, self._clock(), size)
        return self._claims
