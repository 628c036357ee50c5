"""A community whose every word that a user wrote can be told from ours.

Such words begin with ``MARK``, so that what is left of a mail is ours. A title begins with its
post's id and a name with its person's.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from tests.community import MONDAY, Community

MARK = "¤"
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
BAIT = ("because", "caused", "will gain", "thanks to", "read", "27 % of 3 people", "100%")


def marked(words: str) -> str:
    return " ".join(MARK + word for word in words.split())


class Place(Community):
    """A community whose people and posts have marked words, and the ways in which it lives."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        self.dice = random.Random(seed)

    def people(self, *ids: str, timezone: str = "UTC") -> None:
        for id_ in ids:
            self.user(id_, marked(f"{id_} because"), timezone)

    def told(self, id_: str, author: str, at: datetime | None, **more: Any) -> str:
        title = marked(f"{id_} {self.dice.choice(BAIT)} post")
        words = {"title": title, "text": marked(f"of {id_} which will gain 5 because"), "kind": ""}
        self.post(id_, author, at, **(words | more))
        return id_

    def seen(
        self, post: str, at: datetime, people: list[str], hours: float = 40, via: str = ""
    ) -> None:
        for person in people:
            self.view(post, at + self.dice.uniform(0.1, hours) * HOUR, person, via=via)

    def group(self, id_: str, members: list[str]) -> None:
        self.rows["groups"].append({"id": id_, "name": marked(f"{id_} group")})
        for one in members:
            row = {"group_id": id_, "user_id": one, "since": (MONDAY - 60 * WEEK).isoformat()}
            self.rows["memberships"].append(row)

    def follow(self, who: str, by: str, since: datetime, until: datetime | None = None) -> None:
        row = {"follower_id": by, "followee_id": who, "since": since.isoformat()}
        self.rows["follows"].append(row | {"until": until.isoformat() if until else ""})


def some(prefix: str, number: int, first: int = 0) -> list[str]:
    return [f"{prefix}{n}" for n in range(first, first + number)]
