"""This week's most viewed posts, of any age (F2): the main list of the mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.judgements import Career, careers
from digest.facts.weeks import AuthorWeek, PostWeek, author_weeks
from digest.sections import Section
from digest.text import clean

EXCERPT = 160
"""Characters of a post's text that are shown."""
ARCHIVE = timedelta(days=30)
"""A post older than this at the end of the week is marked as from the archive."""


def load(session: Session, batch: Batch) -> dict[str, tuple[AuthorWeek, Career]]:
    """Each author's week, and how the posts of this week compare with earlier ones."""
    judged = batch.fact(session, careers)
    weeks = batch.fact(session, author_weeks)
    return {user: (week, judged.get(user, Career())) for user, week in weeks.items()}


def build(facts: tuple[AuthorWeek, Career], batch: Batch) -> dict[str, Any] | None:
    """Up to five posts, each with its figures and its share of the week."""
    week, career = facts
    if not week.top:
        return None
    return {
        "metric": "views" if week.views else "reactions",
        "posts": [_card(post, week, career, batch) for post in week.top],
        "more": max(0, week.active - len(week.top)),
    }


def _card(post: PostWeek, week: AuthorWeek, career: Career, batch: Batch) -> dict[str, Any]:
    part, whole = (post.views, week.views) if week.views else (post.reactions, week.reactions)
    return {
        "id": post.id,
        "title": post.title,
        "excerpt": clean(post.text, EXCERPT),
        "url": post.url,
        "published": batch.day(post.published_at),
        "archive": bool(post.published_at and post.published_at < batch.window.end - ARCHIVE),
        "views": post.views,
        # People and views stand in one sentence, so both must be of the same displays.
        "reach": None if post.anonymous else post.reach,
        "reactions": post.reactions,
        "share": (part or 0) / (whole or 1),
        "people": post.people,
        "others": max(0, post.reactors - len(post.people)),
        "replied": post.replied,
        "times": career.times_usual(post.id),
    }


SECTION = Section("top_posts", 30, load, build, label="Your most viewed posts", calm=False)
