"""The header fields of a mail as a server receives it: complete, once each, and of use."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.community import MONDAY, village
from tests.conftest import Front
from tests.office import serving
from tests.scripted_smtp import Received

NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)
ALICE = "alice@people.example"
SETTINGS = {
    "FROM": "digest@site.example",
    "SITE_NAME": "The Site",
    "BASE_URL": "https://pages.site.example",
    "REPLY_TO": "people@site.example",
    "BOUNCE_ADDRESS": "bounces@site.example",
}


@pytest.fixture
def town(digest: Front, monkeypatch: pytest.MonkeyPatch) -> Front:
    """The village is imported, and every setting about the sender has a value."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    assert digest("import", village().write(digest.folder / "in"), at=NEXT_MONDAY).code == 0
    return digest


def sent(town: Front, monkeypatch: pytest.MonkeyPatch) -> Received:
    """Alice's mail of the week, as a server received it."""
    with serving() as server, monkeypatch.context() as here:
        here.setenv("DIGEST_SMTP_URL", f"smtp://127.0.0.1:{server.port}?starttls=never")
        assert town("send", "--week", "2026-W46", at=NEXT_MONDAY).code == 0
    (mail,) = (mail for mail in server.received if mail.rcpt_to == ALICE)
    return mail


def read(mail: Received) -> EmailMessage:
    parsed = email.message_from_bytes(mail.body, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def unfolded(mail: Received, name: str) -> str:
    found = re.findall(rf"(?mi)^{name}: ?([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", mail.body.decode())
    assert len(found) == 1, f"{len(found)} times {name}"
    return re.sub(r"\r\n(?=[ \t])", "", str(found[0])).strip()


def test_a_mail_carries_everything_that_providers_ask_of_bulk_senders_once(
    town: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = sent(town, monkeypatch)
    told = read(mail)
    names = [name.lower() for name in told.keys()]  # noqa: SIM118 - a repeated name is the point
    assert len(names) == len(set(names))
    assert {*names} == {
        *("date", "message-id", "from", "to", "reply-to", "subject", "mime-version"),
        *("content-type", "content-language", "list-id", "list-unsubscribe"),
        *("list-unsubscribe-post", "list-help", "list-archive", "feedback-id"),
        *("auto-submitted", "x-auto-response-suppress", "precedence"),
    }
    assert told["From"] == "The Site <digest@site.example>"
    assert told["Reply-To"] == "people@site.example"
    assert told["To"] == f"Alice Moreau <{ALICE}>"
    assert told["Auto-Submitted"] == "auto-generated"
    assert unfolded(mail, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    assert unfolded(mail, "List-Id").endswith("<weekly.digest.site.example>")
    assert abs(parsedate_to_datetime(told["Date"]) - NEXT_MONDAY) < timedelta(minutes=5)
    assert parsedate_to_datetime(told["Date"]) <= datetime.now(UTC)


def test_leaving_is_offered_by_https_first_and_by_mail_second(
    town: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = sent(town, monkeypatch)
    by_web, by_mail = unfolded(mail, "List-Unsubscribe").split(", ")
    assert by_web.startswith("<https://pages.site.example/u/")
    assert by_mail.startswith("<mailto:bounces+2026-W46.")


def test_the_feedback_id_has_four_fields_and_says_nothing_of_the_reader(
    town: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = unfolded(sent(town, monkeypatch), "Feedback-ID").split(":")
    assert fields[:3] == ["2026-W46", "weekly", "digest"]
    assert 5 <= len(fields[3]) <= 15
    assert len(fields) == 4
    assert not re.search("alice|people", ":".join(fields))


def test_a_mail_program_that_writes_to_the_address_makes_its_reader_leave(
    town: Front, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, by_mail = unfolded(sent(town, monkeypatch), "List-Unsubscribe").split(", ")
    url = urlsplit(by_mail.strip("<>"))
    answer = EmailMessage()
    answer["From"], answer["To"] = ALICE, unquote(url.path)
    answer["Subject"] = url.query.removeprefix("subject=")
    (tmp_path / "answer.eml").write_bytes(answer.as_bytes())
    (row,) = town("bounces", tmp_path / "answer.eml", "--json", at=NEXT_MONDAY).json
    assert row["feedback"] == "opt-out"
    left = "SELECT user_id FROM subscriptions WHERE unsubscribed_at IS NOT NULL"
    assert town.sql(left) == [("alice",)]


def test_without_an_address_that_is_read_only_the_web_is_offered(
    town: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGEST_BOUNCE_ADDRESS")
    assert "mailto:" not in unfolded(sent(town, monkeypatch), "List-Unsubscribe")
