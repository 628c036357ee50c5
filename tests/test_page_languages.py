"""The readers' pages in every language: whose it is, and that no sentence of theirs escapes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html
from sqlalchemy import delete, insert, update
from starlette.responses import HTMLResponse

from digest.config import Settings, load
from digest.database import Database
from digest.facts.omissions import Topic
from digest.facts.sorting import Sorted
from digest.folders import catalogue_folders
from digest.kinds import Kind
from digest.languages import Languages
from digest.links import Links
from digest.models import Delivery, Snapshot, Subscription, Suppression, User, table
from digest.web import create_app
from digest.web.guard import MAX_BODY_BYTES
from digest.web.pages import Pages
from digest.web.speech import accepted
from digest.window import Period
from digest.wording import Wording
from tests.databases import new_database
from tests.messages import LANGUAGES, extracted, kept, write_marked
from tests.test_languages import outside
from tests.visitor import BASE, Client

KEY = "the key of these tests"
NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)
LAST = Period.parse("2026-W46")
_users, _subscriptions, _suppressions = table(User), table(Subscription), table(Suppression)
_snapshots, _deliveries = table(Snapshot), table(Delivery)


@dataclass(frozen=True)
class Town:
    """Alice has had a year of weeks, Bob none; and the pages for them."""

    settings: Settings
    database: Database
    client: Client

    @property
    def links(self) -> Links:
        return Links(BASE, [KEY.encode()])

    def preferences(self, user: str = "alice", period: Period = LAST) -> str:
        return self.links.preferences(user, str(period))

    def get(self, url: str, browser: str = "") -> httpx.Response:
        return self.client.get(url, headers={"Accept-Language": browser})

    def alice(self, **values: Any) -> None:
        """What is known of Alice from now on."""
        with self.database.writing() as session:
            for rows, key in ((_users, "id"), (_subscriptions, "user_id")):
                known = {name: value for name, value in values.items() if name in rows.c}
                if known:
                    session.execute(update(rows).where(rows.c[key] == "alice").values(known))

    def weeks(self, **figures: Any) -> None:
        """Alice's weeks, the last with a mail; figures that are not named are not known."""
        with self.database.writing() as session:
            session.execute(delete(_snapshots))
            known = {"views": None, "reach": None, "reactions": None, **figures}
            session.execute(
                insert(_snapshots),
                [
                    {"user_id": "alice", "period": str(LAST.shift(-n)), "created_at": NOW, **known}
                    for n in range(12)
                ],
            )

    def fresh(self) -> None:
        """Everybody as they were at first."""
        with self.database.writing() as session:
            for rows in (_deliveries, _snapshots, _suppressions, _subscriptions, _users):
                session.execute(delete(rows))
            people = ("alice", "bob")
            session.execute(
                insert(_users),
                [
                    {"id": name, "name": "⁂", "email": f"{name}@people.example"}
                    | {"email_key": f"{name}@people.example"}
                    for name in people
                ],
            )
            due = {"weekday": 0, "hour": 8, "timezone": "Europe/Berlin"}
            due["next_due_at"] = datetime(2026, 11, 23, 7, tzinfo=UTC)
            session.execute(insert(_subscriptions), [due | {"user_id": name} for name in people])


def town(folder: Path, **settings: Any) -> Iterator[Town]:
    there = load(secret_key=KEY, base_url=BASE, var=folder / "var", **settings)
    database = Database(new_database(folder / "digest.db"))
    with time_machine.travel(NOW, tick=True):
        found = Town(there, database, Client(create_app(there, database)))
        found.fresh()
        yield found
    database.close()


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    yield from town(tmp_path_factory.mktemp("speaking"), locale="es", site_name="Fieldnotes")


@pytest.fixture
def spoken(speaking: Town) -> Town:
    speaking.fresh()
    return speaking


def language(answer: httpx.Response) -> str:
    """The language of a page, if everything on it agrees about that."""
    root = lxml_html.document_fromstring(answer.text)
    tag = root.get("lang") or ""
    assert answer.headers["content-language"] == tag
    assert root.get("dir") == ("rtl" if tag == "ar" else "ltr")
    assert len({root.findtext(".//title").partition(" · ")[2].strip("\u2068\u2069")}) == 1
    return tag


# --- whose language ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "platform", "browser", "expected"),
    [
        ("ja", "de_AT", "fr", "ja"),
        (None, "de_AT", "fr", "de"),
        (None, "nl", "fr", "es"),
        (None, None, "fr", "es"),
    ],
    ids=["chosen", "the platform's", "not spoken", "not known"],
)
def test_a_reader_is_spoken_to_as_in_the_mail(
    spoken: Town, chosen: str | None, platform: str | None, browser: str, expected: str
) -> None:
    with spoken.database.writing() as session:
        session.execute(update(_users).values(locale=platform))
        session.execute(update(_subscriptions).values(locale=chosen))
    mine = spoken.preferences()
    old = spoken.preferences(period=LAST.shift(-30))
    for path in (mine, f"{mine}/less", f"{mine}/keep", f"{mine}/weeks", f"{mine}/data", old):
        assert language(spoken.get(path, browser)) == expected
    assert language(spoken.get(f"{mine}/delete", browser)) == expected
    assert language(spoken.get(spoken.links.unsubscribe("alice"), browser)) == expected
    no_form = spoken.client.post(mine, content=b"\xff", headers={"Accept-Language": browser})
    assert (no_form.status_code, language(no_form)) == (400, expected)
    no_mail = spoken.get(spoken.links.browser("alice", "2026-W01"), browser)
    assert (no_mail.status_code, language(no_mail)) == (404, expected)


@pytest.mark.parametrize(
    ("browser", "expected"),
    [
        ("de-CH, en;q=0.5", "de"),
        ("nl, tlh;q=0.9, ja;q=0.8, fr;q=0.7", "ja"),
        ("fr;q=0.2, ar;q=0.6", "ar"),
        ("en;q=0, fr;q=0.1", "fr"),
        ("nl", "es"),
        ("*", "es"),
        ("", "es"),
        ("de;q=nonsense, q=1, ;;;, fr", "fr"),
    ],
)
def test_a_stranger_is_spoken_to_as_the_browser_asks(
    spoken: Town, browser: str, expected: str
) -> None:
    for path in ("/counting", "/nothing", f"{BASE}/p/wrong", f"{BASE}/u/wrong"):
        assert language(spoken.get(path, browser)) == expected
    nobody = spoken.get(spoken.links.preferences("nobody", str(LAST)), browser)
    assert (nobody.status_code, language(nobody)) == (404, expected)


@given(st.text(max_size=200) | st.from_regex(r"([a-z*-]{0,9}(;q=[0-9.]{0,4})?,){0,30}"))
def test_whatever_a_browser_asks_for_is_an_answer(header: str) -> None:
    tags = accepted(header)
    assert len(tags) <= 20
    assert all(len(tag) <= 35 for tag in tags)
    Languages(catalogue_folders()).first_spoken(tags)


def test_browsers_that_make_languages_up_fill_no_memory() -> None:
    languages = Languages(catalogue_folders())
    first = languages.first_spoken(["de-AT"])
    for n in range(300):
        assert languages.first_spoken([f"de-at-x{n}"]) is first


def test_a_language_that_is_chosen_is_spoken_at_once(spoken: Town) -> None:
    form = {"frequency": "weekly", "weekday": "0", "hour": "8", "timezone": "", "section": "next"}
    saved = spoken.client.post(spoken.preferences(), data=form | {"locale": "ar"})
    assert language(saved) == "ar"
    assert "تم الحفظ" in saved.text
    assert language(spoken.get(f"{spoken.preferences()}/data", "de")) == "ar"


def test_who_is_deleted_reads_so_in_their_own_language(spoken: Town) -> None:
    spoken.alice(locale="ja")
    form = {"confirm": spoken.links.erasing("alice", NOW), "sure": "1"}
    gone = spoken.client.post(f"{spoken.preferences()}/delete", data=form)
    assert (gone.status_code, language(gone)) == (200, "ja")
    after = spoken.get(f"{spoken.preferences()}/data", "fr")
    assert (after.status_code, language(after)) == (404, "fr")  # nothing is known of them


def test_the_operator_s_pages_stay_english(spoken: Town) -> None:
    assert language(spoken.get("/", "de")) == "en"


def test_without_its_database_a_page_still_speaks(tmp_path: Path) -> None:
    broken = Database(f"sqlite:///{tmp_path}/none/digest.db")
    settings = load(secret_key=KEY, base_url=BASE, var=tmp_path / "var")
    client = Client(create_app(settings, broken))
    link = Links(BASE, [KEY.encode()]).unsubscribe("alice")
    answer = client.get(link, headers={"Accept-Language": "de"})
    assert (answer.status_code, language(answer)) == (503, "de")
    wrong = client.post(
        f"{link}/undo", content=b"x" * (MAX_BODY_BYTES + 1), headers={"Accept-Language": "de"}
    )
    assert (wrong.status_code, language(wrong)) == (413, "de")
    broken.close()


# --- by whose customs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en_GB", ["Monday, 23 November 2026, 08:00", "1,284", "9–15 November", "2026"]),
        ("en_US", ["Monday, November 23, 2026, 8:00\u202fAM", "1,284", "November 9–15"]),
        ("de_AT", ["am <strong>Montag, 23. November 2026, 08:00</strong> (Europe", "1.284"]),
        ("ja", ["2026年11月23日月曜日 8:00", "月曜日</option>", "1,284", "2026年</span>"]),
        ("ar_EG", ["٢٣ نوفمبر ٢٠٢٦، ٨:٠٠ ص", "١٬٢٨٤", "٢٠٢٦</span>", "الاثنين</option>"]),
        ("fr", ["lundi 23 novembre 2026, 08:00", "1\u202f284", "9–15 novembre"]),
    ],
)
def test_figures_and_times_are_the_reader_s(spoken: Town, locale: str, said: list[str]) -> None:
    spoken.alice(locale=locale)
    spoken.weeks(views=1284)
    mine = spoken.preferences()
    pages = spoken.get(mine).text + spoken.get(f"{mine}/weeks").text
    for words in said:
        assert words in pages, words


def test_a_name_does_not_turn_the_words_around_it(spoken: Town) -> None:
    spoken.alice(locale="ar")
    page = spoken.get(spoken.preferences()).text
    assert '<header><span dir="auto">Fieldnotes</span></header>' in page
    assert "(\u2068Europe/Berlin\u2069)" in page
    assert "<title>التفضيلات · \u2068Fieldnotes\u2069</title>" in page


# --- nothing escapes -----------------------------------------------------------------------------

OF_PAGES = re.compile(r"templates/web/|digest/web/|digest/sections/")


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, list[str]]]:
    """Pages whose Japanese is each English sentence between marks."""
    folder = tmp_path_factory.mktemp("marks")
    ids = write_marked(folder, "ja")
    for there in town(folder, locale="ja", site_name="⁂", templates=folder):
        yield there, ids


def visible(answer: httpx.Response) -> Iterator[str]:
    """Each text that somebody may read or hear, but for names of zones and of languages."""
    page = lxml_html.document_fromstring(answer.text)
    for names in page.xpath(
        "//style | //select[@name='timezone']//option[@value!='']"
        " | //select[@name='locale']//option[@value!='']"
    ):
        names.drop_tree()
    yield page.text_content()
    for element in page.iter():
        yield from (element.get(name) or "" for name in ("aria-label", "alt", "title", "label"))


def every_page(there: Town) -> Iterator[httpx.Response]:
    """Each page in every state in which it has something of its own to say."""
    client, mine, leave = there.client, there.preferences(), there.links.unsubscribe("alice")
    form = {"frequency": "weekly", "weekday": "0", "hour": "8", "timezone": "", "section": "next"}
    yield there.get(mine)
    yield client.post(mine, data=form)
    yield client.post(mine, data={})
    yield client.post(mine, data=form | {"timezone": "x", "locale": "x"})
    there.alice(chosen_timezone="Asia/Tokyo")
    yield there.get(mine)
    for often in ("fortnightly", "monthly", "eventful", "paused"):
        yield there.get(f"{mine}/less")
        yield client.post(f"{mine}/less", data={"frequency": often})
        yield there.get(mine)
    yield there.get(f"{mine}/keep")
    yield client.post(f"{mine}/keep", data={})
    there.alice(next_due_at=NOW)
    yield there.get(mine)
    yield there.get(f"{mine}/weeks")
    for metric in ("reach", "views", "reactions"):
        there.weeks(**{metric: 3})
        yield there.get(f"{mine}/weeks")
    yield there.get(f"{mine}/data")
    yield there.get(f"{mine}/delete")
    for confirm, sure in ((NOW, ""), (NOW - timedelta(hours=2), "1")):
        data = {"confirm": there.links.erasing("alice", confirm), "sure": sure}
        yield client.post(f"{mine}/delete", data=data)
    yield there.get(there.preferences(period=LAST.shift(-30)))
    yield there.get(leave)
    yield client.post(leave)
    yield there.get(leave)
    yield there.get(mine)
    yield client.post(f"{leave}/undo")
    with there.database.writing() as session:
        barred = {"email_key": "alice@people.example", "reason": "complaint", "since": NOW}
        session.execute(insert(_suppressions), [barred])
    yield there.get(mine)
    there.alice(paused_through=str(LAST.shift(200)), frequency="weekly")
    with there.database.writing() as session:
        session.execute(delete(_suppressions))
    yield there.get(mine)
    data = {"confirm": there.links.erasing("alice", NOW), "sure": "1"}
    yield client.post(f"{mine}/delete", data=data)
    yield client.post(leave)
    yield there.get("/counting")
    yield there.get("/nothing")
    yield client.post("/counting")
    yield client.post(there.preferences("bob"), content=b"\xff")
    yield client.post(there.preferences("bob"), content=b"x" * (MAX_BODY_BYTES + 1))
    words = Languages(catalogue_folders(overrides=there.settings.templates)).wording("ja")
    pages = Pages(there.settings, words)
    answers = [pages.problem(words, status) for status in (429, 500, 503)]
    for answer in (*answers, *other_pages(pages, words)):
        status, headers = answer.status_code, dict(answer.headers)
        yield httpx.Response(status, content=bytes(answer.body), headers=headers)


def other_pages(pages: Pages, words: Wording) -> Iterator[HTMLResponse]:
    """Pages in states that this town does not bring about."""
    yield from kinds_pages(pages, words)
    yield from topics_pages(pages, words)
    yield from guess_pages(pages, words)


def kinds_pages(pages: Pages, words: Wording) -> Iterator[HTMLResponse]:
    """The page of kinds as it can be; through its door it is in ``test_kinds_page``."""
    fixed: dict[str, Any] = {
        "root": "../../",
        "token": "0",
        "field": "0",
        "kinds": [str(kind) for kind in Kind],
    }
    posts = [
        Sorted("0", title, "", "", Kind.THOUGHT, told, None)
        for title, told in (("⁂", Kind.QUESTION), ("", None))
    ]
    for shown, problem, saved in ((posts, True, False), (posts, False, True), ([], False, False)):
        values: dict[str, Any] = {"posts": shown, "problem": problem, "saved": saved}
        yield pages.page(words, "kinds.html", **fixed, **values)


def topics_pages(pages: Pages, words: Wording) -> Iterator[HTMLResponse]:
    """The same of the page of topics, see ``test_topics_page``."""
    both = [Topic("⁂", out) for out in (False, True)]
    for shown, problem, saved in ((both, True, False), (both, False, True), ([], False, False)):
        values: dict[str, Any] = {"topics": shown, "problem": problem, "saved": saved}
        yield pages.page(words, "topics.html", root="../../", token="0", **values)


def guess_pages(pages: Pages, words: Wording) -> Iterator[HTMLResponse]:
    """The same of the page of guesses, see ``test_section_guess``."""
    fixed: dict[str, Any] = {
        "title": "⁂",
        "hours": 48,
        "choices": [1],
        "most": 9,
        "marked": 1,
        "typed": "",
    }
    for mine, closed, saved in ((None, False, False), (3, False, True), (3, True, False)):
        values: dict[str, Any] = {
            "mine": mine,
            "closed": closed,
            "saved": saved,
            "problem": mine is None,
        }
        yield pages.page(words, "guess.html", **fixed, **values)
    values = {"mine": None, "closed": True, "saved": False, "problem": False}
    yield pages.page(words, "guess.html", 410, **fixed, **values)


def test_no_words_of_a_page_escape_translation(marks: tuple[Town, list[str]]) -> None:
    there, ids = marks
    said: set[str] = set()
    for answer in every_page(there):
        assert language(answer) == "ja"
        for text in visible(answer):
            assert not re.search("[A-Za-z]", outside(text)), text
            said.update(ids[int(place)] for place in re.findall(r"⟦(\d+) ", text))
    there.fresh()
    of_pages = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in extracted()
        if message.id and any(OF_PAGES.match(file) for file, _ in message.locations)
    }
    assert of_pages - said == set()
    assert len(of_pages) > 150


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_page_is_whole_in_every_language(spoken: Town, name: str) -> None:
    """The same parts, links and fields as in English, whatever the words."""
    spoken.weeks(reach=1284, views=2000)
    mine = spoken.preferences()
    pages = (mine, f"{mine}/less", f"{mine}/weeks", f"{mine}/data", f"{mine}/delete", "/counting")
    for path in pages:
        shapes = []
        for tag in ("en", name):
            spoken.alice(locale=tag)
            page = lxml_html.document_fromstring(spoken.get(path, tag).text)
            tags = [one.tag for one in page.iter() if one.tag not in {"optgroup", "option"}]
            shapes.append(
                (sorted(map(str, tags)), sorted(page.xpath("//@name | //@for | //@href")))
            )
        assert shapes[0] == shapes[1] or path.endswith("/delete")


def test_what_sections_are_called_is_translated() -> None:
    """Those of another package by the catalogue beside its templates."""
    labels = {
        message.id
        for message in extracted()
        if "digest/sections/usual.py" in str(message.locations)
    }
    assert "Your week against your usual" in labels
    for name in LANGUAGES:
        assert kept(name).get("Your week against your usual").string  # type: ignore[union-attr]
