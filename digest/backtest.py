"""Past weeks once more: who would have got what with today's data, sections and settings.

Nothing is stored or sent. A week is worked out from the facts as if no mail had been made of it.
The weeks go oldest first, so that each knows what the one before would have told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from sqlmodel import Session

from digest import snapshots, subscriptions
from digest.compose import Snapshot
from digest.deciding import Decision, Workshop, decide
from digest.errors import TemplateError
from digest.models import State
from digest.planning import is_over, require_known, weeks
from digest.window import Period

NAMED = 20
"""Changed mails of a week that are listed; all are counted."""
_FIGURES = ("views", "reach", "reactions")


@dataclass(slots=True)
class Change:
    """How a mail that was made differs from today's: (then, now) of each total, and sections."""

    user: str
    figures: dict[str, tuple[int | None, int | None]]
    gone: list[str]
    new: list[str]


@dataclass(slots=True)
class Rebuilt:
    """One week, rebuilt: deliveries by (state, reason), how many mails have each section, sizes.

    ``subjects`` says whose fact is the subject, ``sizes`` are bytes of the HTML parts, ``compared``
    is how many mails were made before.
    """

    period: str
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    sections: Counter[str] = field(default_factory=Counter)
    subjects: Counter[str] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=list)
    largest: str = ""
    compared: int = 0
    changed: int = 0
    changes: list[Change] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        counted = {f"{state}:{why}" if why else state: n for (state, why), n in self.states.items()}
        return {
            "week": self.period,
            "states": dict(sorted(counted.items())),
            "sections": dict(self.sections.most_common()),
            "subjects": dict(self.subjects.most_common()),
            "html_bytes": {
                "median": round(median(self.sizes)) if self.sizes else 0,
                "largest": max(self.sizes, default=0),
                "user": self.largest,
            },
            "compared": self.compared,
            "changed": self.changed,
            "changes": [
                {"user": c.user, "figures": c.figures, "gone": c.gone, "new": c.new}
                for c in self.changes
            ],
        }


def backtest(
    shop: Workshop,
    now: datetime,
    number: int,
    users: Sequence[str] = (),
    *,
    progress: Callable[[int, str], None] = lambda *_: None,
) -> Iterator[Rebuilt]:
    """Rebuild the latest ``number`` full weeks, oldest first; ``progress`` hears of every batch."""
    told: dict[tuple[str, str], str] = {}
    with shop.database.reading() as session:
        require_known(session, users)
        periods = [Period.parse(period) for period in weeks(session, now).values()]
        last = max(periods, key=lambda period: period.monday, default=Period.of(now.date()))
        for back in range(number - 1, -1, -1):
            week = Rebuilt(str(last.shift(-back)))
            for timezone, batch in _batches(session, shop, now, week.period, users):
                decided = decide(session, shop, week.period, timezone, batch, anew=told)
                then = snapshots.bodies(session, decided.batch)
                for decision in decided.decisions.values():
                    _rebuild(shop, week, decision, then, told)
                progress(week.states.total(), week.period)
            yield week


def _batches(
    session: Session, shop: Workshop, now: datetime, period: str, users: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Users by zone, where the week is over."""
    for timezone in weeks(session, now):
        if is_over(period, timezone, now):
            for batch in subscriptions.pages(session, timezone, users, shop.settings.batch):
                yield timezone, batch


def _rebuild(
    shop: Workshop,
    week: Rebuilt,
    decision: Decision,
    then: Mapping[str, Snapshot],
    told: dict[tuple[str, str], str],
) -> None:
    """Count one user's mail, or why there is none."""
    gate, user = decision.stopped_by, decision.author.id
    if gate is not None or decision.composed is None:
        week.states[gate.state if gate else State.SKIPPED, gate.reason if gate else ""] += 1
        return
    snapshot = decision.composed.snapshot
    told[user, week.period] = " ".join(snapshot.sections)
    links = shop.mailer.links(snapshot)
    try:
        mail = shop.mailer.renderer.render(snapshot, links, decision.author.weekday)
    except TemplateError:
        week.states[State.FAILED, "template"] += 1
        return
    week.states[State.SENT, ""] += 1
    week.sections.update(list(snapshot.sections))
    week.subjects[snapshot.lead or "the week itself"] += 1
    size = len(mail.html.encode())
    if size > max(week.sizes, default=0):
        week.largest = user
    week.sizes.append(size)
    if user in then:
        _compare(week, then[user], snapshot)


def _compare(week: Rebuilt, then: Snapshot, now: Snapshot) -> None:
    pairs = {name: (getattr(then, name), getattr(now, name)) for name in _FIGURES}
    figures = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    gone = [name for name in then.sections if name not in now.sections]
    new = [name for name in now.sections if name not in then.sections]
    week.compared += 1
    if figures or gone or new:
        week.changed += 1
        if len(week.changes) < NAMED:
            week.changes.append(Change(now.user, figures, gone, new))
