"""Processes that send side by side, each with its own loop and connections.

They share nothing but the ledger, which gives every claim to one of them only.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic

from digest.config import Settings, arm_faults
from digest.database import Database
from digest.deciding import Workshop, domains, workshop
from digest.errors import DigestError
from digest.faults import Point, reach
from digest.ledger import Scope
from digest.process import tune_memory, until_stopped
from digest.recorder import Clock
from digest.run import Report, work
from digest.smtp import Standing

REPORT_EVERY = 50
"""Deliveries between two messages of a worker about its progress."""

_PR_SET_PDEATHSIG = 1


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
            job = Job(settings, scope, clock, command, share, dealt)
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
class Job:
    """What a process that sends is told to do."""

    settings: Settings
    scope: Scope
    clock: Clock
    command: str
    limit: int | None
    domains: Mapping[str, Standing]


async def reported(
    shop: Workshop, job: Job, stop: asyncio.Event, progress: Callable[[Report], None]
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
    pipe: Connection, job: Job, shop: Workshop | None, prepare: Callable[[], object] | None
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
    database = shop.database if shop else _database(job.settings)

    def tell(report: Report) -> None:
        if report.total % REPORT_EVERY == 0:
            _say(pipe, report)

    here = domains(job.settings)
    here.take(job.domains)

    async def main(stop: asyncio.Event) -> Report:
        own = workshop(database, job.settings) if shop is None else shop
        # All is the parent's, but for what a worker must have for itself.
        own = replace(own, settings=job.settings, domains=here)
        tune_memory()
        return await reported(own, job, stop, tell)

    try:
        report, _ = until_stopped(main, [signal.SIGTERM], again=lambda: None)
    except DigestError as error:
        report = Report(stopped=error)
    _say(pipe, report, here.known() if shop is None else None)
    pipe.close()
    database.close()


def _database(settings: Settings) -> Database:
    return Database(settings.database_url, patience=settings.database_patience_seconds)


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
