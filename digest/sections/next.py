"""The one call to action: answer those who replied, look again at a rediscovered post, or write."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from digest.facts import AuthorWeek, Batch, PostWeek, author_weeks
from digest.sections import Section
from digest.sections.top_posts import ARCHIVE


def load(session: Session, batch: Batch) -> dict[str, AuthorWeek]:
    """Each author's week, quiet ones included."""
    weeks = batch.fact(session, author_weeks)
    return {user: weeks.get(user, AuthorWeek()) for user in batch.users}


def build(week: AuthorWeek, batch: Batch) -> dict[str, Any]:
    """What to do, and with which post."""
    answerable = [post for post in week.top if post.replied and post.people and post.url]
    if answerable:
        post = max(answerable, key=lambda post: post.replies)
        return _step("reply", post, post.people)
    first = week.top[0] if week.top else None
    old = batch.window.end - ARCHIVE
    if first and first.url and first.published_at and first.published_at < old:
        return _step("revisit", first, [])
    return {"kind": "write", "post": None, "people": []}


def _step(kind: str, post: PostWeek, people: list[str]) -> dict[str, Any]:
    return {"kind": kind, "post": {"title": post.title, "url": post.url}, "people": people}


SECTION = Section("next", 90, load, build)
