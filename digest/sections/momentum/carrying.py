"""People who came to the author's posts through others: by a repost, or without following.

A person came the way of their first view of the week. If that was by a repost, they are counted
with whoever of the people they followed at the time had reposted the post last. Where they followed
none, and only one other person had reposted it, and nothing is known of who follows that person, it
is that person; else nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, or_, select
from sqlmodel import Session

from digest.database import among, fetch, once
from digest.facts import Batch, posts, span, users, views, within
from digest.facts.reposts import sources
from digest.facts.weeks import author_weeks
from digest.models import NOBODY, Follow, table

LEAST = 10
"""So many people must have come through others; and so many followers make followers known."""
NAMED_FROM = 10
"""A reposter is named who brought at least so many people: no smaller group is described."""
BY_REPOST = "repost"

_follows = table(Follow)


@dataclass(slots=True)
class Carried:
    """Of ``of`` viewers, ``people`` came through others and ``reposts`` of them by a repost.

    ``follows``: the author's followers are known, so that people who do not follow are counted.
    ``brought`` came by the repost of ``reposter``.
    """

    of: int
    people: int
    reposts: int
    follows: bool
    reposter: str = ""
    brought: int = 0


_NAMED_OTHERS = (views.c.viewer_id != posts.c.author_id, views.c.viewer_id != NOBODY)
_FIRST = (
    within(
        views,
        views.c.viewer_id,
        func.min(views.c.at).label("at"),
        func.min(case((views.c.via == BY_REPOST, views.c.at))).label("reposted"),
    )
    .where(*_NAMED_OTHERS)
    .group_by(posts.c.author_id, views.c.viewer_id)
    .subquery()
)
_FOLLOWS = (
    select(_follows.c.follower_id)
    .where(
        _follows.c.followee_id == _FIRST.c.author_id,
        _follows.c.follower_id == _FIRST.c.viewer_id,
        _follows.c.since <= _FIRST.c.at,
        or_(_follows.c.until.is_(None), _follows.c.until > _FIRST.c.at),
    )
    .exists()
)
_REPOSTED = _FIRST.c.reposted == _FIRST.c.at
_CARRIED = select(
    _FIRST.c.author_id,
    func.count(),
    func.sum(case((_REPOSTED, 1), else_=0)),
    func.sum(case((_REPOSTED, 1), (among(_FIRST.c.author_id, "followed") & ~_FOLLOWS, 1), else_=0)),
).group_by(_FIRST.c.author_id)
_MANY_FOLLOWERS = (
    select(_follows.c.follower_id)
    .where(_follows.c.followee_id == users.c.id)
    .distinct()
    .limit(1)
    .offset(LEAST - 1)
    .exists()
)
_FOLLOWERS = select(users.c.id).where(among(users.c.id, "users"), _MANY_FOLLOWERS)

_IN_ORDER = (views.c.at, case((views.c.via == BY_REPOST, 0), else_=1), views.c.post_id)
_WAYS = (
    within(
        views,
        views.c.post_id,
        views.c.viewer_id,
        views.c.at,
        views.c.via,
        func.row_number()
        .over(partition_by=(posts.c.author_id, views.c.viewer_id), order_by=_IN_ORDER)
        .label("place"),
    )
    .where(*_NAMED_OTHERS)
    .subquery()
)
# PostgreSQL guesses that a third of all rows are "less than 2", and next to none are "1": with so
# few in mind it compared each of them with each follow.
_CAME = once(select(_WAYS).where(_WAYS.c.place < 2, _WAYS.c.via == BY_REPOST), "came")
_SOURCES = sources(_CAME)
_FOLLOWED_BY_SOME = (
    select(_follows.c.follower_id).where(_follows.c.followee_id == _SOURCES.c.only).exists()
)
_SOURCE = func.coalesce(_SOURCES.c.followed, case((~_FOLLOWED_BY_SOME, _SOURCES.c.only)))
_BROUGHT = (
    select(_SOURCES.c.author_id, users.c.name, func.count().label("people"))
    .join_from(_SOURCES, users, users.c.id == _SOURCE)
    .where(users.c.name != "")
    .group_by(_SOURCES.c.author_id, users.c.id, users.c.name)
    .having(func.count() >= NAMED_FROM)
    .order_by(_SOURCES.c.author_id, func.count().desc(), users.c.id)
)


def load(session: Session, batch: Batch) -> dict[str, Carried]:
    """Authors whose viewers are known, and through whom these came."""
    weeks = batch.fact(session, author_weeks)
    seen = [u for u, week in weeks.items() if week.metric == "reach" and (week.reach or 0) >= LEAST]
    if not seen:
        return {}
    followed = {user for (user,) in fetch(session, _FOLLOWERS, users=seen)}
    found = {}
    asked = {"users": seen, "followed": list(followed), **span(batch.window)}
    for author, of, reposts, people in fetch(session, _CARRIED, **asked):
        found[author] = Carried(of, people, reposts, author in followed)
    spread = [user for user, one in found.items() if one.reposts >= NAMED_FROM]
    rows = fetch(session, _BROUGHT, users=spread, **span(batch.window)) if spread else []
    for author, name, people in rows:
        if not found[author].reposter:
            found[author].reposter, found[author].brought = name, people
    return found


def build(carried: Carried, batch: Batch) -> dict[str, Any] | None:
    """How many, and who brought most; None for few, and where it would say: no follower came."""
    del batch  # the same in any week
    if carried.people < LEAST or carried.people == carried.of:
        return None
    named = {"name": carried.reposter, "people": carried.brought}
    return {
        "people": carried.people,
        "of": carried.of,
        "reposts": carried.reposts,
        "follows": carried.follows,
        "reposter": named if carried.reposter else None,
    }
