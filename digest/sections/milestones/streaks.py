"""Weeks in a row with at least one post, told when they make a round number.

Where no mail went out in that week the next one tells it, if the row goes on. Nothing is
said of one that ended, nor of how long it has to go on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch
from digest.facts import Batch, bounds, posts, slot
from digest.facts.judgements import careers
from digest.facts.mailed import weeks_since_mail

RARITY = {3: 0.3, 5: 0.4, 10: 0.5, 25: 0.7, 50: 0.8, 100: 0.9}
"""The numbers of weeks that are told."""
_AT_ONCE = 26
"""Weeks that are looked at together: few authors need more."""

_published = posts.c.published_at
_week = slot(_published, _AT_ONCE).label("week")
_POSTED = (
    select(posts.c.author_id, _week)
    .where(
        among(posts.c.author_id, "users"),
        _published >= bindparam("start"),
        _published < bindparam("end"),
    )
    .group_by(posts.c.author_id, _week)
)


class Row(NamedTuple):
    """So many weeks in a row, this one the last; ``since`` weeks ago was the author's last mail."""

    weeks: int
    since: int = 1


def load(session: Session, batch: Batch) -> dict[str, Row]:
    """How many weeks in a row, this one the last, each author posted in."""
    start = batch.window.start
    posted = [
        user
        for user, career in batch.fact(session, careers).items()
        if career.waiting or any(post.published_at >= start for post in career.new)
    ]
    weeks = dict.fromkeys(posted, 0)
    before = 0
    while posted and before < max(RARITY):
        found = _weeks_with_posts(session, batch, posted, before)
        for user in posted:
            weeks[user] += _unbroken(found.get(user, set()))
        before += _AT_ONCE
        posted = [user for user in posted if weeks[user] == before]
    since = batch.fact(session, weeks_since_mail) if weeks else {}
    return {user: Row(row, since.get(user, 1)) for user, row in weeks.items()}


def _weeks_with_posts(
    session: Session, batch: Batch, users: list[str], before: int
) -> dict[str, set[int]]:
    """Which of the weeks that end ``before`` weeks ago had posts, the latest being the highest."""
    periods = [batch.period.shift(-n - before) for n in range(_AT_ONCE - 1, -2, -1)]
    edges = [window.week(period, batch.tz).start for period in periods]
    found: dict[str, set[int]] = {}
    asked = bounds(edges) | {"start": edges[0], "end": edges[-1]}
    for user, week in fetch(session, _POSTED, users=users, **asked):
        found.setdefault(user, set()).add(week)
    return found


def _unbroken(weeks: set[int]) -> int:
    """How many there are in a row, counted back from the latest."""
    return next((n for n in range(_AT_ONCE) if _AT_ONCE - 1 - n not in weeks), _AT_ONCE)


def build(row: Row, batch: Batch) -> dict[str, Any] | None:
    """The latest told number that the row reached since the last mail."""
    del batch  # the same in any week
    reached = [weeks for weeks in RARITY if row.weeks - row.since < weeks <= row.weeks]
    if not reached:
        return None
    return {"kind": "streak", "rarity": RARITY[reached[-1]], "weeks": reached[-1]}
