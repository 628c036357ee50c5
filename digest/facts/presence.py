"""When an author's audience was around: by hour of the week, in the author's zone.

A visit is a named person who saw or reacted to any of the author's posts within one hour of a
week, however often. An hour that happens twice when clocks change is one hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    bindparam,
    case,
    func,
    literal_column,
    null,
    select,
    union,
    union_all,
)
from sqlmodel import Session

from digest import window
from digest.database import among, fetch, later, once, seconds
from digest.facts import Batch, posts, reactions, views, within
from digest.facts.history import LATELY, latest_weeks
from digest.models import NOBODY, UtcDateTime
from digest.stats.circular import DAY, WEEK
from digest.window import Window

VISITS_FROM, PEOPLE_FROM, WEEKS_FROM = 200, 20, 4
"""So many visits by so many people in so many of the weeks, or too little is known."""
DELAYS_FROM = 30
"""Fewer reactions than this say too little about how soon they come."""
_HOUR = 3600
_SAMPLE = 2_000
"""The latest posts of the site from which its delays are learnt."""


@dataclass(slots=True)
class Presence:
    """Visits of eight weeks by hour of the week, from Monday 00:00, and by whom.

    ``weeks`` are those in which anybody came; ``delays`` the share of reactions that come 0, 1, …
    23 hours after a post.
    """

    visits: list[int] = field(default_factory=lambda: [0] * WEEK)
    total: int = 0
    people: int = 0
    weeks: int = 0
    delays: tuple[float, ...] = (1.0,)


def presences(session: Session, batch: Batch) -> dict[str, Presence]:
    """The audience of every author of the batch with enough views and reactions in eight weeks."""
    users = [
        user
        for user, weeks in batch.fact(session, latest_weeks).items()
        if sum((week.views or 0) + (week.reactions or 0) for week in weeks) >= VISITS_FROM
    ]
    if not users:
        return {}
    found = {user: Presence() for user in users}
    asked = {"users": users, **_clock(batch)}
    for author, cell, visits, people, weeks in fetch(session, _PRESENCE, **asked):
        one = found[author]
        if cell is None:
            one.total, one.people, one.weeks = visits, people, weeks
        else:
            one.visits[cell] = visits
    _add_delays(session, batch, found)
    return found


# --- hours of the local week ---------------------------------------------------------------------

_CHANGES = 3
"""How often the clocks of a zone change within eight weeks at most; Morocco's do twice."""


def _number(value: int) -> ColumnElement[int]:
    """A number in the text of a statement: expressions with parameters cannot be grouped by."""
    return literal_column(f"{value}", Integer)


def _local_hour(at: ColumnElement[datetime]) -> ColumnElement[int]:
    """Hours on the local clock since the Monday on which the eight weeks begin."""
    shift = case(
        *(
            (at < bindparam(f"change{n}", type_=UtcDateTime), bindparam(f"shift{n}", type_=Integer))
            for n in range(_CHANGES)
        ),
        else_=bindparam(f"shift{_CHANGES}", type_=Integer),
    )
    return (seconds(at) + shift) // _number(_HOUR)


def _clock(batch: Batch) -> dict[str, Any]:
    """The parameters of :func:`_local_hour` and the span of the eight weeks."""
    monday = batch.period.shift(1 - LATELY).monday
    whole = Window(window.week(batch.period.shift(1 - LATELY), batch.tz).start, batch.window.end)
    origin = int(datetime.combine(monday, time(), UTC).timestamp())
    changes = offsets(whole, batch.tz)
    asked: dict[str, Any] = {"start": whole.start, "end": whole.end}
    for n in range(_CHANGES + 1):
        until, offset = changes[min(n, len(changes) - 1)]
        asked |= {f"change{n}": until, f"shift{n}": offset - origin}
    del asked[f"change{_CHANGES}"]
    return asked


@lru_cache(maxsize=1024)
def offsets(of: Window, tz: ZoneInfo) -> tuple[tuple[datetime, int], ...]:
    """The offsets of ``tz`` from UTC within a window, in seconds, each with the instant it ends."""
    found: list[tuple[datetime, int]] = []
    at, offset = of.start, _offset(of.start, tz)
    while at < of.end:
        following = min(at + timedelta(days=1), of.end)
        if _offset(following, tz) != offset:
            change = _change(at, following, tz)
            found.append((change, offset))
            offset, following = _offset(change, tz), change
        at = following
    return (*found, (of.end, offset))


def _offset(at: datetime, tz: ZoneInfo) -> int:
    return int((at.astimezone(tz).utcoffset() or timedelta()).total_seconds())


def _change(before: datetime, after: datetime, tz: ZoneInfo) -> datetime:
    """The first whole second in ``(before, after]`` that has the offset of ``after``."""
    offset = _offset(after, tz)
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(before + timedelta(seconds=middle), tz) == offset:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)


# --- visits --------------------------------------------------------------------------------------


def _visits(facts: Table, person: ColumnElement[str]) -> Select[Any]:
    return within(facts, _local_hour(facts.c.at).label("hour"), person.label("person")).where(
        person != NOBODY, person != posts.c.author_id
    )


_EACH = once(union(_visits(views, views.c.viewer_id), _visits(reactions, reactions.c.actor_id)))
_WEEK = _number(WEEK)
_CELL = (_EACH.c.hour % _WEEK).label("cell")
_CELLS = select(
    _EACH.c.author_id,
    _CELL,
    func.count().label("visits"),
    _number(0).label("people"),
    _number(0).label("weeks"),
).group_by(_EACH.c.author_id, _CELL)
_WHOLE = select(
    _EACH.c.author_id,
    null().label("cell"),
    func.count(),
    func.count(_EACH.c.person.distinct()),
    func.count((_EACH.c.hour // _WEEK).distinct()),
).group_by(_EACH.c.author_id)
_PRESENCE = select(union_all(_CELLS, _WHOLE).subquery())
"""At most 169 rows an author: the database keeps the people apart, and hands over numbers only."""


# --- delays --------------------------------------------------------------------------------------


def _delay() -> ColumnElement[Any]:
    """Whole hours from a post to a reaction."""
    return (seconds(reactions.c.at) - seconds(posts.c.published_at)) // _number(_HOUR)


_DELAY = _delay().label("delay")
_SOON = (
    reactions.c.actor_id != posts.c.author_id,
    reactions.c.at >= posts.c.published_at,
    reactions.c.at < later(posts.c.published_at, DAY),
)
_OWN_DELAYS = (
    within(reactions, _DELAY, func.count()).where(*_SOON).group_by(posts.c.author_id, _DELAY)
)
_LATEST = (
    select(posts.c.id)
    .where(posts.c.published_at < bindparam("before"))
    .order_by(posts.c.published_at.desc(), posts.c.id)
    .limit(_SAMPLE)
)
_SITE_DELAYS = (
    select(_DELAY, func.count())
    .join_from(posts, reactions, reactions.c.post_id == posts.c.id)
    .where(among(posts.c.id, "posts"), *_SOON)
    .group_by(_DELAY)
)


def _add_delays(session: Session, batch: Batch, found: dict[str, Presence]) -> None:
    """How soon reactions come: to the author's posts or, where those are few, to the site's."""
    clock = _clock(batch)
    own: dict[str, list[tuple[int, int]]] = {user: [] for user in found}
    asked = {"users": list(found), "start": clock["start"], "end": clock["end"]}
    for author, delay, count in fetch(session, _OWN_DELAYS, **asked):
        own[author].append((delay, count))
    for author, one in found.items():
        one.delays = _shares(own[author]) or _of_site(session, batch) or one.delays


def _of_site(session: Session, batch: Batch) -> tuple[float, ...] | None:
    """The delays of the whole site, from its latest posts that a day had passed over."""
    key = ("delays", batch.period)
    if key not in batch.site:
        monday = datetime.combine(batch.period.monday, time(), UTC)
        latest = fetch(session, _LATEST, before=monday - timedelta(hours=DAY))
        batch.site[key] = _shares(fetch(session, _SITE_DELAYS, posts=[id_ for (id_,) in latest]))
    found: tuple[float, ...] | None = batch.site[key]
    return found


def _shares(counts: Iterable[Any]) -> tuple[float, ...] | None:
    """The share of reactions by delay in hours; None where they are too few."""
    by_hour = [0] * DAY
    for delay, count in counts:
        by_hour[min(delay, DAY - 1)] += count
    total = sum(by_hour)
    return tuple(count / total for count in by_hour) if total >= DELAYS_FROM else None
