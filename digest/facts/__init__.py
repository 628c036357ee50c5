"""Facts about a batch of users: what every query of theirs shares.

One query per fact, whatever the number of users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Table, bindparam, case, func, literal_column, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch, later
from digest.models import NOBODY, Counter, Post, Reaction, User, View, table
from digest.window import Period, Window

users, posts = table(User), table(Post)
views, reactions, counters = table(View), table(Reaction), table(Counter)

TEXT_SHOWN = 400
WORDS = select(
    posts.c.id,
    posts.c.published_at,
    posts.c.title,
    func.substr(posts.c.text, 1, TEXT_SHOWN).label("text"),
    posts.c.url,
).where(among(posts.c.id, "posts"))
"""What is shown of the given ``posts``: asked for only when it is known which are shown."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Batch:
    """Users who share a week: the same period in the same zone. The unit of every query.

    ``site`` keeps what is the same for all batches of a run, so that it is worked out once;
    ``brands`` are the accounts that speak for an organisation; ``suggest_people``: the platform
    says that its members agree to be suggested to each other. ``told`` stands before what is stored
    of the sections of earlier mails, by user and period.
    """

    period: Period
    tz: ZoneInfo
    users: tuple[str, ...]
    site: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    brands: frozenset[str] = frozenset()
    suggest_people: bool = False
    told: Mapping[tuple[str, str], str] = field(default_factory=dict, compare=False, repr=False)
    _known: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def window(self) -> Window:
        """The week, in UTC."""
        return window.week(self.period, self.tz)

    @cached_property
    def days(self) -> tuple[datetime, ...]:
        """The eight midnights that bound its days."""
        return window.days(self.period, self.tz)

    def day(self, instant: datetime | None) -> str | None:
        """The date of an instant in the zone of its users; None stays unknown."""
        return instant.astimezone(self.tz).date().isoformat() if instant else None

    def fact(self, session: Session, load: Callable[[Session, Batch], _T]) -> _T:
        """What ``load`` finds for this batch; sections that need the same fact share one query."""
        if load not in self._known:
            self._known[load] = load(session, self)
        return cast(_T, self._known[load])


@dataclass(frozen=True, slots=True)
class Since:
    """When each kind of fact about an author begins; None: there never was any."""

    views: datetime | None
    reactions: datetime | None
    counters: datetime | None = None

    @property
    def first(self) -> datetime | None:
        """The beginning of all that is known."""
        return _earliest(self.views, self.reactions, self.counters)

    def of(self, metric: str) -> datetime | None:
        """The beginning of what reach, views or reactions are counted from."""
        if metric == "reach":
            return self.views  # counters name nobody
        return _earliest(self.views if metric == "views" else self.reactions, self.counters)


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant), default=None)


def _first(of: Table) -> ColumnElement[datetime]:
    earliest = select(func.min(of.c.at)).where(of.c.post_id == posts.c.id).scalar_subquery()
    return func.min(earliest)


_BEGINNINGS = (
    select(posts.c.author_id, _first(views), _first(reactions), _first(counters))
    .where(among(posts.c.author_id, "users"))
    .group_by(posts.c.author_id)
)


def beginnings(session: Session, batch: Batch) -> dict[str, Since]:
    """When facts about each author begin: one index look-up per post and kind."""
    rows = fetch(session, _BEGINNINGS, users=batch.users)
    return {author: Since(*firsts) for author, *firsts in rows}


def counted(session: Session, batch: Batch) -> list[str]:
    """Authors of the batch about whom there are counters: the others need not be asked for them."""
    begun = batch.fact(session, beginnings)
    return [user for user, since in begun.items() if since.counters is not None]


def slot(at: ColumnElement[datetime], spans: int) -> ColumnElement[int]:
    """Which of so many half-open spans between the given :func:`bounds` an instant falls in.

    Counted from 0, and by halving, so that a row is compared with few of the bounds. Group by its
    label: written out again it is as long again, and a driver has twice the parameters to look at.
    """
    return _halved(at, 0, spans - 1)


def _halved(at: ColumnElement[datetime], first: int, last: int) -> ColumnElement[int]:
    if first == last:
        return literal_column(str(first))
    middle = (first + last) // 2
    return case(
        (at < bindparam(f"bound{middle + 1}"), _halved(at, first, middle)),
        else_=_halved(at, middle + 1, last),
    )


def bounds(instants: Sequence[datetime]) -> dict[str, datetime]:
    """The parameters of a statement with a :func:`slot`: its spans lie between ``instants``."""
    return {f"bound{number}": instant for number, instant in enumerate(instants)}


def within(facts: Table, *columns: ColumnElement[Any]) -> Select[Any]:
    """Rows of ``facts`` on posts by the given ``users``, from ``start`` to ``end``, with authors.

    Those three are parameters; :func:`span` makes two of them.
    """
    return (
        select(posts.c.author_id, *columns)
        .join_from(posts, facts, facts.c.post_id == posts.c.id)
        .where(
            among(posts.c.author_id, "users"),
            facts.c.at >= bindparam("start"),
            facts.c.at < bindparam("end"),
        )
    )


def at_first(facts: Table, hours: int, *columns: ColumnElement[Any]) -> Select[Any]:
    """Rows of ``facts`` within the first ``hours`` of each of the given ``posts``."""
    return (
        select(posts.c.id, *columns)
        .join_from(posts, facts, facts.c.post_id == posts.c.id)
        .where(
            among(posts.c.id, "posts"),
            facts.c.at >= posts.c.published_at,
            facts.c.at < later(posts.c.published_at, hours),
        )
    )


def span(of: Window) -> dict[str, datetime]:
    """The parameters ``start`` and ``end``."""
    return {"start": of.start, "end": of.end}


def anonymous_views() -> ColumnElement[int]:
    """How many of the views have no named viewer."""
    return func.sum(case((views.c.viewer_id == NOBODY, views.c.count), else_=0))
