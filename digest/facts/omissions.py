"""Topics that a reader does not want the mail to be about, and those that can be left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlmodel import Session

from digest.database import among, fetch, insert
from digest.facts import Batch, posts
from digest.models import Omission, Snapshot, table
from digest.window import Period

SPAN = timedelta(weeks=12)
FROM, POSTS = 3, 100
"""So many of an author's latest posts of the twelve weeks make a topic."""
MOST = 50
"""Topics that are listed, besides all that are left out."""

_omissions, _snapshots = table(Omission), table(Snapshot)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that a mail may be about, or that is left ``out``."""

    name: str
    out: bool


_OMITTED = select(_omissions.c.user_id, _omissions.c.topic).where(
    among(_omissions.c.user_id, "users")
)


def omissions(session: Session, batch: Batch) -> dict[str, frozenset[str]]:
    """The topics that each of the batch left out; nobody who left none."""
    return _omitted(session, batch.users)


def _omitted(session: Session, users: tuple[str, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for user, topic in fetch(session, _OMITTED, users=users):
        found[user].add(topic)
    return {user: frozenset(topics) for user, topics in found.items()}


_WRITTEN = (
    select(posts.c.topics)
    .where(
        posts.c.author_id == bindparam("author"),
        posts.c.published_at >= bindparam("since"),
        posts.c.published_at < bindparam("until"),
        posts.c.topics != "",
    )
    .order_by(posts.c.published_at.desc(), posts.c.id)
    .limit(POSTS)
)
_TOLD = (
    select(_snapshots.c.body)
    .where(
        _snapshots.c.user_id == bindparam("reader"),
        _snapshots.c.period >= bindparam("first"),
        _snapshots.c.body.is_not(None),
    )
    .order_by(_snapshots.c.period.desc())
)


def topics(session: Session, user: str, now: datetime) -> list[Topic]:
    """The topics of twelve weeks, by name: the reader's own, those of their mails, those left out.

    A mail speaks of own topics and of those of posts that it suggests.
    """
    since = now - SPAN
    rows = fetch(session, _WRITTEN, author=user, since=since, until=now)
    written = Counter(name for (all_,) in rows for name in all_.split(";") if name)
    own = [name for name, number in written.most_common() if number >= FROM]
    bodies = fetch(session, _TOLD, reader=user, first=str(Period.of(since.date())))
    told = (name for (body,) in bodies for name in _spoken_of(body))
    listed = list(dict.fromkeys([*told, *own]))[:MOST]
    out = _omitted(session, (user,)).get(user, frozenset())
    names = sorted({*listed, *out}, key=lambda name: (name.casefold(), name))
    return [Topic(name, name in out) for name in names]


def _spoken_of(body: dict[str, Any]) -> Iterator[str]:
    said = body["sections"].get("sharing", {})
    yield from (post["topic"] for post in said.get("posts", ()))
    yield from said.get("topics", ())


def omit(session: Session, user: str, topic: str, now: datetime) -> None:
    """Leave a topic out; twice is as once."""
    row = {"user_id": user, "topic": topic, "omitted_at": now}
    session.execute(insert(session, _omissions).values(row).on_conflict_do_nothing())


def restore(session: Session, user: str, topic: str) -> None:
    """Take :func:`omit` back."""
    session.execute(
        delete(_omissions).where(_omissions.c.user_id == user, _omissions.c.topic == topic)
    )
