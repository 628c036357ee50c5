"""How much of the author's following was reached (F5), and a word for posts without an answer.

Nothing is told of groups under ten people, nothing where viewers have no names, and no share below
a tenth: a bare low number discourages, and there is nothing to do with it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, or_, select, union
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch, counters, posts, reactions
from digest.facts.followers import HABITS_FROM, LEAST_PEOPLE, WEEKS, Following, followings
from digest.facts.judgements import HOURS, Judged, careers
from digest.sections import Section
from digest.sections.top_posts import EXCERPT
from digest.stats.overlap import overlap
from digest.text import clean

SHOWN = 3
LEAST_SHARE = 0.1
POSTS_FROM = 2
"""From so many posts on there is a union."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An author's following, and which of the new posts nobody reacted to, to this day."""

    following: Following
    silent: Collection[str]


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """The authors of whom a post completed the age of comparison in the last four weeks."""
    followed = batch.fact(session, followings)
    mute = [
        post.id
        for career in batch.fact(session, careers).values()
        for post in career.new
        if (post.reach or 0) >= LEAST_PEOPLE and not post.reactions
    ]
    answered = {id_ for (id_,) in fetch(session, _ANSWERED, posts=mute, end=batch.window.end)}
    silent = frozenset(mute) - answered
    return {author: Facts(following, silent) for author, following in followed.items()}


_BY_OTHERS = (
    select(reactions.c.post_id)
    .join(posts, posts.c.id == reactions.c.post_id)
    .where(
        among(reactions.c.post_id, "posts"),
        reactions.c.at < bindparam("end"),
        reactions.c.actor_id != posts.c.author_id,
    )
)
_COUNTED = select(counters.c.post_id).where(
    among(counters.c.post_id, "posts"),
    counters.c.at < bindparam("end"),
    or_(counters.c.likes > 0, counters.c.reposts > 0, counters.c.replies > 0),
)
_ANSWERED = select(union(_BY_OTHERS, _COUNTED).subquery())
"""Those of the ``posts`` that had a reaction at any age: who says “no one” must mean it."""


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """This week's posts, four weeks' union and regulars; None where the guards leave nothing."""
    following = facts.following
    entries = [_entry(post, facts, batch) for post in following.posts if post.new]
    told = [entry for entry in entries if entry["share"] is not None or entry["silent"]]
    told.sort(key=lambda entry: (-(entry["share"] or 0.0), -entry["reach"]))
    weeks = _weeks(following)
    regulars = _regulars(following)
    if not told and not weeks and not regulars:
        return None
    return {
        "hours": HOURS,
        "posts": told[:SHOWN],
        "span": WEEKS,
        "weeks": weeks,
        "regulars": regulars,
    }


def _entry(post: Judged, facts: Facts, batch: Batch) -> dict[str, Any]:
    """One new post at the age of comparison: the share of its followers that it reached."""
    found = facts.following.reached.get(post.id)
    share = _share(found.early, found.followers) if found else None
    told = found if share is not None else None
    return {
        "id": post.id,
        "title": post.title,
        "excerpt": clean(post.text, EXCERPT),
        "published": batch.day(post.published_at),
        "reach": post.reach or 0,
        "reached": told and told.early,
        "followers": told and told.followers,
        "share": share,
        "silent": post.id in facts.silent,
    }


def _share(reached: int, followers: float) -> float | None:
    """A proportion that may be told, or None."""
    if reached < LEAST_PEOPLE or not LEAST_SHARE * followers <= reached <= followers:
        return None
    return reached / followers


def _weeks(following: Following) -> dict[str, Any] | None:
    """Followers who saw at least one post: a union, against the average number of followers."""
    if not following.known or len(following.posts) < POSTS_FROM:
        return None
    average = following.average
    # A list of followers that turned over can make more people than there are on average.
    share = _share(following.union, average)
    if share is None:
        return None
    met = None
    if len(following.posts) >= HABITS_FROM:
        shares = [one.ever / one.followers for one in following.reached.values() if one.followers]
        met = overlap(share, shares, average)
    return {
        "people": following.union,
        "followers": round(average),
        "share": share,
        "posts": len(following.posts),
        "overlap": met and met.index,
        "returning": bool(met and met.returning),
    }


def _regulars(following: Following) -> dict[str, Any] | None:
    """How many people saw at least half of the posts; who they are is nobody's business."""
    number = following.regulars()
    if not following.known or len(following.posts) < HABITS_FROM or number < LEAST_PEOPLE:
        return None
    return {"people": number, "posts": len(following.posts)}


def worth(s: dict[str, Any]) -> float:
    """The largest share that is told, a post's in full and that of four weeks, which is always
    larger and changes little, by seven tenths; a post without an answer is worth a word anyway.
    """
    shares: list[float] = [post["share"] or 0.0 for post in s["posts"]]
    shares += [0.7 * s["weeks"]["share"]] if s["weeks"] else []
    silent = any(post["silent"] for post in s["posts"])
    return min(0.8, max(0.3 if s["regulars"] else 0.0, 0.5 if silent else 0.0, *shares, 0.0))


def news(s: dict[str, Any]) -> float:
    """Half of the share that the best post with a title reached of its followers."""
    shares: list[float] = [post["share"] or 0.0 for post in s["posts"] if post["title"]]
    return max(shares, default=0.0) / 2


SECTION = Section(
    "audience",
    42,
    load,
    build,
    label="How much of your following you reached",
    figures=True,
    calm=False,
    worth=worth,
    news=news,
)
