"""Totals so far, in the week in which an author's counters are read for the first time.

A first reading says what a post has had in all its life and nothing of this week: there is no
figure of the week to show, and none is invented. From the next reading on there is one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func
from sqlmodel import Session

from digest.database import fetch
from digest.facts import WORDS, Batch, counters, posts, span, within
from digest.facts.weeks import TOP, author_weeks
from digest.sections import Section
from digest.sections.top_posts import EXCERPT
from digest.text import clean

_TOTALS = within(
    counters,
    posts.c.id,
    *(func.max(counters.c[name]) for name in ("views", "likes", "reposts", "replies")),
).group_by(posts.c.author_id, posts.c.id)


def load(session: Session, batch: Batch) -> dict[str, list[dict[str, Any]]]:
    """Of authors of whom nothing else is known: each post read this week, the highest first."""
    weeks = batch.fact(session, author_weeks)
    users = [user for user, week in weeks.items() if week.first_read and not week.known]
    if not users:
        return {}
    found: dict[str, list[dict[str, Any]]] = {user: [] for user in users}
    for author, id_, views, *acts in fetch(session, _TOTALS, users=users, **span(batch.window)):
        known = [count for count in acts if count is not None]
        found[author].append({"id": id_, "views": views, "reactions": sum(known)})
    for author, read in found.items():
        read.sort(key=lambda post: (-(post["views"] or 0), -post["reactions"], post["id"]))
        found[author] = [post for post in read if post["views"] or post["reactions"]]
    shown = {post["id"]: post for read in found.values() for post in read[:TOP]}
    for id_, published, title, text, url in fetch(session, WORDS, posts=list(shown)):
        words = {"title": title, "excerpt": clean(text, EXCERPT), "url": url}
        shown[id_] |= words | {"published": batch.day(published)}
    return found


def build(read: list[dict[str, Any]], batch: Batch) -> dict[str, Any] | None:
    """The sums over all posts and the five highest; None where every total is zero.

    Of posts that nothing tells apart only the highest is shown: its figure is known, if no name.
    """
    del batch  # a total so far has no week
    if not read:
        return None
    metric = "views" if any(post["views"] for post in read) else "reactions"
    return {
        "metric": metric,
        "total": sum(post[metric] or 0 for post in read),
        "number": len(read),
        "posts": read[: TOP if any(map(_is_named, read[:TOP])) else 1],
    }


def _is_named(post: dict[str, Any]) -> bool:
    return any(post.get(name) for name in ("title", "excerpt", "url", "published"))


SECTION = Section("so_far", 5, load, build, figures=True)
