"""Daily snapshots of trending videos, in their layouts and encodings."""

from pathlib import Path

import pytest

from digest.database import Database
from digest.errors import InputError
from digest.ingest import Outcome, ingest
from tests.databases import ask

OLD = "video_id,title,channel_title,category_id,tags,views,likes,dislikes,comment_total,date\n"
NEW = (
    "video_id,trending_date,title,channel_title,category_id,publish_time,tags,views,likes,dislikes"
    ",comment_count,thumbnail_link,comments_disabled,ratings_disabled,video_error_or_removed"
    ",description\n"
)
NEWEST = (
    "video_id,title,publishedAt,channelId,channelTitle,categoryId,trending_date,tags,view_count"
    ",likes,dislikes,comment_count,thumbnail_link,comments_disabled,ratings_disabled,description\n"
)


def file(folder: Path, content: str, name: str = "GBvideos.csv", encoding: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trending_2017"


def test_the_old_layout_takes_its_year_from_the_folder(database: Database, folder: Path) -> None:
    file(
        folder,
        OLD
        + 'abcdefghijk,"First title","A Channel",1,one|two,100,5,1,7,13.09\n'
        + 'abcdefghijk,"Second title","A Channel",1,one|two,150,6,1,7,14.09\n',
        encoding="utf-8-sig",
    )
    report = ingest(database, folder)
    assert report.rejected == report.mended == 0
    assert ask(database, "SELECT id, published_at, title, url, kind, topics FROM posts") == [
        (
            "abcdefghijk",
            None,
            "Second title",
            "https://www.youtube.com/watch?v=abcdefghijk",
            "video",
            "one;two",
        )
    ]
    assert ask(database, "SELECT at, views, likes, reposts, replies, views_gain FROM counters") == [
        ("2017-09-13 10:30:00.000000", 100, 5, None, 7, None),
        ("2017-09-14 10:30:00.000000", 150, 6, None, 7, 50),
    ]
    ((name, email),) = ask(database, "SELECT name, email FROM users")
    assert name == "A Channel"
    assert email.startswith("a-channel-")
    assert email.endswith("@channels.example")


def test_a_year_that_nobody_gives_is_asked_for(database: Database, tmp_path: Path) -> None:
    path = file(tmp_path / "videos", OLD + "abcdefghijk,T,C,1,,100,5,1,7,13.09\n")
    with pytest.raises(InputError, match="no year") as caught:
        ingest(database, path)
    assert "name" in caught.value.hint


def test_a_new_year_within_the_file_is_noticed(database: Database, folder: Path) -> None:
    lines = "".join(f"abcdefghijk,T,C,1,,{n},0,0,0,{d}\n" for n, d in [(1, "31.12"), (2, "01.01")])
    ingest(database, file(folder, OLD + lines))
    assert ask(database, "SELECT substr(CAST(at AS TEXT), 1, 10) FROM counters") == [
        ("2017-12-31",),
        ("2018-01-01",),
    ]


def test_the_newer_layout_knows_times_and_what_is_hidden(database: Database, folder: Path) -> None:
    """Where ratings or comments are switched off, their zero means unknown."""
    file(
        folder,
        NEW + "abcdefghijk,17.14.11,Title,Chan,1,2017-11-13T17:13:01.000Z,"
        '"one""|""two""",100,0,0,0,http://i.example/x.jpg,True,True,False,"Line one\\nline two"\n'
        "bbcdefghijk,17.14.11,Title,Chan,1,2017-11-13T17:13:01.000Z,[none],"
        "100,3,0,4,http://i.example/x.jpg,False,False,False,\n",
    )
    ingest(database, folder)
    assert ask(database, "SELECT published_at, text, topics FROM posts ORDER BY id") == [
        ("2017-11-13 17:13:01.000000", "Line one line two", "one;two"),
        ("2017-11-13 17:13:01.000000", "", ""),
    ]
    assert ask(database, "SELECT likes, replies FROM counters ORDER BY post_id") == [
        (None, None),
        (3, 4),
    ]


def test_the_newest_layout_knows_channels_by_id(database: Database, folder: Path) -> None:
    line = (
        "{},T,2020-08-11T19:20:14Z,UC123,{},1,2020-08-{}T00:00:00Z,x,100,1,0,2,http://i,"
        "False,False,\n"
    )
    file(
        folder,
        NEWEST
        + line.format("abcdefghijk", "Old name", 12)
        + line.format("bbcdefghijk", "New name", 13),
    )
    ingest(database, folder)
    assert ask(database, "SELECT name FROM users") == [("New name",)]


@pytest.mark.parametrize(
    ("encoding", "title"),
    [
        ("utf-8", "日本語のタイトル"),
        ("utf-8-sig", "Ünïcödé — “quotes”"),
        ("cp932", "日本語のタイトル、すばらしい動画です"),
        ("cp949", "한국어 제목입니다 정말 좋은 영상"),
        ("cp1251", "Очень хорошее видео про котов"),
        ("cp1252", "Café à la crème – “déjà vu”"),
    ],
)
def test_each_file_is_read_in_the_encoding_it_is_in(
    database: Database, folder: Path, encoding: str, title: str
) -> None:
    ingest(
        database, file(folder, f"{OLD}abcdefghijk,{title},C,1,,9,0,0,0,13.09\n", "x.csv", encoding)
    )
    assert ask(database, "SELECT title FROM posts") == [(title,)]


def test_a_few_broken_bytes_do_not_change_the_encoding(database: Database, folder: Path) -> None:
    path = file(folder, f"{OLD}abcdefghijk,日本語のタイトル!,C,1,,9,0,0,0,13.09\n")
    path.write_bytes(path.read_bytes().replace(b"!", b"\xe3\x81"))
    report = ingest(database, folder)
    assert report.mended == 1
    assert ask(database, "SELECT title FROM posts") == [("日本語のタイトル\ufffd\ufffd",)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("#NAME?,T,C,1,,9,0,0,0,13.09", "video_id “#NAME?” cannot be one"),
        ("abcdefghijk,T,,1,,9,0,0,0,13.09", "channel_title is missing"),
        ("abcdefghijk,T,C,1,,,0,0,0,13.09", "views “” is not a whole number"),
        ("abcdefghijk,T,C,1,,9,0,0,0,31.02", "date “31.02” does not exist"),
        ("abcdefghijk,T,C,1,,9,0,0,0,", "date is missing"),
        ("abcdefghijk,T,C,1,,9,0,0", "has 8 fields, the header has 10"),
    ],
)
def test_bad_lines_are_rejected(database: Database, folder: Path, line: str, reason: str) -> None:
    report = ingest(database, file(folder, f"{OLD}{line}\nbbcdefghijk,T,C,1,,9,0,0,0,13.09\n"))
    (problem,) = report.problems
    assert problem.outcome is Outcome.REJECTED
    assert (problem.file, problem.line) == ("GBvideos.csv", 2)
    assert reason in problem.reason
    assert ask(database, "SELECT id FROM posts") == [("bbcdefghijk",)]


def test_two_countries_can_be_imported_in_any_order(database: Database, folder: Path) -> None:
    gb = file(folder, OLD + "abcdefghijk,T,C,1,,100,5,1,7,13.09\n", "GBvideos.csv")
    us = file(folder, OLD + "abcdefghijk,T,C,1,,101,4,1,7,13.09\n", "USvideos.csv")
    ingest(database, us)
    ingest(database, gb)
    assert ask(database, "SELECT views, likes FROM counters") == [(101, 5)]
