"""By whose repost people came: worked out once for all of them, not anew for each.

Somebody who came by a repost came by the latest of the people they followed then who had reposted
the post, or, where they followed none of them, by the only other person who had.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    func,
    literal,
    or_,
    select,
    union_all,
)

from digest.database import once
from digest.facts import posts, reactions
from digest.models import Follow, ReactionType, table

_follows = table(Follow)

_NOT_ALONE = 3
"""So many people at the first reposts are two others, whoever of them looks."""
_FEW = 32
"""Of a post with so many reposts each is looked up under each person who came; of one with more the
followers of all who reposted it are read once."""


def sources(came: CTE, *allowed: ColumnElement[bool]) -> CTE:
    """Of all that ``came`` the person ``followed`` and the ``only`` other one, or None.

    ``came`` has columns ``author_id``, ``post_id``, ``viewer_id`` and ``at``, and each row once.
    Only ``allowed`` reposts are looked at, never the author's. Who came by nobody is left out.
    """
    of_post = func.count().over(partition_by=reactions.c.post_id).label("of_post")
    reposts = once(
        select(reactions.c.post_id, reactions.c.actor_id, reactions.c.at, of_post)
        .join_from(posts, reactions, reactions.c.post_id == posts.c.id)
        .where(
            posts.c.id.in_(select(came.c.post_id)),
            reactions.c.type == ReactionType.REPOST,
            reactions.c.actor_id != posts.c.author_id,
            *allowed,
        ),
        "reposts",
    )
    only, latest = _only(came, reposts), _latest(came, reposts)
    both = union_all(
        select(*_row(only), literal(None, String).label("followed"), only.c.only),
        select(*_row(latest), latest.c.followed, literal(None, String)).where(latest.c.place == 1),
    ).subquery()
    return (
        select(
            both.c.author_id,
            both.c.viewer_id,
            func.max(both.c.followed).label("followed"),
            func.max(both.c.only).label("only"),
        )
        .group_by(*_row(both))
        .cte("sources")
    )


def _row(of: FromClause) -> tuple[ColumnElement[Any], ...]:
    """What tells one row of those who came from another."""
    return of.c.author_id, of.c.post_id, of.c.viewer_id, of.c.at


def _only(came: CTE, reposts: CTE) -> CTE:
    """Who alone had reposted, but for who came: the first people of each post say that."""
    people = (
        select(reposts.c.post_id, reposts.c.actor_id, func.min(reposts.c.at).label("at"))
        .group_by(reposts.c.post_id, reposts.c.actor_id)
        .subquery()
    )
    place = func.row_number().over(
        partition_by=people.c.post_id, order_by=(people.c.at, people.c.actor_id)
    )
    placed = select(people, place.label("place")).subquery()
    first = select(placed).where(placed.c.place <= _NOT_ALONE).cte("first_reposts")
    one = func.min(first.c.actor_id)
    return (
        select(*_row(came), one.label("only"))
        .join_from(
            came,
            first,
            and_(
                first.c.post_id == came.c.post_id,
                first.c.at <= came.c.at,
                first.c.actor_id != came.c.viewer_id,
            ),
        )
        .group_by(*_row(came))
        .having(one == func.max(first.c.actor_id))
        .cte("only_ones")
    )


def _latest(came: CTE, reposts: CTE) -> CTE:
    """Whom they followed of the reposters, the latest; of two at once the first by id."""
    known = union_all(_under_each(came, reposts), _among_all(came, reposts)).subquery()
    order = func.row_number().over(
        partition_by=_row(known), order_by=(known.c.reposted.desc(), known.c.followed)
    )
    return select(known, order.label("place")).cte("latest")


def _followed(follows: FromClause, who: FromClause) -> ColumnElement[bool]:
    """That ``who`` followed when they came."""
    return and_(
        follows.c.follower_id == who.c.viewer_id,
        follows.c.since <= who.c.at,
        or_(follows.c.until.is_(None), follows.c.until > who.c.at),
    )


def _before(reposts: FromClause, who: FromClause) -> ColumnElement[bool]:
    """That it is a repost by somebody else of the post, before they came to it."""
    return and_(
        reposts.c.post_id == who.c.post_id,
        reposts.c.at <= who.c.at,
        reposts.c.actor_id != who.c.viewer_id,
    )


def _under_each(came: CTE, reposts: CTE) -> Select[Any]:
    """The reposters whom they followed, of posts with few reposts."""
    return (
        select(*_row(came), reposts.c.actor_id.label("followed"), reposts.c.at.label("reposted"))
        .join_from(came, reposts, _before(reposts, came))
        .join(
            _follows, and_(_follows.c.followee_id == reposts.c.actor_id, _followed(_follows, came))
        )
        .where(reposts.c.of_post <= _FEW)
    )


def _among_all(came: CTE, reposts: CTE) -> Select[Any]:
    """The reposters whom they followed, of posts with many reposts.

    A text joined to nothing keeps SQLite from looking up each viewer under each reposter all the
    same.
    """
    crowded = select(reposts.c.post_id).where(reposts.c.of_post > _FEW)
    knows = once(
        select(_follows).where(
            _follows.c.followee_id.in_(select(reposts.c.actor_id).where(reposts.c.of_post > _FEW)),
            _follows.c.follower_id.concat("").in_(
                select(came.c.viewer_id).where(came.c.post_id.in_(crowded))
            ),
        ),
        "knows",
    )
    known = (
        select(*_row(came), knows.c.followee_id.label("followed"))
        .join_from(came, knows, _followed(knows, came))
        .where(came.c.post_id.in_(crowded))
        .subquery()
    )
    return select(known, reposts.c.at.label("reposted")).join_from(
        known, reposts, and_(_before(reposts, known), reposts.c.actor_id == known.c.followed)
    )
