"""The facts of a batch's week: one query per fact, whatever the number of users.

What a post's week is made from is decided here: its events where there are any, else its counters;
the two are never added. An author's own views and reactions never count. Unknown is None, not zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TypeVar, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Table, case, func, literal, select
from sqlmodel import Session

from digest import window
from digest.models import NOBODY, Counter, Post, Reaction, ReactionType, User, View, table
from digest.window import Period, Window

users, posts = table(User), table(Post)
views, reactions, counters = table(View), table(Reaction), table(Counter)

Metric = Literal["reach", "views", "reactions"]
TOP = 5
NAMED = 3
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


@dataclass(slots=True)
class PostWeek:
    """One post's figures within the window."""

    id: str
    published_at: datetime | None
    views: int | None = None
    anonymous: int = 0
    reach: int | None = None
    days: list[int] | None = None
    reactions: int = 0
    replies: int = 0
    people: list[str] = field(default_factory=list)
    replied: bool = False
    reactors: int = 0
    title: str = ""
    text: str = ""
    url: str = ""


@dataclass(slots=True)
class AuthorWeek:
    """One author's week: totals over all posts, and the best posts with their words."""

    views: int | None = None
    anonymous: int = 0
    reach: int | None = None
    new_people: int | None = None
    days: list[int] | None = None
    reactions: int = 0
    reactors: int | None = None
    active: int = 0
    top: list[PostWeek] = field(default_factory=list)

    @property
    def metric(self) -> Metric:
        """What the headline counts: people where viewers are mostly known, else displays."""
        if not self.views:
            return "reactions"
        return "reach" if self.reach and self.anonymous * 2 <= self.views else "views"

    @property
    def quiet(self) -> bool:
        """Nothing was seen and nobody reacted, as far as the data tells."""
        return not self.views and not self.reactions


def author_weeks(session: Session, batch: Batch) -> dict[str, AuthorWeek]:
    """Every author of the batch who had any activity in the window."""
    found: dict[str, dict[str, PostWeek]] = defaultdict(dict)
    _add_views(session, batch, found)
    _add_reactions(session, batch, found)
    _add_counters(session, batch, found)
    weeks = {author: _sum(list(mine.values())) for author, mine in found.items()}
    _add_audience(session, batch, weeks)
    top = {post.id: post for week in weeks.values() for post in week.top}
    _add_words(session, top)
    _add_people(session, batch, top)
    return weeks


def slot(at: ColumnElement[datetime], bounds: Sequence[datetime]) -> ColumnElement[int]:
    """Which of the half-open spans between ``bounds`` an instant falls in, counted from 0."""
    if len(bounds) == 2:
        return literal(0)
    return case(*((at < end, n) for n, end in enumerate(bounds[1:-1])), else_=len(bounds) - 2)


def within(
    facts: Table, users: Sequence[str], span: Window, *columns: ColumnElement[Any]
) -> Select[Any]:
    """Rows of ``facts`` on these authors' posts within ``span``, each with its author."""
    return (
        select(posts.c.author_id, *columns)
        .join_from(posts, facts, facts.c.post_id == posts.c.id)
        .where(posts.c.author_id.in_(users), facts.c.at >= span.start, facts.c.at < span.end)
    )


def anonymous_views() -> ColumnElement[int]:
    """How many of the views have no named viewer."""
    return func.sum(case((views.c.viewer_id == NOBODY, views.c.count), else_=0))


def _post(found: dict[str, dict[str, PostWeek]], row: Any) -> PostWeek:
    mine = found[row.author_id]
    if row.id not in mine:
        mine[row.id] = PostWeek(row.id, row.published_at)
    return mine[row.id]


_KEY = (posts.c.author_id, posts.c.id, posts.c.published_at)
_NOT_OWN_VIEW = views.c.viewer_id != posts.c.author_id
_NOT_OWN_REACTION = reactions.c.actor_id != posts.c.author_id


def _add_views(session: Session, batch: Batch, found: dict[str, dict[str, PostWeek]]) -> None:
    """Logged displays: their number by day, and how many named people they went to."""
    day = slot(views.c.at, batch.days).label("day")
    columns = (day, func.sum(views.c.count).label("views"), anonymous_views().label("nobody"))
    for row in session.execute(
        within(views, batch.users, batch.window, *_KEY[1:], *columns)
        .where(_NOT_OWN_VIEW)
        .group_by(*_KEY, day)
    ):
        post = _post(found, row)
        post.days = post.days or [0] * 7
        post.days[row.day] += row.views
        post.views = (post.views or 0) + row.views
        post.anonymous += row.nobody
    people = func.count(views.c.viewer_id.distinct()).label("reach")
    for row in session.execute(
        within(views, batch.users, batch.window, *_KEY[1:], people)
        .where(_NOT_OWN_VIEW, views.c.viewer_id != NOBODY)
        .group_by(*_KEY)
    ):
        _post(found, row).reach = row.reach


def _add_reactions(session: Session, batch: Batch, found: dict[str, dict[str, PostWeek]]) -> None:
    """Public acts, by kind."""
    columns = (reactions.c.type, func.sum(reactions.c.count).label("acts"))
    for row in session.execute(
        within(reactions, batch.users, batch.window, *_KEY[1:], *columns)
        .where(_NOT_OWN_REACTION)
        .group_by(*_KEY, reactions.c.type)
    ):
        post = _post(found, row)
        post.reactions += row.acts
        post.replies += row.acts if row.type == ReactionType.REPLY else 0


def _add_counters(session: Session, batch: Batch, found: dict[str, dict[str, PostWeek]]) -> None:
    """Gains of counters, for posts without events of that kind in this week."""
    with_views = {id_ for mine in found.values() for id_, post in mine.items() if post.views}
    with_reactions = {
        id_ for mine in found.values() for id_, post in mine.items() if post.reactions
    }
    by_day: dict[str, dict[int, int]] = defaultdict(dict)
    day = slot(counters.c.at, batch.days).label("day")
    gains = (counters.c.views_gain, counters.c.likes_gain, counters.c.reposts_gain)
    columns = [func.sum(gain).label(gain.name) for gain in (*gains, counters.c.replies_gain)]
    for row in session.execute(
        within(counters, batch.users, batch.window, *_KEY[1:], day, *columns).group_by(*_KEY, day)
    ):
        acts = [gain for gain in (row.likes_gain, row.reposts_gain, row.replies_gain) if gain]
        if row.views_gain is not None and row.id not in with_views:
            post = _post(found, row)
            post.views = post.anonymous = (post.views or 0) + row.views_gain
            by_day[row.id][row.day] = row.views_gain
            # A bar for each day needs a reading on each day.
            read = by_day[row.id]
            post.days = [read[n] for n in range(7)] if len(read) == 7 else None
        if acts and row.id not in with_reactions:
            post = _post(found, row)
            post.reactions += sum(acts)
            post.replies += row.replies_gain or 0


def _sum(mine: list[PostWeek]) -> AuthorWeek:
    """An author's totals, and the posts that lead."""
    seen = [post for post in mine if post.views is not None]
    week = AuthorWeek(reactions=sum(post.reactions for post in mine))
    if seen:
        week.views = sum(post.views or 0 for post in seen)
        week.anonymous = sum(post.anonymous for post in seen)
    daily = [post.days for post in seen if post.views]
    if daily and None not in daily:
        week.days = [sum(day) for day in zip(*cast(list[list[int]], daily), strict=True)]
    week.active = sum(1 for post in mine if post.views or post.reactions)
    week.top = leading(mine, by_views=bool(week.views))
    return week


def leading(mine: Iterable[PostWeek], *, by_views: bool) -> list[PostWeek]:
    """The posts of the main list: by views (ties: reach, reactions, newer, id), at most five.

    Where nothing is known of views, by reactions. A post with none is not listed.
    """

    def rank(post: PostWeek) -> tuple[Any, ...]:
        first = post.views if by_views else post.reactions
        age = -post.published_at.timestamp() if post.published_at else 0.0
        return (-(first or 0), -(post.reach or 0), -post.reactions, age, post.id)

    listed = [post for post in mine if (post.views if by_views else post.reactions)]
    return sorted(listed, key=rank)[:TOP]


def _add_audience(session: Session, batch: Batch, weeks: dict[str, AuthorWeek]) -> None:
    """Distinct people per author: who saw, who saw for the first time in 28 days, who reacted."""
    start = batch.window.start
    four_weeks = Window(start - timedelta(days=28), batch.window.end)
    seen = (
        within(
            views,
            batch.users,
            four_weeks,
            func.min(views.c.at).label("first"),
            func.max(views.c.at).label("last"),
        )
        .where(_NOT_OWN_VIEW, views.c.viewer_id != NOBODY)
        .group_by(posts.c.author_id, views.c.viewer_id)
        .subquery()
    )
    for author, reach, new, before in session.execute(
        select(
            seen.c.author_id,
            func.sum(case((seen.c.last >= start, 1), else_=0)),
            func.sum(case((seen.c.first >= start, 1), else_=0)),
            func.sum(case((seen.c.first < start, 1), else_=0)),
        ).group_by(seen.c.author_id)
    ):
        if author in weeks and reach:
            weeks[author].reach = reach
            weeks[author].new_people = new if before else None
    actors = func.count(reactions.c.actor_id.distinct())
    for author, reactors in session.execute(
        within(reactions, batch.users, batch.window, actors)
        .where(reactions.c.actor_id != NOBODY, _NOT_OWN_REACTION)
        .group_by(posts.c.author_id)
    ):
        weeks[author].reactors = reactors


def _add_words(session: Session, top: dict[str, PostWeek]) -> None:
    """Titles, texts and addresses, of the posts that are shown only."""
    columns = (posts.c.id, posts.c.title, posts.c.text, posts.c.url)
    for row in session.execute(select(*columns).where(posts.c.id.in_(list(top)))):
        post = top[row.id]
        post.title, post.text, post.url = row.title, row.text, row.url


def _add_people(session: Session, batch: Batch, top: dict[str, PostWeek]) -> None:
    """Who reacted in public: repliers first, then in order of time. Viewers are never named."""
    replied = func.max(case((reactions.c.type == ReactionType.REPLY, 1), else_=0))
    first = func.min(reactions.c.at)
    acts = (
        select(
            reactions.c.post_id,
            users.c.name,
            replied.label("replied"),
            func.row_number()
            .over(
                partition_by=reactions.c.post_id,
                order_by=(replied.desc(), first, reactions.c.actor_id),
            )
            .label("place"),
            func.count().over(partition_by=reactions.c.post_id).label("reactors"),
        )
        .join_from(reactions, posts, posts.c.id == reactions.c.post_id)
        .join(users, users.c.id == reactions.c.actor_id)
        .where(
            reactions.c.post_id.in_(list(top)),
            reactions.c.at >= batch.window.start,
            reactions.c.at < batch.window.end,
            _NOT_OWN_REACTION,
        )
        .group_by(reactions.c.post_id, reactions.c.actor_id, users.c.name)
        .subquery()
    )
    for row in session.execute(
        select(acts).where(acts.c.place <= NAMED).order_by(acts.c.post_id, acts.c.place)
    ):
        post = top[row.post_id]
        post.reactors = row.reactors
        if not post.people:
            post.replied = bool(row.replied)
        if bool(row.replied) == post.replied:
            post.people.append(row.name)
