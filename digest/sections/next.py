"""The one call to action: answer those who replied, look again at a rediscovered post, or write."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

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
    return {"kind": "write", "post": None, "people": [], "site": _site(first)}


def _step(kind: str, post: PostWeek, people: list[str]) -> dict[str, Any]:
    shown = {"title": post.title, "url": post.url}
    return {"kind": kind, "post": shown, "people": people, "site": _site(post)}


def _site(post: PostWeek | None) -> str:
    """Where the author's posts stand: the way to the next one, if no other is configured."""
    parts = urlsplit(post.url if post else "")
    return f"{parts.scheme}://{parts.netloc}/" if parts.netloc else ""


SECTION = Section("next", 90, load, build)
