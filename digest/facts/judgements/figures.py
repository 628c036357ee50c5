"""The figures of posts at the age of 48 hours, worked out from the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select, union
from sqlmodel import Session

from digest.database import among, fetch, later
from digest.facts import anonymous_views, at_first, counters, posts, reactions, views
from digest.models import NOBODY, ReactionType

HOURS = 48
"""The age at which posts are compared."""

FIGURES = ("views", "reach", "audience", "engagers", "talkers", "reactions")


@dataclass(slots=True)
class Judged:
    """A post and its figures at age 48 hours; None is unknown.

    ``new``: it completed that age in this week.
    """

    id: str
    published_at: datetime
    new: bool
    views: int | None = None
    reach: int | None = None
    audience: int | None = None
    engagers: int | None = None
    talkers: int = 0
    reactions: int = 0
    title: str = ""
    text: str = ""
    url: str = ""


def judged(session: Session, published: Mapping[str, datetime]) -> list[Judged]:
    """Posts, by id and time of publication, judged from the facts alone; nothing is kept."""
    unjudged = {id_: Judged(id_, at, new=False) for id_, at in published.items()}
    judge(session, unjudged, None)
    return list(unjudged.values())


def judge(session: Session, unjudged: dict[str, Judged], authors: Sequence[str] | None) -> None:
    """Work the figures out; only posts by ``authors`` (None: by anybody) may have counters."""
    ids = list(unjudged)
    for start in range(0, len(ids), 10_000):  # a statement takes some tens of thousands of values
        chosen = ids[start : start + 10_000]
        _count_views(session, chosen, unjudged)
        _count_reactions(session, chosen, unjudged)
        if authors is None or authors:
            _add_counters(session, chosen, authors, unjudged)
        _count_people(session, chosen, unjudged)


_NOT_OWN_VIEW = views.c.viewer_id != posts.c.author_id
_NOT_OWN_REACTION = reactions.c.actor_id != posts.c.author_id
_VIEWS = (
    at_first(
        views,
        HOURS,
        func.sum(views.c.count),
        anonymous_views(),
        func.count(case((views.c.viewer_id != NOBODY, views.c.viewer_id)).distinct()),
    )
    .where(_NOT_OWN_VIEW)
    .group_by(posts.c.id)
)


def _count_views(session: Session, chosen: list[str], unjudged: dict[str, Judged]) -> None:
    logged = set()
    for id_, total, nobody, reach in fetch(session, _VIEWS, posts=chosen):
        logged.add(id_)
        unjudged[id_].views = total
        unjudged[id_].reach = None if nobody else reach
    for (id_,) in fetch(session, _SILENT, posts=[id_ for id_ in chosen if id_ not in logged]):
        unjudged[id_].views = unjudged[id_].reach = 0


_other = posts.alias()
_SEEN_BEFORE = (
    select(views.c.post_id)
    .join(_other, _other.c.id == views.c.post_id)
    .where(_other.c.author_id == posts.c.author_id, views.c.at < posts.c.published_at)
)
_SILENT = select(posts.c.id).where(among(posts.c.id, "posts"), _SEEN_BEFORE.exists())
"""Of posts without an early view, those whose author had been seen before: a true zero."""

_actor = case((reactions.c.actor_id != NOBODY, reactions.c.actor_id))
_replier = case((reactions.c.type == ReactionType.REPLY, _actor))
_REACTIONS = (
    at_first(
        reactions,
        HOURS,
        func.sum(reactions.c.count),
        func.sum(case((reactions.c.actor_id == NOBODY, 1), else_=0)),
        func.count(_actor.distinct()),
        func.count(_replier.distinct()),
    )
    .where(_NOT_OWN_REACTION)
    .group_by(posts.c.id)
)


def _count_reactions(session: Session, chosen: list[str], unjudged: dict[str, Judged]) -> None:
    for post in (unjudged[id_] for id_ in chosen):
        post.engagers = 0
    for id_, total, nobody, engagers, talkers in fetch(session, _REACTIONS, posts=chosen):
        post = unjudged[id_]
        post.reactions, post.talkers = total, talkers
        post.engagers = None if nobody else engagers


_ACTS = sum(
    (func.coalesce(gain, 0) for gain in (counters.c.reposts_gain, counters.c.replies_gain)),
    start=func.coalesce(counters.c.likes_gain, 0),
)
# A counter knows the figure at this age only if it was read in the day before.
_READ = func.max(counters.c.at) >= later(func.min(posts.c.published_at), HOURS - 24)
_GAINS = at_first(
    counters, HOURS, case((_READ, func.sum(counters.c.views_gain))), func.sum(_ACTS)
).group_by(posts.c.id)
_GAINS_OF_SOME = _GAINS.where(among(posts.c.author_id, "users"))


def _add_counters(
    session: Session, chosen: list[str], authors: Sequence[str] | None, unjudged: dict[str, Judged]
) -> None:
    """What counters gained, for posts without events of that kind."""
    if authors is None:
        gains = fetch(session, _GAINS, posts=chosen)
    else:
        gains = fetch(session, _GAINS_OF_SOME, posts=chosen, users=authors)
    for id_, seen, acted in gains:
        post = unjudged[id_]
        if seen is not None and not post.views:
            post.views, post.reach = seen, None
        if acted and not post.reactions:
            post.reactions, post.engagers = acted, None


_people = union(
    at_first(views, HOURS, views.c.viewer_id.label("person")).where(
        views.c.viewer_id != NOBODY, _NOT_OWN_VIEW
    ),
    at_first(reactions, HOURS, reactions.c.actor_id.label("person")).where(
        reactions.c.actor_id != NOBODY, _NOT_OWN_REACTION
    ),
).subquery()
_PEOPLE = select(_people.c.id, func.count()).group_by(_people.c.id)


def _count_people(session: Session, chosen: list[str], unjudged: dict[str, Judged]) -> None:
    """Viewers and engagers together: a reaction without a logged view counts as a view here."""
    for post in (unjudged[id_] for id_ in chosen):
        post.audience = post.reach
    # Only where somebody reacted can the two differ.
    answered = [id_ for id_ in chosen if unjudged[id_].engagers and unjudged[id_].reach is not None]
    for id_, audience in fetch(session, _PEOPLE, posts=answered):
        unjudged[id_].audience = audience
