"""Processes that send: this one, or several side by side, each with its own loop and connections.

They share nothing but the ledger, which gives every claim to one of them only.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

import uvloop

from digest.config import Settings
from digest.database import Database
from digest.errors import DigestError, SendError
from digest.ledger import Scope
from digest.recorder import Clock
from digest.run import Report, Workshop, work, workshop

_T = TypeVar("_T")
REPORT_EVERY = 50
"""Deliveries between two messages of a worker about its progress."""


def calm_collector() -> None:
    """Let the garbage collector look less often, and not at what stays until the end.

    A process that sends makes many short-lived objects and few cycles; it saves a mail in twenty.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def until_stopped(
    main: Callable[[asyncio.Event], Coroutine[None, None, _T]],
    signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
) -> tuple[_T, bool]:
    """Run ``main`` with an event that the first of ``signals`` sets, and say if one came.

    A second signal ends the process as it would have without us.
    """

    async def guarded() -> tuple[_T, bool]:
        loop, stop, came = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        def let_go() -> None:
            for number in signals:
                loop.remove_signal_handler(number)

        def on_signal() -> None:
            stop.set()
            came.set()
            let_go()

        for number in signals:
            loop.add_signal_handler(number, on_signal)
        try:
            return await main(stop), came.is_set()
        finally:
            let_go()

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
        settings = _share_of_rates(shop.settings, workers)
        return _side_by_side(settings, scope, clock, shares, progress)

    report, came = until_stopped(
        lambda stop: work(
            shop, scope, clock, command="send", stop=stop, limit=limit, progress=progress
        )
    )
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
    processes: list[BaseProcess] = []
    with _signals_for(processes) as came:
        for share in shares:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_worker, args=(theirs, settings, scope, clock, share))
            process.start()
            theirs.close()
            reports[ours] = Report()
            processes.append(process)
        _listen(reports, progress)
        for one in processes:
            one.join()
    total = _together(reports.values())
    total.interrupted = came.is_set()
    died = any(one.exitcode for one in processes)
    if died and total.stopped is None and not total.interrupted:
        total.stopped = SendError(
            "a worker process died", hint="what it had claimed is taken back by the next send"
        )
    return total


@contextmanager
def _signals_for(processes: Sequence[BaseProcess]) -> Iterator[threading.Event]:
    """Pass SIGINT and SIGTERM on as SIGTERM; the event says that one came.

    Workers drain, and we wait. They ignore SIGINT, which a terminal sends to all of us.
    """
    came = threading.Event()

    def pass_on(*_: object) -> None:
        came.set()
        for process in processes:
            process.terminate()

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _share_of_rates(settings: Settings, workers: int) -> Settings:
    """What each worker may send, so that all together keep to the limits."""
    per_domain = settings.rate_per_domain
    share = max(1, per_domain // workers) if per_domain else 0
    return settings.model_copy(update={"rate": settings.rate / workers, "rate_per_domain": share})


def _shares(limit: int, workers: int) -> list[int | None]:
    return [s for n in range(workers) if (s := limit // workers + (n < limit % workers))]


def _worker(
    pipe: Connection, settings: Settings, scope: Scope, clock: Clock, limit: int | None
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    database, latest = Database(settings.database_url), Report()

    def tell(report: Report) -> None:
        nonlocal latest
        latest = report
        if report.total % REPORT_EVERY == 0:
            pipe.send(report)

    try:
        shop = workshop(database, settings)
        calm_collector()
        latest, _ = until_stopped(
            lambda stop: work(
                shop, scope, clock, command="send", stop=stop, limit=limit, progress=tell
            ),
            [signal.SIGTERM],
        )
    except DigestError as error:
        phase = error.phase if isinstance(error, SendError) else "worker"
        latest.stopped = SendError(error.message, hint=error.hint, phase=phase)
    pipe.send(latest)
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
    return total
