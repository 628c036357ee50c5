"""Medium: articles of six publications with claps; titles hold markup and broken bytes."""

from pathlib import Path

from tests.conversions import read, write

PUBLICATIONS = {
    "The Startup": "the-startup",
    "Towards Data Science": "towards-data-science",
    "Analytics Vidhya": "analytics-vidhya",
    "Level Up Coding": "level-up-coding",
    "Towards AI": "towards-ai",
    "MLearning.ai": "mlearning-ai",
}


def convert(data: Path, folder: Path) -> None:
    """The publication stands for the author; claps and responses as at the last day."""
    rows = list(read(data / "medium_data.csv.gz"))
    end = max(_day(row) for row in rows)
    write(
        folder,
        "users",
        "id name email",
        ((id_, name, f"{id_}@medium.example") for name, id_ in PUBLICATIONS.items()),
    )
    write(
        folder,
        "posts",
        "id author_id published_at title text url",
        (
            (
                row["id"],
                PUBLICATIONS[row["publication"]],
                _day(row),
                row["title"],
                row["subtitle"],
                row["url"],
            )
            for row in rows
        ),
    )
    write(
        folder,
        "counters",
        "post_id at views likes replies",
        ((row["id"], end, "", row["claps"], row["responses"]) for row in rows),
    )


def _day(row: dict[str, str]) -> str:
    day, month, year = row["date"].split("-")
    return f"{year}-{month}-{day}"
