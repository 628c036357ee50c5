"""The quiet week: no views, no reactions, and no shame."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import WORDS, Batch, posts
from digest.facts.judgements import Judged, careers
from digest.facts.weeks import AuthorWeek, author_weeks
from digest.sections import Section

_WRITTEN = (
    select(posts.c.author_id, func.count())
    .where(among(posts.c.author_id, "users"))
    .group_by(posts.c.author_id)
)


def load(session: Session, batch: Batch) -> dict[str, tuple[int, dict[str, Any] | None]]:
    """Of authors with a quiet week: how many posts they have, and which early did best."""
    weeks = batch.fact(session, author_weeks)
    quiet = [user for user in batch.users if weeks.get(user, AuthorWeek()).quiet]
    if not quiet:
        return {}
    count = dict(fetch(session, _WRITTEN, users=quiet))
    judged = batch.fact(session, careers)
    best = {
        user: max(judged[user].judged, key=_seen)
        for user in quiet
        if user in judged and any(_seen(post) for post in judged[user].judged)
    }
    shown = fetch(session, WORDS, posts=[post.id for post in best.values()])
    words = {row.id: row for row in shown}
    return {user: (number, _best(best.get(user), words)) for user, number in count.items()}


def build(facts: tuple[int, dict[str, Any] | None], batch: Batch) -> dict[str, Any] | None:
    """The friendly text's few facts."""
    del batch  # a quiet week is quiet whatever the week
    number, best = facts
    return {"posts": number, "best": best}


def _seen(post: Judged) -> int:
    return post.views or 0


def _best(post: Judged | None, words: dict[str, Any]) -> dict[str, Any] | None:
    if post is None or post.id not in words:
        return None
    return {"title": words[post.id].title, "url": words[post.id].url, "views": post.views}


SECTION = Section("quiet", 50, load, build)
