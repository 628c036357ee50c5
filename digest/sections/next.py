"""The one call to action: answer those who replied, look again at a rediscovered post, or write."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch, posts
from digest.facts.weeks import AuthorWeek, PostWeek, author_weeks
from digest.sections import Section
from digest.sections.top_posts import ARCHIVE

_LINK = func.nullif(posts.c.url, "")
_ADDRESSES = (
    select(posts.c.author_id, func.min(_LINK), func.max(_LINK))
    .where(among(posts.c.author_id, "users"))
    .group_by(posts.c.author_id)
)


def load(session: Session, batch: Batch) -> dict[str, tuple[AuthorWeek, str]]:
    """Each author's week, quiet ones included, and the site on which all their posts stand."""
    weeks = batch.fact(session, author_weeks)
    rows = fetch(session, _ADDRESSES, users=batch.users)
    return {user: (weeks.get(user, AuthorWeek()), _common(*ends)) for user, *ends in rows}


def build(facts: tuple[AuthorWeek, str], batch: Batch) -> dict[str, Any]:
    """What to do, and with which post."""
    week, site = facts
    answerable = [post for post in week.top if post.replied and post.people and post.url]
    if answerable:
        post = max(answerable, key=lambda post: post.replies)
        others = max(0, post.reactors - len(post.people))
        return _step("reply", post, site) | {"people": post.people, "others": others}
    first = week.top[0] if week.top else None
    old = batch.window.end - ARCHIVE
    if first and first.url and first.published_at and first.published_at < old:
        return _step("revisit", first, site)
    return {"kind": "write", "post": None, "people": [], "others": 0, "site": site}


def _step(kind: str, post: PostWeek, site: str) -> dict[str, Any]:
    shown = {"title": post.title, "url": post.url}
    return {"kind": kind, "post": shown, "people": [], "others": 0, "site": site}


def _common(first: str | None, last: str | None) -> str:
    """The way to the next post, if no other is configured: the one site of two posts or more.

    Between two addresses that begin alike, in the order of their characters, all do. Where posts
    link to what others wrote, their sites are many, and a single post does not tell which it is.
    """
    if not first or not last or first == last:
        return ""
    site = _site(first)
    return site if site == _site(last) else ""


def _site(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/" if parts.netloc else ""


SECTION = Section("next", 90, load, build, label="One thing to do next")
