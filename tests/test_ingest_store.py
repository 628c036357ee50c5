"""The one writer: importing again, in another order, or in pieces."""

import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from digest.database import Database
from digest.ingest import gains, ingest, ingest_rows, store
from digest.ingest.rows import (
    CounterRow,
    Instant,
    PostRow,
    ReactionRow,
    Row,
    UserRow,
    ViewRow,
)
from tests.conversions import write
from tests.databases import ask, examples, new_database

PEOPLE: list[Row] = [
    UserRow("alice", "Alice", "alice@a.example", "alice@a.example"),
    PostRow("p1", "alice", Instant("2026-11-02 08:00:00.000000")),
    PostRow("p2", "alice"),
]
TABLES = ["users", "groups", "memberships", "posts", "views", "reactions", "counters", "follows"]

Content = dict[str, list[tuple[Any, ...]]]


def content(database: Database) -> Content:
    return {table: sorted(ask(database, f"SELECT * FROM {table}")) for table in TABLES}


def at(minute: int) -> Instant:
    return Instant(f"2026-11-09 08:{minute:02d}:00.000000")


@pytest.fixture
def views(database: Database) -> Callable[[], list[tuple[Any, ...]]]:
    ingest_rows(database, PEOPLE)
    return lambda: content(database)["views"]


Views = Callable[[], list[tuple[Any, ...]]]


def test_an_exact_repeat_of_a_persons_view_is_one_view(database: Database, views: Views) -> None:
    report = ingest_rows(database, [ViewRow("p1", at(0), "bob", "feed")] * 3)
    assert views() == [("p1", at(0), "bob", "feed", 1)]
    assert (report.tables["views"].read, report.tables["views"].changed) == (3, 1)


def test_views_that_differ_in_time_person_or_way_are_different(
    database: Database, views: Views
) -> None:
    ingest_rows(
        database,
        [
            ViewRow("p1", at(0), "bob", "feed"),
            ViewRow("p1", at(1), "bob", "feed"),
            ViewRow("p1", at(0), "cid", "feed"),
            ViewRow("p1", at(0), "bob", "search"),
            ViewRow("p2", at(0), "bob", "feed"),
        ],
    )
    assert len(views()) == 5


def test_anonymous_counts_add_up_within_an_import_and_are_replaced_by_the_next(
    database: Database, views: Views
) -> None:
    rows = [ViewRow("p1", at(0), count=3), ViewRow("p1", at(0), count=4)]
    ingest_rows(database, rows)
    assert views() == [("p1", at(0), "", "", 7)]
    assert ingest_rows(database, rows).changed == 0
    assert views() == [("p1", at(0), "", "", 7)]
    ingest_rows(database, [ViewRow("p1", at(0), count=5)])
    assert views() == [("p1", at(0), "", "", 5)]


def test_anonymous_likes_of_a_day_add_up_and_named_ones_do_not(database: Database) -> None:
    ingest_rows(database, PEOPLE)
    ingest_rows(
        database,
        [ReactionRow("p1", at(0), "", "like")] * 3 + [ReactionRow("p1", at(0), "bob", "like")] * 2,
    )
    assert content(database)["reactions"] == [
        ("p1", at(0), "", "like", 3),
        ("p1", at(0), "bob", "like", 1),
    ]


def test_users_and_posts_change_in_place_and_the_last_row_counts(
    database: Database, tmp_path: Path
) -> None:
    write(tmp_path / "a", "users", "id name email handle", [("x", "Old", "x@a.example", "h")])
    write(tmp_path / "b", "users", "id name email", [("x", "Mid", "x@a.example")])
    with (tmp_path / "b" / "users.csv").open("a") as file:
        file.write("x,New,x@b.example\n")
    ingest(database, tmp_path / "a")
    assert ingest(database, tmp_path / "b").tables["users"].changed == 1
    assert content(database)["users"] == [
        ("x", "New", "x@b.example", "x@b.example", None, None, None, None)
    ]


def test_the_latest_as_of_wins_whatever_the_order(database: Database) -> None:
    titles = [
        PostRow("p1", "alice", title="new", as_of="2026-02"),
        PostRow("p1", "alice", title="old", as_of="2026-01"),
    ]
    ingest_rows(database, [*PEOPLE, *titles])
    assert content(database)["posts"][0][3] == "new"


def test_facts_may_come_before_what_they_are_about(database: Database) -> None:
    report = ingest_rows(database, [ViewRow("p1", at(0), "bob"), *reversed(PEOPLE)])
    assert report.rejected == 0
    assert len(content(database)["views"]) == 1


def test_self_views_and_views_before_publication_are_stored(
    database: Database, views: Views
) -> None:
    early = Instant("2026-11-01 08:00:00.000000")
    ingest_rows(database, [ViewRow("p1", early, "bob"), ViewRow("p1", at(0), "alice")])
    assert len(views()) == 2


def test_another_program_can_write_while_rows_are_being_read(database: Database) -> None:
    def rows() -> Iterator[Row]:
        yield from PEOPLE
        with database.writing() as session:
            session.connection().execute(text("INSERT INTO groups VALUES ('g', 'G')"))

    ingest_rows(database, rows())
    assert content(database)["groups"] == [("g", "G")]
    assert len(content(database)["users"]) == 1


def test_an_import_that_breaks_off_leaves_nothing_and_can_be_repeated(database: Database) -> None:
    def rows() -> Iterator[Row]:
        yield from PEOPLE
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="gone"):
        ingest_rows(database, rows())
    assert content(database)["users"] == []
    ingest_rows(database, PEOPLE)
    assert len(content(database)["posts"]) == 2


# --- any order, any pieces ------------------------------------------------------------------------

MINUTES = st.integers(0, 5).map(at)
POST_IDS = st.sampled_from(["p1", "p2"])
TOTAL = st.none() | st.integers(0, 50)
COUNT = st.integers(1, 3)
PERSON = st.sampled_from("abc")
FACTS = st.one_of(
    st.tuples(POST_IDS, MINUTES, PERSON, st.sampled_from(["", "feed"]), COUNT).map(
        lambda values: ViewRow(*values)
    ),
    st.tuples(POST_IDS, MINUTES, PERSON, st.sampled_from(["like", "reply"])).map(
        lambda values: ReactionRow(*values)
    ),
    st.tuples(POST_IDS, MINUTES, st.integers(0, 50), TOTAL, TOTAL, TOTAL).map(
        lambda values: CounterRow(*values)
    ),
)
ANONYMOUS = st.tuples(POST_IDS, MINUTES, COUNT).map(
    lambda values: ViewRow(values[0], values[1], count=values[2])
)


def imported(*parts: list[Any]) -> Content:
    """What a fresh database holds after these imports."""
    with TemporaryDirectory() as folder:
        database = Database(new_database(Path(folder) / "digest.db"))
        ingest_rows(database, PEOPLE)
        for part in parts:
            ingest_rows(database, part)
        found = content(database)
        database.close()
    return found


@settings(max_examples=examples(25))
@given(st.lists(FACTS, max_size=30), st.lists(ANONYMOUS, max_size=10), st.randoms(), st.data())
def test_neither_order_nor_pieces_nor_repeats_change_the_result(
    facts: list[Any], anonymous: list[Any], shuffled: random.Random, data: st.DataObject
) -> None:
    """Anonymous counts of a key are one figure, so they stay together in one piece."""
    once = imported(facts + anonymous)
    again = list(facts)
    shuffled.shuffle(again)
    cut = data.draw(st.integers(0, len(again)))
    pieces = imported(again[:cut] + anonymous[::-1], again[cut:], again[:cut])
    assert pieces == once


def test_pieces_of_any_size_make_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are handed over, stored and given gains in pieces; none falls between two."""
    rows: list[Any] = [PostRow(f"q{n}", "alice") for n in range(11)]
    rows += [ViewRow(f"q{n % 11}", at(n), f"v{n}") for n in range(40)]
    rows += [CounterRow(f"q{n % 11}", at(n), n * n) for n in range(40)]
    whole = imported(rows)
    monkeypatch.setattr(store, "BUFFER", 3)
    monkeypatch.setattr(store, "CHUNK", 4)
    monkeypatch.setattr(store, "POSTS", 2)
    monkeypatch.setattr(gains, "POSTS", 2)
    assert imported(rows) == whole
    assert len(whole["views"]) == 40
    assert sum(row[6] is not None for row in whole["counters"]) == 29


# --- size -----------------------------------------------------------------------------------------


def peak(database: Database, rows: Iterator[Row]) -> int:
    tracemalloc.start()
    try:
        ingest_rows(database, rows)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    def rows(number: int) -> Iterator[Row]:
        yield UserRow("u", "U", "u@a.example", "u@a.example")
        for n in range(number // 10):
            yield PostRow(f"p{n}", "u", title=f"Title {n}", text="word " * 20)
        for n in range(number):
            yield ViewRow(f"p{n % (number // 10)}", at(n % 60), f"viewer{n}")

    peaks = []
    for number in (20_000, 100_000):
        database = Database(new_database(tmp_path / f"{number}.db"))
        peaks.append(peak(database, rows(number)))
        database.close()
    assert peaks[1] < peaks[0] * 1.3


def test_reading_a_file_takes_no_more_memory_for_more_lines(
    database: Database, tmp_path: Path
) -> None:
    ingest_rows(database, PEOPLE)
    peaks = []
    for number in (20_000, 100_000):
        write(tmp_path, "views", "post_id at viewer_id", (("p1", at(0), n) for n in range(number)))
        tracemalloc.start()
        assert ingest(database, tmp_path / "views.csv").tables["views"].read == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3
