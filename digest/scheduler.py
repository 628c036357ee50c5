"""The daemon: APScheduler ticks, the database says who is due.

The tick is all the schedule there is in memory. A tick missed, doubled, or run by a second daemon
changes nothing: due times, claims and the one-mail promise live in the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from digest import bounces, ledger, pruning, subscriptions, workers
from digest.deciding import Workshop
from digest.errors import DigestError
from digest.ledger import Scope
from digest.planning import plan_due
from digest.recorder import Clock
from digest.run import Report, work
from digest.workers import Crew

log = logging.getLogger(__name__)
DUE_AT_A_TIME = 1000


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
    said = ""

    async def on_tick() -> None:
        nonlocal said
        async with ticking:
            if not stop.is_set():
                said, _ = await asyncio.gather(
                    _guarded(shop, clock, stop, done, said),
                    asyncio.to_thread(_read_bounces, shop, clock, stop.is_set),
                )

    scheduler.add_job(
        on_tick,
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
    """Send in this process, or in several where there is much to do."""
    number = workers.fitting(shop.settings.workers, waiting, workers.WORTH_A_START)
    if number == 1:
        return await work(shop, Scope(), clock, command="daemon", stop=stop)
    crew = Crew(shop, Scope(), clock, workers=number, command="daemon", copied=False)
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
    except DigestError as error:
        trouble = f"{error.message}{f' ({error.hint})' if error.hint else ''}"
        log.log(logging.DEBUG if trouble == said else logging.ERROR, "%s", trouble)
        return trouble
    finally:
        watcher.cancel()
    if report is not None:
        done(report)
    return ""


def _read_bounces(shop: Workshop, clock: Clock, stopped: Callable[[], bool]) -> None:
    """Take the mailbox of bounces; whatever goes wrong there never keeps a mail from being sent."""
    try:
        rows = list(bounces.collect(shop.database, shop.settings, clock, stopped))
    except DigestError as error:
        log.error("%s%s", error.message, f" ({error.hint})" if error.hint else "")  # noqa: TRY400
    except Exception:
        log.exception("the mailbox of bounces could not be read")
    else:
        if rows:
            done = Counter(row.done.action.value for row in rows)
            log.info("bounces: %s", ", ".join(f"{n} {name}" for name, n in sorted(done.items())))


async def _follow(stop: asyncio.Event, run_stop: asyncio.Event) -> None:
    """A run may stop by itself (a server that refuses us); the daemon then goes on ticking."""
    await stop.wait()
    run_stop.set()
