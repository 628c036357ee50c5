"""What can be told of an audience whose views are not logged: from the site's other posts, and from
who reacted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import cast

from sqlalchemy import bindparam, case, func, select
from sqlmodel import Session

from digest.database import fetch
from digest.facts import Batch, posts, reactions, views, within
from digest.facts.following import followers_when_posted
from digest.facts.judgements import HOURS, judged
from digest.models import NOBODY
from digest.stats.ranges import Logged, Ranges, coverage, explained, learn

log = logging.getLogger(__name__)

FOLLOWERS_FROM = 10
"""Fewer followers than this are no audience to take shares of, and a small group of people."""
WEEKS, NEWEST, SAMPLE = 26, 20_000, 4_000
"""Learnt from so many posts with views at most, of so many newest ones of so many weeks."""
LEARNT_SHARE, TRIED_FROM = 0.7, 60
"""The older part of the sample is learnt from; the rest, at least so many posts, is tried on."""
COVERED = (0.85, 0.95)
"""What a 90 % range must hold for on posts that it was not learnt from."""
PEOPLE_DAYS = 28

_NEWEST = (
    select(posts.c.id, posts.c.published_at)
    .where(posts.c.published_at >= bindparam("since"), posts.c.published_at < bindparam("before"))
    .order_by(posts.c.published_at.desc(), posts.c.id)
    .limit(NEWEST)
    .subquery()
)
_SEEN = select(views.c.post_id).where(views.c.post_id == _NEWEST.c.id, views.c.viewer_id != NOBODY)
_SAMPLE = (
    select(_NEWEST.c.id, _NEWEST.c.published_at)
    .where(_SEEN.exists())
    .order_by(_NEWEST.c.published_at.desc(), _NEWEST.c.id)
    .limit(SAMPLE)
)


def site_ranges(session: Session, batch: Batch) -> Ranges | None:
    """What posts reach on this site, by how many people reacted; None where it cannot be told.

    Learnt once per run, from facts before this period alone, so that the answer is the same for
    every batch, for a preview and for a mail. Only the operator's log tells how well it holds.
    """
    key = ("ranges", batch.period)
    if key not in batch.site:
        before = datetime.combine(batch.period.monday, time(), UTC) - timedelta(hours=HOURS)
        batch.site[key] = tried(_logged(session, before))
    return cast("Ranges | None", batch.site[key])


def _logged(session: Session, before: datetime) -> list[Logged]:
    """The newest posts whose viewers are known, oldest first."""
    since = before - timedelta(weeks=WEEKS)
    sample = dict(fetch(session, _SAMPLE, since=since, before=before))
    followers = followers_when_posted(session, list(sample))
    newest = judged(session, sample)
    return [
        Logged(post.engagers, post.reach, followers[post.id])
        for post in reversed(newest)
        if post.reach is not None
        and post.engagers is not None
        and followers.get(post.id, 0) >= FOLLOWERS_FROM
    ]


def tried(sample: Sequence[Logged]) -> Ranges | None:
    """The ranges learnt from the older posts of ``sample``, if they hold for the newer ones.

    A split in time, because next week's posts are newer than all of them.
    """
    first = int(len(sample) * LEARNT_SHARE)
    older, newer = sample[:first], sample[first:]
    ranges = learn(older)
    if ranges is None or len(newer) < TRIED_FROM:
        log.info("audiences are not estimated: views of %d posts are too few", len(sample))
        return None
    held = coverage(ranges, newer)
    log.info(
        "audiences estimated from %d posts: on %d later ones the 90 %% range held for %.1f %%,"
        " R² of ln(1 + reach) %s",
        len(older),
        len(newer),
        100 * held,
        "unknown" if (r2 := explained(ranges, newer)) is None else f"{r2:.2f}",
    )
    return ranges if COVERED[0] <= held <= COVERED[1] else None


_PER_PERSON = (
    within(reactions, reactions.c.actor_id, func.count(reactions.c.post_id.distinct()).label("n"))
    .where(reactions.c.actor_id != NOBODY, reactions.c.actor_id != posts.c.author_id)
    .group_by(posts.c.author_id, reactions.c.actor_id)
    .subquery()
)
_PEOPLE = select(
    _PER_PERSON.c.author_id,
    func.count(),
    *(func.sum(case((_PER_PERSON.c.n == number, 1), else_=0)) for number in (1, 2)),
).group_by(_PER_PERSON.c.author_id)


def reactors(
    session: Session, users: Sequence[str], end: datetime
) -> dict[str, tuple[int, int, int]]:
    """How many people reacted to each author's posts in the 28 days before ``end``: in all, to
    exactly one post, to exactly two.
    """
    since = end - timedelta(days=PEOPLE_DAYS)
    rows = fetch(session, _PEOPLE, users=users, start=since, end=end)
    return {author: (seen, once, twice) for author, seen, once, twice in rows}
