"""One dev.to author: daily views as dated counts, or the snapshots as counters."""

from pathlib import Path

from tests.conversions import read, write

AUTHOR = "author"


def daily(data: Path, folder: Path) -> None:
    """The views of each day; nobody says whose they were."""
    _posts(data, folder)
    write(
        folder,
        "views",
        "post_id at count",
        (
            (row["article_id"], row["date"], row["views"])
            for row in read(data / "daily.csv.gz")
            if row["views"] != "0"
        ),
    )


def snapshots(data: Path, folder: Path) -> None:
    """The totals as they were read, reactions as likes and comments as replies."""
    _posts(data, folder)
    write(
        folder,
        "counters",
        "post_id at views likes replies",
        (
            (
                row["article_id"],
                row["snapshot_utc"],
                row["views_total"],
                row["reactions_total"],
                row["comments_total"],
            )
            for row in read(data / "snapshots.csv.gz")
        ),
    )


def _posts(data: Path, folder: Path) -> None:
    """Titles as they were last; when an article was published is not known."""
    latest = {row["article_id"]: row for row in read(data / "snapshots.csv.gz")}
    write(folder, "users", "id name email", [(AUTHOR, "A dev.to author", "author@dev-to.example")])
    write(
        folder,
        "posts",
        "id author_id title url",
        (
            (id_, AUTHOR, row["title"], f"https://dev.to/{row['org_username']}/{row['slug']}")
            for id_, row in latest.items()
        ),
    )
