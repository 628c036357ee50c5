"""The data sets, each brought in as its folder allows, and the weeks that are looked at."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from digest.window import Period
from tests.conversions import devto, facebook, hacker_news, medium, read, write
from tests.findings.weeks import Town, town

DESKS = 30
WEEKS = {
    "deskdrop": (Period(2016, 11), Period(2016, 36)),
    "stackexchange": (Period(2018, 25), Period(2018, 34)),
    "dev_to": (Period(2025, 14), Period(2026, 13)),
    "youtube": (Period(2017, 37), Period(2017, 41)),
    "page": (Period(2015, 1), Period(2015, 1)),
    "news": (Period(2016, 38), Period(2016, 38)),
    "publications": (Period(2021, 16), Period(2021, 16)),
}
"""The weeks of each data set that are looked at, the first and the last."""
_REACTIONS = {"LIKE": "like", "COMMENT CREATED": "reply"}


def desk_events(data: Path) -> list[tuple[datetime, str, str, str]]:
    """Every event as (time, kind, item, person), in order."""
    rows = read(data / "deskdrop_events_2016" / "users_interactions.csv.gz")
    return sorted(
        (
            datetime.fromtimestamp(int(row["timestamp"]), UTC),
            row["eventType"],
            row["contentId"],
            row["personId"],
        )
        for row in rows
    )


def convert_deskdrop(data: Path, folder: Path) -> None:
    """Items in the order of their first event, dealt out to so many made-up desks in turn.

    Nobody says who wrote an item or when: it counts as published at its first event.
    """
    first: dict[str, datetime] = {}
    events = desk_events(data)
    for at, _, item, _ in events:
        first.setdefault(item, at)
    desks = [f"desk{n:02}" for n in range(DESKS)]
    write(
        folder, "users", "id name email", [(d, d.title(), f"{d}@deskdrop.example") for d in desks]
    )
    write(
        folder,
        "posts",
        "id author_id published_at",
        ((item, desks[n % DESKS], at.isoformat()) for n, (item, at) in enumerate(first.items())),
    )
    write(
        folder,
        "views",
        "post_id at viewer_id",
        ((item, at.isoformat(), person) for at, kind, item, person in events if kind == "VIEW"),
    )
    write(
        folder,
        "reactions",
        "post_id at actor_id type",
        (
            (item, at.isoformat(), person, _REACTIONS[kind])
            for at, kind, item, person in events
            if kind in _REACTIONS
        ),
    )


def deskdrop(data: Path, folder: Path) -> AbstractContextManager[Town]:
    """Some months of a company's views and reactions by person."""
    convert_deskdrop(data, folder / "in")
    return town(folder, folder / "in")


def stackexchange(data: Path, folder: Path) -> AbstractContextManager[Town]:
    """A young site: votes, comments and answers as they came, views as one total."""
    return town(folder, data / "stackexchange_quantumcomputing_2018", suggest_people=True)


def dev_to(data: Path, folder: Path) -> AbstractContextManager[Town]:
    """One author's daily views, of nobody who is named."""
    devto.daily(data / "devto_daily_views", folder / "in")
    return town(folder, folder / "in")


def youtube(data: Path, folder: Path) -> AbstractContextManager[Town]:
    """Channels of two countries by daily readings."""
    return town(folder, data / "youtube_trending_2017")


def page(data: Path, folder: Path) -> AbstractContextManager[Town]:
    """One page with lifetime totals, read once."""
    facebook.convert(data / "facebook_page_posts_2014", folder / "in")
    return town(folder, folder / "in")


def news(data: Path, folder: Path) -> AbstractContextManager[Town]:
    """Many authors with final points, read once."""
    hacker_news.convert(data / "hacker_news_2016", folder / "in")
    return town(folder, folder / "in")


def publications(data: Path, folder: Path) -> AbstractContextManager[Town]:
    """Six publications with claps, read once."""
    medium.convert(data / "medium_articles_2020", folder / "in")
    return town(folder, folder / "in")
