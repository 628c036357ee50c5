"""Facts about a batch of users: what every query of theirs shares.

One query per fact, whatever the number of users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Table, case, func, literal, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch
from digest.models import NOBODY, Counter, Post, Reaction, User, View, table
from digest.window import Period, Window

users, posts = table(User), table(Post)
views, reactions, counters = table(View), table(Reaction), table(Counter)

TEXT_SHOWN = 400
WORDS = (
    posts.c.published_at,
    posts.c.title,
    func.substr(posts.c.text, 1, TEXT_SHOWN).label("text"),
    posts.c.url,
)
"""What is shown of a post itself: asked for only when it is known which posts are shown."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Batch:
    """Users who share a week: the same period in the same zone. The unit of every query.

    ``site`` keeps what is the same for all batches of a run, so that it is worked out once.
    """

    period: Period
    tz: ZoneInfo
    users: tuple[str, ...]
    site: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    _known: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def window(self) -> Window:
        """The week, in UTC."""
        return window.week(self.period, self.tz)

    @cached_property
    def days(self) -> tuple[datetime, ...]:
        """The eight midnights that bound its days."""
        return window.days(self.period, self.tz)

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
        known = [instant for instant in (self.views, self.reactions, self.counters) if instant]
        return min(known, default=None)


def beginnings(session: Session, batch: Batch) -> dict[str, Since]:
    """When facts about each author begin: one index look-up per post and kind."""

    def first(column: Any, *conditions: Any) -> Any:
        owner = column.table.c.post_id == posts.c.id
        return select(func.min(column)).where(owner, *conditions).scalar_subquery()

    rows = fetch(
        session,
        select(
            posts.c.author_id,
            func.min(first(views.c.at)).label("views"),
            func.min(first(counters.c.at)).label("counted"),
            func.min(first(reactions.c.at)).label("reactions"),
        )
        .where(among(posts.c.author_id, batch.users))
        .group_by(posts.c.author_id),
    )
    return {row.author_id: Since(row.views, row.reactions, row.counted) for row in rows}


def counted(session: Session, batch: Batch) -> list[str]:
    """Authors of the batch about whom there are counters: the others need not be asked for them."""
    begun = batch.fact(session, beginnings)
    return [user for user, since in begun.items() if since.counters is not None]


def slot(at: ColumnElement[datetime], bounds: Sequence[datetime]) -> ColumnElement[int]:
    """Which of the half-open spans between ``bounds`` an instant falls in, counted from 0.

    By halving, so that a row is compared with few of the bounds.
    """
    return _halved(at, bounds, 0, len(bounds) - 2)


def _halved(
    at: ColumnElement[datetime], bounds: Sequence[datetime], first: int, last: int
) -> ColumnElement[int]:
    if first == last:
        return literal(first)
    middle = (first + last) // 2
    return case(
        (at < bounds[middle + 1], _halved(at, bounds, first, middle)),
        else_=_halved(at, bounds, middle + 1, last),
    )


def within(
    facts: Table, users: Sequence[str], span: Window, *columns: ColumnElement[Any]
) -> Select[Any]:
    """Rows of ``facts`` on these authors' posts within ``span``, each with its author."""
    return (
        select(posts.c.author_id, *columns)
        .join_from(posts, facts, facts.c.post_id == posts.c.id)
        .where(among(posts.c.author_id, users), facts.c.at >= span.start, facts.c.at < span.end)
    )


def anonymous_views() -> ColumnElement[int]:
    """How many of the views have no named viewer."""
    return func.sum(case((views.c.viewer_id == NOBODY, views.c.count), else_=0))
