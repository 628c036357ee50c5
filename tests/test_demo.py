"""The made-up community."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.compose import Snapshot
from digest.database import Database
from digest.deciding import decide
from digest.demo import community, populate
from digest.demo.people import NAMED
from digest.ingest import ingest_rows
from digest.window import last_full_week, week, zone
from tests.databases import ask
from tests.office import Office, open_office

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)


@pytest.fixture
def fieldnotes(database: Database) -> Database:
    report = populate(database, now=NOW)
    assert (report.rejected, report.mended, report.noted) == (0, 0, 0)
    return database


def test_the_same_seed_and_week_give_the_same_community(fieldnotes: Database) -> None:
    assert populate(fieldnotes, now=NOW).changed == 0
    assert populate(fieldnotes, now=NOW + timedelta(days=2)).changed == 0


def test_another_seed_gives_another_one(fieldnotes: Database) -> None:
    assert populate(fieldnotes, now=NOW, seed=7).changed > 0


def test_thirty_people_have_names_homes_and_addresses_that_lead_nowhere(
    fieldnotes: Database,
) -> None:
    people = ask(fieldnotes, "SELECT name, email, email_key, timezone, locale FROM users")
    assert len(people) == 30
    assert {"Alice", "Bob", "Noor", "Tomás", "Mei"} <= {person[0] for person in people}
    assert all(email.endswith("@fieldnotes.example") and key for _, email, key, _, _ in people)
    homes = {person[3] for person in people}
    assert {"Pacific/Auckland", "Asia/Kathmandu"} <= homes
    assert len(homes) > 20


def test_nearly_everybody_had_readers_in_their_last_full_week(fieldnotes: Database) -> None:
    read = 0
    for id_, home in ask(fieldnotes, "SELECT id, timezone FROM users"):
        window = week(last_full_week(NOW, zone(home)), zone(home))
        ((events, gains),) = ask(
            fieldnotes,
            "SELECT (SELECT count(*) FROM views JOIN posts ON posts.id = post_id"
            " WHERE author_id = :id AND viewer_id <> :id AND at >= :start AND at < :end),"
            " (SELECT sum(views_gain) FROM counters JOIN posts ON posts.id = post_id"
            " WHERE author_id = :id AND at >= :start AND at < :end)",
            id=id_,
            start=f"{window.start:%Y-%m-%d %H:%M:%S}.000000",
            end=f"{window.end:%Y-%m-%d %H:%M:%S}.000000",
        )
        read += bool(events or gains)
    assert 28 <= read < 30  # one is quiet


def test_there_are_twenty_weeks_of_history_and_nothing_from_the_future(
    fieldnotes: Database,
) -> None:
    ((days, latest),) = ask(
        fieldnotes, "SELECT count(DISTINCT substr(CAST(at AS TEXT), 1, 10)), max(at) FROM views"
    )
    assert days >= 20 * 7
    assert latest < "2026-11-16 12:00:00"


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 22, 20, 0, tzinfo=UTC),  # Monday in Auckland, Sunday elsewhere
        datetime(2026, 11, 23, 3, 0, tzinfo=UTC),  # Monday in Berlin, Sunday in New York
    ],
)
def test_in_the_hours_between_sunday_and_monday_nothing_is_later_than_now(
    database: Database, now: datetime
) -> None:
    populate(database, users=8, now=now)
    ((latest,),) = ask(
        database,
        "SELECT max(at) FROM (SELECT at FROM views UNION ALL SELECT at FROM reactions"
        " UNION ALL SELECT published_at FROM posts) AS facts",
    )
    assert f"{now - timedelta(hours=12):%Y-%m-%d %H:%M}" < latest < f"{now:%Y-%m-%d %H:%M}"


def test_everybody_has_their_own_titles(fieldnotes: Database) -> None:
    twice = ask(fieldnotes, "SELECT author_id, title FROM posts GROUP BY 1, 2 HAVING count(*) > 1")
    assert twice == []
    ((titles,),) = ask(fieldnotes, "SELECT count(DISTINCT title) FROM posts")
    assert titles > 250
    ((urls, posts),) = ask(fieldnotes, "SELECT count(DISTINCT url), count(*) FROM posts")
    assert urls == posts


def test_some_have_a_story_of_their_own(fieldnotes: Database) -> None:
    """Counters only, right-to-left titles, silence, and an old post that is found again."""
    counted = ask(
        fieldnotes,
        "SELECT author_id, count(views_gain) FROM counters JOIN posts ON posts.id = post_id"
        " GROUP BY 1",
    )
    assert [author for author, _ in counted] == ["kwame"]
    assert (
        ask(
            fieldnotes,
            "SELECT * FROM views JOIN posts ON posts.id = post_id AND author_id = 'kwame'",
        )
        == []
    )
    assert any(
        "\u0600" <= title[0] <= "\u06ff" for (title,) in ask(fieldnotes, "SELECT title FROM posts")
    )
    ((ingrid,),) = ask(
        fieldnotes,
        "SELECT max(at) FROM views JOIN posts ON posts.id = post_id AND author_id = 'ingrid'",
    )
    assert ingrid < "2026-10-20"
    ((mei,),) = ask(
        fieldnotes,
        "SELECT count(*) FROM views JOIN posts ON posts.id = post_id"
        " AND author_id = 'mei' AND published_at < '2026-05-01' AND at >= '2026-11-09'",
    )
    assert mei > 200


def made_for_sam(office: Office, now: datetime) -> Snapshot:
    home = "America/St_Johns"
    period = str(last_full_week(now, zone(home)))
    with office.database.reading() as session:
        made = decide(session, office.shop, period, home, ["sam"]).composed["sam"]
    return made.snapshot


def test_sam_is_asked_how_many_saw_a_post(tmp_path: Path) -> None:
    """So whoever tries the program sees a question, and the page of its link."""
    with open_office(tmp_path) as office:
        populate(office.database, now=NOW)
        snapshot = made_for_sam(office, NOW)
        assert snapshot.asked == "sam-10"
        shown = [post["id"] for post in snapshot.sections["top_posts"]["posts"]]
        assert snapshot.asked not in shown[:1]


@pytest.mark.parametrize(("weeks", "hours"), [(0, 0), (4, 108), (13, 24), (21, 60), (35, 180)])
def test_sam_is_asked_in_whatever_week_it_is_tried(tmp_path: Path, weeks: int, hours: int) -> None:
    """On a Sunday evening, too, when the week is over in Auckland and not where Sam lives.

    What others do makes little of Sam's mail: here nobody else is there.
    """
    now = NOW + timedelta(weeks=weeks, hours=hours)
    place = [person.handle for person in NAMED].index("sam")
    circle = community._Circle(users=30, readers=6000, pull=45)
    rows = community._rows(range(place, place + 1), circle, community._calendar(now), seed=2026)
    with open_office(tmp_path) as office:
        ingest_rows(office.database, rows)
        assert made_for_sam(office, now).asked in {"sam-7", "sam-10"}


def test_a_large_community_is_made_as_it_is_written() -> None:
    circle = community._Circle(users=5000, readers=50_000, pull=9)
    calendar = community._calendar(NOW)
    peaks = []
    for members in (range(1000, 1030), range(1000, 1150)):
        tracemalloc.start()
        made = sum(1 for _ in community._rows(members, circle, calendar, seed=1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert made > 50 * len(members)
    assert peaks[1] < peaks[0] * 1.3


def test_a_community_of_several_slices_is_the_same_as_one_of_one(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(database, users=9, now=NOW)
    monkeypatch.setattr(community, "SLICE", 4)
    report = populate(database, users=9, now=NOW)
    assert report.tables["users"].read == 9
    assert report.changed == 0
