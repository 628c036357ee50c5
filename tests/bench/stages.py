"""Where the time of a mail goes: processor milliseconds of each stage, measured alone."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from digest import ledger
from digest.compose import Snapshot
from digest.config import Settings
from digest.database import Database
from digest.deciding import Decision, Workshop, decide, workshop
from digest.ledger import Claim, Mark, Outcome, Scope
from digest.mail import Mail
from digest.models import State, Subscription, User, table
from digest.planning import plan_week
from digest.process import until_stopped
from digest.recorder import Recorder
from digest.smtp import Sender, Server, Tls
from digest.window import last_full_week, zone

MAILS = 3000
"""Mails that are enough to measure a stage by."""


class Stages:
    """Milliseconds per mail by stage, in the order of a mail's way."""

    def __init__(self) -> None:
        self.each: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str, mails: int) -> Iterator[None]:
        """Count the processor time of this process for the stage ``name``."""
        began = time.process_time()
        yield
        spent = (time.process_time() - began) * 1000 / mails
        self.each[name] = self.each.get(name, 0.0) + spent


def measure(
    folder: Path, original: Path, port: int, *, only: Collection[str] = ()
) -> tuple[list[Snapshot], int, Stages]:
    """The snapshots of some thousand mails, the size of one in bytes, and the stages.

    With ``only`` some of the sections.
    """
    file = folder / "stages.db"
    shutil.copy(original, file)
    database, now, stages = Database(f"sqlite:///{file}"), datetime.now(UTC), Stages()
    settings = Settings(database_url=f"sqlite:///{file}", var=folder / "var", suggest_people=True)
    shop = workshop(database, settings)
    wanted = [section for section in shop.sections if not only or section.name in only]
    shop = replace(shop, sections=wanted)
    made = decisions(shop, now, stages)
    welcome = [d for d in made if d.stopped_by is None and d.composed]
    mails = _mails(shop, welcome, now, stages)
    until_stopped(lambda _: _offer(mails, settings, port, stages))
    until_stopped(lambda _: _record(database, settings, now, stages))
    database.close()
    size = sum(len(mail.content) for mail in mails) // len(mails)
    return [d.composed.snapshot for d in welcome if d.composed], size, stages


def decisions(shop: Workshop, now: datetime, stages: Stages) -> list[Decision]:
    """What a run decides of the first users, batch by batch, until there are enough of them."""
    made: list[Decision] = []
    for period, timezone, users in _batches(shop, now):
        with stages.timed("load and compose", MAILS), shop.database.reading() as session:
            decided = decide(session, shop, period, timezone, users)
        with stages.timed("keep snapshots and history", MAILS), shop.database.writing() as session:
            decided.keep(session, now)
        made += decided.decisions.values()
        if len(made) >= MAILS:
            break
    for name in stages.each:
        stages.each[name] *= MAILS / len(made)
    return made


def _batches(shop: Workshop, now: datetime) -> Iterator[tuple[str, str, list[str]]]:
    subscribed = table(Subscription)
    with shop.database.reading() as session:
        rows = session.execute(select(subscribed.c.timezone, subscribed.c.user_id)).all()
    for name in sorted({row.timezone for row in rows}):
        ids = sorted(row.user_id for row in rows if row.timezone == name)
        period, size = str(last_full_week(now, zone(name))), shop.settings.batch
        yield from ((period, name, ids[n : n + size]) for n in range(0, len(ids), size))


def _mails(shop: Workshop, welcome: list[Decision], now: datetime, stages: Stages) -> list[Mail]:
    mailer, mails = shop.mailer, []
    composed = [(d.author, d.composed.snapshot) for d in welcome if d.composed]
    with stages.timed("render", len(composed)):
        for author, snapshot in composed:
            links = mailer.links(snapshot)
            mailer.renderer.render(snapshot, links, author.weekday)
    with stages.timed("message", len(composed)):
        mails = [mailer.mail(author, snapshot, now) for author, snapshot in composed]
    stages.each["message"] -= stages.each["render"]
    return mails


async def _offer(mails: list[Mail], settings: Settings, port: int, stages: Stages) -> None:
    """Every mail over the pool, with a mark that is always granted."""
    server = Server("127.0.0.1", port, tls=Tls.NEVER)
    waiting = iter(mails)

    async def granted() -> bool:
        return True

    async def carry(sender: Sender) -> None:
        for mail in waiting:
            await sender.send(mail.mail_from, mail.rcpt_to, mail.content, granted)

    with stages.timed("smtp", len(mails)):
        async with Sender(server, connections=settings.connections) as sender:
            await _together(lambda: carry(sender), settings.connections)


async def _record(database: Database, settings: Settings, now: datetime, stages: Stages) -> None:
    """Claims, marks and outcomes of as many mails as there are connections at a time."""
    with database.writing() as session:
        plan_week(session, now)
        rows = session.execute(select(table(User).c.id, table(User).c.email_key)).all()
    addresses, claimed = {row.id: row.email_key for row in rows}, list[Claim]()
    running = ledger.running(database, settings.locks, "bench", lambda: now)
    with running as owner, stages.timed("ledger", MAILS):
        while len(claimed) < MAILS:
            with database.writing() as session:
                claimed += ledger.claim(session, owner, Scope(), now, settings.batch)
        waiting = iter(claimed)

        async def settle(recorder: Recorder) -> None:
            for claim in waiting:
                address = addresses[claim.user]
                await recorder.mark(Mark(claim, f"<2026-W46.{claim.id:020}@site.example>", address))
                recorder.settle(Outcome(claim, State.SENT, reply="250 2.0.0 Ok", tried=1))

        async with Recorder(database, owner, lambda: now) as recorder:
            await _together(lambda: settle(recorder), settings.connections)
    stages.each["ledger"] *= MAILS / len(claimed)


async def _together(task: Callable[[], object], number: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(task())  # type: ignore[arg-type]
