"""Processes that send: this one, or several side by side, each with its own loop and connections.

They share nothing but the ledger, which gives every claim to one of them only.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

import uvloop

from digest.config import Settings
from digest.database import Database
from digest.errors import SendError
from digest.ledger import Scope
from digest.recorder import Clock
from digest.run import Report, Workshop, work, workshop

_T = TypeVar("_T")
REPORT_EVERY = 50
"""Deliveries between two messages of a worker about its progress."""


def until_stopped(main: Callable[[asyncio.Event], Coroutine[None, None, _T]]) -> tuple[_T, bool]:
    """Run ``main`` with an event that the first SIGINT or SIGTERM sets, and say if one came.

    A second signal ends the process as it would have without us.
    """

    async def guarded() -> tuple[_T, bool]:
        loop, stop, came = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        def on_signal() -> None:
            stop.set()
            came.set()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal)
        return await main(stop), came.is_set()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(guarded())


def send(
    shop: Workshop,
    scope: Scope,
    clock: Clock,
    *,
    workers: int = 1,
    limit: int | None = None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """See every open delivery in ``scope`` to its end, in this process or in ``workers`` others."""
    if workers > 1:
        shares = [None] * workers if limit is None else _shares(limit, workers)
        return _side_by_side(shop.settings, scope, clock, shares, progress)

    async def main(stop: asyncio.Event) -> Report:
        return await work(
            shop, scope, clock, command="send", stop=stop, limit=limit, progress=progress
        )

    report, came = until_stopped(main)
    report.interrupted = came
    return report


def _side_by_side(
    settings: Settings,
    scope: Scope,
    clock: Clock,
    shares: Sequence[int | None],
    progress: Callable[[Report], None],
) -> Report:
    context = get_context("spawn")  # a forked copy would share locks and database connections
    reports: dict[Connection, Report] = {}
    processes = []
    for share in shares:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_worker, args=(theirs, settings, scope, clock, share))
        process.start()
        theirs.close()
        reports[ours] = Report()
        processes.append(process)
    with _signals_for(processes):
        _listen(reports, progress)
        for process in processes:
            process.join()
    total = _together(reports.values())
    if any(process.exitcode for process in processes) and total.stopped is None:
        total.stopped = SendError(
            "a worker process died", hint="what it had claimed is taken back by the next send"
        )
    return total


@contextmanager
def _signals_for(processes: Sequence[BaseProcess]) -> Iterator[None]:
    """Pass SIGTERM on; a terminal sends SIGINT to the workers itself. They drain, and we wait."""

    def pass_on(*_: object) -> None:
        for process in processes:
            process.terminate()

    before = signal.signal(signal.SIGTERM, pass_on), signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


def _shares(limit: int, workers: int) -> list[int | None]:
    return [s for n in range(workers) if (s := limit // workers + (n < limit % workers))]


def _worker(
    pipe: Connection, settings: Settings, scope: Scope, clock: Clock, limit: int | None
) -> None:
    database = Database(settings.database_url)

    def tell(report: Report) -> None:
        if report.total % REPORT_EVERY == 0:
            pipe.send(report)

    pipe.send(send(workshop(database, settings), scope, clock, limit=limit, progress=tell))
    pipe.close()
    database.close()


def _listen(reports: dict[Connection, Report], progress: Callable[[Report], None]) -> None:
    talking = list(reports)
    while talking:
        for pipe in wait(talking):
            assert isinstance(pipe, Connection)
            try:
                reports[pipe] = pipe.recv()
            except EOFError:
                talking.remove(pipe)
            progress(_together(reports.values()))


def _together(reports: Iterable[Report]) -> Report:
    total = Report()
    for report in reports:
        total.states += report.states
        total.stopped = total.stopped or report.stopped
        total.interrupted = total.interrupted or report.interrupted
    return total
