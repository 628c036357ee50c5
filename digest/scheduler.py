"""The daemon: APScheduler ticks, the database says who is due.

The tick is all the schedule there is in memory. A tick missed, doubled, or run by a second daemon
changes nothing: due times, claims and the one-mail promise live in the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Thread

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from digest import bounces, console, ledger, pruning, subscriptions, workers
from digest.crew import Crew
from digest.deciding import Workshop
from digest.errors import DigestError
from digest.ledger import Scope
from digest.planning import plan_due
from digest.recorder import Clock
from digest.run import Report, work

log = logging.getLogger(__name__)
DUE_AT_A_TIME = 1000
LEAVE_SECONDS = 3.0
"""How long a stop waits for a reading of the mailbox of bounces."""


async def serve(
    shop: Workshop,
    clock: Clock,
    stop: asyncio.Event,
    *,
    done: Callable[[Report], None] = lambda _: None,
) -> None:
    """Tick until ``stop`` is set, then let the run that is under way drain."""
    scheduler = AsyncIOScheduler(timezone=UTC)
    tidying = _prune_daily(scheduler, shop, clock, stop)
    ticking = asyncio.Lock()
    postman = _Postman(shop, clock, stop.is_set)
    said = ""

    async def on_tick() -> None:
        nonlocal said
        async with ticking:
            if not stop.is_set():
                said = await _guarded(shop, clock, stop, done, said)

    for job in (on_tick, postman.look):
        scheduler.add_job(
            job,
            IntervalTrigger(seconds=shop.settings.tick_seconds, timezone=UTC),
            next_run_time=clock(),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.start()
    await stop.wait()
    scheduler.pause()
    async with ticking, tidying:  # a run under way ends in its own time: nothing is left in doubt
        scheduler.shutdown(wait=False)
    await postman.leave()


def _prune_daily(
    scheduler: AsyncIOScheduler, shop: Workshop, clock: Clock, stop: asyncio.Event
) -> asyncio.Lock:
    """Prune now and once a day; what is given back is held meanwhile."""
    pruning_now = asyncio.Lock()

    async def on_day() -> None:
        async with pruning_now:
            prune = partial(pruning.daily, shop.database, shop.settings, clock(), stop.is_set)
            await asyncio.to_thread(prune)

    daily = IntervalTrigger(days=1, timezone=UTC)
    scheduler.add_job(on_day, daily, next_run_time=clock(), misfire_grace_time=None)
    return pruning_now


async def tick(shop: Workshop, clock: Clock, stop: asyncio.Event) -> Report | None:
    """Recover what dead runs left, open what is due, and send; None if there was nothing to do.

    Users whom the platform added or moved since the last tick are followed first.
    """
    now, background = clock(), partial(shop.database.in_background, hurried=stop.is_set)
    recovered = await background(partial(_recover, shop, now))
    planned = 0
    while not stop.is_set():
        found = await background(partial(_plan, shop, now))
        planned += found
        if found < DUE_AT_A_TIME:
            break
    waiting = await background(partial(_waiting, shop, now))
    if not waiting:
        return None
    report = await _send(shop, clock, stop, waiting)
    report.planned, report.recovered = planned, recovered
    return report


async def _send(shop: Workshop, clock: Clock, stop: asyncio.Event, waiting: int) -> Report:
    """Send in this process, or in several where there is much to do.

    What is the same for the whole site is found anew every time: a daemon lives for months.
    """
    shop = replace(shop, site={})
    number = workers.fitting(shop.settings.workers, waiting, workers.WORTH_A_START)
    if number == 1:
        return await work(shop, Scope(), clock, command="daemon", stop=stop)
    crew = Crew(
        shop,
        Scope(),
        clock,
        workers=number,
        command="daemon",
        copied=False,
        prepare=console.logging_as_here(),
    )
    return await crew.report(stop, lambda _: None)


def _recover(shop: Workshop, now: datetime) -> ledger.Recovered:
    settings = shop.settings
    lease = timedelta(seconds=settings.lease_seconds)
    with shop.database.writing() as session:
        subscriptions.enrol(session, settings, now)
        return ledger.recover(session, settings.locks, now, lease, settings.on_unknown)


def _plan(shop: Workshop, now: datetime) -> int:
    with shop.database.writing() as session:
        return plan_due(session, shop.settings, now, DUE_AT_A_TIME)


def _waiting(shop: Workshop, now: datetime) -> int:
    with shop.database.reading() as session:
        return ledger.waiting(session, now)


async def _guarded(
    shop: Workshop,
    clock: Clock,
    stop: asyncio.Event,
    done: Callable[[Report], None],
    said: str,
) -> str:
    """One tick; trouble is said, once while it lasts, and the next tick tries again.

    Takes what the tick before said, and returns what this one did.
    """
    run_stop = asyncio.Event()
    watcher = asyncio.create_task(_follow(stop, run_stop))
    try:
        report = await tick(shop, clock, run_stop)
    except Exception as error:  # noqa: BLE001 - whatever it is: the next tick tries
        return _say(error, said, "this tick failed")
    finally:
        watcher.cancel()
    if report is not None:
        done(report)
    return ""


async def _follow(stop: asyncio.Event, run_stop: asyncio.Event) -> None:
    """A run may stop by itself (a server that refuses us); the daemon then goes on ticking."""
    await stop.wait()
    run_stop.set()


class _Postman:
    """Reads the mailbox of bounces, one reading at a time; nobody ever waits for it.

    Its thread is a daemon: a server may hold it for hours, and killing it loses nothing, as mails
    are marked as seen only after what they say was committed.
    """

    def __init__(self, shop: Workshop, clock: Clock, stopped: Callable[[], bool]) -> None:
        self._shop, self._clock, self._stopped = shop, clock, stopped
        self._reading: Thread | None = None
        self._since = clock()
        self._slow = False
        self._said = ""

    async def look(self) -> None:
        """Begin to read, unless the last reading is still under way."""
        if self._shop.settings.bounces_url is None or self._stopped():
            return
        if self._reading is not None and self._reading.is_alive():
            self._say_slow()
            return
        self._since, self._slow = self._clock(), False
        self._reading = Thread(target=self._read, name="bounces", daemon=True)
        self._reading.start()

    async def leave(self) -> None:
        """Let a reading finish what it is at, if that takes no longer than moments."""
        if self._reading is None:
            return
        await asyncio.to_thread(self._reading.join, LEAVE_SECONDS)
        if self._reading.is_alive():
            log.warning(
                "the mailbox of bounces does not answer, and is left; nothing is lost by it"
            )

    def _say_slow(self) -> None:
        seconds = (self._clock() - self._since).total_seconds()
        log.log(
            logging.DEBUG if self._slow else logging.WARNING,
            "the mailbox of bounces is being read for %.0f s already; mails are sent meanwhile "
            "(see BOUNCES_URL and its server if this goes on)",
            seconds,
        )
        self._slow = True

    def _read(self) -> None:
        """Whatever goes wrong here is said, once while it lasts."""
        shop = self._shop
        try:
            rows = list(bounces.collect(shop.database, shop.settings, self._clock, self._stopped))
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            self._said = _say(error, self._said, "the mailbox of bounces could not be read")
        else:
            self._said = ""
            _say_bounces(rows)


def _say_bounces(rows: list[bounces.Row]) -> None:
    done = Counter(row.done.action.value for row in rows)
    if done:
        log.info("bounces: %s", ", ".join(f"{n} {name}" for name, n in sorted(done.items())))


def _say(error: Exception, said: str, what: str) -> str:
    """Log trouble, in full where it is not one of ours; quietly where it is what was ``said``."""
    if isinstance(error, DigestError):
        trouble, trace = _words(error), None
    else:
        trouble, trace = f"{what} ({type(error).__name__}); the next tick tries again", error
    level = logging.DEBUG if trouble == said else logging.ERROR
    log.log(level, "%s", trouble, exc_info=trace)
    return trouble


def _words(error: DigestError) -> str:
    return f"{error.message}{f' ({error.hint})' if error.hint else ''}"
