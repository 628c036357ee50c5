"""An author's week in figures: totals over all posts, by day, and of people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Table, bindparam, case, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import (
    Batch,
    anonymous_views,
    beginnings,
    bounds,
    counted,
    counters,
    posts,
    reactions,
    slot,
    span,
    views,
    within,
)
from digest.facts.logged import logged_since
from digest.facts.weeks.best import PostWeek, add_people, add_words, ahead, leading
from digest.models import NOBODY, ReactionType
from digest.window import Window

Metric = Literal["reach", "views", "reactions"]
BEFORE = timedelta(days=28)
"""Who did not see a post for so long sees one for the first time."""


@dataclass(slots=True)
class AuthorWeek:
    """One author's week: totals over all posts, and the best posts with their words.

    ``read``: counters were read, ``acts_read`` those of reactions. ``first_read``: one for the
    first time, which is a total and not a week's figure.
    """

    views: int | None = None
    anonymous: int = 0
    reach: int | None = None
    new_people: int | None = None
    days: list[int] | None = None
    reactions: int = 0
    reactors: int | None = None
    active: int = 0
    read: bool = False
    acts_read: bool = False
    first_read: bool = False
    top: list[PostWeek] = field(default_factory=list)

    @property
    def metric(self) -> Metric:
        """What the headline counts: people where viewers are mostly known, else displays."""
        if not self.views:
            return "reactions"
        return "reach" if self.reach and self.anonymous * 2 <= self.views else "views"

    @property
    def count(self) -> int:
        """The total in that unit."""
        return getattr(self, self.metric) or 0

    @property
    def known(self) -> bool:
        """Something is known to have happened in this week."""
        return bool(self.views or self.reactions)

    @property
    def quiet(self) -> bool:
        """Nothing happened, as far as the data tells; a first reading of counters tells nothing."""
        return not self.known and not self.first_read


def author_weeks(session: Session, batch: Batch) -> dict[str, AuthorWeek]:
    """Every author of the batch who had any activity in the window."""
    found: dict[str, dict[str, PostWeek]] = defaultdict(dict)
    _add_views(session, batch, found)
    _add_reactions(session, batch, found)
    gained, readings = _add_counters(session, batch, found)
    weeks = {author: _sum(mine.values()) for author, mine in found.items()}
    for author, kind in readings:
        setattr(weeks.setdefault(author, AuthorWeek()), kind, True)
    _add_days(session, batch, weeks, gained)
    _add_audience(session, batch, weeks)
    top = {post.id: post for week in weeks.values() for post in week.top}
    add_words(session, top)
    for week in weeks.values():
        week.top = leading(week.top, by_views=bool(week.views))
    add_people(session, batch, {post.id: post for w in weeks.values() for post in w.top})
    return weeks


_KEY = (posts.c.author_id, posts.c.id)
_NOT_OWN_VIEW = views.c.viewer_id != posts.c.author_id
_NOT_OWN_REACTION = reactions.c.actor_id != posts.c.author_id


def _per_post(facts: Table, *columns: ColumnElement[Any]) -> Select[Any]:
    """What happened to each post."""
    return within(facts, posts.c.id, *columns).group_by(*_KEY)


_NAMED_VIEWER = case((views.c.viewer_id != NOBODY, views.c.viewer_id))
_VIEWS = _per_post(
    views, func.sum(views.c.count), anonymous_views(), func.count(_NAMED_VIEWER.distinct())
).where(_NOT_OWN_VIEW)
_REPLY = case((reactions.c.type == ReactionType.REPLY, reactions.c.count), else_=0)
_REACTIONS = _per_post(reactions, func.sum(reactions.c.count), func.sum(_REPLY)).where(
    _NOT_OWN_REACTION
)
_DAY_READ = slot(counters.c.at, 7).label("day")
_GAINS = _per_post(
    counters,
    _DAY_READ,
    *(func.sum(counters.c[f"{name}_gain"]) for name in ("views", "likes", "reposts", "replies")),
).group_by("day")


def _per_day(facts: Table, not_own: ColumnElement[bool]) -> Select[Any]:
    """How much happened on each day."""
    day = slot(facts.c.at, 7).label("day")
    counts = within(facts, day, func.sum(facts.c.count)).where(not_own)
    return counts.group_by(posts.c.author_id, "day")


_VIEWS_BY_DAY = _per_day(views, _NOT_OWN_VIEW)
_REACTIONS_BY_DAY = _per_day(reactions, _NOT_OWN_REACTION)


def _post(mine: dict[str, PostWeek], id_: str) -> PostWeek:
    if id_ not in mine:
        mine[id_] = PostWeek(id_)
    return mine[id_]


def _add_views(session: Session, batch: Batch, found: dict[str, dict[str, PostWeek]]) -> None:
    """Logged displays: their number, and how many named people they went to."""
    rows = fetch(session, _VIEWS, users=batch.users, **span(batch.window))
    for author, id_, total, nobody, reach in rows:
        found[author][id_] = PostWeek(id_, total, nobody, reach or None)


def _add_reactions(session: Session, batch: Batch, found: dict[str, dict[str, PostWeek]]) -> None:
    """Public acts, and how many of them are replies."""
    rows = fetch(session, _REACTIONS, users=batch.users, **span(batch.window))
    for author, id_, acts, replies in rows:
        post = _post(found[author], id_)
        post.reactions, post.replies = acts, replies


_Days = dict[str, dict[str, dict[int, int]]]


def _add_counters(
    session: Session, batch: Batch, found: dict[str, dict[str, PostWeek]]
) -> tuple[_Days, set[tuple[str, str]]]:
    """Gains of counters, for posts without events of that kind in this week.

    Returns the gained views by author, post and day, and which kinds of readings authors had.
    """
    logged = {(id_, "views") for mine in found.values() for id_, post in mine.items() if post.views}
    logged |= {(id_, "acts") for mine in found.values() for id_, p in mine.items() if p.reactions}
    gained: _Days = defaultdict(lambda: defaultdict(dict))
    readings: set[tuple[str, str]] = set()
    users_ = counted(session, batch)
    if not users_:
        return gained, readings
    rows = fetch(session, _GAINS, users=users_, **span(batch.window), **bounds(batch.days))
    for author, id_, n, seen, likes, reposts, replies in rows:
        readings.add((author, "read"))
        if not (likes is reposts is replies is None):
            readings.add((author, "acts_read"))
        elif seen is None:
            readings.add((author, "first_read"))
        if seen is not None and (id_, "views") not in logged:
            post = _post(found[author], id_)
            post.views = post.anonymous = (post.views or 0) + seen
            gained[author][id_][n] = seen
        if (likes or reposts or replies) and (id_, "acts") not in logged:
            post = _post(found[author], id_)
            post.reactions += (likes or 0) + (reposts or 0) + (replies or 0)
            post.replies += replies or 0
    return gained, readings


def _sum(mine: Collection[PostWeek]) -> AuthorWeek:
    """An author's totals, and the posts that may lead."""
    seen = [post for post in mine if post.views is not None]
    week = AuthorWeek(reactions=sum(post.reactions for post in mine))
    if seen:
        week.views = sum(post.views or 0 for post in seen)
        week.anonymous = sum(post.anonymous for post in seen)
    week.active = sum(1 for post in mine if post.views or post.reactions)
    week.top = ahead(mine, by_views=bool(week.views))
    return week


def _add_days(session: Session, batch: Batch, weeks: dict[str, AuthorWeek], gained: _Days) -> None:
    """The shape of the week: views by day or, where there are none, reactions by day.

    A counter can say what a day gained only if it was read on every day.
    """
    for by_day, viewed in ((_VIEWS_BY_DAY, True), (_REACTIONS_BY_DAY, False)):
        users_ = [user for user, week in weeks.items() if bool(week.views) == viewed]
        rows = fetch(session, by_day, users=users_, **span(batch.window), **bounds(batch.days))
        for author, n, count in rows:
            week = weeks[author]
            week.days = week.days or [0] * 7
            week.days[n] = count
    for author, by_post in gained.items():
        week = weeks[author]
        active = [by_day for by_day in by_post.values() if any(by_day.values())]
        if any(len(by_day) < 7 for by_day in active):
            week.days = None
        elif active:
            logged = week.days or [0] * 7
            week.days = [logged[n] + sum(by_day[n] for by_day in active) for n in range(7)]


_FIRST_AND_LAST = (
    within(views, func.min(views.c.at).label("first"), func.max(views.c.at).label("last"))
    .where(_NOT_OWN_VIEW, views.c.viewer_id != NOBODY)
    .group_by(posts.c.author_id, views.c.viewer_id)
    .subquery()
)
_MONDAY: ColumnElement[datetime] = bindparam("monday")
_AUDIENCE = select(
    _FIRST_AND_LAST.c.author_id,
    func.sum(case((_FIRST_AND_LAST.c.last >= _MONDAY, 1), else_=0)),
    func.sum(case((_FIRST_AND_LAST.c.first >= _MONDAY, 1), else_=0)),
    func.sum(case((_FIRST_AND_LAST.c.first < _MONDAY, 1), else_=0)),
).group_by(_FIRST_AND_LAST.c.author_id)
_REACTORS = (
    within(
        reactions,
        func.count(reactions.c.actor_id.distinct()),
        func.sum(case((reactions.c.actor_id == NOBODY, 1), else_=0)),
    )
    .where(_NOT_OWN_REACTION)
    .group_by(posts.c.author_id)
)


_FIRST_POST = (
    select(
        posts.c.author_id,
        func.min(posts.c.published_at),
        func.sum(case((posts.c.published_at.is_(None), 1), else_=0)),
    )
    .where(among(posts.c.author_id, "users"))
    .group_by(posts.c.author_id)
)


def _logged_before(session: Session, batch: Batch, authors: Sequence[str]) -> set[str]:
    """Of whom no view of the four weeks before can have been missed.

    Views of theirs, or of the site, were logged when these began or, of an author who is younger,
    at the time of the first post.
    """
    if not authors:
        return set()
    since, begin = batch.fact(session, beginnings), batch.window.start - BEFORE
    sure = {user for user in authors if (first := since[user].views) and first <= begin}
    doubtful = [user for user in authors if user not in sure]
    logged = logged_since(session, batch) if doubtful else None
    if logged is None:
        return sure
    if logged <= begin:
        return {*authors}
    rows = fetch(session, _FIRST_POST, users=doubtful)
    return sure | {user for user, first, undated in rows if not undated and first >= logged}


def _add_audience(session: Session, batch: Batch, weeks: dict[str, AuthorWeek]) -> None:
    """Distinct people per author: who saw, who saw for the first time in 28 days, who reacted."""
    start = batch.window.start
    longer = span(Window(start - BEFORE, batch.window.end))
    returned: dict[str, int] = {}
    for author, reach, new, before in fetch(
        session, _AUDIENCE, users=batch.users, monday=start, **longer
    ):
        if author in weeks and reach:
            weeks[author].reach = reach
            if before:
                returned[author] = new
    for author in _logged_before(session, batch, [user for user, new in returned.items() if new]):
        weeks[author].new_people = returned[author]
    rows = fetch(session, _REACTORS, users=batch.users, **span(batch.window))
    for author, reactors, unnamed in rows:
        weeks[author].reactors = None if unnamed else reactors
