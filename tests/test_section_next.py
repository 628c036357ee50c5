"""Where the last step of a mail leads, by the addresses of the author's posts."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from digest.database import Database
from digest.facts import Batch
from digest.models import Post, User, table
from digest.sections import next as next_step
from digest.window import Period

BATCH = Batch(Period(2026, 46), ZoneInfo("UTC"), ("alice",))
OWN = "https://notes.example/p/"
FOREIGN = ("https://a.example/news", "https://notes.example.invalid/p", "https://z.example/")


@pytest.mark.parametrize(
    ("addresses", "site"),
    [
        ([f"{OWN}1", f"{OWN}2", ""], "https://notes.example/"),
        ([f"{OWN}1", *FOREIGN], ""),
        ([f"{OWN}1", FOREIGN[1]], ""),
        ([f"{OWN}1", "http://notes.example/p/2"], ""),
        ([f"{OWN}1"], ""),
        (["", ""], ""),
    ],
    ids=["one site", "links to many", "nearly the same", "another scheme", "one post", "none"],
)
def test_the_way_to_the_next_post_is_the_site_of_all_the_others(
    database: Database, addresses: list[str], site: str
) -> None:
    """Who shares what others wrote is not sent to one of those others to write."""
    users = [{"id": "alice", "name": "Alice", "email": "alice@p.example"}]
    written = [{"id": f"p{n}", "author_id": "alice", "url": url} for n, url in enumerate(addresses)]
    with database.writing() as session:
        session.connection().execute(insert(table(User)), users)
        session.connection().execute(insert(table(Post)), written)
    with database.reading() as session:
        (facts,) = next_step.load(session, BATCH).values()
    assert next_step.build(facts, BATCH)["site"] == site
