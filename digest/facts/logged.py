"""Since when views are logged at the site: what nobody saw leaves no trace, and proves nothing."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import func, select
from sqlmodel import Session

from digest.database import fetch
from digest.facts import Batch, posts, views

_OLDEST = 1_000
"""Posts of the site that are asked when they were first seen: one index look-up each."""

_oldest = (
    select(posts.c.id)
    .where(posts.c.published_at.is_not(None))
    .order_by(posts.c.published_at, posts.c.id)
    .limit(_OLDEST)
    .subquery()
)
_first_view = select(func.min(views.c.at)).where(views.c.post_id == _oldest.c.id).scalar_subquery()
_LOGGED_SINCE = select(func.min(_first_view)).select_from(_oldest)


def logged_since(session: Session, batch: Batch) -> datetime | None:
    """An instant at which views were logged for certain: one of the site's oldest posts was seen.

    In fact they may have been before. It is looked up once per run.
    """
    if _LOGGED_SINCE not in batch.site:
        ((batch.site[_LOGGED_SINCE],),) = fetch(session, _LOGGED_SINCE)
    return cast("datetime | None", batch.site[_LOGGED_SINCE])
