"""A town whose people do things in public: rows of facts, put straight into a database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import SQLModel

from digest import window
from digest.database import Database
from digest.facts import Batch
from digest.models import (
    Follow,
    Group,
    Post,
    Reaction,
    Subscription,
    Suppression,
    User,
    View,
    table,
)
from digest.window import Period

WEEK = Period(2026, 46)
TZ = ZoneInfo("UTC")
START, END = window.week(WEEK, TZ).start, window.week(WEEK, TZ).end
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_TABLES: dict[str, type[SQLModel]] = {
    "groups": Group,
    "users": User,
    "posts": Post,
    "views": View,
    "reactions": Reaction,
    "follows": Follow,
    "subscriptions": Subscription,
    "suppressions": Suppression,
}


@dataclass
class Town:
    """Rows by table; ``settle`` stores them. Times are hours before the week ends."""

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in _TABLES}
    )

    def people(self, *ids: str) -> None:
        for id_ in ids:
            row = {"id": id_, "name": id_.title(), "email": f"{id_}@p.example"}
            self.rows["users"].append(row | {"email_key": f"{id_}@p.example"})

    def post(self, id_: str, author: str, before: float = 48, **more: Any) -> None:
        row: dict[str, Any] = {"id": id_, "author_id": author, "title": f"On {id_}"}
        row |= {"text": "", "topics": ""}
        row |= {"url": f"https://town.example/{id_}", "group_id": None}
        published = {"published_at": END - timedelta(hours=before)}
        self.rows["posts"].append(row | published | more)

    def react(
        self, post: str, people: Iterable[str], before: float = 24, kind: str = "like"
    ) -> None:
        at = END - timedelta(hours=before)
        for n, person in enumerate(people):
            row = {"post_id": post, "actor_id": person, "type": kind, "count": 1}
            self.rows["reactions"].append(row | {"at": at + timedelta(milliseconds=n)})

    def view(self, post: str, people: Iterable[str], before: float = 24) -> None:
        at = END - timedelta(hours=before)
        for person in people:
            row = {"post_id": post, "at": at, "viewer_id": person, "via": "", "count": 1}
            self.rows["views"].append(row)

    def follow(
        self,
        follower: str,
        followee: str,
        since: datetime = LONG_AGO,
        until: datetime | None = None,
    ) -> None:
        row = {"follower_id": follower, "followee_id": followee, "since": since, "until": until}
        self.rows["follows"].append(row)

    def leave(self, person: str, **left: datetime) -> None:
        row = {"user_id": person, "weekday": 0, "hour": 8, "timezone": "UTC"}
        nothing = {"unsubscribed_at": None, "erased_at": None}
        self.rows["subscriptions"].append(row | nothing | left)

    def suppress(self, person: str) -> None:
        row = {"email_key": f"{person}@p.example", "reason": "hard bounce", "since": LONG_AGO}
        self.rows["suppressions"].append(row)

    def settle(self, database: Database) -> None:
        with database.writing() as session:
            for name, model in _TABLES.items():
                if self.rows[name]:
                    session.connection().execute(table(model).insert(), self.rows[name])


def batch(*users: str, **more: Any) -> Batch:
    """These authors, in the week of the town."""
    return Batch(WEEK, TZ, users, **more)
