"""How many members of a group saw what was posted in it (F13): counts, never names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, cast

from sqlalchemy import and_, bindparam, case, func, or_, select
from sqlmodel import Session

from digest.database import among, fetch, later
from digest.facts import Batch, posts, views
from digest.facts.judgements import HOURS, Judged, careers
from digest.models import Group, Membership, table
from digest.sections import Section
from digest.sections.top_posts import EXCERPT
from digest.text import clean

SHOWN = 3
LEAST_MEMBERS = 10
"""Of smaller groups nothing is told: to count their viewers is nearly to name them."""
LEAST_SHARE = 0.1

_groups, _memberships = table(Group), table(Membership)


@dataclass(slots=True)
class Placed:
    """A judged post in a group: its other ``members`` when it was published, and who of them saw
    it in its first 48 hours.
    """

    post: Judged
    group: str = ""
    members: int = 0
    seen: int = 0


class _Members:
    """How many had joined a group by any instant: those who joined at None were there before."""

    def __init__(self, joined: Mapping[datetime | None, int]) -> None:
        lately = sorted((since, number) for since, number in joined.items() if since)
        self._instants = [since for since, _ in lately]
        self._numbers = [*accumulate((n for _, n in lately), initial=joined.get(None, 0))]

    def at(self, instant: datetime) -> int:
        """How many there were then."""
        return self._numbers[bisect_right(self._instants, instant)]


def load(session: Session, batch: Batch) -> dict[str, list[Placed]]:
    """The new posts in groups of every author of the batch, where all viewers have names.

    A membership that began nobody knows when counts as older than the post.
    """
    found = batch.fact(session, careers)
    known = [p for career in found.values() for p in career.new if p.reach]
    by_id = {post.id: Placed(post) for post in known}
    placed = fetch(session, _PLACES, posts=list(by_id))
    members = _members(session, batch, {group for _, group, _, _ in placed})
    for id_, group, name, own in placed:
        one = by_id[id_]
        one.group = name
        one.members = members[group].at(one.post.published_at) - own
    for id_, seen in fetch(session, _SEEN, posts=[id_ for id_, *_ in placed]):
        by_id[id_].seen = seen
    inside = {id_ for id_, *_ in placed}
    return {
        author: [by_id[post.id] for post in career.new if post.id in inside]
        for author, career in found.items()
    }


_joined_before = or_(_memberships.c.since.is_(None), _memberships.c.since <= posts.c.published_at)
_PLACES = (
    select(
        posts.c.id,
        posts.c.group_id,
        _groups.c.name,
        case((_memberships.c.user_id.is_not(None), 1), else_=0),
    )
    .join(_groups, _groups.c.id == posts.c.group_id)
    .outerjoin(
        _memberships,
        and_(
            _memberships.c.group_id == posts.c.group_id,
            _memberships.c.user_id == posts.c.author_id,
            _joined_before,
        ),
    )
    .where(among(posts.c.id, "posts"))
)
"""Where the ``posts`` stand, and whether their author was a member."""

_lately = case((_memberships.c.since >= bindparam("earliest"), _memberships.c.since))
_MEMBERS = (
    select(_memberships.c.group_id, _lately.label("joined"), func.count())
    .where(among(_memberships.c.group_id, "groups"))
    .group_by(_memberships.c.group_id, _lately)
)
"""Members by the instant at which they joined, those from before ``earliest`` together: a group is
read once, however many posts stand in it."""

_SEEN = (
    select(posts.c.id, func.count(views.c.viewer_id.distinct()))
    .join(
        views,
        and_(
            views.c.post_id == posts.c.id,
            views.c.at >= posts.c.published_at,
            views.c.at < later(posts.c.published_at, HOURS),
        ),
    )
    .join(
        _memberships,
        and_(
            _memberships.c.group_id == posts.c.group_id,
            _memberships.c.user_id == views.c.viewer_id,
            _joined_before,
        ),
    )
    .where(among(posts.c.id, "posts"), views.c.viewer_id != posts.c.author_id)
    .group_by(posts.c.id)
)


def _members(session: Session, batch: Batch, groups: Iterable[str]) -> Mapping[str, _Members]:
    """The members of the groups that this week's new posts can have met.

    A group is counted once for all whose week begins with this batch's; batches come zone by zone,
    so only the latest week's are kept.
    """
    earliest = batch.window.start - timedelta(hours=HOURS)
    since, known = batch.site.get(_Members, (None, {}))
    if since != earliest:
        known = {}
        batch.site[_Members] = earliest, known
    missing = [group for group in groups if group not in known]
    counts: dict[str, dict[datetime | None, int]] = {group: {} for group in missing}
    asked = {"groups": missing, "earliest": earliest}
    for group, joined, number in fetch(session, _MEMBERS, **asked) if missing else []:
        counts[group][joined] = number
    known |= {group: _Members(joined) for group, joined in counts.items()}
    return cast("dict[str, _Members]", known)


def build(placed: list[Placed], batch: Batch) -> dict[str, Any] | None:
    """Up to three posts in groups of ten or more, the best seen first; None for none."""
    told = [one for one in placed if _may_be_told(one)]
    if not told:
        return None
    told.sort(key=lambda one: (-one.seen / one.members, -one.seen, one.post.id))
    return {"hours": HOURS, "posts": [_entry(one, batch) for one in told[:SHOWN]]}


def _may_be_told(one: Placed) -> bool:
    return one.members >= LEAST_MEMBERS and one.seen >= LEAST_SHARE * one.members


def _entry(one: Placed, batch: Batch) -> dict[str, Any]:
    return {
        "id": one.post.id,
        "title": one.post.title,
        "excerpt": clean(one.post.text, EXCERPT),
        "published": batch.day(one.post.published_at),
        "group": clean(one.group, EXCERPT),
        "seen": one.seen,
        "members": one.members,
        "share": one.seen / one.members,
    }


def worth(s: dict[str, Any]) -> float:
    """The largest share of a group that saw a post: the better it was seen, the more to say."""
    shares: list[float] = [post["share"] for post in s["posts"]]
    return min(0.8, max(shares))


def news(s: dict[str, Any]) -> float:
    """Half of that share, for a post that has a title."""
    shares: list[float] = [post["share"] for post in s["posts"] if post["title"]]
    return max(shares, default=0.0) / 2


SECTION = Section(
    "seen_by",
    44,
    load,
    build,
    label="How many of a group saw your post",
    figures=True,
    calm=False,
    worth=worth,
    news=news,
)
