"""Every folder of real posts, imported; figures against its README and hand-written SQL."""

import gzip
import json
import re
from pathlib import Path

from digest.database import Database
from digest.ingest import Report, ingest
from digest.text import clean
from digest.window import Period, week, zone
from tests.conversions import deskdrop, devto, facebook, hacker_news, medium, read, wordpress, write
from tests.databases import ask

WEEK = "at >= ? AND at < ?"


def bounds(period: str, home: str = "UTC") -> tuple[str, str]:
    window = week(Period.parse(period), zone(home))
    return f"{window.start:%Y-%m-%d %H:%M:%S}.000000", f"{window.end:%Y-%m-%d %H:%M:%S}.000000"


def twice(database: Database, path: Path) -> Report:
    """Import, and see that doing it again changes nothing."""
    report = ingest(database, path)
    assert report.changed > 0
    assert ingest(database, path).changed == 0
    return report


def test_youtube(database: Database, shared_data: Path) -> None:
    """The README's shape: 15997 lines, 3281 videos, one counter that falls to zero."""
    report = twice(database, shared_data / "youtube_trending_2017")
    assert (report.rejected, report.mended) == (0, 0)
    assert report.tables["counters"].read == 8000 + 7997
    assert ask(database, "SELECT count(*) FROM posts") == [(2365 + 1736 - 820,)]
    assert ask(database, "SELECT min(at), max(at) FROM counters") == [
        ("2017-09-13 10:30:00.000000", "2017-10-22 10:30:00.000000")
    ]
    assert ask(database, "SELECT count(*) FROM counters WHERE views_gain < 0") == [(0,)]
    fallen = "SELECT views, views_gain FROM counters WHERE post_id = '5gH8iXNW8wE' ORDER BY at"
    assert ask(database, fallen)[:2] == [(657842, None), (0, 0)]


def test_youtube_gains_are_what_the_files_say(database: Database, shared_data: Path) -> None:
    """For each video: highest total less first total, straight from the files."""
    folder = shared_data / "youtube_trending_2017"
    ingest(database, folder)
    totals: dict[str, dict[str, int]] = {}
    for name in ("USvideos.csv.gz", "GBvideos.csv.gz"):
        for row in read(folder / name):
            day = ".".join(reversed(row["date"].split(".")))
            days = totals.setdefault(row["video_id"], {})
            days[day] = max(days.get(day, 0), int(row["views"]))
    expected = sum(max(days.values()) - days[min(days)] for days in totals.values())
    assert ask(database, "SELECT sum(views_gain) FROM counters") == [(expected,)]
    latest = "SELECT title FROM posts WHERE id = 'XpVt6Z1Gjjo'"
    assert ask(database, latest) == [
        ("1 YEAR OF VLOGGING -- HOW LOGAN PAUL CHANGED YOUTUBE FOREVER!",)
    ]


def test_one_country_alone_is_a_file(database: Database, shared_data: Path) -> None:
    ingest(database, shared_data / "youtube_trending_2017" / "GBvideos.csv.gz")
    assert ask(database, "SELECT count(*) FROM posts") == [(1736,)]
    assert ask(database, "SELECT count(*) FROM users") == [(1003,)]


def test_stackexchange(database: Database, shared_data: Path) -> None:
    """612 questions and 1060 answers, less one each without author."""
    report = twice(database, shared_data / "stackexchange_quantumcomputing_2018")
    assert (report.rejected, report.mended) == (0, 0)
    assert ask(database, "SELECT kind, count(*) FROM posts GROUP BY kind ORDER BY kind") == [
        ("answer", 1059),
        ("question", 611),
    ]
    assert ask(database, "SELECT count(*) FROM users") == [(3461,)]
    assert ask(database, "SELECT count(*) FROM posts WHERE text LIKE '%<p>%'") == [(0,)]
    untitled = "SELECT count(*) FROM posts WHERE kind = 'answer' AND title NOT LIKE 'Answer to: _%'"
    assert ask(database, untitled) == [(3,)]  # the answers to the question without author


def test_stackexchange_counts_every_vote_and_view_of_its_posts(
    database: Database, shared_data: Path
) -> None:
    folder = shared_data / "stackexchange_quantumcomputing_2018"
    ingest(database, folder)
    posts = {id_ for (id_,) in ask(database, "SELECT id FROM posts")}
    likes = 0
    with gzip.open(folder / "Votes.xml.gz", "rt", encoding="utf-8-sig") as file:
        for vote in re.findall(r'PostId="(\d+)" VoteTypeId="[25]"', file.read()):
            likes += vote in posts
    assert ask(database, "SELECT sum(count) FROM reactions WHERE type = 'like'") == [(likes,)]
    ((views, gains),) = ask(database, "SELECT sum(views), count(views_gain) FROM counters")
    assert 0 < 166069 - views < 200  # all but the question without author
    assert gains == 0  # one reading is a baseline, and no week's views


def test_devto_daily_views(database: Database, shared_data: Path, tmp_path: Path) -> None:
    """The README's check week, as dated counts."""
    devto.daily(shared_data / "devto_daily_views", tmp_path / "x")
    assert twice(database, tmp_path / "x").rejected == 0
    for home in ("UTC", "Asia/Hong_Kong", "America/Los_Angeles", "Pacific/Auckland"):
        assert ask(
            database,
            f"SELECT post_id, sum(count) FROM views WHERE {WEEK}"
            " GROUP BY 1 ORDER BY 2 DESC LIMIT 6",
            *bounds("2026-W12", home),
        ) == [
            ("3273483", 801),
            ("2803206", 280),
            ("3241282", 156),
            ("2756299", 77),
            ("3269809", 74),
            ("3382406", 53),
        ]


def test_devto_snapshots(database: Database, shared_data: Path, tmp_path: Path) -> None:
    """Falls gain nothing: what a post gained is its highest total less its first."""
    folder = shared_data / "devto_daily_views"
    devto.snapshots(folder, tmp_path / "x")
    assert twice(database, tmp_path / "x").rejected == 0
    totals: dict[str, list[int]] = {}
    for row in read(folder / "snapshots.csv.gz"):
        totals.setdefault(row["article_id"], []).append(int(row["views_total"]))
    assert ask(database, "SELECT count(*) FROM counters") == [(5117,)]
    assert dict(ask(database, "SELECT post_id, sum(views_gain) FROM counters GROUP BY 1")) == {
        id_: max(views) - views[0] for id_, views in totals.items()
    }
    assert ask(database, "SELECT count(*) FROM counters WHERE views_gain < 0") == [(0,)]


def test_deskdrop(database: Database, shared_data: Path, tmp_path: Path) -> None:
    """The README's check week: views, and people by item."""
    deskdrop.convert(shared_data / "deskdrop_events_2016", tmp_path / "x")
    assert twice(database, tmp_path / "x").rejected == 0
    bounds_ = bounds("2016-W20")
    assert ask(database, f"SELECT sum(count) FROM views WHERE {WEEK}", *bounds_) == [(1541,)]
    top = ask(
        database,
        f"SELECT post_id, sum(count), count(DISTINCT viewer_id) FROM views WHERE {WEEK}"
        " GROUP BY 1 ORDER BY 2 DESC LIMIT 4",
        *bounds_,
    )
    assert top == [
        ("-1038011342017850", 62, 34),
        ("-6255158415883847921", 58, 40),
        ("-4509487968959834430", 54, 37),
        ("4369833742675497700", 42, 24),
    ]
    ((events, pairs),) = ask(
        database, "SELECT count(*), count(DISTINCT post_id || ' ' || viewer_id) FROM views"
    )
    assert pairs == 40241
    assert events == 58802  # 61086 lines, of which 2284 repeat another second for second
    assert ask(database, "SELECT count(*) FROM posts") == [(2987,)]


def test_hacker_news(database: Database, shared_data: Path, tmp_path: Path) -> None:
    """Points without views: views stay unknown, and the one reading is a baseline."""
    hacker_news.convert(shared_data / "hacker_news_2016", tmp_path / "x")
    report = twice(database, tmp_path / "x")
    assert report.rejected == 0
    assert ask(database, "SELECT count(*), count(DISTINCT author_id) FROM posts") == [(21348, 9033)]
    assert ask(database, "SELECT count(views), count(likes) FROM counters") == [(0, 21348)]
    assert ask(database, "SELECT count(*) FROM posts WHERE url = ''")[0][0] >= 1115
    assert ask(database, "SELECT likes FROM counters WHERE post_id = '11966167'") == [(3125,)]
    assert ask(database, "SELECT count(likes_gain) FROM counters")[0][0] <= 1


def test_medium(database: Database, shared_data: Path, tmp_path: Path) -> None:
    """Titles lose their markup, and bytes that are no text are mended and said."""
    medium.convert(shared_data / "medium_articles_2020", tmp_path / "x")
    report = twice(database, tmp_path / "x")
    assert report.rejected == 0
    assert report.mended > 0
    counts = ask(database, "SELECT author_id, count(*) FROM posts GROUP BY 1 ORDER BY 2 DESC")
    assert counts[:2] == [("the-startup", 2076), ("towards-data-science", 2059)]
    marked = "SELECT count(*) FROM posts WHERE title LIKE '%markup--%' OR title LIKE '%<strong%'"
    assert ask(database, marked) == [(0,)]
    assert ask(database, "SELECT count(*) FROM posts WHERE title = ''") == [(0,)]


def test_facebook(database: Database, shared_data: Path, tmp_path: Path) -> None:
    """No title, no date: the totals are kept, and make no week's figure. Blanks are unknown."""
    facebook.convert(shared_data / "facebook_page_posts_2014", tmp_path / "x")
    assert twice(database, tmp_path / "x").rejected == 0
    assert ask(
        database, "SELECT count(*), count(likes), count(reposts), count(views_gain) FROM counters"
    ) == [(500, 499, 496, 0)]
    assert ask(database, "SELECT views FROM counters WHERE post_id = '1'") == [(5091,)]


def test_wordpress(database: Database, shared_data: Path, tmp_path: Path) -> None:
    wordpress.convert(shared_data / "naughty_text", tmp_path / "x")
    report = twice(database, tmp_path / "x")
    assert report.rejected == 0
    titles = [title for (title,) in ask(database, "SELECT title FROM posts")]
    assert any(len(word) == 85 for title in titles for word in title.split())
    assert ask(database, "SELECT count(*) FROM posts WHERE text LIKE '%<!-- wp:paragraph%'") == [
        (0,)
    ]


def test_naughty_strings_as_names_and_titles(
    database: Database, shared_data: Path, tmp_path: Path
) -> None:
    """Whatever the string: the row is stored in one clean line, or rejected with a reason."""
    strings = json.loads((shared_data / "naughty_text" / "blns.json").read_text("utf-8"))
    with gzip.open(shared_data / "naughty_text" / "xss_payloads.txt.gz", "rb") as file:
        strings += file.read().decode("utf-8", "surrogateescape").splitlines()
    people = [(n, string, f"n{n}@naughty.example") for n, string in enumerate(strings)]
    write(tmp_path / "x", "users", "id name email", people)
    write(
        tmp_path / "x",
        "posts",
        "id author_id title text url",
        ((n, n, string, string, string) for n, string in enumerate(strings)),
    )
    report = twice(database, tmp_path / "x")
    nameless = {str(n) for n, string in enumerate(strings) if not clean(string, 100)}
    assert report.rejected == 2 * len(nameless)  # and their posts, which have no author then
    stored = ask(
        database,
        "SELECT users.name, title, text, url FROM posts JOIN users ON author_id = users.id",
    )
    assert len(stored) == len(strings) - len(nameless)
    for row in stored:
        assert all(part == " ".join(part.split()) for part in row)
        assert not any(character in part for part in row for character in "\x00\x07\x1b\u202e")
        assert row[3] == "" or row[3].lower().startswith(("http://", "https://"))
