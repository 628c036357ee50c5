"""The first post that reached a round number of people, or of views where people are unknown.

Posts are compared by what they had at 48 hours, as everywhere. The first of all is said only where
that is known of every earlier post of the author; else it is the first of so many. Weeks that
brought no mail are told of in the next one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import log10
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, func, or_, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch
from digest.facts import Batch, bounds, posts, slot
from digest.facts.judgements import EARLIER, HOURS, USUAL_FROM, Career, Judged, add_words, careers
from digest.facts.mailed import weeks_since_mail
from digest.models import Judgement, table
from digest.sections.top_posts import EXCERPT
from digest.text import clean

LEAST = 10
WEEKS = 4
"""A number that was reached longer ago is not told any more."""
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


_published = posts.c.published_at
# A post of an unknown time is taken for an early one: its figure is never known.
_week = case((_published.is_(None), 0), else_=slot(_published, WEEKS)).label("week")
_EARLIER = (
    select(
        posts.c.author_id,
        _week,
        func.count(posts.c.id),
        func.count(_judgements.c.reach),
        func.max(_judgements.c.reach),
        func.count(_judgements.c.views),
        func.max(_judgements.c.views),
    )
    .join_from(posts, _judgements, _judgements.c.post_id == posts.c.id, isouter=True)
    .where(
        among(posts.c.author_id, "users"),
        or_(_published.is_(None), _published < bindparam("before")),
    )
    .group_by(posts.c.author_id, "week")
)
"""Posts before this week's new ones, by the week in which they were judged; all older ones in 0."""


def load(session: Session, batch: Batch) -> dict[str, Record]:
    """Authors of whom a post since the last mail passed a number that no judged one before had."""
    judged = batch.fact(session, careers)
    if not any(_count(post) >= LEAST for career in judged.values() for post in career.judged):
        return {}
    since = batch.fact(session, weeks_since_mail)
    starts = [_published_from(batch, n) for n in range(WEEKS)]
    weeks = {user: _weeks(career, since.get(user, 1), starts) for user, career in judged.items()}
    likely = {
        user: record
        for user, career in judged.items()
        if (record := _of_career(career, starts[weeks[user] - 1])) is not None
    }
    if not likely:
        return {}
    asked = bounds([starts[-1], *reversed(starts)]) | {"before": starts[0]}
    for author, week, earlier, *figures in fetch(session, _EARLIER, users=list(likely), **asked):
        if week <= WEEKS - weeks[author]:
            likely[author] = _added(likely[author], earlier, figures)
    add_words(session, [record.post for record in likely.values() if not record.post.new])
    return likely


def _published_from(batch: Batch, ago: int) -> datetime:
    """From when on posts were judged in the week so many weeks ago, or later."""
    return window.week(batch.period.shift(-ago), batch.tz).start - timedelta(hours=HOURS)


def _weeks(career: Career, since: int, starts: list[datetime]) -> int:
    """Of how many weeks, this one included, nothing was told yet and all posts are at hand."""
    full = len(career.judged) >= EARLIER
    whole = sum(not full or career.judged[-1].published_at < start for start in starts)
    return max(1, min(since, whole))


def _added(record: Record, earlier: int, figures: list[int | None]) -> Record:
    """The record and what is stored of so many posts before it."""
    known, highest = figures[:2] if record.unit == "reach" else figures[2:]
    return record._replace(
        earlier=record.earlier + earlier,
        known=record.known + (known or 0),
        highest=max(record.highest, highest or 0),
    )


def _of_career(career: Career, since: datetime) -> Record | None:
    """The record as far as the author's latest posts tell; the stored ones are yet to be asked."""
    late = [post for post in career.judged if post.published_at >= since and _count(post)]
    new = sorted(late, key=lambda post: post.published_at)
    highest = max(new, key=_count, default=None)
    step = highest and round_number(_count(highest))
    if not highest or not step:
        return None
    unit = _unit(highest)
    first = next(post for post in new if _unit(post) == unit and _count(post) >= step)
    before = [post for post in career.judged if post.published_at < since]
    if any((getattr(post, unit) or 0) >= step for post in before):
        return None
    unkept = {post.id for post in career.fresh}
    asked = [post for post in before if post.id in unkept]
    meanwhile = [p for p in career.judged if since <= p.published_at < first.published_at]
    figures = [getattr(post, unit) for post in [*asked, *meanwhile]]
    known = [count for count in figures if count is not None]
    return Record(first, unit, step, len(meanwhile), len(known), max(known, default=0))


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
