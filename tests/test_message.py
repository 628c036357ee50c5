"""The bytes of a message: what other programs read in them, whatever went in."""

import email.policy
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.address import parse
from digest.errors import ConfigError, UsageError
from digest.message import Envelope, Letterhead, build, clean, message_id, quoted_printable

LETTERHEAD = Letterhead(
    from_name="The Orchard",
    from_address="digest@orchard.example",
    list_name="The Orchard, weekly",
    list_id="weekly.digest.orchard.example",
    reply_to="hello@orchard.example",
    list_help="https://orchard.example/digest",
)
UNSUBSCRIBE = "https://orchard.example/digest/u/" + "Ab3_-" * 8
ENVELOPE = Envelope(
    to=parse("alice@mail.example"),
    to_name="Alice",
    message_id=message_id("2026-W46", "u1", "secret", "orchard.example"),
    date=datetime(2026, 11, 16, 7, 0, tzinfo=UTC),
    unsubscribe_url=UNSUBSCRIBE,
    unsubscribe_mailto="mailto:unsub@orchard.example?subject=unsubscribe",
    browser_url="https://orchard.example/digest/v/" + "x" * 60,
    feedback_id="2026-W46:weekly:digest:orchard",
    language="en-GB",
)
FIELDS = {
    *("Date", "Message-ID", "From", "To", "Reply-To", "Subject", "MIME-Version", "Content-Type"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Archive"),
    *("Feedback-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "Precedence"),
    "Content-Language",
}


def read(message: bytes) -> EmailMessage:
    parsed = BytesParser(policy=email.policy.default).parsebytes(message)
    assert isinstance(parsed, EmailMessage)
    return parsed


def unfolded(message: bytes, name: str) -> str:
    """A header field as it stands in the bytes, with nothing decoded."""
    head = message.split(b"\r\n\r\n")[0].decode("ascii")
    found = re.findall(rf"(?m)^{name}: ?([^\r]*(?:\r\n [^\r]*)*)", head)
    assert len(found) == 1
    return str(found[0]).replace("\r\n", "").strip()


def defects(message: EmailMessage) -> list[Any]:
    found = [defect for part in message.walk() for defect in part.defects]
    return found + [defect for value in message.values() for defect in value.defects]


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def as_sent(text: str) -> str:
    """What a body becomes: no NUL, no lone surrogate, LF line ends, and one at the end."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", text.replace("\0", ""))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") else text + "\n"


def shown(page: str) -> str:
    """What a browser makes of HTML: references are characters, any white space is one space."""
    return " ".join(unescape(page.encode("ascii", "xmlcharrefreplace").decode()).split())


def test_a_message_holds_each_header_of_the_list_once_and_both_bodies() -> None:
    message = read(build(LETTERHEAD, ENVELOPE, "480 people read you", "Hello,\nyou.", "<p>Hi</p>"))
    assert set(message.keys()) == FIELDS
    assert len(message.keys()) == len(FIELDS)
    assert message["From"] == "The Orchard <digest@orchard.example>"
    assert message["To"] == "Alice <alice@mail.example>"
    assert message["Reply-To"] == "hello@orchard.example"
    assert message["Subject"] == "480 people read you"
    assert message["Date"] == "Mon, 16 Nov 2026 07:00:00 +0000"
    assert message["List-Id"] == '"The Orchard, weekly" <weekly.digest.orchard.example>'
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Precedence"] == "bulk"
    assert message["Feedback-ID"] == "2026-W46:weekly:digest:orchard"
    assert message["Content-Language"] == "en-GB"
    assert message["List-Archive"] == f"<{ENVELOPE.browser_url}>"
    assert message["List-Help"] == "<https://orchard.example/digest>"
    assert message["Message-ID"] == ENVELOPE.message_id
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert body(message, "plain") == "Hello,\nyou.\n"
    assert body(message, "html") == "<p>Hi</p>\n"


def test_both_unsubscribe_addresses_stand_whole_in_the_bytes() -> None:
    """Folded at white space only: a cut or encoded URL breaks one-click unsubscribing."""
    message = build(LETTERHEAD, ENVELOPE, "s", "t", "h")
    assert f"<{UNSUBSCRIBE}>,\r\n <{ENVELOPE.unsubscribe_mailto}>\r\n".encode() in message
    long = replace(ENVELOPE, unsubscribe_url="https://orchard.example/" + "u" * 850)
    message = build(LETTERHEAD, long, "s", "t", "h")
    assert f"List-Unsubscribe: <{long.unsubscribe_url}>,\r\n".encode() in message
    assert max(map(len, message.split(b"\r\n"))) <= 998


HTML = b"\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "


def html_part(html: str) -> bytes:
    """The octets of the second part of a message, from its encoding on."""
    return build(LETTERHEAD, ENVELOPE, "s", "t", html).split(HTML)[1]


def test_html_goes_as_it_is_in_lines_that_end_at_spaces() -> None:
    row = '<td class="post" style="color:#1c2321">“Salt & tide” · 1,284 views</td>'
    part = html_part(row * 200)
    assert part.startswith(b"7bit\r\n\r\n<td class=")
    assert b"&#8220;Salt & tide&#8221; &#183; 1,284 views" in part
    assert max(map(len, part.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    "html",
    [
        "<a href='https://orchard.example/" + "x" * 1000 + "'>a link without a space</a>",
        "<p>" + "潮の満ち引き" * 30 + "</p>",  # longer than a line once it is ASCII
        "<pre>two  spaces\nand lines</pre>",
        "<p>a control that a reference would turn into another: \x85</p>",
    ],
)
def test_html_that_would_change_is_encoded(html: str) -> None:
    part = html_part(html)
    assert part.startswith(b"quoted-printable\r\n\r\n")
    assert body(read(build(LETTERHEAD, ENVELOPE, "s", "t", html)), "html") == html + "\n"


def test_the_same_arguments_give_the_same_bytes() -> None:
    first = build(LETTERHEAD, ENVELOPE, "Grüße", "text", "html")
    assert build(LETTERHEAD, ENVELOPE, "Grüße", "text", "html") == first


def test_what_has_no_value_has_no_header() -> None:
    bare = replace(ENVELOPE, browser_url="", feedback_id="", language="not a tag!")
    letterhead = replace(LETTERHEAD, reply_to="", list_help="")
    missing = {"List-Archive", "Feedback-ID", "Content-Language", "Reply-To", "List-Help"}
    assert set(read(build(letterhead, bare, "s", "t", "h")).keys()) == FIELDS - missing


def test_a_locale_becomes_a_language_tag() -> None:
    message = build(LETTERHEAD, replace(ENVELOPE, language="pt_BR"), "s", "t", "h")
    assert unfolded(message, "Content-Language") == "pt-BR"


def test_the_date_is_written_in_utc_and_needs_a_zone() -> None:
    auckland = datetime(2026, 11, 16, 20, tzinfo=timezone(timedelta(hours=13)))
    message = build(LETTERHEAD, replace(ENVELOPE, date=auckland), "s", "t", "h")
    assert unfolded(message, "Date") == "Mon, 16 Nov 2026 07:00:00 +0000"
    with pytest.raises(ValueError, match="time zone"):
        build(LETTERHEAD, replace(ENVELOPE, date=datetime(2026, 11, 16)), "s", "t", "h")  # noqa: DTZ001


def test_a_message_id_is_one_users_and_one_periods_and_nobody_can_guess_it() -> None:
    one = message_id("2026-W46", "u1", "secret", "orchard.example")
    assert re.fullmatch(r"<2026-W46\.[a-z2-7]{20}@orchard\.example>", one)
    assert one == message_id("2026-W46", "u1", b"secret", "orchard.example")
    others = {
        message_id("2026-W47", "u1", "secret", "orchard.example"),
        message_id("2026-W46", "u2", "secret", "orchard.example"),
        message_id("2026-W46", "u1", "other", "orchard.example"),
        message_id("2026-W46", "u\ud800", "secret", "orchard.example"),
    }
    assert len(others | {one}) == 5


def test_a_name_with_a_comma_is_one_recipient() -> None:
    for name in ('Doe, "Jane" \\', "Dœ, Jane <x@evil.example>", "=?utf-8?q?evil=2C_b=40e?="):
        message = read(build(LETTERHEAD, replace(ENVELOPE, to_name=name), "s", "t", "h"))
        assert len(message["To"].addresses) == 1
        assert message["To"].addresses[0].display_name == name
        assert message["To"].addresses[0].addr_spec == "alice@mail.example"


@pytest.mark.parametrize(
    "subject",
    [
        "x=?UTF-8?Q?=0A?=Bcc: a@b.example",
        "x\r\nBcc: a@b.example",
        "x\r\n\r\n<p>a body",
        "x\n",
        "x\u2028Bcc: a@b.example\x85Cc: c@d.example",
        "w" * 400,
        "Vue par 12\u202f345 personnes",
        "🎉" * 100,
    ],
)
def test_a_subject_stays_one_header_and_reads_as_it_was_meant(subject: str) -> None:
    message = build(LETTERHEAD, ENVELOPE, subject, "t", "h")
    assert set(read(message).keys()) == FIELDS
    assert read(message)["Subject"] == clean(subject, 400)
    assert all(len(line) <= 78 for line in unfolded_lines(message, "Subject"))


def unfolded_lines(message: bytes, name: str) -> list[str]:
    head = message.split(b"\r\n\r\n")[0].decode("ascii")
    start = head.index(f"\r\n{name}: ") + 2
    lines = re.split(r"\r\n(?! )", head[start:])
    return lines[0].split("\r\n")


def test_encoded_words_are_short_and_whole_by_themselves() -> None:
    """RFC 2047, 2 and 5: at most 75 characters, and no character cut in two."""
    message = build(LETTERHEAD, ENVELOPE, "añ€🎉" * 40, "t", "h")
    words = unfolded(message, "Subject").split(" ")
    assert len(words) > 3
    assert all(len(word) <= 75 for word in words)
    assert "".join(str(make_header(decode_header(word))) for word in words) == "añ€🎉" * 40


def test_an_international_address_never_enters_a_header() -> None:
    """Only UTF-8 headers could hold it; the envelope carries it instead (RFC 6857)."""
    for name, group in (("Юзер", "Юзер"), ("", "undisclosed-recipients")):
        envelope = replace(ENVELOPE, to=parse("юзер@экзампл.example"), to_name=name)
        message = read(build(LETTERHEAD, envelope, "s", "t", "h"))
        assert message["To"].groups[0].display_name == group
        assert message["To"].addresses == ()
        assert not defects(message)


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("FROM", {"from_address": "nobody"}),
        ("FROM", {"from_address": "dörte@orchard.example"}),
        ("REPLY_TO", {"reply_to": "a@b.example, c@d.example"}),
        ("LIST_ID", {"list_id": "weekly>\r\nBcc: x"}),
    ],
)
def test_a_letterhead_that_cannot_be_written_names_the_setting(
    setting: str, change: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as refused:
        replace(LETTERHEAD, **change)
    assert refused.value.setting == setting


@pytest.mark.parametrize(
    "change",
    [
        {"unsubscribe_url": "https://orchard.example/u/x>\r\nBcc: a@b.example"},
        {"unsubscribe_url": "https://orchard.example/ü"},
        {"unsubscribe_url": "javascript:alert(1)"},
        {"unsubscribe_url": "https://orchard.example/" + "u" * 1000},
        {"unsubscribe_mailto": "mailto:a b"},
        {"browser_url": "ftp://orchard.example"},
        {"message_id": "<a@b>\r\nBcc: x"},
        {"message_id": "plain"},
        {"feedback_id": "a:b:c:d:e"},
        {"feedback_id": "a b"},
    ],
)
def test_an_address_of_ours_that_is_unfit_for_a_header_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        build(LETTERHEAD, replace(ENVELOPE, **change), "s", "t", "h")


def test_lines_that_mail_systems_would_change_are_protected() -> None:
    encoded = quoted_printable(".\n..\nends in a space \nand a tab\t\n" + "é" * 100)
    assert encoded.startswith(b"=2E\r\n..\r\nends in a space=20\r\nand a tab=09\r\n")
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert encoded.endswith(b"\r\n")


def sound(subject: str, name: str, text: str, html: str) -> None:
    """Everything that must hold for every message."""
    envelope = replace(ENVELOPE, to_name=name)
    raw = build(replace(LETTERHEAD, from_name=name, list_name=name), envelope, subject, text, html)
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n")
    assert b"\0" not in raw
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    message = read(raw)
    assert not defects(message)
    assert set(message.keys()) == FIELDS
    assert len(message.keys()) == len(FIELDS)
    assert str(make_header(decode_header(unfolded(raw, "Subject")))) == clean(subject, 400)
    (recipient,) = message["To"].addresses
    assert recipient.addr_spec == "alice@mail.example"
    # Some versions of the parser keep the space between two encoded words; others are right.
    assert recipient.display_name.replace(" ", "") == clean(name, 120).replace(" ", "")
    (sender,) = message["From"].addresses
    assert sender.addr_spec == "digest@orchard.example"
    assert unfolded(raw, "List-Unsubscribe") == f"<{UNSUBSCRIBE}>, <{ENVELOPE.unsubscribe_mailto}>"
    assert unfolded(raw, "List-Id").endswith("<weekly.digest.orchard.example>")
    assert body(message, "plain") == as_sent(text)
    assert shown(body(message, "html")) == shown(as_sent(html))


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
HOSTILE = st.lists(
    st.sampled_from(
        [
            *("\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\ud83d", "\t"),
            *(
                "=?utf-8?q?=0A?=",
                "=?",
                "?=",
                "Bcc: x@evil.example",
                "--=_",
                ".",
                " ",
                "  ",
                "=",
                '"',
            ),
            *("\\", "<", ">", ",", ";", ":", "(", ")", "@", "é", "🎉", "\u202e", "w" * 90, "From "),
        ]
    ),
    max_size=30,
).map("".join)


@given(ANY_TEXT | HOSTILE, ANY_TEXT | HOSTILE, ANY_TEXT | HOSTILE, ANY_TEXT | HOSTILE)
def test_any_message_reads_back_as_what_was_meant_and_nothing_else(
    subject: str, name: str, text: str, html: str
) -> None:
    sound(subject, name, text, html)


def test_every_naughty_string_reads_back_in_every_place(shared_data: Path) -> None:
    strings = json.loads((shared_data / "naughty_text" / "blns.json").read_text("utf-8"))
    assert len(strings) > 500
    for text in strings:
        sound(text, text, text, text)


def test_a_megabyte_in_the_subject_or_the_name_is_cut() -> None:
    raw = build(LETTERHEAD, replace(ENVELOPE, to_name="n" * 2**20), "é" * 2**20, "t", "h")
    assert len(raw) < 5000
