"""The first post that reached a round number of people, or of views where people are unknown.

Posts are compared by what they had at 48 hours, as everywhere. The first of all is said only where
that is known of every earlier post of the author; else it is the first of so many.
"""

from __future__ import annotations

from datetime import timedelta
from math import log10
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, or_, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch, posts
from digest.facts.judgements import HOURS, USUAL_FROM, Career, Judged, careers
from digest.models import Judgement, table
from digest.sections.top_posts import EXCERPT
from digest.text import clean

LEAST = 10
_judgements = table(Judgement)


class Record(NamedTuple):
    """A post that was the first of its author's to reach ``step``, counted in ``unit``.

    Of ``earlier`` posts before it, that figure is known of ``known``; the highest is ``highest``.
    """

    post: Judged
    unit: str
    step: int
    earlier: int
    known: int
    highest: int


def round_number(count: int) -> int | None:
    """The largest of 10, 25, 50, 100, 250, 500, 1,000 … that is not above ``count``, if any."""
    if count < LEAST:
        return None
    ten: int = 10 ** (len(str(count)) - 1)
    return max(step for step in (ten, ten * 5 // 2, ten * 5) if step <= count)


_EARLIER = (
    select(
        posts.c.author_id,
        func.count(posts.c.id),
        func.count(_judgements.c.reach),
        func.max(_judgements.c.reach),
        func.count(_judgements.c.views),
        func.max(_judgements.c.views),
    )
    .join_from(posts, _judgements, _judgements.c.post_id == posts.c.id, isouter=True)
    .where(
        among(posts.c.author_id, "users"),
        or_(posts.c.published_at.is_(None), posts.c.published_at < bindparam("before")),
    )
    .group_by(posts.c.author_id)
)


def load(session: Session, batch: Batch) -> dict[str, Record]:
    """Authors of whom a new post passed a round number that no judged post before it had."""
    judged = batch.fact(session, careers)
    likely = {
        user: record
        for user, career in judged.items()
        if (record := _of_career(career)) is not None
    }
    if not likely:
        return {}
    before = batch.window.start - timedelta(hours=HOURS)
    for author, earlier, *figures in fetch(session, _EARLIER, users=list(likely), before=before):
        record = likely[author]
        known, highest = figures[:2] if record.unit == "reach" else figures[2:]
        likely[author] = record._replace(
            earlier=earlier,
            known=record.known + known,
            highest=max(record.highest, highest or 0),
        )
    return likely


def _of_career(career: Career) -> Record | None:
    """The record as far as the author's latest posts tell; the stored ones are yet to be asked."""
    new = sorted((post for post in career.new if _count(post)), key=lambda post: post.published_at)
    highest = max(new, key=_count, default=None)
    step = highest and round_number(_count(highest))
    if not highest or not step:
        return None
    unit = _unit(highest)
    first = next(post for post in new if _unit(post) == unit and _count(post) >= step)
    old = {p.id: getattr(p, unit) for p in career.judged if not p.new}
    if any((count or 0) >= step for count in old.values()):
        return None
    fresh = [old[p.id] for p in career.fresh if not p.new and old[p.id] is not None]
    return Record(first, unit, step, 0, len(fresh), max(fresh, default=0))


def _unit(post: Judged) -> str:
    return "views" if post.reach is None else "reach"


def _count(post: Judged) -> int:
    return getattr(post, _unit(post)) or 0


def build(record: Record, batch: Batch) -> dict[str, Any] | None:
    """The post and the number, with ``of`` where it is not known to be the first of all."""
    first_of_all = record.known == record.earlier
    if record.highest >= record.step or not (first_of_all or record.known >= USUAL_FROM):
        return None
    post = record.post
    return {
        "kind": "round_number",
        "rarity": min(0.95, 0.4 + 0.15 * log10(record.step)),
        "metric": record.unit,
        "step": record.step,
        "hours": HOURS,
        "of": None if first_of_all else record.known + 1,
        "post": {
            "id": post.id,
            "title": post.title,
            "excerpt": clean(post.text, EXCERPT),
            "url": post.url,
            "published": batch.day(post.published_at),
        },
    }
