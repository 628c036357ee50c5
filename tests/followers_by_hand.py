"""Who followed and who saw, counted one row at a time: what queries and sections are held to."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import SQLModel

from digest.database import Database
from digest.facts import Batch
from digest.models import Follow, Post, View, table

TWO_DAYS = timedelta(hours=48)


@dataclass(frozen=True)
class Counted:
    """One author's four weeks: by post (followers, reached ever, reached in 48 hours)."""

    posts: dict[str, tuple[int, int, int]]
    union: int
    regulars: int

    @property
    def average(self) -> float:
        return sum(followers for followers, _, _ in self.posts.values()) / len(self.posts)


def store(database: Database, **rows: list[dict[str, Any]]) -> None:
    """Rows by the name of their model, in the order in which they are given."""
    named = {model.__name__: model for model in SQLModel.__subclasses__()}
    with database.writing() as session:
        for name, several in rows.items():
            if several:
                session.connection().execute(table(named[name]).insert(), several)


def rows_of(database: Database, model: type[SQLModel]) -> list[Any]:
    with database.reading() as session:
        return list(session.execute(select(table(model))).all())


def count(database: Database, batch: Batch) -> dict[str, Counted]:
    """Every author of the batch who published in the four weeks, less 48 hours at either end."""
    midnight = datetime.combine(batch.period.monday, time(), batch.tz)
    end = (midnight + timedelta(days=7)).astimezone(UTC)
    first = (midnight - timedelta(days=21)).astimezone(UTC)
    follows, seen = defaultdict(list), defaultdict(list)
    for follow in rows_of(database, Follow):
        follows[follow.followee_id].append(follow)
    for view in rows_of(database, View):
        seen[view.post_id].append(view)
    written = defaultdict(list)
    for post in rows_of(database, Post):
        at = post.published_at
        if post.author_id in batch.users and at and first <= at + TWO_DAYS < end:
            written[post.author_id].append(post)
    found = {}
    for author, posts in written.items():
        shares, times_seen, everybody = {}, Counter[str](), set[str]()
        for post in posts:
            at = post.published_at
            following = {
                follow.follower_id
                for follow in follows[author]
                if follow.since <= at and (follow.until is None or follow.until > at)
            } - {author}
            viewed = [v for v in seen[post.id] if at <= v.at < end and v.viewer_id != author]
            ever = {view.viewer_id for view in viewed}
            early = {view.viewer_id for view in viewed if view.at < at + TWO_DAYS}
            shares[post.id] = (len(following), len(following & ever), len(following & early))
            times_seen.update(ever)
            everybody |= following & ever
        regulars = sum(1 for times in times_seen.values() if times >= len(posts) / 2)
        found[author] = Counted(shares, len(everybody), regulars)
    return found
