"""The page on which an author says of what kind their posts are."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from digest.kinds import Kind
from digest.models import Correction, table
from tests.community import MONDAY, village
from tests.conftest import Front
from tests.test_pages import Desk, opened

_SELECT = re.compile(
    r'<label[^>]*>(.*?)</label>\s*<select name="([^"]*)"[^>]*>(.*?)</select>', re.DOTALL
)
_CHOSEN = re.compile(r'<option value="([^"]*)" selected>([^<]*)<')


@pytest.fixture
def desk(digest: Front) -> Iterator[Desk]:
    """The village, in which Alice wrote more this week, and the page of kinds."""
    there = village()
    at = MONDAY + timedelta(days=1)
    there.post("odd <&\"'> id", "alice", at, title="Which way?", text="")
    there.post("told", "alice", at + timedelta(hours=1), title="<b>", text="", kind="opinion")
    with opened(digest, there, "--user", "alice") as desk:
        yield desk


def shown(desk: Desk, **form: str) -> dict[str, tuple[str, str, str]]:
    """Each post of the page: its field, what is chosen, and how that is called."""
    page = f"{desk.preferences}/kinds"
    answer = desk.client.post(page, data=form) if form else desk.client.get(page)
    assert answer.status_code == 200
    assert ("Saved" in answer.text) == bool(form)
    return {
        html.unescape(label): (html.unescape(name), *_CHOSEN.findall(options)[0])
        for label, name, options in _SELECT.findall(answer.text)
    }


def kept(desk: Desk) -> dict[str, tuple[str, str]]:
    with desk.database.reading() as session:
        rows = session.execute(table(Correction).select()).all()
    return {row.post_id: (row.guessed, row.chosen) for row in rows}


def test_the_posts_of_eight_weeks_are_listed_with_their_kinds(desk: Desk) -> None:
    found = shown(desk)
    assert list(found) == ["<b>", "Which way?", "Why bridges hum"]  # and not the garden of spring
    assert found["Which way?"] == ("kind of odd <&\"'> id", "", "A question to readers (a guess)")
    assert found["<b>"][1:] == ("", "An opinion (as on Fieldnotes)")
    assert found["Why bridges hum"][2] == "A thought (a guess)"


def test_what_is_said_is_kept_and_shown_and_can_be_taken_back(desk: Desk) -> None:
    form = {name: chosen for name, chosen, _ in shown(desk).values()}
    assert shown(desk, **form) == shown(desk)
    assert kept(desk) == {}
    (odd, *_) = (name for name in form if "odd" in name)
    for _ in range(2):
        assert shown(desk, **form | {odd: "now"})["Which way?"][1:] == ("now", "What I am doing")
    assert kept(desk) == {"odd <&\"'> id": ("question", "now")}
    shown(desk, **form)
    assert kept(desk) == {}


def test_nobody_speaks_for_the_posts_of_others_or_of_long_ago(desk: Desk) -> None:
    shown(desk, **{f"kind of {id_}": "now" for id_ in ("ferry", "garden", "nothing", "bridge")})
    assert kept(desk) == {"bridge": ("thought", "now")}


def test_what_is_no_kind_changes_nothing(desk: Desk) -> None:
    before = desk.tables()
    page = f"{desk.preferences}/kinds"
    for said in ("nonsense", "Question", "question ", "0"):
        answer = desk.client.post(page, data={"kind of bridge": said, "kind of told": "now"})
        assert (answer.status_code, "Nothing was changed" in answer.text) == (422, True)
    assert desk.client.post(page, content=b"\xff").status_code == 400
    assert desk.client.post(page, data={"kind of bridge": ["now", "opinion"]}).status_code == 200
    assert desk.client.post(page, data={"else": "now"}).status_code == 200
    assert desk.tables() == before


def test_looking_changes_nothing_and_every_kind_has_a_name(desk: Desk) -> None:
    before = desk.tables()
    page = desk.client.get(f"{desk.preferences}/kinds").text
    desk.client.request("HEAD", f"{desk.preferences}/kinds")
    assert desk.tables() == before
    for kind in Kind:
        assert page.count(f'<option value="{kind}"') == 3


def test_who_wrote_nothing_lately_sees_a_page_without_a_form(desk: Desk) -> None:
    page = desk.client.get(desk.links.preferences("quinn", "2026-W46") + "/kinds")
    assert page.status_code == 200
    assert "there is no post of yours" in page.text
    assert "<form" not in page.text
