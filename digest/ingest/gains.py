"""What each reading of a counter gained: differences against the highest total before it.

Real counters fall and come back, so a fall gains nothing and the return to an old height neither.
The first total of a post is a baseline (its gain is unknown), unless the post is known to have been
published since the data begins, which is the earliest reading of any post: then it began at zero.
A gain counts at the instant at which it was observed.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, SelectBase, Table, case, func, null, or_, select, update
from sqlmodel import Session

from digest.ingest.rows import TOTALS
from digest.models import Counter, Post, table

POSTS = 5000
"""Posts whose gains are worked out in one transaction."""


def collect_touched(
    session: Session, touched: Table, *, counters: Table, posts: Table
) -> datetime | None:
    """List in ``touched`` the posts whose gains may have changed; returns when the data begins.

    ``counters`` and ``posts`` hold what was imported. A reading as early as any changes what is a
    baseline, and so concerns every post.
    """
    real = table(Counter)
    begin: datetime | None = session.scalar(select(func.min(real.c.at)))
    if begin is None:
        return None
    earliest = session.scalar(select(func.min(counters.c.at)))
    if earliest is not None and earliest <= begin:
        concerned: SelectBase = select(real.c.post_id).distinct()
    else:
        read = select(counters.c.post_id)
        changed = select(posts.c.id).where(
            select(real.c.at).where(real.c.post_id == posts.c.id).exists()
        )
        concerned = read.union(changed)
    session.execute(touched.insert().from_select(["id"], concerned))
    return begin


def recompute(session: Session, touched: Table, start: int, begin: datetime) -> None:
    """Work out the gains of the posts after place ``start`` of ``touched``."""
    real, posts = table(Counter), table(Post)
    concerned = select(touched.c.id).where(touched.c.k.between(start + 1, start + POSTS))
    before = {
        name: func.max(real.c[name])
        .over(partition_by=real.c.post_id, order_by=real.c.at, rows=(None, -1))
        .label(f"{name}_before")
        for name in TOTALS
    }
    seen = (
        select(
            real.c.post_id,
            real.c.at,
            (posts.c.published_at >= begin).label("from_zero"),
            *(real.c[name] for name in TOTALS),
            *before.values(),
        )
        .join(posts, posts.c.id == real.c.post_id)
        .where(real.c.post_id.in_(concerned))
        .subquery("seen")
    )
    gains = {
        f"{name}_gain": _gain(seen.c[name], seen.c[f"{name}_before"], seen.c.from_zero)
        for name in TOTALS
    }
    session.execute(
        update(real)
        .where(real.c.post_id == seen.c.post_id, real.c.at == seen.c.at)
        .where(or_(*(real.c[name].is_distinct_from(gain) for name, gain in gains.items())))
        .values(gains)
    )


def _gain(
    total: ColumnElement[int], before: ColumnElement[int], from_zero: ColumnElement[bool]
) -> ColumnElement[int | None]:
    return case(
        (total.is_(None), null()),
        (total > before, total - before),
        (before.is_not(None), 0),
        (from_zero, total),
        else_=null(),
    )
