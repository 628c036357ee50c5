"""Processes that send: this one, or several side by side, each with its own loop and connections.

They share nothing but the ledger, which gives every claim to one of them only.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import TypeVar

import uvloop

from digest.audience import locales
from digest.config import Settings, arm_faults
from digest.database import Database
from digest.deciding import Workshop, domains, workshop
from digest.errors import DigestError
from digest.faults import Point, reach
from digest.ledger import Scope
from digest.recorder import Clock
from digest.run import Report, work
from digest.smtp import Standing

_T = TypeVar("_T")
REPORT_EVERY = 50
"""Deliveries between two messages of a worker about its progress."""

_PR_SET_PDEATHSIG = 1
_M_ARENA_MAX = -8
WORTH_A_FORK = 250
"""Open deliveries for each worker that is a copy of this process: below, starting it costs more."""

WORTH_A_START = 2500
"""The same for a worker that has to load everything anew."""


def tune_memory() -> None:
    """Let the garbage collector look less often, and the C library keep one heap for all threads.

    A process that sends makes many short-lived objects and few cycles, and what stays until the end
    need not be looked at: it saves a mail in twenty. A heap for each thread (glibc's way) keeps to
    itself what a batch needed once: it costs 5 MiB, and Python's threads allocate in turns anyway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(30_000, 20, 20)
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def until_stopped(
    main: Callable[[asyncio.Event], Coroutine[None, None, _T]],
    signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
    *,
    again: Callable[[], object] | None = None,
) -> tuple[_T, bool]:
    """Run ``main`` with an event that the first of ``signals`` sets, and say if one came.

    Whatever comes after it calls ``again``; without that, a second signal ends the process as it
    would have without us.
    """

    async def guarded() -> tuple[_T, bool]:
        loop, stop, came = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        def let_go() -> None:
            for number in signals:
                loop.remove_signal_handler(number)

        def on_signal() -> None:
            if came.is_set() and again is not None:
                again()
            stop.set()
            came.set()
            if again is None:
                let_go()

        for number in signals:
            loop.add_signal_handler(number, on_signal)
        try:
            return await main(stop), came.is_set()
        finally:
            let_go()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(guarded())


def fitting(most: int, waiting: int, worth: int) -> int:
    """How many processes to send ``waiting`` mails with: up to ``most``, 0 being one per core.

    Each must have ``worth`` mails or more, or it takes more time to start than it saves.
    """
    cores = len(os.sched_getaffinity(0))
    return max(1, min(most or cores, waiting // worth))


def send(
    shop: Workshop,
    scope: Scope,
    clock: Clock,
    *,
    workers: int = 1,
    limit: int | None = None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """See every open delivery in ``scope`` to its end, in this process or in ``workers`` others.

    The others are copies of this one, made before anything is open that must not be shared:
    templates are loaded once, and their memory is shared.
    """
    if workers > 1:
        with shop.database.reading() as session:
            shop.mailer.renderer.prepare(locales(session))
        crew = Crew(shop, scope, clock, workers=workers, limit=limit, command="send")
        report, came = until_stopped(lambda stop: crew.report(stop, progress), again=crew.kill)
    else:
        job = _Job(shop.settings, scope, clock, "send", limit, {})
        report, came = until_stopped(lambda stop: _reported(shop, job, stop, progress))
    report.interrupted = came
    return report


class Crew:
    """Several worker processes, started at once, and what they report.

    ``copied`` workers are forks of this process, which must have no other threads then and no
    running loop; others load everything anew, after ``prepare``, which is pickled for them. There
    are no more than a rate per domain has messages a minute: each of them may send one at least.
    """

    def __init__(
        self,
        shop: Workshop,
        scope: Scope,
        clock: Clock,
        *,
        workers: int,
        command: str,
        limit: int | None = None,
        copied: bool = True,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        workers = min(workers, shop.settings.rate_per_domain or workers)
        context = get_context("fork") if copied else get_context("spawn")
        if copied:
            shop.database.close()  # a connection that two processes use is damaged
        settings, shares = _share_of_rates(shop.settings, workers), _shares(limit, workers)
        self._domains = shop.domains
        self._reports: dict[Connection, Report] = {}
        self._dealt: dict[Connection, Mapping[str, Standing]] = {}
        self._known: dict[Connection, Mapping[str, Standing]] = {}
        self._processes: list[BaseProcess] = []
        for share, dealt in zip(shares, shop.domains.dealt(len(shares), monotonic()), strict=True):
            ours, theirs = context.Pipe(duplex=False)
            job = _Job(settings, scope, clock, command, share, dealt)
            own = shop if copied else None
            process = context.Process(target=_worker, args=(theirs, job, own, prepare))
            process.start()
            theirs.close()
            self._reports[ours], self._dealt[ours] = Report(), dealt
            self._processes.append(process)

    async def report(self, stop: asyncio.Event, progress: Callable[[Report], None]) -> Report:
        """Listen until all have ended; ``stop`` is passed on to them, and they drain."""
        watcher = asyncio.create_task(self._pass_on(stop))
        try:
            await asyncio.gather(*(self._listen(pipe, progress) for pipe in list(self._reports)))
            for process in self._processes:
                await asyncio.to_thread(process.join)
        finally:
            watcher.cancel()
        self._domains.learn(
            [(d, self._known.get(p, d)) for p, d in self._dealt.items()], monotonic()
        )
        total = _together(self._reports.values())
        died = any(process.exitcode for process in self._processes)
        if died and total.stopped is None and not stop.is_set():
            total.stopped = DigestError(
                "a worker process died", hint="what it had claimed is taken back by the next send"
            )
        return total

    def kill(self) -> None:
        """End all of them at once, like a crash: whoever asked twice does not want to wait."""
        for process in self._processes:
            process.kill()

    async def _pass_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        for process in self._processes:
            process.terminate()

    async def _listen(self, pipe: Connection, progress: Callable[[Report], None]) -> None:
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(pipe.fileno(), readable.set)
        try:
            while True:
                reach(Point.PARENT)
                await readable.wait()
                readable.clear()
                self._reports[pipe], known = pipe.recv()
                if known is not None:
                    self._known[pipe] = known
                progress(_together(self._reports.values()))
        except (EOFError, OSError):
            pass  # it has ended, one way or another, maybe in the middle of a message
        finally:
            loop.remove_reader(pipe.fileno())
            pipe.close()


def _share_of_rates(settings: Settings, workers: int) -> Settings:
    """What each worker may send, so that all together keep to the limits."""
    share = {
        "rate": settings.rate / workers,
        "rate_per_domain": settings.rate_per_domain // workers,
    }
    return settings.model_copy(update=share)


def _shares(limit: int | None, workers: int) -> list[int | None]:
    if limit is None:
        return [None] * workers
    return [s for n in range(workers) if (s := limit // workers + (n < limit % workers))]


@dataclass(frozen=True)
class _Job:
    """What a process that sends is told to do."""

    settings: Settings
    scope: Scope
    clock: Clock
    command: str
    limit: int | None
    domains: Mapping[str, Standing]


async def _reported(
    shop: Workshop, job: _Job, stop: asyncio.Event, progress: Callable[[Report], None]
) -> Report:
    """Do the work. An error that ends it is a part of the report, beside what was done before."""
    latest = Report()

    def tell(report: Report) -> None:
        nonlocal latest
        latest = report
        progress(report)

    try:
        begin = partial(work, command=job.command, limit=job.limit, progress=tell)
        return await begin(shop, job.scope, job.clock, stop=stop)
    except DigestError as error:
        latest.stopped = error
        return latest


def _worker(
    pipe: Connection, job: _Job, shop: Workshop | None, prepare: Callable[[], object] | None
) -> None:
    """The life of one worker process.

    A terminal's SIGINT is the parent's, who passes it on; and whoever stops the whole group says
    SIGTERM twice, once by way of the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _hear_of_the_parents_death()
    arm_faults()
    if prepare is not None:
        prepare()
    database = Database(job.settings.database_url, patience=job.settings.database_patience_seconds)

    def tell(report: Report) -> None:
        if report.total % REPORT_EVERY == 0:
            _say(pipe, report)

    here = domains(job.settings)
    here.take(job.domains)

    async def main(stop: asyncio.Event) -> Report:
        own = workshop(database, job.settings) if shop is None else shop
        # All is the parent's, but for what a worker must have for itself.
        own = replace(own, database=database, settings=job.settings, domains=here)
        tune_memory()
        return await _reported(own, job, stop, tell)

    try:
        report, _ = until_stopped(main, [signal.SIGTERM], again=lambda: None)
    except DigestError as error:
        report = Report(stopped=error)
    _say(pipe, report, here.known() if shop is None else None)
    pipe.close()
    database.close()


def _hear_of_the_parents_death() -> None:
    """Ask the kernel for SIGTERM when the parent dies (prctl(2)): nobody else could stop us then.

    multiprocessing's own means, a pipe, is no use: a worker forked later holds it open.
    """
    parent = parent_process()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent.pid:  # it died before we asked
        signal.raise_signal(signal.SIGTERM)


def _say(pipe: Connection, report: Report, known: Mapping[str, Standing] | None = None) -> None:
    """Tell the parent how far it is; at the end also what is ``known`` of recipient domains.

    Whoever copied this process ends with it, and need not know.
    """
    with suppress(BrokenPipeError):  # nobody listens any more: the ledger knows all the same
        pipe.send((report, known))


def _together(reports: Iterable[Report]) -> Report:
    total = Report()
    for report in reports:
        total.states += report.states
        total.stopped = total.stopped or report.stopped
    return total
