"""Hacker News: posts with final points and comments, read once; nobody counted views."""

from datetime import datetime
from pathlib import Path

from tests.conversions import read, write


def convert(data: Path, folder: Path) -> None:
    """Points are likes and comments are replies, as they stood at the end of the collection."""
    rows = list(read(data / "hacker_news.csv.gz"))
    created = {
        row["id"]: datetime.strptime(row["created_at"], "%m/%d/%Y %H:%M").isoformat()  # noqa: DTZ007
        for row in rows
    }
    end = max(created.values())
    authors = dict.fromkeys(row["author"] for row in rows)
    write(
        folder,
        "users",
        "id name email",
        ((name, name, f"{name}@hacker-news.example") for name in authors),
    )
    write(
        folder,
        "posts",
        "id author_id published_at title url",
        ((row["id"], row["author"], created[row["id"]], row["title"], row["url"]) for row in rows),
    )
    write(
        folder,
        "counters",
        "post_id at views likes replies",
        ((row["id"], end, "", row["num_points"], row["num_comments"]) for row in rows),
    )
