"""The page on which a reader says what topics the mail should not be about."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from digest import personal
from digest.facts.omissions import omissions
from digest.models import Omission, table
from tests.community import MONDAY, village
from tests.conftest import Front, body
from tests.test_pages import NEXT_MONDAY, Desk, opened
from tests.town import batch

ODD = "odd <&\"'> א"
_ROW = re.compile(
    r'<span id="(topic-\d+)">(.*?)</span>\s*<button type="submit" class="quiet" id="(choice-\d+)"'
    r' name="(\w+)" value="([^"]*)" aria-labelledby="(\S+) (\S+)">(.*?)</button>',
    re.DOTALL,
)


@pytest.fixture
def desk(digest: Front) -> Iterator[Desk]:
    """The village, in which Alice wrote often on two topics, and once on a third."""
    there = village()
    for n in range(4):
        topics = f"moss;{ODD}" + (";rare" if n == 0 else "")
        at = MONDAY + timedelta(days=1, hours=n)
        there.post(f"t{n}", "alice", at, title=f"T{n}", text="", topics=topics)
    for n in range(3):
        at = MONDAY - timedelta(weeks=13, hours=n)
        there.post(f"o{n}", "alice", at, title=f"O{n}", text="", topics="long ago")
    with opened(digest, there, "--user", "alice") as desk:
        yield desk


def shown(page: str) -> dict[str, tuple[str, str]]:
    """What each topic is called, with what its button does and says."""
    found = {}
    for topic_id, name, choice_id, does, value, *labels, says in _ROW.findall(page):
        assert labels == [choice_id, topic_id]
        told = html.unescape(name).translate(dict.fromkeys(map(ord, "\u2068\u2069")))
        assert told.removesuffix(" (left out)") == html.unescape(value)
        assert (does == "restore") == told.endswith(" (left out)")
        found[html.unescape(value)] = (does, says)
    return found


OMIT, RESTORE = ("omit", "Leave it out"), ("restore", "Put it back")


def press(desk: Desk, does: str, topic: str) -> dict[str, tuple[str, str]]:
    answer = desk.client.post(f"{desk.preferences}/topics", data={does: topic})
    assert (answer.status_code, "Saved" in answer.text) == (200, True)
    return shown(answer.text)


def kept(desk: Desk) -> set[tuple[str, str]]:
    with desk.database.reading() as session:
        rows = session.execute(table(Omission).select()).all()
    return {(row.user_id, row.topic) for row in rows}


def test_a_topic_is_two_presses_from_the_mail_and_one_from_being_back(desk: Desk) -> None:
    (mail,) = desk.front.kept
    text, hypertext = body(mail), body(mail, "html")
    assert f"{desk.preferences}/topics" in text
    link = html.unescape(re.findall(r'href="([^"]+/topics)"', hypertext)[0])
    assert shown(desk.client.get(link).text) == {"moss": OMIT, ODD: OMIT}
    for _ in range(2):
        assert press(desk, "omit", ODD) == {"moss": OMIT, ODD: RESTORE}
        assert kept(desk) == {("alice", ODD)}
    for _ in range(2):
        assert press(desk, "restore", ODD) == {"moss": OMIT, ODD: OMIT}
        assert kept(desk) == set()


def test_what_was_suggested_can_be_left_out_and_stays_listed(desk: Desk) -> None:
    told = '{"sections": {"sharing": {"posts": [{"topic": "told"}], "topics": ["moss"]}}}'
    desk.front.sql(
        f"UPDATE snapshots SET body = '{told}' WHERE user_id = 'alice' AND body IS NOT NULL"
    )
    assert set(shown(desk.client.get(f"{desk.preferences}/topics").text)) == {"told", "moss", ODD}
    press(desk, "omit", "told")
    desk.front.sql("DELETE FROM snapshots")
    assert shown(desk.client.get(f"{desk.preferences}/topics").text)["told"] == RESTORE
    assert "told" not in press(desk, "restore", "told")


def test_what_is_not_listed_changes_nothing(desk: Desk) -> None:
    before = desk.tables()
    page = f"{desk.preferences}/topics"
    for form in ({"omit": "rare"}, {"omit": "long ago"}, {"omit": ["moss", "moss"]}, {"x": "moss"}):
        answer = desk.client.post(page, data=form)
        assert (answer.status_code, "Nothing was changed" in answer.text) == (422, True)
    assert desk.client.post(page, content=b"\xff").status_code == 400
    desk.client.get(page)
    desk.client.request("HEAD", page)
    assert desk.tables() == before


def test_who_has_no_topics_sees_a_page_without_a_form(desk: Desk) -> None:
    page = desk.client.get(desk.links.preferences("quinn", "2026-W46") + "/topics")
    assert page.status_code == 200
    assert "there is no topic" in page.text
    assert "<form" not in page.text


def test_it_is_each_reader_s_own_handed_over_and_erased(desk: Desk) -> None:
    press(desk, "omit", "moss")
    with desk.database.writing() as session:
        assert omissions(session, batch("alice", "bob")) == {"alice": {"moss"}}
        (row,) = personal.export(session, "alice")["topics_left_out"]
        assert row["topic"] == "moss"
        personal.erase(session, "alice", NEXT_MONDAY)
    assert kept(desk) == set()
