"""A second wind: a post that picked up after somebody reposted it or replied to it.

The six hours from an act are compared with the six before it. In the morning every post picks up,
so they must also be more than the same hours of the day before had. An act counts if for six hours
nobody had done the same: what goes on all the time is no beginning.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, case, func, select
from sqlmodel import Session

from digest.database import among, fetch, later
from digest.facts import Batch, posts, reactions, users, views
from digest.facts.judgements import HOURS as JUDGED_AT
from digest.facts.weeks import PostWeek, author_weeks
from digest.models import ReactionType
from digest.sections.top_posts import EXCERPT
from digest.text import clean

HOURS = 6
"""Two blocks of so many hours are compared."""
TIMES, LEAST = 3, 10
"""The later block has at least so many times the views of the earlier, and so many views."""
_DAY = 24


class Wind(NamedTuple):
    """The ``views`` of six hours from an act, and ``before`` it."""

    post: PostWeek
    name: str
    act: str
    views: int
    before: int


_at = reactions.c.at
_ACTS = (
    select(
        reactions.c.post_id,
        reactions.c.actor_id,
        reactions.c.type,
        posts.c.author_id,
        _at,
        func.lag(_at)
        .over(
            partition_by=(reactions.c.post_id, reactions.c.type),
            order_by=(_at, reactions.c.actor_id),
        )
        .label("last"),
        # Worked out once per act: below they would be worked out for every view.
        later(_at, HOURS).label("until"),
        later(_at, -HOURS).label("six_before"),
        later(_at, -_DAY).label("day_before"),
        later(_at, HOURS - _DAY).label("day_before_until"),
        posts.c.published_at,
    )
    .join_from(reactions, posts, posts.c.id == reactions.c.post_id)
    .where(
        among(reactions.c.post_id, "posts"),
        reactions.c.type.in_((ReactionType.REPOST, ReactionType.REPLY)),
        _at >= bindparam("six_before"),
        _at < bindparam("whole"),
        reactions.c.actor_id != posts.c.author_id,
    )
    .subquery()
)


def _views(*conditions: Any) -> Any:
    return func.sum(case((and_(*conditions), views.c.count), else_=0))


_AFTER = _views(views.c.at >= _ACTS.c.at)
_BEFORE = _views(views.c.at < _ACTS.c.at, views.c.at >= _ACTS.c.six_before)
_DAY_BEFORE = _views(views.c.at < _ACTS.c.day_before_until)
_WINDS = (
    select(
        _ACTS.c.post_id,
        users.c.name,
        _ACTS.c.type,
        _AFTER.label("after"),
        _BEFORE.label("before"),
    )
    .join_from(_ACTS, users, users.c.id == _ACTS.c.actor_id)
    .join(
        views,
        and_(
            views.c.post_id == _ACTS.c.post_id,
            views.c.at >= _ACTS.c.day_before,
            views.c.at < _ACTS.c.until,
            views.c.viewer_id != _ACTS.c.author_id,
        ),
    )
    .where(
        _ACTS.c.at >= bindparam("start"),
        (_ACTS.c.last.is_(None)) | (_ACTS.c.at >= later(_ACTS.c.last, HOURS)),
        _ACTS.c.day_before >= _ACTS.c.published_at,
        users.c.name != "",
    )
    .group_by(_ACTS.c.post_id, _ACTS.c.type, _ACTS.c.at, users.c.id, users.c.name)
    .having(and_(_AFTER >= LEAST, _AFTER >= TIMES * _BEFORE, _AFTER > _DAY_BEFORE))
    .order_by(_AFTER.desc(), _ACTS.c.type.desc(), _ACTS.c.at, _ACTS.c.post_id)
)
"""The largest first; of equal ones a repost before a reply, then the earlier."""


def load(session: Session, batch: Batch) -> dict[str, Wind]:
    """Of every author the post of the main list that picked up most.

    Of a post that is too young to be judged the mail may ask how many saw it: it must not tell.
    """
    weeks = batch.fact(session, author_weeks)
    judged = batch.window.end - timedelta(hours=JUDGED_AT)
    of = {
        post.id: (user, post)
        for user, week in weeks.items()
        for post in week.top
        if (post.views or 0) >= LEAST and post.published_at and post.published_at <= judged
    }
    whole = batch.window.end - timedelta(hours=HOURS)
    start = batch.window.start
    # The last act of before the week may be what an early one of it only goes on with.
    six_before = start - timedelta(hours=HOURS)
    asked = {"posts": list(of), "start": start, "six_before": six_before, "whole": whole}
    found: dict[str, Wind] = {}
    for id_, name, act, after, before in fetch(session, _WINDS, **asked) if of else []:
        user, post = of[id_]
        found.setdefault(user, Wind(post, name, act, after, before))
    return found


def build(wind: Wind, batch: Batch) -> dict[str, Any]:
    """The post, who did what, and the views of the hours after and before."""
    return {
        "id": wind.post.id,
        "title": wind.post.title,
        "excerpt": clean(wind.post.text, EXCERPT),
        "url": wind.post.url,
        "published": batch.day(wind.post.published_at),
        "name": wind.name,
        "act": wind.act,
        "hours": HOURS,
        "views": wind.views,
        "before": wind.before,
    }
