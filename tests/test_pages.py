"""A reader's pages, from the links of a real mail to what the next mail does."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import time_machine
from sqlmodel import SQLModel
from starlette.applications import Starlette

from digest import subscriptions
from digest.config import Settings, load
from digest.database import Database
from digest.links import Links
from digest.sections import sections
from digest.web import create_app
from digest.web.guard import MAX_BODY_BYTES
from digest.web.tokens import BURST
from tests.community import MONDAY, Community, village
from tests.conftest import Front, body
from tests.visitor import BASE, Client

NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)
_HREF = re.compile(r'(?:href|action)="([^"]+)"')


@dataclass(frozen=True)
class Desk:
    """The village, mailed once, and its pages."""

    front: Front
    settings: Settings
    database: Database
    app: Starlette
    client: Client

    @property
    def links(self) -> Links:
        return Links(BASE, self.settings.signing_keys())

    @property
    def preferences(self) -> str:
        return self.links.preferences("alice", "2026-W46")

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The whole database."""
        with self.database.reading() as session:
            return {
                table.name: sorted(map(tuple, session.execute(table.select())), key=repr)
                for table in SQLModel.metadata.sorted_tables
            }

    def subscription(self, user: str = "alice") -> dict[str, Any]:
        table = SQLModel.metadata.tables["subscriptions"]
        with self.database.reading() as session:
            row = session.execute(table.select().where(table.c.user_id == user)).one()
        return dict(row._mapping)

    def choose(self, **changes: Any) -> httpx.Response:
        """The form as the page shows it, with some fields changed, sent."""
        return self.client.post(self.preferences, data=self.form() | changes)

    def form(self) -> dict[str, Any]:
        return fields(self.client.get(self.preferences).text)


def fields(page: str) -> dict[str, Any]:
    """What a browser sends of the form of preferences, untouched."""
    found: dict[str, Any] = {}
    for one in re.findall(r"<input ([^>]*checked[^>]*)>", page):
        name, value = re.findall(r'(?:name|value)="([^"]*)"', one)
        found.setdefault(name, []).append(value)
    for name, options in re.findall(r'<select name="(\w+)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.findall(r'<option value="([^"]*)"[^>]* selected>', options)
        assert len(chosen) == 1, name
        found[name] = chosen
    return found


@contextmanager
def opened(front: Front, there: Community, *sent: str) -> Iterator[Desk]:
    """The pages of a community that was mailed once, or who of it was ``sent`` a mail."""
    front("import", there.write(front.folder / "in"), at=NEXT_MONDAY)
    front("send", "--week", "2026-W46", *sent, at=NEXT_MONDAY)
    settings = load()
    database = Database(settings.database_url)
    app = create_app(settings, database)
    with time_machine.travel(NEXT_MONDAY, tick=True):
        yield Desk(front, settings, database, app, Client(app))
    database.close()


@pytest.fixture
def desk(digest: Front) -> Iterator[Desk]:
    with opened(digest, village()) as desk:
        yield desk


def mail_links(desk: Desk, kind: str) -> list[str]:
    """Every link of Alice's mail that is ours."""
    text = html.unescape(body(desk.front.mail_to("alice@people.example"), kind))
    return sorted({link for link in re.findall(r"https?://[^\s\"<>]+", text) if BASE in link})


# --- from the mail -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_mail_carries_less_often_preferences_and_unsubscribe(desk: Desk, kind: str) -> None:
    assert {desk.preferences, f"{desk.preferences}/less", desk.links.unsubscribe("alice")} <= set(
        mail_links(desk, kind)
    )


def test_two_actions_are_enough_for_less_often(desk: Desk) -> None:
    page = desk.client.get(f"{desk.preferences}/less")
    assert re.search(r'name="frequency" value="monthly">\s*<button type="submit"', page.text)
    done = desk.client.post(f"{desk.preferences}/less", data={"frequency": "monthly"})
    assert done.status_code == 200
    assert "every four weeks from now on" in done.text
    assert "Monday, 14 December 2026, 08:00" in done.text
    assert desk.subscription()["frequency"] == "monthly"


def test_the_next_send_is_shown_in_the_readers_own_time(desk: Desk) -> None:
    shown = desk.choose(weekday="4", hour="17", timezone="Asia/Tokyo").text
    assert "Saved" in shown
    assert "Friday, 27 November 2026, 17:00</strong> (Asia/Tokyo)" in shown
    upcoming = desk.front("schedule", "--user", "alice", "--json", at=NEXT_MONDAY).json
    assert upcoming[0]["local"] == "2026-11-27T17:00:00+09:00"


def test_what_is_chosen_is_what_the_next_send_does(desk: Desk) -> None:
    desk.choose(frequency="fortnightly", numbers="")
    week_later = NEXT_MONDAY + timedelta(weeks=1)
    desk.front("send", at=week_later)
    told = desk.front("explain", "alice", "--json", at=week_later).json
    assert (told["state"], told["reason"]) == ("skipped", "not-this-week")
    gate = next(gate for gate in told["gates"] if gate["name"] == "chosen week")
    assert gate == {
        "name": "chosen week",
        "passed": False,
        "fact": "the reader chose fortnightly, counted from 2026-W46",
    }


@pytest.mark.parametrize(
    ("often", "column", "value"),
    [
        ("weekly", "frequency", "weekly"),
        ("fortnightly", "frequency", "fortnightly"),
        ("monthly", "counted_from", "2026-W46"),
        ("eventful", "frequency", "eventful"),
        ("paused", "paused_through", "2026-W50"),
        ("off", "unsubscribed_at", NEXT_MONDAY),
    ],
)
def test_every_frequency_is_saved_at_once_and_shown_again(
    desk: Desk, often: str, column: str, value: object
) -> None:
    page = desk.choose(frequency=often)
    saved = desk.subscription()[column]
    if isinstance(value, datetime):
        assert saved - value < timedelta(minutes=1)
    else:
        assert saved == value
    assert fields(page.text) == desk.form()
    assert desk.form()["frequency"] == [often]


def test_who_left_can_come_back_by_the_preferences(desk: Desk) -> None:
    assert "No mails come" in desk.choose(frequency="off").text
    assert "Your next mail comes on" in desk.choose(frequency="weekly").text
    assert desk.subscription()["unsubscribed_at"] is None


def test_who_cannot_be_mailed_is_not_promised_a_mail(desk: Desk) -> None:
    """The address came back; the page says so instead of a day."""
    with desk.database.writing() as session:
        subscriptions.suppress(session, "alice@people.example", "hard-bounce", NEXT_MONDAY)
    page = desk.choose(frequency="monthly").text
    assert "your address is on the list" in page
    assert "Your next mail comes" not in page
    assert desk.front("schedule", "--user", "alice", "--json", at=NEXT_MONDAY).json == []


def test_a_form_sent_as_it_was_shown_changes_nothing(desk: Desk) -> None:
    before = desk.tables()
    for _ in range(2):
        assert desk.choose().status_code == 200
    assert desk.tables() == before


def test_sections_numbers_and_the_easing_can_be_switched_off_and_on(desk: Desk) -> None:
    everything = [section.name for section in sections() if section.label]
    desk.choose(section=["top_posts", "next"], numbers="", adaptive="")
    row = desk.subscription()
    assert row["hidden"].split() == sorted({*everything} - {"top_posts", "next"})
    assert (row["numbers"], row["adaptive"]) == (False, False)
    desk.choose(section=everything, numbers="1", adaptive="1")
    row = desk.subscription()
    assert (row["hidden"], row["numbers"], row["adaptive"]) == ("", True, True)


def test_an_eased_mail_says_so_and_one_press_undoes_it(desk: Desk) -> None:
    """Alice's last post was in W46, ten weeks before; posts are still seen."""
    then = MONDAY + timedelta(weeks=11, hours=9)
    desk.front("send", "--week", "2027-W03", "--user", "quinn", at=then)
    again = village()
    again.views("bridge", MONDAY + timedelta(weeks=10, hours=12), 9)
    desk.front("import", again.write(desk.front.folder / "more"), at=then)
    desk.front("send", "--week", "2027-W03", "--user", "alice", at=then)
    (mail,) = [m for m in desk.front.kept if "alice" in str(m["To"]) and "While you" in body(m)]
    said = " ".join(body(mail).split())
    assert "comes every two weeks, and after your next post every week again" in said
    assert "Keep it weekly" in body(mail, "html")
    (keep,) = set(re.findall(r"https?://\S+/keep", body(mail)))
    with time_machine.travel(then):
        assert "Every week, please" in desk.client.get(keep).text
        assert desk.subscription()["adaptive"] is True
        assert "comes every week" in desk.client.post(keep).text
    assert desk.subscription()["adaptive"] is False
    told = desk.front("explain", "alice", "--week", "2027-W02", "--json", at=then).json
    assert all(gate["passed"] for gate in told["gates"] if gate["name"] == "cadence")


# --- past weeks and data -------------------------------------------------------------------------


def test_past_weeks_are_a_chart_and_a_list_from_snapshots(desk: Desk) -> None:
    page = desk.client.get(f"{desk.preferences}/weeks").text
    assert page.count("<rect ") == 11
    assert page.count('<rect class="best"') == 1
    assert "The highest is 9–15 November with 13 people" in page
    rows = re.findall(r'<th scope="row">(.*?)</tr>', page, re.DOTALL)
    assert len(rows) == 11
    assert [int(n) for n in re.findall(r'class="number">(\d+)</td>', rows[0])] == [13, 16, 2]
    (link,) = re.findall(r'href="([^"]*/v/[^"]+)"', page)
    mail = desk.client.get(urljoin(f"{desk.preferences}/weeks", link))
    assert mail.status_code == 200
    assert "13 people" in mail.text


def test_a_reader_without_weeks_is_told_so(desk: Desk) -> None:
    page = desk.client.get(desk.links.preferences("vic", "2026-W46") + "/weeks")
    assert page.status_code == 200
    assert "There are none yet" in page.text
    assert "<svg" not in page.text


def test_the_data_come_as_a_file(desk: Desk) -> None:
    answer = desk.client.post(f"{desk.preferences}/data")
    assert answer.headers["content-disposition"] == 'attachment; filename="digest-data.json"'
    assert answer.headers["cache-control"] == "no-store"
    found = json.loads(answer.text)
    assert found["user"][0]["email"] == "alice@people.example"
    assert [week["period"] for week in found["weeks"] if week["body"]] == ["2026-W46"]
    assert "bob@people.example" not in answer.text


def test_deleting_takes_two_pages_and_a_tick_and_is_final(desk: Desk) -> None:
    page = desk.client.get(f"{desk.preferences}/delete").text
    (confirm,) = re.findall(r'name="confirm" value="([^"]+)"', page)
    before = desk.tables()
    assert desk.client.post(f"{desk.preferences}/delete").status_code == 400
    unsure = desk.client.post(f"{desk.preferences}/delete", data={"confirm": confirm})
    assert (unsure.status_code, "Tick the box first" in unsure.text) == (422, True)
    assert re.search(r'<input [^>]*id="sure"[^>]*aria-describedby="problem-sure"', unsure.text)
    assert desk.tables() == before
    form = {"confirm": confirm, "sure": "1"}
    for _ in range(2):
        gone = desk.client.post(f"{desk.preferences}/delete", data=form)
        assert (gone.status_code, "It is deleted" in gone.text) == (200, True)
    for path in ("", "/less", "/keep", "/weeks", "/kinds", "/topics", "/data", "/delete"):
        assert desk.client.get(desk.preferences + path).status_code == 404
    for path in ("/less", "/keep", "/kinds", "/topics", "/data"):
        data = {"frequency": "monthly"}
        assert desk.client.post(desk.preferences + path, data=data).status_code == 404
    assert desk.client.get(desk.links.browser("alice", "2026-W46")).status_code == 404
    assert desk.client.post(desk.links.unsubscribe("alice") + "/undo").status_code == 404
    assert desk.client.post(desk.links.unsubscribe("alice")).status_code == 200
    assert "alice" not in json.dumps(desk.tables()["users"], default=str).replace('"alice"', "")


def test_the_button_that_deletes_is_void_after_an_hour_and_for_others(desk: Desk) -> None:
    before = desk.tables()
    old = desk.links.erasing("alice", datetime.now(UTC) - timedelta(minutes=61))
    bobs = desk.links.erasing("bob", datetime.now(UTC))
    link = desk.preferences.rpartition("/")[2]
    for confirm, status in ((old, 422), (bobs, 400), (link, 400), ("x", 400), ("", 400)):
        form = {"confirm": confirm, "sure": "1"}
        assert desk.client.post(f"{desk.preferences}/delete", data=form).status_code == status
    assert desk.tables() == before


# --- links ---------------------------------------------------------------------------------------


def test_programs_that_open_every_link_change_nothing(desk: Desk) -> None:
    """Every link of the mail, and every link and form address on the pages behind them."""
    before, seen = desk.tables(), set[str]()
    waiting = [*mail_links(desk, "plain"), *mail_links(desk, "html")]
    while waiting:
        url = waiting.pop()
        if url in seen or not url.startswith(BASE):
            continue
        seen.add(url)
        for method in ("HEAD", "GET"):
            answer = desk.client.request(method, url)
            assert answer.status_code in {200, 405}, url
        waiting += [urljoin(url, html.unescape(link)) for link in _HREF.findall(answer.text)]
    kinds = {re.sub(r"/[^/]+\.[^/]+", "/*", urlsplit(url).path) for url in seen}
    assert kinds == {
        "/counting", "/p/*", "/p/*/less", "/p/*/weeks", "/p/*/kinds", "/p/*/topics",
        "/p/*/data", "/p/*/delete", "/u/*", "/v/*",
    }  # fmt: skip
    assert desk.tables() == before


def test_preferences_expire_and_still_offer_to_leave(desk: Desk) -> None:
    week_over = MONDAY + timedelta(weeks=1)
    with time_machine.travel(week_over + timedelta(days=90)):
        assert desk.client.get(desk.preferences).status_code == 200
    before = desk.tables()
    with time_machine.travel(week_over + timedelta(days=90, minutes=1)):
        for method, path in (("GET", ""), ("POST", ""), ("POST", "/less"), ("GET", "/weeks")):
            answer = desk.client.request(method, desk.preferences + path)
            assert answer.status_code == 410
            assert desk.links.unsubscribe("alice") in answer.text
        assert desk.client.get(desk.links.unsubscribe("alice")).status_code == 200
    assert desk.tables() == before


def wrong_links(links: Links) -> list[str]:
    good = urlsplit(links.preferences("alice", "2026-W46")).path
    stranger = Links(BASE, [b"another key"])
    return [
        good[:-1],
        good + "A",
        good.replace("/p/", "/u/"),
        good.replace("/p/", "/v/"),
        urlsplit(links.browser("alice", "2026-W46")).path.replace("/v/", "/p/"),
        urlsplit(links.unsubscribe("alice")).path.replace("/u/", "/p/"),
        f"/p/{links.erasing('alice', datetime.now(UTC))}",
        urlsplit(stranger.preferences("alice", "2026-W46")).path,
        urlsplit(links.preferences("alice", "not a week")).path,
        "/p/",
        "/p/..%2f..%2fetc%2fpasswd",
        "/p/%00",
    ]


@pytest.mark.parametrize(
    "path", ["", "/less", "/keep", "/weeks", "/kinds", "/topics", "/data", "/delete"]
)
def test_a_wrong_link_opens_nothing_and_tells_nothing(desk: Desk, path: str) -> None:
    """Whether somebody exists is not to be seen: the page is the same for all."""
    before, pages = desk.tables(), set()
    form = {"frequency": "off", "confirm": "x", "sure": "1"}
    for link in wrong_links(desk.links):
        for method in ("GET", "POST"):
            answer = desk.client.request(method, link + path, data=form)
            assert answer.status_code in {404, 405}, (method, link)
            pages.add((answer.status_code, answer.text))
    nobody = desk.client.get(desk.links.preferences("nobody-at-all", "2026-W46") + path)
    pages.add((nobody.status_code, nobody.text))
    assert len({page for status, page in pages if status == 404}) == 1
    assert desk.tables() == before


def test_links_of_an_older_key_work_while_it_is_listed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = desk.settings.secret().decode()
    monkeypatch.setenv("DIGEST_SECRET_KEY", "the new key")
    assert Client(create_app(load(), desk.database)).get(desk.preferences).status_code == 404
    monkeypatch.setenv("DIGEST_OLD_SECRET_KEYS", f"an-even-older-one {old}")
    client = Client(create_app(load(), desk.database))
    assert client.get(desk.preferences).status_code == 200
    assert client.get(desk.links.unsubscribe("alice")).status_code == 200
    fresh = Links(BASE, [b"the new key"]).preferences("alice", "2026-W46")
    assert client.get(fresh).status_code == 200
    monkeypatch.setenv("DIGEST_OLD_SECRET_KEYS", "an-even-older-one")
    assert Client(create_app(load(), desk.database)).get(desk.preferences).status_code == 404


def test_who_guesses_has_to_wait_and_one_click_still_works(desk: Desk) -> None:
    guesser, other = Client(desk.app, "198.51.100.7"), Client(desk.app, "198.51.100.8")
    wrong = "/p/MTIz.AAAA"
    answers = [guesser.get(wrong).status_code for _ in range(BURST)]
    assert answers == [404] * BURST
    for url in (desk.preferences, desk.links.unsubscribe("alice"), wrong):
        # On a slow machine a turn comes back between two requests: then the next guess is the one.
        pairs = ((guesser.get(wrong), guesser.get(url)) for _ in range(BURST))
        waiting = next(answer for _, answer in pairs if answer.status_code == 429)
        assert "Wait a minute" in waiting.text
        assert waiting.headers["retry-after"] == "60"
    assert guesser.post(desk.links.unsubscribe("alice")).status_code == 200
    assert other.get(desk.preferences).status_code == 200


# --- bad forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frequency": "hourly"}, "how often"),
        ({"frequency": ""}, "how often"),
        ({"frequency": ["weekly", "off"]}, "how often"),
        ({"weekday": "7"}, "seven days"),
        ({"weekday": "-1"}, "seven days"),
        ({"weekday": "٣"}, "seven days"),
        ({"hour": "24"}, "hour"),
        ({"hour": "8.5"}, "hour"),
        ({"hour": "9" * 5000}, "hour"),
        ({"hour": ["8", "9"]}, "hour"),
        ({"timezone": "Mars/Olympus"}, "time zones"),
        ({"timezone": "../../etc/passwd"}, "time zones"),
        ({"timezone": "posixrules"}, "time zones"),
        ({"locale": "tlh"}, "languages"),
        ({"locale": "en\x00"}, "languages"),
        ({"section": []}, "at least one part"),
        ({"section": ["quiet", "<script>"]}, "at least one part"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_impossible_choice_is_said_and_nothing_is_changed(
    desk: Desk, changes: dict[str, Any], said: str
) -> None:
    before = desk.tables()
    answer = desk.choose(**changes, numbers="")
    assert answer.status_code == 422
    (field,) = changes
    alert = re.search(r'role="alert">.*?</ul>', answer.text, re.DOTALL)
    assert alert
    assert re.findall(r'<a href="#(\w+)">([^<]*)</a>', alert[0]) == [
        (field, message(answer, field))
    ]
    assert said in message(answer, field)
    assert "<script" not in answer.text
    assert desk.tables() == before


def message(answer: httpx.Response, field: str) -> str:
    """What stands at a field that cannot be taken, which is described by it."""
    told = f'aria-describedby="problem-{field}"'
    assert re.search(rf'<(select|fieldset) [^>]*id="{field}"[^>]*{told}', answer.text)
    (found,) = re.findall(rf'<p class="problem" id="problem-{field}">([^<]*)</p>', answer.text)
    return str(found)


def test_a_refused_form_keeps_what_was_chosen_and_names_every_field(desk: Desk) -> None:
    before = desk.tables()
    sent = {
        "frequency": ["monthly"],
        "weekday": ["4"],
        "hour": ["17"],
        "timezone": ["Asia/Tokyo"],
        "locale": ["de"],
    }
    answer = desk.client.post(desk.preferences, data=sent)
    assert fields(answer.text) == sent
    assert "<h1>Not saved yet</h1>" in answer.text
    wrong = {"section": ["nonsense"], "weekday": ["9"], "timezone": ["Mars/Olympus"]}
    answer = desk.client.post(desk.preferences, data=sent | wrong | {"numbers": ["1"]})
    again = sent | {"weekday": ["0"], "timezone": [""], "numbers": ["1"]}
    assert fields(answer.text) == again
    for field in wrong:
        assert message(answer, field)
    assert desk.tables() == before
    saved = desk.client.post(desk.preferences, data=again | {"section": ["usual"]})
    assert fields(saved.text) == again | {"section": ["usual"]}


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"frequency=%ff",
        b"&".join(b"a=%d" % n for n in range(1000)),
        b"",
        b"{}",
        b"=&=",
    ],
    ids=["no UTF-8", "escaped no UTF-8", "too many fields", "nothing", "JSON", "signs"],
)
@pytest.mark.parametrize("path", ["", "/less", "/delete"])
def test_what_is_no_form_changes_nothing(desk: Desk, path: str, content: bytes) -> None:
    before = desk.tables()
    answer = desk.client.post(desk.preferences + path, content=content)
    assert answer.status_code in {400, 422}
    assert "<h1>" in answer.text
    assert desk.tables() == before


@pytest.mark.parametrize("path", ["", "/less", "/keep", "/kinds", "/topics", "/data", "/delete"])
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10_000_000])
def test_a_large_body_is_refused(desk: Desk, path: str, size: int) -> None:
    before = desk.tables()
    answer = desk.client.post(desk.preferences + path, content=b"x" * size)
    assert answer.status_code == 413
    assert desk.tables() == before


@pytest.mark.parametrize("often", ["weekly", "off", "hourly", ""])
def test_less_often_takes_only_what_it_offers(desk: Desk, often: str) -> None:
    before = desk.tables()
    answer = desk.client.post(f"{desk.preferences}/less", data={"frequency": often})
    assert answer.status_code == 400
    assert desk.tables() == before


@pytest.mark.parametrize("path", ["", "/less", "/keep", "/kinds", "/topics"])
def test_a_form_for_a_user_who_was_deleted_meanwhile(desk: Desk, path: str) -> None:
    form = desk.form()
    desk.front.sql("DELETE FROM subscriptions WHERE user_id = 'alice'")
    before = desk.tables()
    data = {"frequency": "monthly"} if path else form
    assert desk.client.post(desk.preferences + path, data=data).status_code == 404
    assert desk.client.get(desk.preferences + path).status_code == 404
    assert desk.tables() == before


def test_every_page_of_choices_is_private_and_whole(desk: Desk) -> None:
    for path in ("", "/less", "/keep", "/weeks", "/kinds", "/topics", "/data", "/delete"):
        answer = desk.client.get(desk.preferences + path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "script" not in answer.headers["content-security-policy"]
        assert "alice" not in answer.text.lower()
        assert answer.text.count("<h1>") == answer.text.count("<main>") == 1
        assert " style=" not in answer.text
        assert "set-cookie" not in answer.headers
