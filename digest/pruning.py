"""What need not be kept: old facts, corrections and guesses, snapshots, and the ledger's past.

Nothing that a comparison needs goes. Settings are never shorter than the half year that a mail
looks back on, posts are judged before the facts of their first 48 hours go, and a week whose facts
or deliveries went is closed: it is never composed, planned or sent again.

Rows are looked for without a lock and go by their keys in small transactions, with a rest after
each, so that a run beside it is never kept waiting.
"""

from __future__ import annotations

import logging
import time as clocks
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Delete,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    true,
)
from sqlmodel import Session

from digest import ledger
from digest.config import Settings
from digest.database import Database
from digest.facts import judgements
from digest.facts.past import WEEKS
from digest.models import (
    Bounce,
    Correction,
    Delivery,
    Guess,
    Judgement,
    Post,
    Reaction,
    Run,
    Snapshot,
    View,
    table,
)
from digest.window import Period

log = logging.getLogger(__name__)
_T = TypeVar("_T")

ROWS, PAGE = 2000, 500
"""Rows that one transaction deletes at most, and posts or users that are looked at together."""
REST_SECONDS = 0.1
"""After each transaction: as long as a writer of SQLite sleeps at most between two tries."""

_posts, _views, _reactions = table(Post), table(View), table(Reaction)
_judgements, _snapshots, _bounces = table(Judgement), table(Snapshot), table(Bounce)
_deliveries, _runs = table(Delivery), table(Run)
_corrections, _guesses = table(Correction), table(Guess)
_ALL = true()
_JUDGED_AT = timedelta(hours=judgements.HOURS)


@dataclass(frozen=True, slots=True)
class Limits:
    """The first week of which each kind is kept; None: all of it."""

    facts: Period | None
    snapshots: Period | None
    ledger: Period | None

    @classmethod
    def of(cls, settings: Settings, now: datetime) -> Limits:
        """What ``settings`` keep, counted back from the week of ``now``."""
        this = Period.of(now.astimezone(UTC).date())
        kept = settings.keep_views_weeks, settings.keep_snapshots_weeks, settings.keep_ledger_weeks
        return cls(*(this.shift(-weeks) if weeks else None for weeks in kept))

    @property
    def first_open(self) -> Period | None:
        """The first week that may still be sent: all that it is compared with is whole."""
        compared = self.facts.shift(WEEKS) if self.facts else None
        return max((one for one in (compared, self.ledger) if one), default=None)

    def conditions(self) -> Iterator[tuple[Table, ColumnElement[bool]]]:
        """Every table with what goes of it."""
        if self.facts is not None:
            old = select(_posts.c.id).where(_is_old(self.facts))
            for facts in (_views, _reactions):
                yield facts, and_(_is_past(facts, self.facts), facts.c.post_id.in_(old))
            # A post is corrected while it counts, and then looked at for some weeks at most.
            yield _corrections, _corrections.c.corrected_at < self.facts.dawn
        if self.snapshots is not None:
            yield _snapshots, _snapshots.c.period < str(self.snapshots)
            yield _guesses, _is_past(_guesses, self.snapshots)
        if self.ledger is not None:
            yield _deliveries, ledger.forgettable(str(self.ledger))
            yield _bounces, _bounces.c.period < str(self.ledger)
            yield _runs, ledger.forgettable_runs(self.ledger.dawn)


def prune(
    database: Database,
    settings: Settings,
    now: datetime,
    *,
    stopped: Callable[[], bool] = lambda: False,
    rest: Callable[[float], object] = clocks.sleep,
    progress: Callable[[Counter[str]], object] = lambda _: None,
) -> Counter[str]:
    """Delete what ``settings`` do not keep; returns the number of rows by table.

    ``stopped`` ends it between two transactions; what is left goes the next time.
    """
    pruner = _Pruner(database, Limits.of(settings, now), stopped, rest, progress)
    pruner.work(now)
    return pruner.gone


def prospect(database: Database, settings: Settings, now: datetime) -> Counter[str]:
    """What :func:`prune` would delete now."""
    with database.reading() as session:
        return +Counter(
            {
                of.name: session.scalar(select(func.count()).select_from(of).where(condition)) or 0
                for of, condition in Limits.of(settings, now).conditions()
            }
        )


def daily(
    database: Database, settings: Settings, now: datetime, stopped: Callable[[], bool]
) -> None:
    """What a daemon does once a day; trouble is said, and tomorrow is another day."""
    try:
        gone = prune(database, settings, now, stopped=stopped)
    except Exception:  # whatever it is: the daemon goes on mailing
        log.exception("what need not be kept could not be pruned")
        return
    if gone:
        told = ", ".join(f"{rows:,} {name}" for name, rows in sorted(gone.items()))
        log.info("pruned: %s", told)


@dataclass(slots=True)
class _Pruner:
    database: Database
    limits: Limits
    stopped: Callable[[], bool]
    rest: Callable[[float], object]
    progress: Callable[[Counter[str]], object]
    gone: Counter[str] = field(default_factory=Counter)

    def work(self, now: datetime) -> None:
        """Close the weeks first: whatever happens next, none of them is sent again."""
        first = self.limits.first_open
        if first is not None:
            self._write(partial(ledger.close_before, period=str(first), now=now))
        for of, condition in self.limits.conditions():
            if of in {_views, _reactions} and self.limits.facts is not None:
                self._facts(of, self.limits.facts)
            elif of is _snapshots:
                self._by_user(of, condition)
            else:
                self._drain(of, condition)

    def _facts(self, facts: Table, first: Period) -> None:
        """Old facts of old posts, which are judged before."""
        past = _is_past(facts, first)
        has_some = select(facts.c.at).where(facts.c.post_id == _posts.c.id, past).exists()
        judged = select(_judgements.c.post_id).where(_judgements.c.post_id == _posts.c.id).exists()
        due = select(_posts.c.id, _posts.c.published_at, judged).where(_is_old(first), has_some)
        for page in self._pages(due, _posts.c.id):
            unjudged = {id_: at for id_, at, done in page if at is not None and not done}
            if unjudged:
                self._write(partial(judgements.settle, published=unjudged))
            self._drain(facts, past, facts.c.post_id.in_([row[0] for row in page]))

    def _by_user(self, of: Table, condition: ColumnElement[bool]) -> None:
        for page in self._pages(select(of.c.user_id).where(condition).distinct(), of.c.user_id):
            self._drain(of, condition, of.c.user_id.in_([row[0] for row in page]))

    def _pages(self, rows: Select[Any], key: ColumnElement[str]) -> Iterator[Sequence[Any]]:
        """The rows of a query in the order of ``key``, its first column, some at a time."""
        page = rows.order_by(key).limit(PAGE)
        after = ""
        while not self.stopped() and (found := self._read(page.where(key > after))):
            yield found
            after = found[-1][0]

    def _drain(
        self, of: Table, condition: ColumnElement[bool], page: ColumnElement[bool] = _ALL
    ) -> None:
        """Delete what meets ``condition`` on this page, until nothing does."""
        some = select(*of.primary_key.columns).where(page, condition).limit(ROWS)
        statement = _delete_by_key(of, condition)
        while not self.stopped() and (found := self._read(some)):
            keys = [{f"key_{n}": value for n, value in enumerate(row)} for row in found]
            deleted = self._write(partial(_deleted, statement=statement, keys=keys))
            self.gone[of.name] += deleted
            self.progress(self.gone)
            if not deleted:  # somebody else wants it after all
                return

    def _read(self, statement: Select[Any]) -> Sequence[Any]:
        def act() -> Sequence[Any]:
            with self.database.reading() as session:
                return session.connection().execute(statement).all()

        return self.database.patiently(act, self.stopped)

    def _write(self, do: Callable[[Session], _T]) -> _T:
        def act() -> _T:
            with self.database.writing() as session:
                return do(session)

        done = self.database.patiently(act, self.stopped)
        self.rest(REST_SECONDS)
        return done


def _delete_by_key(of: Table, condition: ColumnElement[bool]) -> Delete:
    """One row by its key, if it still meets ``condition``.

    Run for many keys at once: thousands of keys in one statement take PostgreSQL seconds to plan.
    """
    key = [c == bindparam(f"key_{n}", type_=c.type) for n, c in enumerate(of.primary_key.columns)]
    return delete(of).where(*key, condition)


def _deleted(session: Session, statement: Delete, keys: list[dict[str, Any]]) -> int:
    return session.connection().execute(statement, keys).rowcount


def _is_past(facts: Table, first: Period) -> ColumnElement[bool]:
    return facts.c.at < first.dawn


def _is_old(first: Period) -> ColumnElement[bool]:
    """Posts whose first 48 hours lie wholly in the past, or at no known time."""
    published = _posts.c.published_at
    return or_(published.is_(None), published < first.dawn - _JUDGED_AT)
