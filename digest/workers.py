"""Sending in this process, or in several side by side: as many as pay for their start."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from sqlmodel import Session

from digest import ledger
from digest.audience import locales
from digest.crew import Crew, Job, reported
from digest.deciding import Workshop, look_ahead
from digest.errors import DatabaseError
from digest.ledger import Scope
from digest.process import until_stopped
from digest.recorder import Clock
from digest.run import Report

WORTH_A_FORK = 250
"""Open deliveries for each worker that is a copy of this process: below, starting it costs more."""

WORTH_A_START = 2500
"""The same for a worker that has to load everything anew."""

LOOKED_AT = 20
"""Users whose facts are loaded before the workers start: enough to meet most of what is asked."""


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
    templates are loaded and facts about the whole site are found once, and their memory is shared.
    """
    if workers > 1:
        # Trouble with the database is the workers' to meet: they wait for its end, and tell of it.
        with suppress(DatabaseError), shop.database.reading() as session:
            shop.mailer.renderer.prepare(locales(session))
            _look_ahead(session, shop, scope, clock())
        crew = Crew(shop, scope, clock, workers=workers, limit=limit, command="send")
        report, came = until_stopped(lambda stop: crew.report(stop, progress), again=crew.kill)
    else:
        job = Job(shop.settings, scope, clock, "send", limit, {})
        report, came = until_stopped(lambda stop: reported(shop, job, stop, progress))
    report.interrupted = came
    return report


def _look_ahead(session: Session, shop: Workshop, scope: Scope, now: datetime) -> None:
    """Meet what all workers would have to find out, with the first who will be mailed."""
    first = ledger.upcoming(session, now, scope, LOOKED_AT)
    for period, timezone, _ in first[:1]:
        users = [user for *week, user in first if week == [period, timezone]]
        look_ahead(session, shop, period, timezone, users)
