"""People who came to the author's posts through others: by a repost, or without following.

A person came the way of their first view of the week. Whoever that view came to by a repost is
counted with the latest person whose repost they can have seen: who had reposted that post before,
and whom they followed at the time. Where they followed none of them, and only one person had
reposted it, and nothing is known of who follows that person, it is that person; else nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch, posts, reactions, span, users, views, within
from digest.models import NOBODY, Follow, ReactionType, table
from digest.weeks import author_weeks

LEAST = 10
"""So many people must have come through others; and so many followers make followers known."""
NAMED_FROM = 5
"""A reposter is named who brought at least so many people."""
REPOSTERS = 100
"""Of a post that more people reposted, only the last hundred are looked at."""
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


def _followed(
    who: ColumnElement[str], by: ColumnElement[str], at: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Did ``by`` follow ``who`` at that instant?"""
    return and_(
        _follows.c.followee_id == who,
        _follows.c.follower_id == by,
        _follows.c.since <= at,
        or_(_follows.c.until.is_(None), _follows.c.until > at),
    )


_FOLLOWS = (
    select(_follows.c.follower_id)
    .where(_followed(_FIRST.c.author_id, _FIRST.c.viewer_id, _FIRST.c.at))
    .exists()
)
_REPOSTED = _FIRST.c.reposted == _FIRST.c.at
_CARRIED = select(
    _FIRST.c.author_id,
    func.count(),
    func.sum(case((_REPOSTED, 1), else_=0)),
    func.sum(case((or_(_REPOSTED, ~_FOLLOWS), 1), else_=0)),
).group_by(_FIRST.c.author_id)
_FOLLOWERS = (
    select(_follows.c.followee_id)
    .where(among(_follows.c.followee_id, "users"))
    .group_by(_follows.c.followee_id)
    .having(func.count(_follows.c.follower_id.distinct()) >= LEAST)
)

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
_CAME = select(_WAYS).where(_WAYS.c.place == 1, _WAYS.c.via == BY_REPOST).cte("came")
_FIRST_REPOSTS = (
    select(reactions.c.post_id, reactions.c.actor_id, func.min(reactions.c.at).label("at"))
    .join(posts, posts.c.id == reactions.c.post_id)
    .where(
        reactions.c.post_id.in_(select(_CAME.c.post_id)),
        reactions.c.type == ReactionType.REPOST,
        reactions.c.at < bindparam("end"),
        reactions.c.actor_id != posts.c.author_id,
    )
    .group_by(reactions.c.post_id, reactions.c.actor_id)
    .subquery()
)
_OF_POST = _FIRST_REPOSTS.c.post_id
_BY_TIME = (_FIRST_REPOSTS.c.at, _FIRST_REPOSTS.c.actor_id)
_REPOSTS = select(
    _FIRST_REPOSTS,
    func.row_number().over(partition_by=_OF_POST, order_by=_BY_TIME).label("place"),
    func.lead(_FIRST_REPOSTS.c.at).over(partition_by=_OF_POST, order_by=_BY_TIME).label("next"),
    func.count().over(partition_by=_OF_POST).label("number"),
).cte("reposts")
_KNOWN_FOLLOWERS = (
    select(_follows.c.follower_id).where(_follows.c.followee_id == _REPOSTS.c.actor_id).exists()
)
_ONLY_ONE = and_(
    _REPOSTS.c.place == 1, or_(_REPOSTS.c.next.is_(None), _REPOSTS.c.next > _CAME.c.at)
)
_FOLLOWED_REPOSTER = _followed(_REPOSTS.c.actor_id, _CAME.c.viewer_id, _CAME.c.at)
_CAN_HAVE_SEEN = (
    select(
        _CAME.c.author_id,
        _CAME.c.viewer_id,
        _REPOSTS.c.actor_id,
        func.row_number()
        .over(
            partition_by=(_CAME.c.author_id, _CAME.c.viewer_id),
            order_by=(_REPOSTS.c.at.desc(), _REPOSTS.c.actor_id),
        )
        .label("place"),
    )
    .join(
        _REPOSTS,
        and_(
            _REPOSTS.c.post_id == _CAME.c.post_id,
            _REPOSTS.c.at <= _CAME.c.at,
            _REPOSTS.c.actor_id != _CAME.c.viewer_id,
            _REPOSTS.c.place > _REPOSTS.c.number - REPOSTERS,
        ),
    )
    .where(
        or_(
            select(_follows.c.follower_id).where(_FOLLOWED_REPOSTER).exists(),
            and_(_ONLY_ONE, ~_KNOWN_FOLLOWERS),
        )
    )
    .subquery()
)
_BROUGHT = (
    select(_CAN_HAVE_SEEN.c.author_id, users.c.name, func.count().label("people"))
    .join(users, users.c.id == _CAN_HAVE_SEEN.c.actor_id)
    .where(_CAN_HAVE_SEEN.c.place == 1, users.c.name != "")
    .group_by(_CAN_HAVE_SEEN.c.author_id, users.c.id, users.c.name)
    .having(func.count() >= NAMED_FROM)
    .order_by(_CAN_HAVE_SEEN.c.author_id, func.count().desc(), users.c.id)
)


def load(session: Session, batch: Batch) -> dict[str, Carried]:
    """Authors whose viewers are known, and through whom these came."""
    weeks = batch.fact(session, author_weeks)
    seen = [u for u, week in weeks.items() if week.metric == "reach" and (week.reach or 0) >= LEAST]
    if not seen:
        return {}
    followed = {user for (user,) in fetch(session, _FOLLOWERS, users=seen)}
    found = {}
    for author, of, reposts, others in fetch(session, _CARRIED, users=seen, **span(batch.window)):
        known = author in followed
        found[author] = Carried(of, others if known else reposts, reposts, known)
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
