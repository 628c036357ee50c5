"""The exchange format: what it may hold, and what becomes of what it may not."""

import gzip
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from digest.database import Database
from digest.errors import InputError, UsageError
from digest.ingest import Outcome, Progress, Report, ingest
from tests.conversions import write
from tests.databases import ask

USERS = [("alice", "Alice", "alice@example.example"), ("bob", "Bob", "bob@example.example")]
POSTS = [("p1", "alice"), ("p2", "bob")]

Sql = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def sql(database: Database) -> Sql:
    return partial(ask, database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An exchange folder with two people and a post of each."""
    folder = tmp_path / "exchange"
    write(folder, "users", "id name email", USERS)
    write(folder, "posts", "id author_id", POSTS)
    return folder


def reasons(report: Report, outcome: Outcome = Outcome.REJECTED) -> list[str]:
    return [str(problem) for problem in report.problems if problem.outcome is outcome]


def test_every_column_of_users_is_stored(database: Database, folder: Path, sql: Sql) -> None:
    write(
        folder,
        "users",
        "id name email handle locale timezone joined_at",
        [
            (
                "alice",
                "Alice  Moreau",
                "Alice@Example.EXAMPLE",
                "al",
                "pt_BR",
                "Pacific/Auckland",
                "2026-01-02T03:04:05+13:00",
            ),
            ("bob", "Bob", "bob@example.example", "", "", "", ""),
        ],
    )
    assert ingest(database, folder).rejected == 0
    assert sql("SELECT * FROM users ORDER BY id") == [
        (
            "alice",
            "Alice Moreau",
            "Alice@Example.EXAMPLE",
            sql("SELECT email_key FROM users WHERE id = 'alice'")[0][0],
            "al",
            "pt-BR",
            "Pacific/Auckland",
            "2026-01-01 14:04:05.000000",
        ),
        ("bob", "Bob", "bob@example.example", "bob@example.example", None, None, None, None),
    ]


def test_every_column_of_posts_is_stored(database: Database, folder: Path, sql: Sql) -> None:
    write(folder, "groups", "id name", [("g", "Group")])
    write(
        folder,
        "posts",
        "id author_id published_at title text url kind topics group_id",
        [
            (
                "-9007199254740993",
                "alice",
                "2026-11-09T08:00:00Z",
                "<b>A</b> title",
                "<p>Some</p><p>words</p>",
                "https://example.example/1",
                "essay",
                "one; two;one;",
                "g",
            )
        ],
    )
    ingest(database, folder)
    assert sql("SELECT * FROM posts") == [
        (
            "-9007199254740993",
            "alice",
            "2026-11-09 08:00:00.000000",
            "A title",
            "Some words",
            "https://example.example/1",
            "essay",
            "one;two",
            "g",
        )
    ]


def test_views_reactions_follows_groups_and_memberships_are_stored(
    database: Database, folder: Path, sql: Sql
) -> None:
    write(
        folder,
        "views",
        "post_id at viewer_id count via",
        [("p1", "2026-11-09T08:00:00Z", "bob", "3", "feed"), ("p1", "2026-11-09", "", "", "")],
    )
    write(
        folder,
        "reactions",
        "post_id actor_id type at",
        [("p1", "bob", "reply", "2026-11-09T08:00:00.5Z")],
    )
    write(
        folder,
        "follows",
        "follower_id followee_id since until",
        [("bob", "alice", "", ""), ("x", "alice", "2026-01-01", "2026-02-01")],
    )
    write(folder, "groups", "id name", [("g", "The group")])
    write(folder, "memberships", "group_id user_id since", [("g", "bob", "2026-01-01T00:00Z")])
    report = ingest(database, folder)
    assert report.rejected == report.mended == report.noted == 0
    assert sql("SELECT * FROM views ORDER BY at") == [
        ("p1", "2026-11-09 08:00:00.000000", "bob", "feed", 3),
        ("p1", "2026-11-09 10:30:00.000000", "", "", 1),
    ]
    assert sql("SELECT * FROM reactions") == [
        ("p1", "2026-11-09 08:00:00.500000", "bob", "reply", 1)
    ]
    assert sql("SELECT * FROM follows ORDER BY since") == [
        ("alice", "bob", "1970-01-01 00:00:00.000000", None),
        ("alice", "x", "2026-01-01 10:30:00.000000", "2026-02-01 10:30:00.000000"),
    ]
    assert sql("SELECT * FROM groups") == [("g", "The group")]
    assert sql("SELECT * FROM memberships") == [("g", "bob", "2026-01-01 00:00:00.000000")]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2026-11-09T08:00:00Z", "2026-11-09 08:00:00.000000"),
        ("2026-11-09 08:00:00", "2026-11-09 08:00:00.000000"),
        ("2026-11-09T08:00", "2026-11-09 08:00:00.000000"),
        ("2026-11-09T08:00:00+05:45", "2026-11-09 02:15:00.000000"),
        ("2026-11-09T00:30:00-11:00", "2026-11-09 11:30:00.000000"),
        ("2026-11-09T08:00:00.123Z", "2026-11-09 08:00:00.123000"),
        ("20261109T080000Z", "2026-11-09 08:00:00.000000"),
        ("2026-11-09", "2026-11-09 10:30:00.000000"),
        ("20261109", "2026-11-09 10:30:00.000000"),
        ("2026-W46-1", "2026-11-09 10:30:00.000000"),
        (" 2026-11-09 ", "2026-11-09 10:30:00.000000"),
    ],
)
def test_times_are_iso_8601_and_utc_where_they_name_no_zone(
    database: Database, folder: Path, sql: Sql, written: str, stored: str
) -> None:
    write(folder, "views", "post_id at", [("p1", written)])
    ingest(database, folder)
    assert sql("SELECT at FROM views") == [(stored,)]


def test_any_subset_of_files_will_do_and_so_will_one(
    database: Database, folder: Path, sql: Sql, tmp_path: Path
) -> None:
    ingest(database, folder)
    write(tmp_path / "later", "views", "post_id at", [("p1", "2026-11-09")])
    ingest(database, tmp_path / "later" / "views.csv")
    assert sql("SELECT count(*) FROM views") == [(1,)]


def test_a_byte_order_mark_and_gzip_are_read(database: Database, folder: Path, sql: Sql) -> None:
    plain = (folder / "users.csv").read_bytes()
    (folder / "users.csv").unlink()
    with gzip.open(folder / "users.csv.gz", "wb") as file:
        file.write(b"\xef\xbb\xbf" + plain)
    ingest(database, folder)
    assert sql("SELECT id FROM users ORDER BY id") == [("alice",), ("bob",)]


@pytest.mark.parametrize("name", ["views.jsonl", "views.jsonl.gz"])
def test_json_lines_hold_the_same_fields(
    database: Database, folder: Path, sql: Sql, name: str
) -> None:
    lines = [
        {"post_id": "p1", "at": "2026-11-09T08:00:00Z", "viewer_id": 2**63 + 1, "count": 2},
        {"post_id": "p2", "at": "2026-11-09", "viewer_id": None, "extra": 1},
    ]
    text_ = "".join(json.dumps(line) + "\n" for line in lines)
    opened = gzip.open if name.endswith(".gz") else open
    with opened(folder / name, "wt", encoding="utf-8") as file:
        file.write(text_)
    report = ingest(database, folder)
    assert reasons(report, Outcome.NOTED) == [f"{name}: the column “extra” is not used"]
    assert sql("SELECT post_id, viewer_id, count FROM views ORDER BY post_id") == [
        ("p1", "9223372036854775809", 2),
        ("p2", "", 1),
    ]


def test_bad_json_lines_are_rejected_one_by_one(database: Database, folder: Path, sql: Sql) -> None:
    (folder / "views.jsonl").write_text(
        '{"post_id": "p1", "at": "2026-11-09"\n[1]\n\n'
        '{"post_id": {"a": 1}, "at": "2026-11-09"}\n{"at": "2026-11-09"}\n'
        '{"post_id": "p1\\ud800", "at": "2026-11-09"}\n{"post_id": "p1", "at": "2026-11-09"}\n',
        encoding="utf-8",
    )
    report = ingest(database, folder)
    assert [problem.line for problem in report.problems] == [1, 2, 4, 5, 6]
    assert sql("SELECT count(*) FROM views") == [(1,)]


def test_unknown_columns_are_ignored_with_a_note(
    database: Database, folder: Path, sql: Sql
) -> None:
    write(folder, "views", "at colour post_id", [("2026-11-09", "red", "p1")])
    report = ingest(database, folder)
    assert report.noted == 1
    assert reasons(report, Outcome.NOTED) == ["views.csv: the column “colour” is not used"]
    assert sql("SELECT post_id, at FROM views") == [("p1", "2026-11-09 10:30:00.000000")]


def test_a_missing_column_stops_the_import_before_anything_is_stored(
    database: Database, folder: Path, sql: Sql
) -> None:
    write(folder, "views", "post_id viewer_id", [("p1", "bob")])
    with pytest.raises(InputError, match="has no column at") as caught:
        ingest(database, folder)
    assert "post_id" in caught.value.hint
    assert sql("SELECT count(*) FROM users") == [(0,)]


def test_semicolons_are_recognised(database: Database, folder: Path) -> None:
    (folder / "views.csv").write_text("post_id;at\np1;2026-11-09\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        ingest(database, folder)
    assert "commas" in caught.value.hint


BAD_VIEWS: Sequence[tuple[str, str]] = [
    (",2026-11-09,,", "post_id is missing"),
    ("p1,,,", "at is missing"),
    ("p1,yesterday,,", "at “yesterday” is not an ISO 8601 time"),
    ("p1,2026-02-30,,", "at “2026-02-30” is not an ISO 8601 time"),
    ("p1,1969-12-31,,", "at “1969-12-31” is not between 1970 and 2200"),
    ("p1,2201-01-01T00:00:00Z,,", "at “2201-01-01T00:00:00Z” is not between 1970 and 2200"),
    ("p1,0001-01-01T00:00:00+10:00,,", "is not an ISO 8601 time"),
    ("p1,2026-11-09,,0", "count is 0; it must be at least 1"),
    ("p1,2026-11-09,,-3", "count is negative (-3)"),
    ("p1,2026-11-09,,1.5", "count “1.5” is not a whole number"),
    ("p1,2026-11-09,,many", "count “many” is not a whole number"),
    ("p1,2026-11-09,,99999999999999999999999", "count is larger than"),
    ("nowhere,2026-11-09,,", "there is no post “nowhere”"),
    ("p1,2026-11-09,,1,feed", "has 5 fields, the header has 4"),
    ("p1,2026-11-09", "has 2 fields, the header has 4"),
    (f"p1,2026-11-09,{'v' * 300},", "viewer_id is longer than 255 octets"),
    ("p\x07,2026-11-09,,", "post_id holds characters that cannot be printed"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_VIEWS)
def test_a_bad_view_is_rejected_and_the_others_are_imported(
    database: Database, folder: Path, sql: Sql, line: str, reason: str
) -> None:
    (folder / "views.csv").write_text(
        f"post_id,at,viewer_id,count\np1,2026-11-08,,\n{line}\np2,2026-11-10,,\n", encoding="utf-8"
    )
    report = ingest(database, folder)
    assert report.rejected == 1
    (shown,) = reasons(report)
    assert shown.startswith("views.csv, line 3: ")
    assert reason in shown
    assert sql("SELECT post_id FROM views ORDER BY at") == [("p1",), ("p2",)]


BAD_ROWS: Sequence[tuple[str, str, str]] = [
    ("users", "id,name,email\nx,,x@a.example\n", "name is missing"),
    ("users", "id,name,email\nx,\x00\u202e,x@a.example\n", "name is missing"),
    ("users", "id,name,email\nx,X,\n", "email is missing"),
    ("users", "id,name,email\nx,X,a\x00b@a.example\n", "email holds control characters"),
    ("users", 'id,name,email\nx,X,"a@b.example\nBcc: c@d.example"\n', "email holds control"),
    ("posts", "id,author_id\nx,nobody\n", "there is no author “nobody”"),
    ("posts", "id,author_id,published_at\nx,alice,soon\n", "published_at “soon” is not"),
    ("reactions", "post_id,actor_id,type,at\np1,bob,clap,2026-11-09\n", "type “clap” is none"),
    ("reactions", "post_id,actor_id,type,at\np1,,like,2026-11-09\n", "actor_id is missing"),
    ("reactions", "post_id,actor_id,type,at\nq,bob,like,2026-11-09\n", "there is no post “q”"),
    ("counters", "post_id,at,views\np1,2026-11-09,\n", "views is missing"),
    ("counters", "post_id,at,views\np1,2026-11-09,-1\n", "views is negative"),
    ("counters", "post_id,at,views\nq,2026-11-09,1\n", "there is no post “q”"),
    ("memberships", "group_id,user_id\ng,bob\n", "there is no group “g”"),
    ("follows", "follower_id,followee_id\n,alice\n", "follower_id is missing"),
    (
        "follows",
        "follower_id,followee_id,since,until\nbob,alice,2026-02-01,2026-01-01\n",
        "until is before since",
    ),
]


@pytest.mark.parametrize(("table", "content", "reason"), BAD_ROWS)
def test_every_table_rejects_what_it_cannot_hold(
    database: Database, folder: Path, table: str, content: str, reason: str
) -> None:
    ingest(database, folder)
    more = folder / "more"
    more.mkdir()
    (more / f"{table}.csv").write_text(content, encoding="utf-8")
    report = ingest(database, more)
    assert (report.rejected, report.changed) == (1, 0)
    assert f"{table}.csv, line 2: " in reasons(report)[0]
    assert reason in reasons(report)[0]


def test_what_can_be_left_out_is_mended_and_said(
    database: Database, folder: Path, sql: Sql
) -> None:
    (folder / "users.csv").write_bytes(
        b"id,name,email,locale,timezone,joined_at\n"
        b"alice,Al\xe9ce,alice@a.example,xx-YY,Mars/Olympus,long ago\n"
        b"bob,Bob,not an address,de,Europe/Berlin,\n"
    )
    write(
        folder,
        "posts",
        "id author_id url group_id",
        [("p1", "alice", "javascript:alert(1)", "nowhere")],
    )
    report = ingest(database, folder)
    assert report.rejected == 0
    assert report.mended == 6
    assert sorted(reasons(report, Outcome.MENDED)) == [
        "posts.csv, line 2: there is no group “nowhere”; the post is kept outside any",
        "posts.csv, line 2: url is not an http link that can be used; it was left out",
        "users.csv, line 2: joined_at “long ago” is not an ISO 8601 time; it was left out",
        "users.csv, line 2: locale “xx-YY” is not known; it was left out",
        "users.csv, line 2: name holds characters that are none; they were replaced",
        "users.csv, line 2: timezone “Mars/Olympus” is not known; it was left out",
    ]
    assert sql("SELECT name, email_key, locale, timezone FROM users ORDER BY id") == [
        ("Al\ufffdce", "alice@a.example", None, None),
        ("Bob", None, "de", "Europe/Berlin"),
    ]
    assert sql("SELECT url, group_id FROM posts") == [("", None)]


def test_rejected_rows_are_kept_in_a_file(database: Database, folder: Path, tmp_path: Path) -> None:
    (folder / "views.csv").write_bytes(
        b"post_id,at,via\np1,never,f\xffed\np1,2026-11-09,feed\nnowhere,2026-11-09,feed\np1\n"
    )
    rejects = tmp_path / "var" / "rejects.jsonl"
    report = ingest(database, folder, rejects=rejects)
    assert report.rejects == rejects
    kept = [json.loads(line) for line in rejects.read_text(encoding="ascii").splitlines()]
    assert [(row["file"], row["line"]) for row in kept] == [
        ("views.csv", 2),
        ("views.csv", 5),
        ("views.csv", 4),
    ]
    assert kept[0]["row"] == {"post_id": "p1", "at": "never", "via": "f\udcffed"}
    assert kept[1]["row"] == {"line": "p1"}
    assert kept[2]["row"]["post_id"] == "nowhere"
    assert "no post" in kept[2]["reason"]


def test_no_rejects_file_is_made_for_nothing(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    report = ingest(database, folder, rejects=tmp_path / "rejects.jsonl")
    assert report.rejects is None
    assert not (tmp_path / "rejects.jsonl").exists()


@pytest.mark.parametrize("bad", ["p1,never,\n", "nowhere,2026-11-09,\n"])
def test_strict_imports_nothing_at_the_first_bad_row(
    database: Database, folder: Path, sql: Sql, bad: str
) -> None:
    (folder / "views.csv").write_text(
        f"post_id,at,viewer_id\np1,2026-11-09,\n{bad}", encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"views\.csv, line 3: "):
        ingest(database, folder, strict=True)
    assert sql("SELECT count(*) FROM users") == [(0,)]
    assert sql("SELECT count(*) FROM views") == [(0,)]
    (folder / "views.csv").write_text("post_id,at\np1,2026-11-09\n", encoding="utf-8")
    assert ingest(database, folder, strict=True).changed == 5


def test_a_stray_quote_costs_one_line_and_not_the_rest_of_the_file(
    database: Database, folder: Path, sql: Sql
) -> None:
    lines = [f"p1,2026-11-{day:02d},u{day}" for day in range(1, 29)]
    lines[3] = '"p1,2026-11-04,u4'
    (folder / "views.csv").write_text(
        "post_id,at,viewer_id\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
    report = ingest(database, folder)
    assert [problem.line for problem in report.problems] == [5]
    assert sql("SELECT count(*) FROM views") == [(27,)]


def test_a_body_of_five_megabytes_and_many_lines_is_read_and_bounded(
    database: Database, folder: Path, sql: Sql
) -> None:
    body = '<p>A line of the body, with "quotes", commas and <b>tags</b></p>\n' * 80_000
    write(folder, "posts", "id author_id text", [("p1", "alice", body), ("p2", "bob", "short")])
    report = ingest(database, folder)
    assert report.rejected == 0
    (long,), (short,) = sql("SELECT text FROM posts ORDER BY id")
    assert len(long) <= 5000
    assert long.startswith('A line of the body, with "quotes", commas and tags A line')
    assert short == "short"


def test_progress_names_files_and_tables_and_reaches_the_end(
    database: Database, folder: Path
) -> None:
    write(folder, "views", "post_id at", [("p1", f"2026-11-09T08:{n % 60:02d}") for n in range(60)])
    heard: list[Progress] = []
    ingest(database, folder, progress=heard.append)
    reading = [step for step in heard if step.phase == "reading"]
    assert reading[-1].done == reading[-1].total
    assert all(step.done <= step.total for step in heard)
    assert {step.name for step in heard if step.phase == "storing"} >= {"users", "posts", "views"}


def test_formats_are_detected_or_refused_with_a_hint(database: Database, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        ingest(database, tmp_path / "notes.txt")
    assert "users.csv" in caught.value.hint
    with pytest.raises(InputError, match="nothing at"):
        ingest(database, tmp_path / "missing")
    for name in ("exchange", "stackexchange", "youtube-trending"):
        with pytest.raises(InputError):
            ingest(database, tmp_path, format_name=name)
    with pytest.raises(UsageError) as unknown:
        ingest(database, tmp_path, format_name="fax")
    assert "exchange" in unknown.value.hint


def test_a_damaged_archive_is_an_input_error(database: Database, folder: Path, sql: Sql) -> None:
    packed = gzip.compress(b"post_id,at\n" + b"p1,2026-11-09\n" * 5000)
    (folder / "views.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        ingest(database, folder)
    assert sql("SELECT count(*) FROM views") == [(0,)]


def test_empty_files_and_headers_alone_are_no_problem(database: Database, folder: Path) -> None:
    (folder / "views.csv").write_text("", encoding="utf-8")
    write(folder, "counters", "post_id at views", [])
    report = ingest(database, folder)
    assert report.rejected == report.noted == 0
