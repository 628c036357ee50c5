"""What a run works with, which users of a batch get a mail, and what is kept of finding out."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session

from digest import audience, snapshots, window
from digest.audience import Author, Gate
from digest.cadence import Frequency
from digest.compose import Broken, Composed, Snapshot, compose
from digest.config import Settings
from digest.database import Database
from digest.facts import Batch
from digest.faults import Point, reach
from digest.mail import Mailer
from digest.sections import Section, sections
from digest.smtp import Domains
from digest.window import Period

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every batch of a run needs and none changes."""

    database: Database
    settings: Settings
    sections: Sequence[Section]
    mailer: Mailer
    domains: Domains
    site: dict[Any, Any] = field(default_factory=dict)


def workshop(database: Database, settings: Settings) -> Workshop:
    """Load sections, templates and keys once."""
    found = sections()
    return Workshop(database, settings, found, Mailer(settings, found), domains(settings))


def domains(settings: Settings) -> Domains:
    """What is known of recipient domains: nothing yet. It is kept from run to run."""
    return Domains(
        per_minute=settings.rate_per_domain,
        base=settings.retry_base_seconds,
        cap=settings.retry_cap_seconds,
        jitter=random.random,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """One user's week: the gates passed and not, and what the mail would say."""

    author: Author
    composed: Composed | None
    gates: list[Gate]

    @property
    def stopped_by(self) -> Gate | None:
        """The gate that decided against a mail."""
        return next((gate for gate in self.gates if not gate.passed), None)

    @property
    def snapshot(self) -> Snapshot:
        """What the mail says; a ValueError where there is none, as a gate was closed."""
        if self.composed is None:
            raise ValueError("nothing was composed")
        return self.composed.snapshot


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions of a batch; ``batch`` and ``composed`` are what there is to keep of it."""

    batch: Batch
    composed: dict[str, Composed]
    decisions: dict[str, Decision]

    def keep(self, session: Session, now: datetime) -> None:
        """Store what was worked out, and the snapshots of those whose mails are to be made."""
        mailed = {user for user, one in self.decisions.items() if one.stopped_by is None}
        snapshots.keep(session, self.batch, self.composed, now, mailed=mailed)


def decide(
    session: Session,
    shop: Workshop,
    period: str,
    timezone: str,
    users: Sequence[str],
    *,
    anew: Mapping[tuple[str, str], str] | None = None,
) -> Decided:
    """Compose the week of everyone who may be mailed, and say who is, and why not. Reads only.

    With ``anew`` it is composed from the facts even where a mail was made of it; the mapping says
    by user and period which sections mails of earlier weeks would have had.
    """
    known, gates, batch = _asked(session, shop, (period, timezone), users, anew or {})
    composed: dict[str, Composed] = {}
    failed: dict[Broken, list[str]] = defaultdict(list)
    for user, one in _composed(session, shop, batch, known, frozen=anew is None).items():
        if isinstance(one, Broken):
            failed[one].append(user)
            gates[user].append(audience.broken(one.section, one.error))
            continue
        composed[user] = one
        gates[user] += _said(one, known[user], shop.settings)
    for trouble, whose in failed.items():
        _say_failed(trouble, whose)
    decisions = {user: Decision(a, composed.get(user), gates[user]) for user, a in known.items()}
    return Decided(batch, composed, decisions)


def _say_failed(trouble: Broken, whose: Sequence[str]) -> None:
    """Once, also where it fails a whole batch."""
    # What an exception says is made of people's words and names: only -v shows it.
    why, others = type(trouble.error).__name__, len(whose) - 1
    more = f" and {others} more" if others else ""
    log.error("section %s failed for user %s%s (%s)", trouble.section, whose[0], more, why)
    log.debug("section %s", trouble.section, exc_info=trouble.error)


def look_ahead(
    session: Session, shop: Workshop, period: str, timezone: str, users: Sequence[str]
) -> None:
    """Load the facts of some users and forget them: what they tell of the whole site is kept.

    So is what the statements look like in SQL. Whoever is a copy of this process then knows both.
    """
    _, _, batch = _asked(session, shop, (period, timezone), users, {})
    if batch.users:
        snapshots.load(session, batch, shop.sections)


def _asked(
    session: Session,
    shop: Workshop,
    when: tuple[str, str],
    users: Sequence[str],
    told: Mapping[tuple[str, str], str],
) -> tuple[Mapping[str, Author], dict[str, list[Gate]], Batch]:
    """Those of ``users`` who are there, their first gates, and the batch of who passed them."""
    week, tz = Period.parse(when[0]), window.zone(when[1])
    known = audience.authors(
        session, users, window.week(week, tz).end, adaptive=shop.settings.adaptive_cadence
    )
    gates = {user: audience.gates(author, week, tz) for user, author in known.items()}
    welcome = [user for user, passed in gates.items() if all(gate.passed for gate in passed)]
    batch = Batch(
        week,
        tz,
        tuple(welcome),
        shop.site,
        brands=shop.settings.brands,
        suggest_people=shop.settings.suggest_people,
        told=told,
    )
    return known, gates, batch


def _composed(
    session: Session, shop: Workshop, batch: Batch, known: Mapping[str, Author], *, frozen: bool
) -> Mapping[str, Composed | Broken]:
    """The weeks of everyone in ``batch``; where nobody is, nothing is asked."""
    if not batch.users:
        return {}
    loaded = snapshots.load(session, batch, shop.sections, frozen=frozen)
    reach(Point.COMPOSING)
    return compose(batch, known, loaded, shop.sections)


def _said(one: Composed, author: Author, settings: Settings) -> list[Gate]:
    """The gates after the week was looked at."""
    eventful = author.cadence.frequency is Frequency.EVENTFUL
    activity = audience.activity(
        quiet=one.snapshot.quiet,
        unread=one.unread,
        quiet_before=one.quiet_before,
        policy=Frequency.EVENTFUL if eventful else settings.quiet_weeks,
    )
    wanted = audience.wanted(one.snapshot.sections, author)
    return [activity, *([wanted] if wanted else [])]
