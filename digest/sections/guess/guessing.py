"""What a mail can ask about, what the last one asked, and what was guessed (F5).

What the last mail asked is read from its snapshot, so that what is revealed is what was asked,
whatever the reader's rhythm is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple, cast

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import TEXT_SHOWN, WORDS, Batch, posts
from digest.facts.judgements import HOURS, careers
from digest.models import Guess, Judgement, Snapshot, table
from digest.stats.guesses import typical

SMALLEST = 5
"""A guess is compared with at least so many people: a share of fewer says nothing."""
LOOK_BACK_WEEKS = 26
"""Guesses further back play no part; pruning never keeps less."""
ASKED_WEEKS = 8
"""An answer is told in a mail at most so many weeks later: a monthly one after a break of four."""
NEWEST = 10_000
"""Guesses that the community's figure is made from at most."""

_guesses, _judgements, _snapshots = table(Guess), table(Judgement), table(Snapshot)


class Young(NamedTuple):
    """A post of the last 48 hours of the week, too young to be judged."""

    id: str
    published_at: datetime
    title: str
    text: str
    url: str


class Known(NamedTuple):
    """One of a reader's guesses, and how many people it were; None is unknown."""

    post_id: str
    guess: int
    actual: int | None

    @property
    def counts(self) -> bool:
        """Whether it can be compared with what was."""
        return self.actual is not None and self.actual >= SMALLEST


class Community(NamedTuple):
    """So many people guessed, and the median of their typical ratios; 0 where nobody did."""

    guessers: int = 0
    ratio: float = 0.0


_YOUNG = (
    select(
        posts.c.author_id,
        posts.c.id,
        posts.c.published_at,
        posts.c.title,
        func.substr(posts.c.text, 1, TEXT_SHOWN),
        posts.c.url,
    )
    .where(
        among(posts.c.author_id, "users"),
        posts.c.published_at >= bindparam("since"),
        posts.c.published_at < bindparam("end"),
    )
    .order_by(posts.c.author_id, posts.c.published_at.desc(), posts.c.id)
)


def young_posts(session: Session, batch: Batch) -> dict[str, list[Young]]:
    """The posts of each author that are judged in a later mail, newest first."""
    waiting = [user for user, career in batch.fact(session, careers).items() if career.waiting]
    end = batch.window.end
    young = {"since": end - timedelta(hours=HOURS), "end": end}
    found: dict[str, list[Young]] = defaultdict(list)
    for author, *post in fetch(session, _YOUNG, users=waiting, **young) if waiting else ():
        found[author].append(Young(*post))
    return dict(found)


_LAST = (
    select(_snapshots.c.user_id, func.max(_snapshots.c.period).label("period"))
    .where(
        among(_snapshots.c.user_id, "users"),
        _snapshots.c.period >= bindparam("earliest"),
        _snapshots.c.period < bindparam("period"),
        _snapshots.c.body.is_not(None),
    )
    .group_by(_snapshots.c.user_id)
    .subquery()
)
_POST_ASKED = _snapshots.c.body["sections", "guess", "ask", "post", "id"].as_string()
_ASKED = (
    select(_snapshots.c.user_id, _POST_ASKED)
    .join(
        _LAST,
        (_LAST.c.user_id == _snapshots.c.user_id) & (_LAST.c.period == _snapshots.c.period),
    )
    .where(_POST_ASKED.is_not(None))
)


def asked_posts(session: Session, batch: Batch) -> dict[str, Any]:
    """The post that the last mail asked each author about, with its words, where it is judged."""
    judged = {
        user: {post.id for post in career.judged}
        for user, career in batch.fact(session, careers).items()
        if career.judged
    }
    weeks = {"earliest": str(batch.period.shift(-ASKED_WEEKS)), "period": str(batch.period)}
    asked = {
        user: post
        for user, post in fetch(session, _ASKED, users=list(judged), **weeks)
        if post in judged[user]
    }
    words = {row.id: row for row in fetch(session, WORDS, posts=list(asked.values()))}
    return {user: words[post] for user, post in asked.items() if post in words}


_GUESSES = (
    select(_guesses.c.user_id, _guesses.c.post_id, _guesses.c.value, _judgements.c.reach)
    .join(posts, posts.c.id == _guesses.c.post_id)
    .outerjoin(_judgements, _judgements.c.post_id == _guesses.c.post_id)
    .where(
        among(_guesses.c.user_id, "users"),
        _guesses.c.at >= bindparam("since"),
        _guesses.c.at < bindparam("end"),
        posts.c.published_at < bindparam("judged"),
    )
)


def guessed(session: Session, batch: Batch, users: Sequence[str]) -> dict[str, list[Known]]:
    """What ``users`` guessed of posts that were judged up to this week."""
    fresh = {
        post.id: post.reach
        for career in batch.fact(session, careers).values()
        for post in career.fresh
    }
    end = batch.window.end
    times = {
        "since": end - timedelta(weeks=LOOK_BACK_WEEKS),
        "end": end,
        "judged": end - timedelta(hours=HOURS),
    }
    found: dict[str, list[Known]] = defaultdict(list)
    for user, post, value, reach in fetch(session, _GUESSES, users=users, **times):
        found[user].append(Known(post, value, fresh.get(post, reach)))
    return dict(found)


_EVERYBODYS = (
    select(_guesses.c.user_id, _guesses.c.value, _judgements.c.reach)
    .join(posts, posts.c.id == _guesses.c.post_id)
    .join(_judgements, _judgements.c.post_id == _guesses.c.post_id)
    .where(
        _guesses.c.at >= bindparam("since"),
        posts.c.published_at < bindparam("judged"),
        _judgements.c.reach >= SMALLEST,
    )
    .order_by(_guesses.c.at.desc(), _guesses.c.user_id, _guesses.c.post_id)
    .limit(NEWEST)
)


def community(session: Session, batch: Batch) -> Community:
    """How people of the site guess: the median over guessers, each counted once.

    Of posts that were judged before this week anywhere, so that all batches of a run are told the
    same.
    """
    key = (community, batch.period)
    if key not in batch.site:
        before = batch.period.dawn
        since = before - timedelta(weeks=LOOK_BACK_WEEKS)
        judged = before - timedelta(hours=HOURS)
        by_user: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for user, value, reach in fetch(session, _EVERYBODYS, since=since, judged=judged):
            by_user[user].append((value, reach))
        ratios = [typical(pairs) for pairs in by_user.values()]
        batch.site[key] = Community(len(ratios), median(ratios)) if ratios else Community()
    return cast(Community, batch.site[key])
