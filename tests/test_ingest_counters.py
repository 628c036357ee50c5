"""Cumulative totals become gains: baselines, falls, gaps, and readings that come late."""

import random
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from digest.database import Database
from digest.ingest import ingest_rows
from digest.ingest.rows import CounterRow, Instant, PostRow, Row, UserRow
from tests.databases import examples
from tests.test_ingest_store import imported

AUTHOR = UserRow("alice", "Alice", "alice@a.example", "alice@a.example")


def day(number: int) -> Instant:
    moment = datetime(2026, 11, 1) + timedelta(days=number)  # noqa: DTZ001 - as it is stored
    return Instant(moment.isoformat(" ", "microseconds"))


def post(id_: str, published: int | None = None) -> PostRow:
    return PostRow(id_, "alice", None if published is None else day(published))


def gains(database: Database, id_: str, column: str = "views") -> list[Any]:
    with database.reading() as session:
        statement = f"SELECT {column}_gain FROM counters WHERE post_id = :id ORDER BY at"
        return list(session.connection().execute(text(statement), {"id": id_}).scalars())


def test_gains_are_differences_and_the_first_total_is_a_baseline(database: Database) -> None:
    rows: list[Row] = [AUTHOR, post("p")]
    rows += [CounterRow("p", day(n), views) for n, views in enumerate([100, 130, 130, 190])]
    ingest_rows(database, rows)
    assert gains(database, "p") == [None, 30, 0, 60]


def test_a_counter_that_falls_and_comes_back_gains_nothing_by_it(database: Database) -> None:
    rows: list[Row] = [AUTHOR, post("p")]
    rows += [CounterRow("p", day(n), v) for n, v in enumerate([100, 90, 100, 120, 0, 125])]
    ingest_rows(database, rows)
    assert gains(database, "p") == [None, 0, 0, 20, 0, 5]


def test_a_post_published_since_the_data_begins_counts_from_zero(database: Database) -> None:
    ingest_rows(
        database,
        [
            AUTHOR,
            post("old", -30),
            post("unknown"),
            post("new", 2),
            CounterRow("old", day(1), 500, 7),
            CounterRow("unknown", day(3), 40, 2),
            CounterRow("new", day(3), 25, 0),
            CounterRow("new", day(4), 31, 3),
        ],
    )
    assert gains(database, "old") == [None]
    assert gains(database, "unknown") == [None]
    assert gains(database, "new") == [25, 6]
    assert gains(database, "new", "likes") == [0, 3]


def test_unknown_totals_are_gaps_and_never_zero(database: Database) -> None:
    ingest_rows(
        database,
        [
            AUTHOR,
            post("p"),
            CounterRow("p", day(0), None, 5),
            CounterRow("p", day(1), 100, None),
            CounterRow("p", day(2), None, 9),
            CounterRow("p", day(3), 110, 9),
        ],
    )
    assert gains(database, "p") == [None, None, None, 10]
    assert gains(database, "p", "likes") == [None, None, 4, 0]
    assert gains(database, "p", "reposts") == [None] * 4


def test_an_older_reading_that_comes_later_changes_the_gains_after_it(database: Database) -> None:
    ingest_rows(database, [AUTHOR, post("p"), CounterRow("p", day(5), 100)])
    ingest_rows(database, [CounterRow("p", day(7), 150)])
    assert gains(database, "p") == [None, 50]
    ingest_rows(database, [CounterRow("p", day(6), 120)])
    assert gains(database, "p") == [None, 20, 30]
    ingest_rows(database, [CounterRow("p", day(1), 90)])
    assert gains(database, "p") == [None, 10, 20, 30]


def test_data_that_begins_earlier_after_all_changes_what_is_a_baseline(database: Database) -> None:
    ingest_rows(
        database,
        [
            AUTHOR,
            post("p", 3),
            post("q"),
            CounterRow("p", day(5), 100),
            CounterRow("p", day(6), 110),
        ],
    )
    assert gains(database, "p") == [None, 10]
    ingest_rows(database, [CounterRow("q", day(2), 1)])
    assert gains(database, "p") == [100, 10]


def test_a_publication_time_that_becomes_known_changes_the_baseline(database: Database) -> None:
    ingest_rows(
        database,
        [AUTHOR, post("p"), post("q"), CounterRow("q", day(0), 1), CounterRow("p", day(3), 70)],
    )
    assert gains(database, "p") == [None]
    ingest_rows(database, [post("p", 2)])
    assert gains(database, "p") == [70]


def test_two_readings_of_one_instant_are_one_and_the_higher(database: Database) -> None:
    ingest_rows(
        database,
        [AUTHOR, post("p"), CounterRow("p", day(0), 10, None), CounterRow("p", day(0), 8, 3)],
    )
    ingest_rows(database, [CounterRow("p", day(0), 9, 2)])
    with database.reading() as session:
        rows = session.connection().execute(text("SELECT views, likes FROM counters")).all()
    assert [tuple(row) for row in rows] == [(10, 3)]


@settings(max_examples=examples(25), deadline=None)
@given(
    st.dictionaries(st.integers(0, 40), st.none() | st.integers(0, 100), max_size=15), st.randoms()
)
def test_gains_follow_the_rule_for_any_readings_in_any_order(
    readings: dict[int, int | None], shuffled: random.Random
) -> None:
    rows: list[Any] = [CounterRow("p2", day(n), total, 1) for n, total in readings.items()]
    shuffled.shuffle(rows)
    stored = imported(rows[: len(rows) // 2], rows[len(rows) // 2 :])["counters"]
    by_time = [readings[number] for number in sorted(readings)]
    expected: list[int | None] = []
    highest: int | None = None
    for total in by_time:
        if total is None or highest is None:
            expected.append(None)
        else:
            expected.append(max(0, total - highest))
        if total is not None:
            highest = total if highest is None else max(highest, total)
    assert [row[6] for row in stored] == expected
    known = [total for total in by_time if total is not None]
    if known:  # no view is counted twice, and none is lost after the baseline
        assert sum(gain or 0 for gain in expected) == max(known) - known[0]
    assert all(a[1] < b[1] for a, b in pairwise(stored))
