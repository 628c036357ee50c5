"""How many people followed an author at some time; the author themselves never counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import posts
from digest.models import Follow, table

_follows = table(Follow)
INSTANTS = 9
"""At how many instants :func:`followers_at` counts."""


def _followed(at: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether a follow held at an instant."""
    lasts = or_(_follows.c.until.is_(None), _follows.c.until > at)
    return and_(_follows.c.since <= at, lasts)


_WHEN_POSTED = (
    select(posts.c.id, func.count())
    .join_from(
        posts,
        _follows,
        and_(
            _follows.c.followee_id == posts.c.author_id,
            _follows.c.follower_id != posts.c.author_id,
            _followed(posts.c.published_at),
        ),
    )
    .where(among(posts.c.id, "posts"))
    .group_by(posts.c.id)
)


def followers_when_posted(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """How many followed the author when each of these posts was published; none is left out."""
    return dict(fetch(session, _WHEN_POSTED, posts=ids))


_AT_INSTANTS = (
    select(
        _follows.c.followee_id,
        *(
            func.sum(case((_followed(bindparam(f"instant{n}")), 1), else_=0))
            for n in range(INSTANTS)
        ),
    )
    .where(among(_follows.c.followee_id, "users"), _follows.c.follower_id != _follows.c.followee_id)
    .group_by(_follows.c.followee_id)
)


def followers_at(
    session: Session, users: Sequence[str], instants: Sequence[datetime]
) -> dict[str, list[int]]:
    """How many followed each author at each of :data:`INSTANTS` instants.

    One look at an author's followers, however many posts there are to compare with them.
    """
    named = {f"instant{n}": instant for n, instant in enumerate(instants)}
    rows = fetch(session, _AT_INSTANTS, users=users, **named)
    return {author: list(numbers) for author, *numbers in rows}
