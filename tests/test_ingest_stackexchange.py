"""A Stack Exchange dump, in small: what its elements become, and what harm they cannot do."""

import gzip
import tracemalloc
from pathlib import Path

import pytest

from digest.database import Database
from digest.errors import InputError
from digest.ingest import Outcome, Report, ingest
from tests.databases import ask

USERS = """
<row Id="1" DisplayName="Ada" CreationDate="2018-03-01T10:00:00.123" LastAccessDate="2018-09-02T02:00:00.000" />
<row Id="2" DisplayName="Bo &amp; Co" CreationDate="2018-03-02T10:00:00.000" />
"""  # noqa: E501 - as the dump writes it
POSTS = """
<row Id="10" PostTypeId="1" OwnerUserId="1" CreationDate="2018-03-12T17:00:00.567" ViewCount="120"
  Title="Is List&lt;int&gt; a type?" Body="&lt;p&gt;I &lt;em&gt;wonder&lt;/em&gt;.&lt;/p&gt;" Tags="&lt;types&gt;&lt;c-sharp&gt;" />
<row Id="11" PostTypeId="2" ParentId="10" OwnerUserId="2" CreationDate="2018-03-13T08:00:00.000" Body="&lt;p&gt;Yes.&lt;/p&gt;" />
<row Id="12" PostTypeId="2" ParentId="10" OwnerDisplayName="gone" CreationDate="2018-03-13T09:00:00.000" Body="No." />
<row Id="13" PostTypeId="5" OwnerUserId="1" CreationDate="2018-03-14T08:00:00.000" Body="a tag wiki" />
<row Id="14" PostTypeId="1" OwnerUserId="2" CreationDate="soon" Title="Bad" />
"""  # noqa: E501
VOTES = """
<row Id="1" PostId="10" VoteTypeId="2" CreationDate="2018-03-13T00:00:00.000" />
<row Id="2" PostId="10" VoteTypeId="2" CreationDate="2018-03-13T00:00:00.000" />
<row Id="3" PostId="10" VoteTypeId="5" UserId="2" CreationDate="2018-03-14T00:00:00.000" />
<row Id="4" PostId="10" VoteTypeId="3" CreationDate="2018-03-14T00:00:00.000" />
<row Id="5" PostId="99" VoteTypeId="2" CreationDate="2018-03-14T00:00:00.000" />
"""
COMMENTS = """
<row Id="7" PostId="10" Text="Hm." CreationDate="2018-03-12T18:00:00.030" UserId="2" />
<row Id="8" PostId="11" Text="Ah." CreationDate="2018-03-13T18:00:00.030" UserDisplayName="gone" />
"""


def dump(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"Users": USERS, "Posts": POSTS, "Votes": VOTES, "Comments": COMMENTS, **files}
    for name, rows in contents.items():
        root = name.lower()
        xml = f'\ufeff<?xml version="1.0" encoding="utf-8"?>\n<{root}>{rows}</{root}>\n'
        (folder / f"{name}.xml").write_text(xml, encoding="utf-8")
    return folder


def said(report: Report, outcome: Outcome) -> list[str]:
    return [str(problem) for problem in report.problems if problem.outcome is outcome]


def test_questions_and_answers_are_posts(database: Database, tmp_path: Path) -> None:
    ingest(database, dump(tmp_path / "quiz_2018"))
    assert ask(database, "SELECT id, author_id, title, text, url, kind, topics FROM posts") == [
        ("10", "1", "Is List<int> a type?", "I wonder.", "", "question", "types;c-sharp"),
        ("11", "2", "Answer to: Is List<int> a type?", "Yes.", "", "answer", ""),
    ]
    assert ask(database, "SELECT published_at FROM posts WHERE id = '10'") == [
        ("2018-03-12 17:00:00.567000",)
    ]


def test_addresses_are_made_up_and_lead_nowhere(database: Database, tmp_path: Path) -> None:
    ingest(database, dump(tmp_path / "Quiz_2018"))
    assert ask(database, "SELECT id, name, email FROM users ORDER BY id") == [
        ("1", "Ada", "user-1@quiz-2018.example"),
        ("2", "Bo & Co", "user-2@quiz-2018.example"),
    ]


def test_links_are_known_where_the_folder_is_named_after_the_site(
    database: Database, tmp_path: Path
) -> None:
    ingest(database, dump(tmp_path / "cooking.stackexchange.com"))
    assert ask(database, "SELECT url FROM posts ORDER BY id") == [
        ("https://cooking.stackexchange.com/questions/10",),
        ("https://cooking.stackexchange.com/a/11",),
    ]


def test_votes_comments_and_answers_are_reactions(database: Database, tmp_path: Path) -> None:
    """Up-votes have a day only and no user; down-votes are nobody's business."""
    ingest(database, dump(tmp_path / "quiz"))
    assert ask(database, "SELECT * FROM reactions ORDER BY post_id, at") == [
        ("10", "2018-03-12 18:00:00.030000", "2", "reply", 1),
        ("10", "2018-03-13 08:00:00.000000", "2", "reply", 1),
        ("10", "2018-03-13 10:30:00.000000", "", "like", 2),
        ("10", "2018-03-14 10:30:00.000000", "2", "like", 1),
        ("11", "2018-03-13 18:00:00.030000", "", "reply", 1),
    ]


def test_view_counts_are_totals_at_the_latest_instant_of_the_dump(
    database: Database, tmp_path: Path
) -> None:
    ingest(database, dump(tmp_path / "quiz"))
    assert ask(database, "SELECT post_id, at, views, views_gain FROM counters") == [
        ("10", "2018-09-02 02:00:00.000000", 120, None)
    ]


def test_what_a_dump_leaves_out_is_noted_and_what_is_broken_is_rejected(
    database: Database, tmp_path: Path
) -> None:
    report = ingest(database, dump(tmp_path / "quiz"))
    assert said(report, Outcome.NOTED) == [
        "Posts.xml: 1 posts have no author; they were left out",
        "Posts.xml: 1 rows are neither questions nor answers (tag wikis …); they were left out",
        "Votes.xml, line 7: there is no post “99”",
    ]
    assert said(report, Outcome.REJECTED) == [
        "Posts.xml, line 8: CreationDate “soon” is not an ISO 8601 time"
    ]
    with pytest.raises(InputError):
        ingest(database, tmp_path / "quiz", strict=True)


def test_importing_a_dump_twice_changes_nothing(database: Database, tmp_path: Path) -> None:
    folder = dump(tmp_path / "quiz")
    assert ingest(database, folder).changed > 0
    assert ingest(database, folder).changed == 0


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(
    database: Database, tmp_path: Path
) -> None:
    folder = dump(tmp_path / "quiz")
    whole = (folder / "Comments.xml").read_text(encoding="utf-8")
    (folder / "Comments.xml").write_text(whole[: whole.index('Id="8"')], encoding="utf-8")
    report = ingest(database, folder)
    assert any("not well-formed from here on" in text_ for text_ in said(report, Outcome.REJECTED))
    assert ask(database, "SELECT count(*) FROM reactions") == [(4,)]


def test_a_document_type_is_refused(database: Database, tmp_path: Path) -> None:
    """Entities could read files or grow without end."""
    folder = dump(tmp_path / "quiz")
    (folder / "Users.xml").write_text(
        '<?xml version="1.0"?><!DOCTYPE users [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
        '<users><row Id="1" DisplayName="&a;" CreationDate="2018-03-01T10:00:00"/></users>',
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="document type"):
        ingest(database, folder)


def test_memory_does_not_grow_with_the_dump(database: Database, tmp_path: Path) -> None:
    peaks = []
    for number in (5_000, 25_000):
        folder = dump(tmp_path / str(number), Votes="", Comments="")
        with gzip.open(folder / "Comments.xml.gz", "wt", encoding="utf-8") as file:
            file.write("<comments>\n")
            for n in range(number):
                date = f"2018-03-12T18:{n % 60:02d}:00"
                file.write(f'<row Id="{n}" PostId="10" CreationDate="{date}" UserId="{n}" />\n')
            file.write("</comments>\n")
        (folder / "Comments.xml").unlink()
        tracemalloc.start()
        ingest(database, folder)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3
