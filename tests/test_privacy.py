"""Privacy by default: nothing in a mail watches its reader, and no log names anybody."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from digest.address import key_of
from tests.community import MONDAY, village
from tests.conftest import Front, body
from tests.office import Ended, Office, ended, now, open_office, serving, wait_for
from tests.scripted_smtp import Drop, Raw, Script, Step

NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)
LOGO = "https://cdn.site.example/logo.png"
BASE = "https://digest.site.example"


# --- what a mail holds ---------------------------------------------------------------------------


class Addresses(HTMLParser):
    """Every address that a page names, by attribute, and every place for one in its styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.tags: set[str] = set()
        self.feed(page)
        self.loaded |= set(re.findall(r"url\(\s*['\"]?([^)'\"]+)", page))
        self.loaded |= set(re.findall(r"@import\s+([^;]+)", page))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "href" and tag != "link":
                self.links.add(value or "")
            elif name in {"src", "srcset", "background", "href", "poster", "data", "action"}:
                self.loaded.add(value or "")


@pytest.fixture(params=["once", "always"])
def mails(digest: Front, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Front:
    """The village's mails of a week, quiet ones too, sent with a logo and pages of their own."""
    for name, value in {"BASE_URL": BASE, "LOGO_URL": LOGO, "QUIET_WEEKS": request.param}.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    digest("import", village().write(digest.folder / "in"), at=NEXT_MONDAY)
    assert digest("send", "--week", "2026-W46", at=NEXT_MONDAY).code == 0
    return digest


def test_every_link_leads_to_a_post_itself_or_to_our_own_pages(mails: Front) -> None:
    posts = {url for (url,) in mails.sql("SELECT url FROM posts")}
    allowed = posts | {"https://site.example/"}
    assert len(mails.kept) >= 3
    for mail in mails.kept:
        links = Addresses(body(mail, "html")).links
        links |= set(re.findall(r"https?://[^\s<>]+", body(mail)))
        strange = {link for link in links - allowed if not link.startswith(f"{BASE}/")}
        assert strange == set()
        assert links & posts or "quiet" in body(mail)


def test_no_link_passes_through_a_counter(mails: Front) -> None:
    """Our own pages are opened for themselves: none of their addresses holds another address."""
    for mail in mails.kept:
        ours = {link for link in Addresses(body(mail, "html")).links if link.startswith(BASE)}
        assert ours
        for link in ours:
            assert re.fullmatch(rf"{BASE}/(?:[puv]/[\w.-]+(?:/[a-z]+)?|counting)", link), link


def test_nothing_is_loaded_but_the_logo(mails: Front) -> None:
    for mail in mails.kept:
        page = Addresses(body(mail, "html"))
        assert page.loaded == {LOGO}
        assert page.tags & {"script", "iframe", "object", "embed", "form", "video", "link"} == set()


def test_without_a_logo_nothing_is_loaded_at_all(digest: Front) -> None:
    digest("demo", "--users", "5")
    digest("send")
    assert digest.kept
    for mail in digest.kept:
        page = Addresses(body(mail, "html"))
        assert page.loaded == set()
        assert "img" not in page.tags


# --- what a log holds ----------------------------------------------------------------------------

ECHOING: dict[str, tuple[str, Step]] = {
    "gone": ("RCPT", "550 5.1.1 {} is not known here"),
    "full": ("RCPT", "452 4.2.2 the mailbox {} is full"),
    "grey": ("RCPT", "451 4.7.1 greylisted, {}"),
    "slow": ("RCPT", "450 4.7.28 too much for {}"),
    "shut": ("RCPT", "421 4.3.2 not now, {}"),
    "spam": (".", "554 5.7.1 we do not want this for {}"),
    "weak": (".", "451 4.3.0 try later, {}"),
    "lost": (".", Drop()),
    "odd": ("RCPT", Raw(b"who is {}?\r\n")),
}
"""Users, and what the server answers to a verb of theirs; {} is the address, which it repeats."""
FINE, BROKEN, UNPRINTABLE, HOMELESS = "fine", "broken", "unprintable", "homeless"
SECTION = """
from digest.sections import Section

def load(session, batch):
    names = dict(session.connection().exec_driver_sql("SELECT id, name FROM users").all())
    return {user: names[user] for user in batch.users}

def build(name, batch):
    if "broken" in name:
        raise ValueError(f"cannot tell {name} by <mailbox-broken@people.example>")

SECTION = Section("loud", 95, load, build)
"""
TEMPLATE = "{% if 'unprintable' in name %}{{ name + 1 }}{% endif %}A week"


def answers(verb: str) -> Script:
    """What the server says to ``verb``, by the user whose address it holds."""

    def answer(argument: str) -> Step:
        address = argument.removeprefix("TO:").strip("<>")
        for user, (when, step) in ECHOING.items():
            if when == verb and f"-{user}@" in address:
                return filled(step, address)
        return None

    return {verb: answer}


def filled(step: Step, address: str) -> Step:
    if isinstance(step, Raw):
        return Raw(step.data.replace(b"{}", address.encode()))
    return step.format(address) if isinstance(step, str) else step


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Users whose ids, names and addresses share no word that a log could hold by chance."""
    package = tmp_path / "package"
    known = package / "loud-1.dist-info"
    known.mkdir(parents=True)
    (package / "loud.py").write_text(SECTION)
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1\n")
    (known / "entry_points.txt").write_text("[digest.sections]\nloud = loud:SECTION\n")
    monkeypatch.setenv("PYTHONPATH", str(package))
    overrides = tmp_path / "templates" / "email"
    (overrides / "sections").mkdir(parents=True)
    (overrides / "subject.txt").write_text(TEMPLATE)
    for kind in ("html", "txt"):
        (overrides / "sections" / f"loud.{kind}").write_text("")
    with open_office(tmp_path, templates=tmp_path / "templates") as made:
        made.enrol(*ECHOING, FINE, BROKEN, UNPRINTABLE, HOMELESS, now=now())
        for user in (*ECHOING, FINE, BROKEN, UNPRINTABLE, HOMELESS):
            address = f"mailbox-{user}@{user}.example" if user != HOMELESS else "mailbox homeless"
            who = {"name": f"Surname-{user}", "email": address, "key": key_of(address)}
            named = "name = :name, email = :email, email_key = :key"
            made.sql(f"UPDATE users SET {named} WHERE id = :user", user=user, **who)
        yield made


def started(office: Office, script: Script, *words: str, **more: Any) -> Ended:
    with serving(script) as server:
        return ended(office.start(*words, port=server.port, **PATIENCE | more))


PATIENCE: dict[str, Any] = {
    "pause_seconds": 0.05,
    "server_patience_seconds": 0.5,
    "templates": "templates",
}


def names_nobody(said: str) -> bool:
    assert not re.findall(r"\S*(?:mailbox|surname)\S*", said, re.IGNORECASE)
    return True


def test_a_send_with_failures_of_every_kind_names_nobody(office: Office) -> None:
    script = {**answers("RCPT"), **answers(".")}
    done = started(office, script, "send", "--week", "2026-W46")
    reasons = {row.state + ":" + row.reason for row in office.rows().values()}
    assert reasons >= {"failed:section", "failed:template", "failed:unusable-address"}
    assert reasons >= {"failed:address", "deferred:full", "deferred:greylisted", "sent:"}
    assert "section loud failed for user broken" in done.err
    assert names_nobody(done.err)
    assert names_nobody(done.out)


def test_a_server_that_refuses_us_in_words_that_name_a_reader_is_not_quoted(
    office: Office,
) -> None:
    script: Script = {"RCPT": lambda argument: f"530 5.7.0 {argument}: log in first"}
    done = started(office, script, "send", "--week", "2026-W46")
    assert "log in first" in done.err
    assert names_nobody(done.err)
    assert names_nobody(done.out)


def test_a_server_in_trouble_that_names_its_readers_is_not_quoted(office: Office) -> None:
    script: Script = {"RCPT": lambda argument: f"421 4.3.2 {argument}: closing"}
    done = started(office, script, "send", "--week", "2026-W46")
    assert "closing" in done.err
    assert names_nobody(done.err)
    assert names_nobody(done.out)


def test_a_database_that_refuses_marks_is_told_of_without_what_was_marked(office: Office) -> None:
    office.refuse_marks()
    done = started(office, {}, "send", "--week", "2026-W46", database_patience_seconds=0.1)
    assert "disk is full" in done.err
    assert names_nobody(done.err)
    assert names_nobody(done.out)


def test_a_daemon_with_failures_of_every_kind_names_nobody(office: Office) -> None:
    office.plan(now=now())
    with serving({**answers("RCPT"), **answers(".")}) as server:
        daemon = office.start(
            "daemon", "--web", "--port", "0", port=server.port, tick_seconds=0.1, **PATIENCE
        )
        wait_for(lambda: {"failed", "deferred", "sent"} <= set(office.states().values()))
        daemon.send_signal(signal.SIGTERM)
        done = ended(daemon)
    assert done.code == 0
    assert names_nobody(done.err)
    assert names_nobody(done.out)


def test_whoever_asks_for_more_gets_what_an_exception_says(office: Office) -> None:
    """The counterpart: at the default level it is left out, not unknown."""
    done = started(office, {}, "-v", "send", "--week", "2026-W46")
    assert "cannot tell" in done.err
