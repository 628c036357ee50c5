"""Signed mails: a receiver who knows nothing of us verifies them, and nothing can be added."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from digest.config import Settings
from digest.dkim import Signer, read_keys
from digest.dkim.signing import relaxed_body
from digest.errors import ConfigError
from digest.mail import Mailer, signer
from digest.message import build
from digest.sections import sections
from tests import keys
from tests.office import NOW, Office, open_office
from tests.test_message import ENVELOPE, LETTERHEAD

DOMAIN = "orchard.example"
AT = datetime(2026, 11, 16, 7, tzinfo=UTC)
MAIL = build(LETTERHEAD, ENVELOPE, "480 people read you", "Hello,\n.you.\n", "<p>Hi  you</p>")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """An RSA and an Ed25519 key at once."""
    folder = tmp_path_factory.mktemp("keys")
    named = keys.named(folder, r2026=keys.rsa(), e2026=keys.ed25519())
    return Signer(DOMAIN, read_keys(named))


def holds(both: Signer, message: bytes) -> list[bool]:
    return keys.verified(message, DOMAIN, both.keys)


def signed_names(message: bytes) -> list[str]:
    """The names in the first signature's h=, in its order."""
    found = re.search(rb"\bh=([^;]+);", message)
    assert found
    return re.sub(r"\s", "", found[1].decode()).split(":")


# --- what a receiver sees ------------------------------------------------------------------------


def test_both_signatures_are_verified_and_leave_the_message_as_it_was(both: Signer) -> None:
    message = both.signed(MAIL, AT)
    assert message.endswith(MAIL)
    assert holds(both, message) == [True, True]
    assert b"a=rsa-sha256; c=relaxed/relaxed;" in message
    assert b"a=ed25519-sha256; c=relaxed/relaxed;" in message


@pytest.mark.parametrize("number", [0, 1], ids=["rsa", "ed25519"])
def test_one_key_alone_is_enough(both: Signer, number: int) -> None:
    one = Signer(DOMAIN, [both.keys[number]])
    assert holds(both, one.signed(MAIL, AT)) == [True]


@given(
    name=st.text(max_size=200),
    subject=st.text(max_size=500),
    text=st.text(),
    html=st.text(alphabet=st.sampled_from("ab \t.\r\n\u00a0é<>=😀\x00\ud800")),
)
def test_whatever_names_subjects_and_bodies_hold_the_signatures_are_verified(
    both: Signer, name: str, subject: str, text: str, html: str
) -> None:
    letterhead = replace(LETTERHEAD, from_name=name, list_name=name)
    message = both.signed(
        build(letterhead, replace(ENVELOPE, to_name=name), subject, text, html), AT
    )
    assert holds(both, message) == [True, True]
    assert max(map(len, message.split(b"\r\n"))) <= 998
    assert message.isascii()


@given(st.lists(st.text(alphabet=" \t.ab\x0b", max_size=6)))
def test_the_canonical_body_is_that_of_dkimpy(lines: list[str]) -> None:
    body = "".join(f"{line}\r\n" for line in lines).encode()
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)


def test_one_click_and_all_that_people_see_is_signed(both: Signer) -> None:
    names = signed_names(both.signed(MAIL, AT))
    assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(names)  # RFC 8058, 4
    present = {
        line.partition(":")[0].lower() for line in MAIL.decode().split("\r\n\r\n")[0].split("\r\n")
    }
    unsigned = {name for name in present if name[:1].strip()} - set(names)
    assert unsigned == {"x-auto-response-suppress", "precedence"}


@pytest.mark.parametrize(
    "field",
    [
        *("From: evil@thief.example", "Subject: You have won", "To: x@y.example"),
        *("Reply-To: evil@thief.example", "Sender: evil@thief.example", "Cc: x@y.example"),
        *("Date: Mon, 16 Nov 2026 07:00:00 +0000", "Message-ID: <x@y.example>"),
        *("Content-Type: text/html", "MIME-Version: 1.0", "Content-Transfer-Encoding: 8bit"),
        *("List-Unsubscribe: <https://thief.example/>", "List-Unsubscribe-Post: x=y"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_nobody_can_add_a_field_that_people_or_programs_go_by(
    both: Signer, field: str, first: bool
) -> None:
    message = both.signed(MAIL, AT)
    line = field.encode() + b"\r\n"
    changed = line + message if first else message.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n", 1)
    assert holds(both, changed) == [False, False]


def test_a_changed_word_in_body_or_subject_is_noticed(both: Signer) -> None:
    message = both.signed(MAIL, AT)
    assert holds(both, message.replace(b"Hello", b"Hallo")) == [False, False]
    assert holds(both, message.replace(b"480 people", b"481 people")) == [False, False]


def test_refolded_headers_and_other_spaces_change_nothing(both: Signer) -> None:
    """What mail servers on the way do to a message; it is what relaxed is for."""
    message = both.signed(MAIL, AT)
    on_the_way = message.replace(b"Subject: 480 people", b"SUBJECT:  480\r\n\tpeople")
    on_the_way = b"Received: from here.example\r\n" + on_the_way.replace(b">Hi  you", b">Hi you")
    assert on_the_way.count(b"\r\n") == message.count(b"\r\n") + 2
    assert holds(both, on_the_way + b"\r\n\r\n") == [True, True]


def test_the_same_mail_at_the_same_instant_has_the_same_bytes(both: Signer) -> None:
    assert both.signed(MAIL, AT) == both.signed(MAIL, AT)
    assert both.signed(MAIL, AT) != both.signed(MAIL, AT + timedelta(seconds=1))


def test_a_mail_without_reply_address_and_web_copy_is_signed_too(both: Signer) -> None:
    bare = replace(ENVELOPE, browser_url="", feedback_id="", language="")
    message = both.signed(build(replace(LETTERHEAD, reply_to=""), bare, "", "", ""), AT)
    assert holds(both, message) == [True, True]


# --- over the wire -------------------------------------------------------------------------------


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    named = keys.named(tmp_path, r2026=keys.rsa(), e2026=keys.ed25519())
    with open_office(tmp_path, dkim_keys=named, sender=f"digest@{DOMAIN}") as made:
        made.shop = replace(made.shop, mailer=Mailer(made.settings, sections()))
        yield made


def test_what_a_mail_server_received_is_verified(office: Office) -> None:
    """Dots at the beginning of lines are doubled on the wire, and taken off again."""
    office.enrol("alice")
    office.sql("UPDATE posts SET title = :title", title="...and then\n.\n..dots " + ". " * 90)
    office.plan()
    _, server = office.send()
    (mail,) = server.received
    made = signer(office.settings)
    assert made is not None
    assert keys.verified(mail.body, DOMAIN, made.keys) == [True, True]


def test_a_mail_that_goes_again_has_the_bytes_and_signatures_it_had(office: Office) -> None:
    office.enrol("alice")
    office.plan()
    _, first = office.send({".": "451 4.3.0 later"})
    _, second = office.send(now=NOW + timedelta(hours=3))
    assert second.accepted == ["alice@people.example"]
    assert second.received[0].body == first.received[0].body
    assert first.received[0].body.count(b"DKIM-Signature:") == 2


def test_who_does_not_sign_does_not_load_what_signs() -> None:
    """It would be a tenth of every start."""
    words = "import sys, digest.cli, digest.scheduler, digest.mail; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True)
    assert {"dns", "dkim", "cryptography", "digest.dkim"} & {*done.stdout.split()} == set()


def test_without_keys_nothing_is_signed(tmp_path: Path) -> None:
    with open_office(tmp_path) as office:
        office.enrol("alice")
        office.plan()
        _, server = office.send()
    assert b"DKIM-Signature" not in server.received[0].body


# --- keys that cannot sign -----------------------------------------------------------------------


def refusal(setting: str) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        read_keys(setting)
    assert refused.value.hint
    assert "PRIVATE" not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("setting", ["dkim.pem", "a b:dkim.pem", "-a:x", "2026a:", ":x", "a_b:x"])
def test_a_key_needs_a_selector_that_can_stand_in_dns(setting: str) -> None:
    assert "no selector with a file" in str(refusal(setting))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/no.pem cannot be read: No such file" in str(refusal(f"a:{tmp_path}/no.pem"))


@pytest.mark.parametrize(
    "content",
    [b"", b"not a key", keys.rsa()[:300], b"\xff" * 100],
    ids=["empty", "words", "cut", "bytes"],
)
def test_a_file_without_a_private_key_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "no private key in PEM" in str(refusal(keys.named(tmp_path, a=content)))


def test_a_key_with_a_password_is_refused(tmp_path: Path) -> None:
    private = load_pem_private_key(keys.rsa(), None)
    closed = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    assert "with a password" in str(refusal(keys.named(tmp_path, a=closed)))


def test_a_public_key_is_refused(tmp_path: Path) -> None:
    words = ["openssl", "rsa", "-pubout"]
    public = subprocess.run(words, input=keys.rsa(), check=True, capture_output=True).stdout
    assert "no private key in PEM" in str(refusal(keys.named(tmp_path, a=public)))


def test_a_kind_of_key_that_dkim_does_not_know_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert "neither RSA nor Ed25519" in str(refusal(keys.named(tmp_path, a=pem)))


def test_a_key_that_no_receiver_takes_is_refused(tmp_path: Path) -> None:
    words = ["openssl", "genrsa", "768"]
    short = subprocess.run(words, check=True, capture_output=True).stdout
    assert "768 bits" in str(refusal(keys.named(tmp_path, a=short)))


def test_a_short_key_signs_and_is_known_to_be_short(tmp_path: Path) -> None:
    (short,) = read_keys(keys.named(tmp_path, a=keys.rsa(1024)))
    (long,) = read_keys(keys.named(tmp_path, a=keys.rsa(2048)))
    (other,) = read_keys(keys.named(tmp_path, a=keys.ed25519()))
    assert short.is_short
    assert not long.is_short
    assert not other.is_short


def test_one_selector_publishes_one_key(tmp_path: Path) -> None:
    named = keys.named(tmp_path, a=keys.rsa())
    assert "same selector" in str(refusal(f"{named},{named.replace('a:', 'A:', 1)}"))


def test_a_key_that_cannot_sign_is_known_before_the_first_mail(tmp_path: Path) -> None:
    wrong = Settings(var=tmp_path, dkim_keys=f"a:{tmp_path}/none.pem")
    with pytest.raises(ConfigError, match="DKIM_KEYS"):
        Mailer(wrong, sections())


@pytest.mark.parametrize(
    ("own", "domain"),
    [
        ("", "site.example"),
        ("Mail.Site.Example", "mail.site.example"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_domain_is_that_of_from_or_another_as_dns_writes_it(
    tmp_path: Path, own: str, domain: str
) -> None:
    named = keys.named(tmp_path, a=keys.ed25519())
    made = signer(Settings(sender="digest@site.example", dkim_keys=named, dkim_domain=own))
    assert made is not None
    assert made.domain == domain


def test_a_domain_that_is_none_is_refused(tmp_path: Path) -> None:
    named = keys.named(tmp_path, a=keys.ed25519())
    with pytest.raises(ConfigError, match="DKIM_DOMAIN"):
        signer(Settings(dkim_keys=named, dkim_domain="not a domain"))
