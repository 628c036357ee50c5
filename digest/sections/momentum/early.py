"""What an early response went with: posts by engagers in their first two hours.

The posts are split by what was known of them at two hours, and compared by whom they reached from
then on to 48 hours (a landmark; Anderson, Cain and Gelber 1983): to compare by all they reached
would count the early viewers on both sides. It is an association, and is told as one.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from random import Random
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, func
from sqlmodel import Session

from digest.database import fetch
from digest.facts import Batch, at_first, posts, reactions, views
from digest.facts.judgements import Judged, careers
from digest.facts.past import WEEKS
from digest.stats.ranks import spearman, spearman_interval, spearman_limits

HOURS = 2
"""The landmark."""
FEWEST, MOST = 30, 100
"""Posts of an author that are compared, the latest ones of half a year."""
EACH, LEAST = 5, 10
"""Posts on either side, and people that those with an early response reached at the median."""
RESAMPLES = 600


class Start(NamedTuple):
    """How a post began: people who responded within the landmark, and people who saw it later."""

    engagers: int
    gained: int


def _people_at_first(facts: Table, people: ColumnElement[str]) -> Select[Any]:
    """How many people other than the author there were in the first hours of ``posts``."""
    number = func.count(people.distinct())
    return at_first(facts, HOURS, number).where(people != posts.c.author_id).group_by(posts.c.id)


_VIEWERS = _people_at_first(views, views.c.viewer_id)
_ENGAGERS = _people_at_first(reactions, reactions.c.actor_id)


def load(session: Session, batch: Batch) -> dict[str, list[Start]]:
    """Authors with enough judged posts, one of them new this week: else nothing has changed."""
    since = batch.window.end - timedelta(weeks=WEEKS)
    chosen = {
        user: [post for post in career.judged if _is_known(post) and post.published_at >= since]
        for user, career in batch.fact(session, careers).items()
        if len(career.judged) >= FEWEST and career.new
    }
    chosen = {user: judged[:MOST] for user, judged in chosen.items() if len(judged) >= FEWEST}
    if not chosen:
        return {}
    ids = [post.id for judged in chosen.values() for post in judged]
    viewers = dict(fetch(session, _VIEWERS, posts=ids))
    engagers = dict(fetch(session, _ENGAGERS, posts=ids))
    return {
        user: [
            Start(engagers.get(post.id, 0), (post.reach or 0) - viewers.get(post.id, 0))
            for post in judged
        ]
        for user, judged in chosen.items()
    }


def _is_known(post: Judged) -> bool:
    """Nobody who saw it or reacted is without a name."""
    return post.reach is not None and post.engagers is not None


def build(starts: list[Start], batch: Batch) -> dict[str, Any] | None:
    """The medians of both sides; None unless an early response surely went with more."""
    del batch  # the same in any week
    engagers, gained = [start.engagers for start in starts], [start.gained for start in starts]
    middle = int(median(engagers))
    early = [start.gained for start in starts if start.engagers > middle]
    others = [start.gained for start in starts if start.engagers <= middle]
    if min(len(early), len(others)) < EACH:
        return None
    with_response, without = int(median(early)), int(median(others))
    if with_response < LEAST or with_response <= without or not _go_together(engagers, gained):
        return None
    return {
        "posts": len(starts),
        "hours": HOURS,
        "over": middle,
        "early": with_response,
        "others": without,
    }


def _go_together(engagers: list[int], gained: list[int]) -> bool:
    """Does the interval of the rank correlation lie above zero?"""
    rho, pairs = spearman(engagers, gained), len(engagers)
    if rho is None or spearman_limits(rho, pairs, z=1).low <= 0:  # resampling is for the likely
        return False
    return spearman_interval(engagers, gained, _resamples(pairs)).low > 0


@lru_cache(maxsize=MOST)
def _resamples(size: int) -> list[bytes]:
    """The same draws at every time and place, so that a preview is the mail."""
    random = Random(size)  # noqa: S311 - nothing is secret here
    return [bytes(random.choices(range(size), k=size)) for _ in range(RESAMPLES)]
