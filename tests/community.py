"""A small community written as an exchange folder, the way a platform would hand it over."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MONDAY = datetime(2026, 11, 9, tzinfo=UTC)
"""The Monday of 2026-W46; the stories play in the week after it."""

COLUMNS = {
    "users": "id,name,email,handle,locale,timezone,joined_at",
    "groups": "id,name",
    "memberships": "group_id,user_id,since",
    "posts": "id,author_id,published_at,title,text,url,kind,topics,group_id",
    "views": "post_id,at,viewer_id,count,via",
    "counters": "post_id,at,views,likes,reposts,replies",
    "reactions": "post_id,actor_id,type,at",
    "follows": "follower_id,followee_id,since,until",
}


@dataclass
class Community:
    """Rows by table; ``write`` makes the folder that ``digest import`` reads."""

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in COLUMNS}
    )

    def user(self, id_: str, name: str = "", timezone: str = "UTC", **more: Any) -> None:
        email = more.pop("email", f"{id_}@people.example")
        row = {"id": id_, "name": name or id_.title(), "email": email, "timezone": timezone}
        self.rows["users"].append(row | more)

    def post(self, id_: str, author: str, published: datetime | None, **more: Any) -> None:
        row = {"id": id_, "author_id": author, "title": f"The {id_} post", "text": f"All of {id_}."}
        row |= {"published_at": published.isoformat() if published else ""}
        row |= {"url": f"https://site.example/p/{id_}"}
        self.rows["posts"].append(row | more)

    def view(
        self, post: str, at: datetime, viewer: str = "", count: int = 1, via: str = ""
    ) -> None:
        row = {"post_id": post, "at": at.isoformat(), "viewer_id": viewer, "count": count}
        self.rows["views"].append(row | {"via": via})

    def views(self, post: str, at: datetime, number: int, prefix: str = "reader") -> None:
        """One view each by ``number`` people, a second apart."""
        for n in range(number):
            self.view(post, at + timedelta(seconds=n), f"{prefix}-{n}")

    def reaction(self, post: str, actor: str, kind: str, at: datetime) -> None:
        row = {"post_id": post, "actor_id": actor, "type": kind, "at": at.isoformat()}
        self.rows["reactions"].append(row)

    def counter(self, post: str, at: datetime, views: int | str, **more: Any) -> None:
        self.rows["counters"].append({"post_id": post, "at": at.isoformat(), "views": views} | more)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in self.rows.items():
            if rows:
                with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, COLUMNS[name].split(","))
                    writer.writeheader()
                    writer.writerows(rows)
        return folder


def village() -> Community:
    """Alice writes and is read, Bob too, Quinn is quiet, Aroha lives in Auckland, Vic only reads.

    In 2026-W46 Alice's "bridge" has 12 views by 9 people and "garden", from spring, 4 by 4; nine
    earlier weeks had 6 to 9 views each.
    """
    there = Community()
    there.user("alice", "Alice Moreau", "Europe/London", locale="en_GB")
    there.user("bob", "Bob Ito", "America/New_York")
    there.user("quinn", "Quinn Abara", "Europe/Berlin")
    there.user("aroha", "Aroha Ngata", "Pacific/Auckland")
    there.user("vic", "Vic Lund", "UTC")
    there.post("garden", "alice", MONDAY - timedelta(weeks=30), title="A garden plan")
    there.post("bridge", "alice", MONDAY + timedelta(hours=9), title="Why bridges hum")
    there.post("ferry", "bob", MONDAY + timedelta(days=1), title="The last ferry")
    there.post("moss", "quinn", MONDAY - timedelta(weeks=12), title="On moss")
    there.post("tide", "aroha", MONDAY + timedelta(days=2), title="Reading a tide table")
    for n in range(1, 11):
        there.views("garden", MONDAY - timedelta(weeks=n) + timedelta(hours=50), 6 + n % 4, f"w{n}")
    there.views("bridge", MONDAY + timedelta(hours=12), 9)
    for n in range(3):
        there.view("bridge", MONDAY + timedelta(days=1, hours=n), f"reader-{n}")
    there.views("garden", MONDAY + timedelta(days=3), 4, "walker")
    there.view("bridge", MONDAY + timedelta(hours=13), "alice")  # her own: never counted
    there.reaction("bridge", "bob", "reply", MONDAY + timedelta(hours=14))
    there.reaction("bridge", "vic", "like", MONDAY + timedelta(hours=15))
    there.reaction("bridge", "alice", "like", MONDAY + timedelta(hours=15))
    there.views("ferry", MONDAY + timedelta(days=1, hours=6), 5)
    there.views("tide", MONDAY + timedelta(days=2, hours=6), 3)
    there.views("moss", MONDAY - timedelta(weeks=11), 4)
    return there
