"""The pages, over a real database and a real folder of mails."""

import base64
import hashlib
import logging
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update
from starlette.applications import Starlette

from digest.colour import contrast, palette
from digest.compose import Snapshot
from digest.config import Settings, load
from digest.database import Database
from digest.errors import TemplateError, UsageError
from digest.links import Links
from digest.models import Delivery, Subscription, User, table
from digest.models import Snapshot as StoredSnapshot
from digest.web import create_app, listen, server
from digest.web.guard import HEADERS, MAX_BODY_BYTES
from tests.databases import new_database
from tests.visitor import Client

KEY = "the key of these tests"
BASE = "http://127.0.0.1:8025"
LINKS = Links(BASE, [KEY.encode()])
DUE = datetime(2026, 11, 16, 7, tzinfo=UTC)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
SNAPSHOT = Snapshot(
    user="alice",
    name="Alice <b>",
    locale="en",
    period="2026-W46",
    timezone="Europe/Berlin",
    start=datetime(2026, 11, 8, 23, tzinfo=UTC),
    end=datetime(2026, 11, 15, 23, tzinfo=UTC),
    views=None,
    reach=None,
    reactions=4,
    sections={
        "headline": {
            "metric": "reactions",
            "reach": None,
            "views": None,
            "reactions": 4321,
            "reactors": 3,
            "new_people": None,
            "posts": 2,
            "days": None,
        }
    },
)


@dataclass(frozen=True)
class Place:
    """One set of settings, database and application, which all tests use one after the other."""

    config: Settings
    db: Database
    app: Starlette


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("web")
    config = load(secret_key=KEY, base_url=BASE, var=folder / "var", site_name="Fieldnotes")
    db = Database(new_database(folder / "digest.db"))
    yield Place(config, db, create_app(config, db))
    db.close()


@pytest.fixture
def config(place: Place) -> Settings:
    """Settings whose mailbox is empty."""
    shutil.rmtree(place.config.var, ignore_errors=True)
    return place.config


@pytest.fixture
def db(place: Place) -> Database:
    """Alice has a subscription and last week's snapshot; Bob is there and has neither."""
    with place.db.writing() as session:
        for model in (Delivery, StoredSnapshot, Subscription, User):
            session.execute(delete(table(model)))
        for name in ("Alice", "Bob"):
            row = {"id": name.lower(), "name": name, "email": f"{name.lower()}@fieldnotes.example"}
            session.execute(insert(table(User)), [row])
        subscription = {
            "user_id": "alice",
            "weekday": 0,
            "hour": 8,
            "timezone": "Europe/Berlin",
            "next_due_at": DUE,
        }
        session.execute(insert(table(Subscription)), [subscription])
        stored = {"user_id": "alice", "period": "2026-W46", "created_at": DUE}
        body = SNAPSHOT.as_json()
        session.execute(insert(table(StoredSnapshot)), [stored | {"body": body}])
        session.execute(insert(table(StoredSnapshot)), [stored | {"period": "2026-W45"}])
    return place.db


@pytest.fixture
def app(place: Place, config: Settings, db: Database) -> Starlette:
    return place.app


@pytest.fixture
def client(app: Starlette) -> Client:
    return Client(app)


def left(db: Database) -> datetime | None:
    with db.reading() as session:
        return session.scalar(select(table(Subscription).c.unsubscribed_at))


def keep(config: Settings, name: str, subject: str = "Your week", html: str = "") -> Path:
    """Put a mail into the mailbox."""
    message = EmailMessage()
    message["To"] = "Alice <alice@fieldnotes.example>"
    message["Subject"] = subject
    message.set_content("The plain words, with an ä.")
    if html:
        message.add_alternative(html, subtype="html")
    config.mailbox.mkdir(parents=True, exist_ok=True)
    path = config.mailbox / name
    path.write_bytes(message.as_bytes())
    return path


# --- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_the_link_changes_nothing(method: str, client: Client, db: Database) -> None:
    """Programs that look for bad links open every link of a mail before its reader does."""
    response = client.request(method, LINKS.unsubscribe("alice"))
    assert response.status_code == 200
    assert left(db) is None
    if method == "GET":
        assert "Leave the weekly digest?" in response.text
        assert re.search(r'<form method="post">.*<button type="submit">', response.text, re.DOTALL)


def test_one_click_unsubscribes_at_once(client: Client, db: Database) -> None:
    before = datetime.now(UTC)
    response = client.post(LINKS.unsubscribe("alice"), data=ONE_CLICK)
    moment = left(db)
    assert response.status_code == 200
    assert moment is not None
    assert before <= moment <= datetime.now(UTC)


@pytest.mark.parametrize(
    "body",
    [{"data": ONE_CLICK}, {"files": {"List-Unsubscribe": (None, "One-Click")}}, {"content": b""}],
    ids=["urlencoded", "multipart", "no body"],
)
def test_one_click_needs_no_cookie_redirect_or_login(
    body: dict[str, object], client: Client, db: Database
) -> None:
    response = client.post(LINKS.unsubscribe("alice"), **body)
    assert (response.status_code, response.history) == (200, [])
    assert "set-cookie" not in response.headers
    assert left(db) is not None


def test_a_program_that_presses_the_button_is_shown_no_page(client: Client, db: Database) -> None:
    """A mailing brings thousands of them at once, and nobody looks."""
    answer = client.post(LINKS.unsubscribe("alice"), data=ONE_CLICK, headers={"accept": "*/*"})
    assert (answer.status_code, answer.text) == (200, "You have left.\n")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "no-store" in answer.headers["cache-control"]
    assert left(db) is not None


def test_leaving_twice_is_leaving_once(client: Client, db: Database) -> None:
    assert client.post(LINKS.unsubscribe("alice"), data=ONE_CLICK).status_code == 200
    first = left(db)
    assert client.post(LINKS.unsubscribe("alice"), data=ONE_CLICK).status_code == 200
    assert left(db) == first


def test_many_at_once_leave_once(app: Starlette, db: Database) -> None:
    def post(_: int) -> int:
        return Client(app).post(LINKS.unsubscribe("alice"), data=ONE_CLICK).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(post, range(50))) == [200] * 50
    assert left(db) is not None


def test_the_page_after_leaving_offers_to_undo_it(client: Client, db: Database) -> None:
    link = LINKS.unsubscribe("alice")
    page = client.post(link, data=ONE_CLICK)
    undo = re.search(r'<form method="post" action="([^"]+)">', page.text)
    assert undo
    back = client.post(urljoin(link, undo[1]))
    assert back.status_code == 200
    assert left(db) is None
    again = re.search(r'<a href="(\.\./[^"]+)">', back.text)
    assert again
    assert urljoin(f"{link}/undo", again[1]) == link


def test_who_comes_back_is_not_sent_what_was_missed(client: Client, db: Database) -> None:
    client.post(LINKS.unsubscribe("alice"), data=ONE_CLICK)
    with db.writing() as session:
        session.execute(update(table(Subscription)).values(next_due_at=DUE.replace(year=2020)))
    client.post(LINKS.unsubscribe("alice") + "/undo")
    with db.reading() as session:
        due = session.scalar(select(table(Subscription).c.next_due_at))
    assert due is not None
    assert due > datetime.now(UTC)


def test_who_has_left_sees_so_and_can_come_back(client: Client) -> None:
    client.post(LINKS.unsubscribe("alice"), data=ONE_CLICK)
    page = client.get(LINKS.unsubscribe("alice")).text
    assert "You have left" in page
    assert "/undo" in page


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_a_post_undoes_or_changes_anything(method: str, client: Client, db: Database) -> None:
    client.post(LINKS.unsubscribe("alice"), data=ONE_CLICK)
    assert client.request(method, LINKS.unsubscribe("alice") + "/undo").status_code == 405
    assert left(db) is not None


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/u/",
        "/u/MQ",
        "/u/MQ.AAAAAAAAAAAAAAAAAAAAAA",
        "/u/MQ.AAAAAAAAAAAAAAAAAAAAAA/undo",
        "/u/%00%ff",
        "/v/MQ.AAAAAAAAAAAAAAAAAAAAAA",
        urlsplit(LINKS.unsubscribe("alice")).path[:-1],
        urlsplit(LINKS.browser("alice", "2026-W46")).path.replace("/v/", "/u/"),
        urlsplit(LINKS.unsubscribe("alice")).path.replace("/u/", "/v/"),
        urlsplit(Links(BASE, [b"another"]).unsubscribe("alice")).path,
        "/nothing/here",
        "/static/../../etc/passwd",
    ],
)
def test_a_wrong_link_is_a_page_that_says_so(
    method: str, path: str, client: Client, db: Database
) -> None:
    response = client.request(method, path)
    assert response.status_code in {404, 405}
    assert method == "HEAD" or "<h1>" in response.text
    assert left(db) is None


@hypothesis(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=80), st.sampled_from(["GET", "POST"]))
def test_no_token_makes_the_server_fail(app: Starlette, token: str, method: str) -> None:
    quoted = "".join(f"%{byte:02x}" for byte in token.encode("utf-8", "ignore"))
    assert Client(app).request(method, f"/u/{quoted}").status_code in {404, 405}


def test_a_user_who_is_gone_has_no_page_but_may_leave(client: Client) -> None:
    """A mail provider's button must not fail because the account was deleted meanwhile."""
    assert client.get(LINKS.unsubscribe("deleted")).status_code == 404
    response = client.post(LINKS.unsubscribe("deleted"), data=ONE_CLICK)
    assert response.status_code == 200
    assert "undo" not in response.text
    assert client.post(LINKS.unsubscribe("deleted") + "/undo").status_code == 404


def test_nobody_is_told_to_have_left_who_was_never_enrolled(client: Client) -> None:
    """Bob has no subscription to mark, and could be given one later."""
    response = client.post(LINKS.unsubscribe("bob"), data=ONE_CLICK)
    assert response.status_code == 404
    assert "You have left" not in response.text


# --- the mail in the browser ---------------------------------------------------------------------


def test_the_mail_is_shown_as_it_was_frozen(client: Client) -> None:
    response = client.get(LINKS.browser("alice", "2026-W46"))
    assert response.status_code == 200
    assert "4,321" in response.text
    assert LINKS.unsubscribe("alice") in response.text
    assert LINKS.browser("alice", "2026-W46") not in response.text
    assert "Alice <b>" not in response.text
    assert "script-src" not in response.headers["content-security-policy"]
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("user", "period"), [("alice", "2026-W45"), ("alice", "2026-W44"), ("bob", "2026-W46")]
)
def test_a_week_without_a_mail_has_no_page(user: str, period: str, client: Client) -> None:
    assert client.get(LINKS.browser(user, period)).status_code == 404


def test_the_copy_stays_readable_for_who_has_no_subscription_row(
    client: Client, db: Database
) -> None:
    with db.writing() as session:
        session.execute(delete(table(Subscription)))
    assert client.get(LINKS.browser("alice", "2026-W46")).status_code == 200


# --- how we count --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    ["Views", "People", "Reactions", "Your usual range", "48 hours", "Best received", "midnight"],
)
def test_how_we_count_defines_every_word_of_the_mail(said: str, client: Client) -> None:
    assert said in client.get("/counting").text


# --- the operator's pages ------------------------------------------------------------------------


def test_the_overview_counts_the_states_of_the_latest_week(client: Client, db: Database) -> None:
    assert "No digest was planned yet" in client.get("/").text
    row = {"timezone": "UTC", "created_at": DUE, "updated_at": DUE}
    with db.writing() as session:
        for user, period, state in (
            ("alice", "2026-W45", "failed"),
            ("alice", "2026-W46", "sent"),
            ("bob", "2026-W46", "skipped"),
        ):
            values = {"user_id": user, "period": period, "state": state}
            session.execute(insert(table(Delivery)), [row | values])
    page = client.get("/").text
    assert "Deliveries of 2026-W46" in page
    assert re.search(r"sent</th><td[^>]*>1</td>", page)
    assert re.search(r"skipped</th><td[^>]*>1</td>", page)
    assert "failed" not in page


def test_the_mailbox_is_listed_newest_first_fifty_at_a_time(
    client: Client, config: Settings
) -> None:
    for n in range(120):
        keep(config, f"20261116T0700{n:03d}Z-alice-0a.eml", f"Mail {n} – ä")
    (config.mailbox / "notes.txt").write_text("not a mail")
    pages = [client.get("/", params={"page": page}).text for page in (1, 2, 3)]
    found = [re.findall(r"Mail (\d+) – ä", page) for page in pages]
    assert [len(numbers) for numbers in found] == [50, 50, 20]
    assert [int(n) for numbers in found for n in numbers] == list(range(119, -1, -1))
    assert ("Newer" in pages[0], "Older" in pages[0]) == (False, True)
    assert ("Newer" in pages[2], "Older" in pages[2]) == (True, False)


@pytest.mark.parametrize("page", ["0", "-1", "4", "x", "1e3", "", "99999999999999999999", "٣"])
def test_a_page_that_does_not_exist_is_not_there(page: str, client: Client) -> None:
    assert client.get("/", params={"page": page}).status_code == 404


def test_a_kept_mail_shows_its_headers_and_both_its_parts(client: Client, config: Settings) -> None:
    keep(
        config, "one.eml", "Ünïcode", "<html><head></head><body><script>x</script>Hi</body></html>"
    )
    page = client.get("/mailbox/one.eml").text
    assert "Ünïcode" in page
    assert "The plain words, with an ä." in page
    assert "alice@fieldnotes.example" in page
    assert '<iframe title="The mail as HTML" src="one.eml/html"' in page
    assert "<script>" not in page
    shown = client.get("/mailbox/one.eml/html")
    assert '<head><base target="_blank">' in shown.text
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    raw = client.get("/mailbox/one.eml/raw")
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"
    assert raw.text.startswith("To: ")


def test_a_mail_without_html_or_subject_is_shown_as_well(client: Client, config: Settings) -> None:
    keep(config, "plain.eml", "")
    assert "no HTML part" in client.get("/mailbox/plain.eml").text
    assert client.get("/mailbox/plain.eml/html").status_code == 404
    assert "(no subject)" in client.get("/").text


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"Subject: =?utf-8?q?=00=ff?=\r\nTo: \xff\r\n\r\n\xff",
     b"Content-Type: text/html; charset=nonsense\r\n\r\n<p>\xff",
     b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"],
)  # fmt: skip
def test_a_broken_mail_does_not_break_the_pages(
    content: bytes, client: Client, config: Settings
) -> None:
    keep(config, "broken.eml").write_bytes(content)
    assert client.get("/").status_code == 200
    assert client.get("/mailbox/broken.eml").status_code == 200
    assert client.get("/mailbox/broken.eml/html").status_code in {200, 404}
    assert client.get("/mailbox/broken.eml/raw").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "%2e%2e",
        "..%2Fdigest.db",
        "%2e%2e%2fdigest.db",
        "..%5cdigest.db",
        "%2Fetc%2Fpasswd",
        ".eml",
        ".hidden.eml",
        "secret.txt",
        "one.eml%00",
        "one.eml%0a",
        "link.eml",
        "folder.eml",
        "missing.eml",
        "x" * 5000 + ".eml",
    ],
)
@pytest.mark.parametrize("part", ["", "/html", "/raw"])
def test_nothing_but_a_kept_mail_is_served(
    name: str, part: str, client: Client, config: Settings
) -> None:
    keep(config, "one.eml")
    keep(config, ".hidden.eml")
    (config.mailbox / "secret.txt").write_text("secret")
    (config.var / "outside.eml").write_text("Subject: outside\n\n")
    (config.mailbox / "link.eml").symlink_to(config.var / "outside.eml")
    (config.mailbox / "folder.eml").mkdir()
    assert client.get(f"/mailbox/{name}{part}").status_code == 404


OPERATOR = ["/", "/mailbox/one.eml", "/mailbox/one.eml/html", "/mailbox/one.eml/raw"]


@pytest.mark.parametrize("path", OPERATOR)
@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "testclient", ""])
def test_the_operators_pages_do_not_exist_for_others(
    path: str, address: str, app: Starlette, config: Settings
) -> None:
    keep(config, "one.eml", html="<p>Hi")
    response = Client(app, address).get(path)
    assert response.status_code == 404
    assert "alice" not in response.text


@pytest.mark.parametrize("path", OPERATOR)
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8025"},
        {"host": ""},
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"x-real-ip": "192.0.2.7"},
        {"via": "1.1 proxy.example"},
    ],
    ids=str,
)
def test_the_operators_pages_do_not_exist_behind_another_name_or_a_proxy(
    path: str, headers: dict[str, str], client: Client, config: Settings
) -> None:
    keep(config, "one.eml", html="<p>Hi")
    assert client.get(path, headers=headers).status_code == 404


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost:8025", "127.0.0.1:8025", "[::1]:8025"])
def test_the_operators_pages_answer_on_every_loopback_address(
    address: str, host: str, app: Starlette
) -> None:
    assert Client(app, address).get("/", headers={"host": host}).status_code == 200


def test_the_readers_pages_answer_everybody(app: Starlette) -> None:
    stranger = Client(app, "192.0.2.7")
    headers = {"host": "digest.fieldnotes.example", "x-forwarded-for": "198.51.100.2"}
    for url in (LINKS.unsubscribe("alice"), LINKS.browser("alice", "2026-W46"), "/counting"):
        assert stranger.get(url, headers=headers).status_code == 200


# --- every page ----------------------------------------------------------------------------------


def pages(client: Client, config: Settings) -> dict[str, httpx.Response]:
    """One response of every kind."""
    keep(config, "one.eml", "A subject", "<html><head></head><body>Hi</body></html>")
    link = LINKS.unsubscribe("alice")
    return {
        "ask": client.get(link),
        "left": client.post(link, data=ONE_CLICK),
        "left before": client.get(link),
        "back": client.post(f"{link}/undo"),
        "counting": client.get("/counting"),
        "home": client.get("/"),
        "kept mail": client.get("/mailbox/one.eml"),
        "404": client.get("/nothing"),
        "405": client.request("DELETE", link),
        "413": client.post(link, content=b"x" * (MAX_BODY_BYTES + 1)),
    }


def test_every_answer_carries_the_safe_headers(client: Client, config: Settings) -> None:
    answers = pages(client, config) | {
        "mail": client.get(LINKS.browser("alice", "2026-W46")),
        "html": client.get("/mailbox/one.eml/html"),
        "raw": client.get("/mailbox/one.eml/raw"),
    }
    for name, response in answers.items():
        assert HEADERS.keys() <= {key.title() for key in response.headers} | {
            "X-Robots-Tag",
            "X-Content-Type-Options",
        }, name
        for header, value in HEADERS.items():
            if header != "Content-Security-Policy":
                assert response.headers[header] == value, name
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy, name
        assert "script" not in policy, name
        assert re.search(r"frame-ancestors '(none|self)'", policy), name


def test_every_page_is_whole_and_accessible(client: Client, config: Settings) -> None:
    for name, response in pages(client, config).items():
        page = response.text
        assert page.startswith("<!doctype html>"), name
        assert '<html lang="en" dir="ltr">' in page, name
        assert 'content="width=device-width, initial-scale=1"' in page, name
        assert page.count("<h1>") == page.count("<main>") == 1, name
        assert re.search(r"<title>\S.* · Fieldnotes</title>", page), name
        assert "<script" not in page, name
        assert " style=" not in page, name


def test_the_policy_allows_the_pages_own_style_and_no_other(client: Client) -> None:
    response = client.get("/counting")
    style = re.search(r"<style>(.*?)</style>", response.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("accent", ["#0b6b57", "#ffe600", "#000000", "#ff0000"])
@pytest.mark.parametrize("scheme", ["", "dark-"])
def test_every_text_can_be_read_on_its_ground(accent: str, scheme: str) -> None:
    colours = palette(accent)
    for text_colour, grounds in {
        "text": ("ground", "card", "soft-card"),
        "soft-text": ("ground", "card"),
        "link": ("ground", "card", "soft-card"),
        "on-accent": ("link",),
    }.items():
        for ground in grounds:
            assert contrast(colours[scheme + text_colour], colours[scheme + ground]) >= 4.5


def test_what_people_wrote_is_shown_never_run(client: Client, config: Settings) -> None:
    keep(config, "one.eml", "<script>alert(1)</script> & “quotes”")
    for url in ("/", "/mailbox/one.eml"):
        page = client.get(url).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; “quotes”" in page
        assert "<script" not in page


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10 * MAX_BODY_BYTES])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_long_changes_nothing(
    size: int, declared: bool, client: Client, db: Database
) -> None:
    async def stream() -> object:
        for _ in range(size // 1024 + 1):
            yield b"x" * 1024

    content = b"x" * size if declared else stream()
    assert client.post(LINKS.unsubscribe("alice"), content=content).status_code == 413
    assert left(db) is None


def test_a_body_of_just_the_allowed_size_is_taken(client: Client, db: Database) -> None:
    body = b"x" * MAX_BODY_BYTES
    assert client.post(LINKS.unsubscribe("alice"), content=body).status_code == 200
    assert left(db) is not None


def test_a_database_that_fails_is_a_page_without_details(config: Settings, tmp_path: Path) -> None:
    empty = Database(new_database(tmp_path / "empty.db", tables=False))
    response = Client(create_app(config, empty)).get(LINKS.unsubscribe("alice"))
    empty.close()
    assert response.status_code == 503
    assert "subscriptions" not in response.text
    assert response.headers["cache-control"] == "no-store"


def test_a_mistake_of_ours_is_a_page_without_details(client: Client, db: Database) -> None:
    """A stored snapshot that no template expects: the page says so and keeps the safe headers."""
    with db.writing() as session:
        session.execute(update(table(StoredSnapshot)).values(body={"not": "a snapshot"}))
    response = client.get(LINKS.browser("alice", "2026-W46"))
    assert response.status_code == 500
    assert "Something went wrong" in response.text
    assert "Traceback" not in response.text
    assert response.headers["referrer-policy"] == "no-referrer"


def test_the_log_names_the_page_and_never_the_token(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.post(LINKS.unsubscribe("alice"), data=ONE_CLICK)
    client.get(LINKS.browser("alice", "2026-W46"))
    client.get("/u/MTIz.AAAA")
    ours = [record.getMessage() for record in caplog.records if record.name == "digest.web"]
    assert ours == [
        "POST unsubscribe 200",
        "GET mail in the browser 200",
        "GET unsubscribe page 404",
    ]


# --- templates -----------------------------------------------------------------------------------


def test_a_page_may_be_replaced_by_a_folder_of_the_operator(
    config: Settings, db: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "mine" / "web"
    folder.mkdir(parents=True)
    (folder / "counting.html").write_text(
        '{% extends "base.html" %}{% block main %}<h1>Ours</h1>{% endblock %}'
    )
    mine = config.model_copy(update={"templates": tmp_path / "mine"})
    client = Client(create_app(mine, db))
    assert "<h1>Ours</h1>" in client.get("/counting").text
    assert "Leave the weekly digest?" in client.get(LINKS.unsubscribe("alice")).text


def test_a_broken_template_is_refused_at_the_start_with_its_line(
    config: Settings, db: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "mine" / "web"
    folder.mkdir(parents=True)
    (folder / "counting.html").write_text("fine\n{% if %}\n")
    with pytest.raises(TemplateError) as caught:
        create_app(config.model_copy(update={"templates": tmp_path / "mine"}), db)
    assert (caught.value.template, caught.value.line) == ("counting.html", 2)


# --- over a real connection ----------------------------------------------------------------------


@pytest.fixture
def address(config: Settings, db: Database) -> Iterator[str]:
    """The address of a real server on the loopback."""
    with listen("127.0.0.1", 0) as listening:
        serving = server(config, db)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        while not serving.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving.should_exit = True
        thread.join()


def test_a_reader_leaves_and_comes_back(
    address: str, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """From the link of the mail, over a real connection, as a browser without scripts does it."""
    caplog.set_level(logging.DEBUG)
    link = address + urlsplit(LINKS.unsubscribe("alice")).path
    with httpx.Client(headers={"accept": "text/html"}, timeout=60) as browser:
        page = browser.get(link)
        field = re.search(r'name="([^"]+)" value="([^"]+)"', page.text)
        assert field
        gone = browser.post(link, data={field[1]: field[2]})
        assert left(db) is not None
        undo = re.search(r'action="([^"]+)"', gone.text)
        assert undo
        assert browser.post(urljoin(link, undo[1])).status_code == 200
        assert left(db) is None
        assert (
            browser.post(link, files={"List-Unsubscribe": (None, "One-Click")}).status_code == 200
        )
        assert left(db) is not None
        assert browser.head(link).status_code == 200
        assert browser.get(address).status_code == 200
        assert "server" not in page.headers
        assert not browser.cookies
    servers = [one for one in caplog.records if one.name.startswith(("digest", "uvicorn"))]
    said = " ".join(one.getMessage() for one in servers)
    assert "POST unsubscribe 200" in said
    assert link.rpartition("/")[2] not in said


def test_an_upload_without_end_is_cut_off(address: str) -> None:
    link = urlsplit(LINKS.unsubscribe("alice")).path
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        head = f"POST {link} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * (MAX_BODY_BYTES + 1))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_port_that_is_taken_says_so() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1, port {port}") as caught:
            listen("127.0.0.1", port)
    assert "--port" in caught.value.hint


def test_a_place_that_cannot_be_listened_on_says_so() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on nowhere\.invalid"):
        listen("nowhere.invalid", 8025)
    with pytest.raises(UsageError, match="70000 is not a port"):
        listen("127.0.0.1", 70_000)
