"""The first views of all.

That nobody came before is known only where views were logged before the author's first post: at
the site, which is looked up once per run, because an author whom nobody saw leaves no trace.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, case, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch, beginnings, posts, views
from digest.facts.history import History, histories
from digest.facts.logged import logged_since
from digest.facts.weeks import author_weeks
from digest.sections.usual import MEDIAN_FROM

RARITY = 0.9

_seen_before = (
    select(views.c.post_id)
    .where(
        views.c.post_id == posts.c.id,
        views.c.at < bindparam("start"),
        views.c.viewer_id != posts.c.author_id,
    )
    .exists()
)
_BEGAN = (
    select(
        posts.c.author_id,
        func.min(posts.c.published_at),
        func.sum(case((posts.c.published_at.is_(None) | _seen_before, 1), else_=0)),
    )
    .where(among(posts.c.author_id, "users"))
    .group_by(posts.c.author_id)
)


def load(session: Session, batch: Batch) -> dict[str, int]:
    """How many views authors had this week of whom nothing was ever seen before."""
    past, since = batch.fact(session, histories), batch.fact(session, beginnings)
    likely = {
        user: week.views
        for user, week in batch.fact(session, author_weeks).items()
        if week.views and since[user].counters is None and _may_be_first(past[user], batch)
    }
    if not likely:
        return {}
    logged = logged_since(session, batch)
    rows = fetch(session, _BEGAN, users=list(likely), start=batch.window.start)
    return {
        author: likely[author]
        for author, first, doubtful in rows
        if not doubtful and logged is not None and first >= logged
    }


def _may_be_first(past: History, batch: Batch) -> bool:
    """No views on record; with more weeks than these, “usual” says that they are the first."""
    seen = any(week.views for week in past.weeks)
    return not seen and len(past.whole("views", batch.tz)) < MEDIAN_FROM


def build(seen: int, batch: Batch) -> dict[str, Any]:
    """How many views there were."""
    del batch  # the same in any week
    return {"kind": "first_views", "rarity": RARITY, "views": seen}
