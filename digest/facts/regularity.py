"""How regularly an author posts: posts per week over half a year. A break is never mentioned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from digest import window
from digest.database import among, fetch
from digest.facts import Batch, bounds, posts, slot, span
from digest.window import Window

WEEKS = 26
USUAL_FROM = 4
"""So many whole weeks since the first post say what is usual."""

_WEEK = slot(posts.c.published_at, WEEKS).label("week")
_PER_WEEK = (
    select(posts.c.author_id, _WEEK, func.count())
    .where(
        among(posts.c.author_id, "users"),
        posts.c.published_at >= bindparam("start"),
        posts.c.published_at < bindparam("end"),
    )
    .group_by(posts.c.author_id, "week")
)


@dataclass(frozen=True, slots=True)
class Regularity:
    """Posts per week, oldest first, the last being this week."""

    weeks: tuple[int, ...]

    @property
    def this_week(self) -> int:
        """Posts of this week."""
        return self.weeks[-1]

    @property
    def streak(self) -> int:
        """Weeks in a row, up to this one, with a post; at most as many as are looked at."""
        return sum(1 for _ in takewhile(bool, reversed(self.weeks)))

    @property
    def usual(self) -> float | None:
        """The median of the weeks between the first post and this week, if there are enough."""
        before = self.weeks[:-1]
        first = next((at for at, number in enumerate(before) if number), len(before))
        since = before[first + 1 :]  # the week of the first post is no whole week of theirs
        return median(since) if len(since) >= USUAL_FROM else None


def regularity(session: Session, batch: Batch) -> dict[str, Regularity]:
    """Everybody of the batch who posted in the last half year."""
    return posted(session, batch, batch.users, 0)


def posted(
    session: Session, batch: Batch, users: Sequence[str], before: int
) -> dict[str, Regularity]:
    """The same of ``users`` in the half year that ends ``before`` weeks ago."""
    periods = [batch.period.shift(-n - before) for n in range(WEEKS - 1, -2, -1)]
    edges = [window.week(period, batch.tz).start for period in periods]
    asked = bounds(edges) | span(Window(edges[0], edges[-1]))
    rows = fetch(session, _PER_WEEK, users=users, **asked)
    found: dict[str, list[int]] = {}
    for author, week, number in rows:
        found.setdefault(author, [0] * WEEKS)[week] = number
    return {author: Regularity(tuple(weeks)) for author, weeks in found.items()}
