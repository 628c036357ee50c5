"""Deskdrop: real events of real people on items without title or author.

All items are given to one made-up author. A bookmark is private and a follow means an item, so
neither is a reaction.
"""

from datetime import UTC, datetime
from pathlib import Path

from tests.conversions import read, write

AUTHOR = "desk"
_REACTIONS = {"LIKE": "like", "COMMENT CREATED": "reply"}


def convert(data: Path, folder: Path) -> None:
    """Views and reactions by person."""
    events = list(read(data / "users_interactions.csv.gz"))
    write(folder, "users", "id name email", [(AUTHOR, "The desk", "desk@deskdrop.example")])
    items = dict.fromkeys(row["contentId"] for row in events)
    write(folder, "posts", "id author_id", ((item, AUTHOR) for item in items))
    write(
        folder,
        "views",
        "post_id at viewer_id",
        (
            (row["contentId"], _time(row), row["personId"])
            for row in events
            if row["eventType"] == "VIEW"
        ),
    )
    write(
        folder,
        "reactions",
        "post_id at actor_id type",
        (
            (row["contentId"], _time(row), row["personId"], _REACTIONS[row["eventType"]])
            for row in events
            if row["eventType"] in _REACTIONS
        ),
    )


def _time(row: dict[str, str]) -> str:
    return datetime.fromtimestamp(int(row["timestamp"]), UTC).isoformat()
