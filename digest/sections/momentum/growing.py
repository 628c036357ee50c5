"""A post that is still growing: the last 24 hours against the author's usual at that age.

The usual is the median of what up to twenty posts before it had in the 24 hours that ended when
they were as many whole days old. That is a little younger than the post itself, where posts have
rather more views: the comparison errs on the quiet side.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import and_, func, select
from sqlmodel import Session

from digest.database import among, fetch, later
from digest.facts import Batch, beginnings, bounds, posts, slot, span, views, within
from digest.facts.judgements import USUAL_FROM
from digest.facts.weeks import PostWeek, author_weeks
from digest.sections.top_posts import EXCERPT
from digest.text import clean
from digest.window import Window

TIMES, LEAST = 2, 20
"""At least so many times the usual, and so many views."""
EARLIER = 20
"""How many posts before it make the usual."""
YOUNGEST, OLDEST = 2, 28
"""In whole days: before, a post is still being judged; after, it is found again."""
DAY = timedelta(days=1)


class Growth(NamedTuple):
    """A post's views in the last 24 hours of the week, and earlier posts' at so many ``days``."""

    post: PostWeek
    days: int
    views: int
    usual: list[int]


_LAST_DAY = (
    within(views, posts.c.id, func.sum(views.c.count))
    .where(among(posts.c.id, "posts"), views.c.viewer_id != posts.c.author_id)
    .group_by(posts.c.author_id, posts.c.id)
    .having(func.sum(views.c.count) >= LEAST)
)
_grown, _other = posts.alias("grown"), posts.alias("other")
# Spans of a day each, the oldest first: in the first, a post is OLDEST whole days old.
_WHOLE_DAYS = OLDEST - slot(_grown.c.published_at, OLDEST + 1)
_BEFORE = (
    select(
        _grown.c.id,
        _grown.c.author_id,
        _other.c.id.label("earlier"),
        _other.c.published_at,
        later(_other.c.published_at, 24 * (_WHOLE_DAYS - 1)).label("from"),
        later(_other.c.published_at, 24 * _WHOLE_DAYS).label("until"),
        func.row_number()
        .over(partition_by=_grown.c.id, order_by=(_other.c.published_at.desc(), _other.c.id))
        .label("place"),
    )
    .join_from(
        _grown,
        _other,
        and_(
            _other.c.author_id == _grown.c.author_id,
            _other.c.published_at < _grown.c.published_at,
        ),
    )
    .where(among(_grown.c.id, "posts"))
    .subquery()
)
_AT_THAT_AGE = (
    select(_BEFORE.c.id, _BEFORE.c.published_at, func.coalesce(func.sum(views.c.count), 0))
    .join_from(
        _BEFORE,
        views,
        and_(
            views.c.post_id == _BEFORE.c.earlier,
            views.c.at >= _BEFORE.c["from"],
            views.c.at < _BEFORE.c.until,
            views.c.viewer_id != _BEFORE.c.author_id,
        ),
        isouter=True,
    )
    .where(_BEFORE.c.place <= EARLIER)
    .group_by(_BEFORE.c.id, _BEFORE.c.earlier, _BEFORE.c.published_at)
)


def load(session: Session, batch: Batch) -> dict[str, list[Growth]]:
    """Of every author the posts of the main list that had many views on the last day."""
    end = batch.window.end
    weeks = batch.fact(session, author_weeks)
    of = {
        post.id: (user, post, days)
        for user, week in weeks.items()
        for post in week.top
        if (post.views or 0) >= LEAST
        and post.published_at
        and YOUNGEST <= (days := _whole_days(post.published_at, end)) <= OLDEST
    }
    if not of:
        return {}
    last = span(Window(end - DAY, end))
    owners = sorted({user for user, _, _ in of.values()})
    grown = {
        id_: seen
        for _, id_, seen in fetch(session, _LAST_DAY, users=owners, posts=list(of), **last)
    }
    usual = _usual(session, batch, {id_: of[id_] for id_ in grown})
    found: dict[str, list[Growth]] = defaultdict(list)
    for id_, seen in grown.items():
        user, post, days = of[id_]
        found[user].append(Growth(post, days, seen, usual[id_]))
    return dict(found)


def _usual(
    session: Session, batch: Batch, of: dict[str, tuple[str, PostWeek, int]]
) -> dict[str, list[int]]:
    """What posts before each had at its age, as far back as the author's views are known."""
    since = batch.fact(session, beginnings)
    days = bounds([batch.window.end - n * DAY for n in range(OLDEST + 1, -1, -1)])
    usual: dict[str, list[int]] = {id_: [] for id_ in of}
    rows = fetch(session, _AT_THAT_AGE, posts=list(of), **days) if of else []
    for id_, published_at, seen in rows:
        user, _, age = of[id_]
        first = since[user].views
        if first and published_at + (age - 1) * DAY >= first:
            usual[id_].append(seen)
    return usual


def _whole_days(published_at: datetime, end: datetime) -> int:
    """How many whole days a post was old before the end."""
    return -((published_at - end) // DAY) - 1


def build(found: list[Growth], batch: Batch) -> dict[str, Any] | None:
    """The post that grows most, with how many times the usual; None: most posts rest by then."""
    growing = [one for one in found if _grows(one)]
    if not growing:
        return None
    best = max(growing, key=lambda one: (one.views, one.post.id))
    usual = median(best.usual)
    return {
        "id": best.post.id,
        "title": best.post.title,
        "excerpt": clean(best.post.text, EXCERPT),
        "url": best.post.url,
        "published": batch.day(best.post.published_at),
        "days": best.days,
        "views": best.views,
        "times": best.views / usual if usual >= 1 else None,
    }


def _grows(one: Growth) -> bool:
    return len(one.usual) >= USUAL_FROM and one.views >= TIMES * median(one.usual)
