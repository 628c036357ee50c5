"""Past weeks of a data set on the product's own path: import, enrol, decide, week after week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session

from digest import subscriptions, window
from digest.compose import Snapshot
from digest.config import Settings
from digest.database import Database
from digest.deciding import Workshop, decide, domains
from digest.facts import Batch
from digest.ingest import ingest
from digest.sections import sections
from digest.window import Period, zone
from tests.office import mailer


@dataclass
class Town:
    """One data set in a database of its own, and the mails of its weeks.

    ``look`` sees each batch besides, with all that was asked about it.
    """

    database: Database
    shop: Workshop
    mails: list[Snapshot] = field(default_factory=list)
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    stopped: Counter[str] = field(default_factory=Counter)
    look: Callable[[Session, Batch], None] = lambda *_: None

    def decide(self, period: Period, timezone: str = "UTC") -> None:
        """One week of everybody, as ``digest backtest`` rebuilds it, unrendered."""
        with self.database.reading() as session:
            for users in subscriptions.pages(session, timezone, (), 500):
                found = decide(session, self.shop, str(period), timezone, users, anew=self.told)
                self.look(session, found.batch)
                for one in found.decisions.values():
                    gate = one.stopped_by
                    if gate is not None or one.composed is None:
                        self.stopped[gate.reason if gate else ""] += 1
                        continue
                    snapshot = one.composed.snapshot
                    self.told[snapshot.user, snapshot.period] = " ".join(snapshot.sections)
                    self.mails.append(snapshot)
            self.shop.site.clear()

    def said(self, section: str) -> Iterator[tuple[Snapshot, dict[str, Any]]]:
        """The mails with a section, and what it says."""
        return ((m, m.sections[section]) for m in self.mails if section in m.sections)


@contextmanager
def town(folder: Path, *imported: Path, **settings: Any) -> Iterator[Town]:
    """An SQLite file in ``folder`` with what was ``imported``, everybody enrolled in UTC.

    Nobody is mailed less often for posting less: all weeks are to be looked at.
    """
    made = Settings(
        database_url=f"sqlite:///{folder / 'digest.db'}",
        var=folder / "var",
        adaptive_cadence=False,
        **settings,
    )
    database = Database(made.database_url)
    database.migrate()
    try:
        for path in imported:
            ingest(database, path)
        yield Town(database, Workshop(database, made, sections(), mailer(), domains(made)))
    finally:
        database.close()


def live(town: Town, first: Period, last: Period) -> Town:
    """All weeks from the one to the other, everybody being enrolled by then."""
    end = window.week(last, zone("UTC")).end
    with town.database.writing() as session:
        subscriptions.enrol(session, town.shop.settings, end + timedelta(hours=9))
    for period in periods(first, last):
        town.decide(period)
    return town


def periods(first: Period, last: Period) -> Sequence[Period]:
    """All weeks from the one to the other."""
    return [first.shift(n) for n in range((last.monday - first.monday).days // 7 + 1)]
