"""Addresses: what is accepted, what is refused and why, and what two spellings have in common."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.address import Address, BadAddress, key_of, parse
from digest.errors import RecipientProblem


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("alice@example.com", "alice@example.com"),
        ("Alice.Smith+week@Example.COM", "Alice.Smith+week@example.com"),
        ("o'neil@mail.example.com", "o'neil@mail.example.com"),
        ("jeff@臺網中心.tw", "jeff@xn--fiqq24b10vi0d.tw"),
        ("anna@XN--FIQQ24B10VI0D.tw", "anna@xn--fiqq24b10vi0d.tw"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
    ],
)
def test_an_address_is_kept_as_written_with_its_domain_as_lower_case_a_labels(
    text: str, wire: str
) -> None:
    assert str(parse(text)) == wire


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "exactly one @"),
        ("alice", "exactly one @"),
        ("a@b@example.com", "exactly one @"),
        ("@example.com", "before the @"),
        ("alice@", "after the @"),
        ("a@x.example\r\nRCPT TO:<evil@x.example", "control character"),
        ("a\x00b@x.example", "control character"),
        ("a\x7fb@x.example", "control character"),
        (" alice@example.com", "white space"),
        ("alice @example.com", "white space"),
        ("b@x.example> SIZE=1", "angle brackets"),
        ("<alice@example.com>", "angle brackets"),
        ('"alice smith"@example.com', "quoted"),
        ("alice(work)@example.com", "comments"),
        ("alice@[127.0.0.1]", "domain literal"),
        ("@relay.example:alice@example.com", "source routes"),
        ("friends:alice@example.com;", "groups"),
        ("a@example.com,b@example.com", "comma"),
        ("a\\b@example.com", "backslash"),
        (".alice@example.com", "dot"),
        ("alice.@example.com", "dot"),
        ("al..ice@example.com", "dot"),
        ("alice@localhost", "no dot"),
        ("alice@example.com.", "host name"),
        ("alice@-example.com", "host name"),
        ("alice@exa_mple.com", "host name"),
        ("alice@192.168.0.1", "number"),
        ("alice@xn--example.com", "international name"),
        ("me.\u037e@example.com", "groups"),  # its normal form holds a semicolon
        ("a\ud800b@example.com", "invisible"),
        ("a\u202eb@example.com", "invisible"),
        ("a\u2028b@example.com", "invisible"),
        ("\u0301a@example.com", "combining"),
        ("a" * 65 + "@example.com", "longer than 64"),
        ("é" * 33 + "@example.com", "longer than 64"),
        ("a@" + "b." * 130 + "com", "longer than 254"),
        (
            "a" * 40 + "@" + "ö" * 50 + "." + "ä" * 50 + "." + "ü" * 50 + "." + "ë" * 50 + ".de",
            "longer than",
        ),
    ],
)
def test_what_no_server_should_be_given_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(BadAddress) as refused:
        parse(text)
    assert reason in refused.value.reason
    assert key_of(text) is None


def test_a_refusal_gives_up_on_the_person_and_never_repeats_the_address() -> None:
    with pytest.raises(RecipientProblem) as refused:
        parse("secret.person(x)@example.com")
    assert isinstance(refused.value, ValueError)
    assert "secret" not in f"{refused.value} {refused.value.hint}"


def test_only_the_case_of_the_domain_is_ignored_when_addresses_are_compared() -> None:
    assert key_of("alice@EXAMPLE.com") == key_of("alice@example.COM")
    assert key_of("alice@臺網中心.tw") == key_of("alice@xn--fiqq24b10vi0d.tw")
    assert key_of("Alice@example.com") != key_of("alice@example.com")


def test_sharp_s_names_another_domain_than_double_s() -> None:
    """The standard library's codec would send this mail to somebody else's domain."""
    assert key_of("a@faß.de") == "a@xn--fa-hia.de"
    assert key_of("a@fass.de") == "a@fass.de"


def test_equal_spellings_of_an_international_local_part_are_one_mailbox() -> None:
    assert parse("u\u0308ber@example.com") == parse("\u00fcber@example.com")
    assert parse("über@example.com").smtputf8
    assert not parse("ueber@münchen.example").smtputf8


@given(st.text(max_size=300) | st.from_regex(r"[\w.@+<>\"\\ \u00e0-\u0150-]{3,40}", fullmatch=True))
def test_any_text_is_an_address_fit_for_the_wire_or_is_refused(text: str) -> None:
    try:
        address = parse(text)
    except BadAddress:
        return
    wire = str(address).encode()
    assert len(wire) <= 254
    assert not re.search(rb"[\x00-\x20\x7f<>()\",:;\\\[\]]", wire)
    assert wire.count(b"@") == 1
    assert address.domain.isascii()
    assert parse(str(address)) == address


# Lists of others, with their verdicts. They disagree with each other on purpose (what the RFCs
# allow against what can be delivered to); where ours differs, the reason is here by name.
STRICTER = (
    "quoted",
    "comments",
    "no dot",
    "white space",
    "angle brackets",
    "ends in a number",
)


def judge(text: str) -> Address | str:
    try:
        return parse(text)
    except BadAddress as refused:
        return refused.reason


def cases(shared_data: Path) -> dict[str, dict[str, Any]]:
    path = shared_data / "email_addresses" / "email_validator_syntax_cases.json"
    tables: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return tables


def test_isemail_and_we_agree_except_on_dotless_domains_and_relics(shared_data: Path) -> None:
    """Accepted: what it calls valid or valid but for the DNS; refused: every error and relic."""
    tests = ET.parse(shared_data / "email_addresses" / "isemail_tests.xml").getroot().iter("test")
    wrong = []
    for case in tests:
        shown = case.findtext("address") or ""
        text = re.sub("[\u2400-\u2432]", lambda found: chr(ord(found[0]) - 0x2400), shown)
        valid = case.findtext("category") in {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN"}
        if isinstance(judge(text), Address) is not valid:
            wrong.append(text)
    assert wrong == ["test@io"]


@pytest.mark.parametrize(
    "table", ["test_email_valid", "test_email_valid_intl_local_part", "test_email_invalid_syntax"]
)
def test_email_validator_and_we_agree_but_for_names_quotes_and_four_odd_domains(
    shared_data: Path, table: str
) -> None:
    ours_only = {
        "me@bad.tld-2",  # no such top-level domain, but DNS could have it
        "me@yy--0.tld",  # reserved for future encodings, in use by real hosts
    }
    for text, said in cases(shared_data)[table]["rows"]:
        verdict = judge(text)
        if isinstance(said, str):
            # One decomposed address is 255 octets as given, and fits in its normal form.
            fits_composed = "ṩ" not in text and len(text) > 240
            assert isinstance(verdict, str) or text in ours_only or fits_composed, text
        elif isinstance(verdict, str):
            assert any(reason in verdict for reason in STRICTER[:5]), (text, verdict)
        else:
            assert str(verdict) == f"{said['local_part']}@{said['ascii_domain']}"


@pytest.mark.parametrize(
    "table", ["test_email_unsafe_character", "test_email_invalid_syntax_strict"]
)
def test_characters_and_lengths_that_email_validator_refuses_we_refuse_too(
    shared_data: Path, table: str
) -> None:
    suffix = "@test.example" if table == "test_email_unsafe_character" else ""
    for text, _ in cases(shared_data)[table]["rows"]:
        assert isinstance(judge(text + suffix), str), text


def lines(path: Path) -> list[str]:
    kept = (re.sub(r"\s{3,}#.*", "", line).strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in kept if line and not line.startswith("#")]


def test_nothing_that_flanker_calls_invalid_is_accepted(shared_data: Path) -> None:
    invalid = lines(shared_data / "email_addresses" / "flanker_mailbox_invalid.txt")
    assert len(invalid) > 80
    assert [text for text in invalid if isinstance(judge(text), Address)] == []


def test_what_flanker_accepts_beyond_us_is_quoted_commented_or_no_mail_domain(
    shared_data: Path,
) -> None:
    valid = lines(shared_data / "email_addresses" / "flanker_mailbox_valid.txt")
    refused = [verdict for text in valid if isinstance(verdict := judge(text), str)]
    assert len(refused) / len(valid) < 0.45
    assert {reason for reason in refused if not any(word in reason for word in STRICTER)} == set()
