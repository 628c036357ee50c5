"""Who of an author's followers the posts of four weeks reached.

A follower of a post is somebody who followed its author when it was published: whoever came later
or had left before is none, however the list looks today. Views before the publication of a post do
not exist, as in judgements.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch, later
from digest.facts import Batch, posts, views
from digest.facts.judgements import HOURS, Judged, careers
from digest.models import NOBODY, Follow, table

WEEKS = 4
"""How many weeks, this one the last, a following is looked at."""
LEAST_PEOPLE = 10
"""Of fewer people nothing is told (followers, those reached, regulars, viewers), nor counted."""
HABITS_FROM = 4
"""So many posts show a habit."""

_ALWAYS, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_follows = table(Follow)


@dataclass(slots=True)
class Reached:
    """Of one post: its followers, who of them saw it, and who did in its first 48 hours.

    ``anonymous`` of its views have no named viewer, so that the others are not all. Followers are
    counted only where enough of them saw the author's posts.
    """

    followers: int = 0
    ever: int = 0
    early: int = 0
    anonymous: int = 0


@dataclass(slots=True)
class Following:
    """An author's posts that completed the age of comparison in these weeks, newest first.

    ``reached`` is of those of them whose views are known. ``people`` says how many viewers saw so
    many of the posts, and how many of those had followed one when it was published.
    """

    posts: list[Judged] = field(default_factory=list)
    reached: dict[str, Reached] = field(default_factory=dict)
    people: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Every viewer of every post has a name."""
        return len(self.reached) == len(self.posts) and not any(
            one.anonymous for one in self.reached.values()
        )

    @property
    def union(self) -> int:
        """Followers who saw at least one of the posts; each counts once."""
        return sum(followers for _, followers in self.people.values())

    @property
    def average(self) -> float:
        """Followers at the time of a post, on average over the posts."""
        return sum(one.followers for one in self.reached.values()) / (len(self.reached) or 1)

    @property
    def enough(self) -> bool:
        """Whether as many followers as are told of can have seen a post, or all together."""
        return sum(one.ever for one in self.reached.values()) >= LEAST_PEOPLE

    def regulars(self) -> int:
        """Viewers, followers or not, of at least half of the posts."""
        return sum(n for seen, (n, _) in self.people.items() if 2 * seen >= len(self.posts))


def followings(session: Session, batch: Batch) -> dict[str, Following]:
    """The following of every author of the batch with a post in these weeks."""
    first = window.week(batch.period.shift(1 - WEEKS), batch.tz).start - timedelta(hours=HOURS)
    found = {
        author: Following([post for post in career.judged if post.published_at >= first])
        for author, career in batch.fact(session, careers).items()
    }
    found = {author: following for author, following in found.items() if following.posts}
    _add_reached(session, batch, found)
    _add_people(session, batch, found)
    return found


_followed: ColumnElement[bool] = and_(
    _follows.c.followee_id == posts.c.author_id,
    _follows.c.follower_id != posts.c.author_id,
    _follows.c.since <= posts.c.published_at,
    or_(_follows.c.until.is_(None), _follows.c.until > posts.c.published_at),
)
_written = (
    select(
        posts.c.author_id,
        func.min(posts.c.published_at).label("first"),
        func.max(posts.c.published_at).label("last"),
    )
    .where(among(posts.c.id, "posts"))
    .group_by(posts.c.author_id)
    .subquery()
)
_periods = (
    select(
        _follows.c.followee_id,
        case((_follows.c.since > _written.c.first, _follows.c.since)).label("since"),
        case((_follows.c.until <= _written.c.last, _follows.c.until)).label("until"),
        case(
            (
                func.count().over(partition_by=(_follows.c.followee_id, _follows.c.follower_id))
                > 1,
                _follows.c.follower_id,
            )
        ).label("again"),
    )
    .join_from(_written, _follows, _follows.c.followee_id == _written.c.author_id)
    .where(
        _follows.c.follower_id != _written.c.author_id,
        _follows.c.since <= _written.c.last,
        or_(_follows.c.until.is_(None), _follows.c.until > _written.c.first),
    )
    .subquery()
)
_FOLLOWED = select(_periods, func.count()).group_by(*_periods.c)
"""When people followed the authors of the ``posts``: those who were there from the first to the
last are one row, and only who came ``again`` has rows of their own."""


def _viewed(*columns: ColumnElement[Any]) -> Select[Any]:
    """Views of the given ``posts`` up to ``end``, and the follow of a viewer who was a follower."""
    seen = and_(
        views.c.post_id == posts.c.id,
        views.c.at >= posts.c.published_at,
        views.c.at < bindparam("end"),
    )
    follow = and_(_followed, _follows.c.follower_id == views.c.viewer_id)
    return (
        select(*columns)
        .select_from(posts)
        .join(views, seen)
        .outerjoin(_follows, follow)
        .where(among(posts.c.id, "posts"), views.c.viewer_id != posts.c.author_id)
    )


_in_time = views.c.at < later(posts.c.published_at, HOURS)
_REACHED = _viewed(
    posts.c.id,
    func.count(_follows.c.follower_id.distinct()),
    func.count(case((_in_time, _follows.c.follower_id)).distinct()),
    func.sum(case((views.c.viewer_id == NOBODY, 1), else_=0)),
).group_by(posts.c.id)


def _add_reached(session: Session, batch: Batch, found: dict[str, Following]) -> None:
    """What each post reached, if anything is known of its viewers."""
    for following in found.values():
        known = (post.id for post in following.posts if post.reach is not None)
        following.reached = {id_: Reached() for id_ in known}
    by_id = {id_: one for following in found.values() for id_, one in following.reached.items()}
    rows = fetch(session, _REACHED, posts=list(by_id), end=batch.window.end)
    for id_, ever, early, anonymous in rows:
        one = by_id[id_]
        one.ever, one.early, one.anonymous = ever, early, anonymous
    close = {author: following for author, following in found.items() if following.enough}
    ids = [id_ for following in close.values() for id_ in following.reached]
    for author, followers in _followers(session, ids).items():
        for post in close[author].posts:
            if post.id in by_id:
                by_id[post.id].followers = followers.at(post.published_at)


class _Followers:
    """How many followed somebody at any instant, counted by when they came and left."""

    def __init__(self) -> None:
        self._changes: Counter[datetime] = Counter()
        self._until: dict[str, datetime] = {}

    def add(self, since: datetime, until: datetime, again: str | None, number: int) -> None:
        """People of one period; of those of one person, who counts once, the earlier first."""
        if again is not None:
            since = max(since, self._until.get(again, since))
            self._until[again], number = max(since, until), 1
        if since < until:
            self._changes[since] += number
            self._changes[until] -= number

    @cached_property
    def _numbers(self) -> tuple[list[datetime], list[int]]:
        instants = sorted(self._changes)
        return instants, [*accumulate((self._changes[at] for at in instants), initial=0)]

    def at(self, instant: datetime) -> int:
        """How many followed then."""
        instants, numbers = self._numbers
        return numbers[bisect_right(instants, instant)]


def _followers(session: Session, ids: list[str]) -> dict[str, _Followers]:
    """The followers of the authors of these posts, from the first of them to the last."""
    found: dict[str, _Followers] = defaultdict(_Followers)
    rows = [
        (since or _ALWAYS, until or _NEVER, author, again, number)
        for author, since, until, again, number in fetch(session, _FOLLOWED, posts=ids)
    ]
    for since, until, author, again, number in sorted(rows, key=itemgetter(0)):
        found[author].add(since, until, again, number)
    return found


_viewers = (
    _viewed(
        posts.c.author_id,
        func.count(posts.c.id.distinct()).label("seen"),
        func.count(_follows.c.follower_id).label("followed"),
    )
    .where(views.c.viewer_id != NOBODY)
    .group_by(posts.c.author_id, views.c.viewer_id)
    .subquery()
)
_PEOPLE = select(
    _viewers.c.author_id,
    _viewers.c.seen,
    func.count(),
    func.sum(case((_viewers.c.followed > 0, 1), else_=0)),
).group_by(_viewers.c.author_id, _viewers.c.seen)


def _add_people(session: Session, batch: Batch, found: dict[str, Following]) -> None:
    """How many people saw how many posts; only of authors all of whose viewers are known."""
    ids = [
        post.id
        for following in found.values()
        if following.known and (following.enough or len(following.posts) >= HABITS_FROM)
        for post in following.posts
    ]
    for author, seen, *people in fetch(session, _PEOPLE, posts=ids, end=batch.window.end):
        found[author].people[seen] = (people[0], people[1])
