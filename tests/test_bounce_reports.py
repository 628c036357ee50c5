"""Reading returned mails: real ones by the hundred, one per rule, and any bytes at all."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.bounces import Kind, read
from digest.bounces.phrases import GROUPS
from tests.databases import examples
from tests.returned_mail import complaint, dsn

AT_LEAST = 0.95


# --- real mails ----------------------------------------------------------------------------------


def expected(rows: list[dict[str, Any]]) -> Kind:
    """The class that the collection's own vocabulary stands for; the gravest of several."""
    named = {
        "feedback": Kind.COMPLAINT,
        "vacation": Kind.AUTO_REPLY,
        "delivered": Kind.UNRECOGNISED,
    }
    kinds = {
        named.get(row["reason"], Kind.HARD if row["hardbounce"] else Kind.SOFT) for row in rows
    }
    return Kind.HARD if Kind.HARD in kinds else kinds.pop()


@pytest.fixture(scope="module")
def sisimai(shared_data: Path) -> dict[str, tuple[Kind, Kind]]:
    """Of each mail, what it should be and what it was read as."""
    folder = shared_data / "bounces_sisimai_a"
    told = json.loads((folder / "expected.json").read_text())
    return {
        name: (expected(rows), read((folder / "emails" / name).read_bytes()).kind)
        for name, rows in told.items()
        if rows
    }


def test_real_bounces_of_forty_mail_systems_get_their_class(
    sisimai: dict[str, tuple[Kind, Kind]],
) -> None:
    right = sum(wanted is found for wanted, found in sisimai.values())
    assert len(sisimai) == 333
    assert right / len(sisimai) >= AT_LEAST


def test_real_complaints_and_automatic_replies_are_never_bounces(
    sisimai: dict[str, tuple[Kind, Kind]],
) -> None:
    kinds = {Kind.COMPLAINT, Kind.AUTO_REPLY, Kind.UNRECOGNISED}
    assert {pair for pair in sisimai.values() if pair[0] in kinds} == {(k, k) for k in kinds}


@pytest.mark.parametrize("ends", ["dos", "mac"])
def test_line_ends_make_no_difference(shared_data: Path, ends: str) -> None:
    emails = shared_data / "bounces_sisimai_a" / "emails"
    pairs = [(path, emails / "bsd" / path.name) for path in sorted((emails / ends).iterdir())]
    both = [(read(one.read_bytes()), read(two.read_bytes())) for one, two in pairs if two.is_file()]
    assert len(both) >= 15
    assert all(one == two for one, two in both)


def test_what_is_no_bounce_is_not_called_one(shared_data: Path) -> None:
    for path in (shared_data / "bounces_sisimai_a" / "emails" / "not").iterdir():
        assert read(path.read_bytes()).kind in {Kind.UNRECOGNISED, Kind.AUTO_REPLY}


def test_the_failing_recipients_of_real_old_bounces_are_found(shared_data: Path) -> None:
    folder = shared_data / "bounces_mailman_a"
    told = json.loads((folder / "expected.json").read_text())
    right = []
    for name, row in told.items():
        if row["recipients"] is None:
            continue
        report = read((folder / "emails" / name).read_bytes())
        if row["temporary_or_warning"]:
            assert report.kind is not Kind.HARD, name
            continue
        found = {failure.recipient.lower() for failure in report.failures}
        right.append(found == {address.lower() for address in row["recipients"]})
    assert len(right) == 49
    assert sum(right) / len(right) >= AT_LEAST


def test_the_samples_of_flanker(shared_data: Path) -> None:
    folder = shared_data / "mail_samples_flanker"
    found = {
        path.relative_to(folder).as_posix(): read(path.read_bytes())
        for path in folder.glob("*/*.eml")
    }
    assert {
        name.partition("/")[2]: (str(report.kind), report.leading.status if report.leading else "")
        for name, report in found.items()
        if report.kind is not Kind.SOFT
    } == {
        "zed.eml": ("hard", "5.1.1"),
        "office365.eml": ("hard", "5.1.10"),
        "gmail-invalid-address.eml": ("hard", "5.1.0"),
        "gmail-no-dns.eml": ("hard", ""),
        "aol.eml": ("complaint", ""),
        "yahoo.eml": ("complaint", ""),
    }


def test_a_thousand_real_mails_take_a_few_seconds(shared_data: Path) -> None:
    mails = [p.read_bytes() for p in (shared_data / "bounces_sisimai_a" / "emails/bsd").iterdir()]
    began = time.process_time()
    for mail in mails:
        read(mail)
    assert (time.process_time() - began) / len(mails) < 0.02


# --- one rule at a time --------------------------------------------------------------------------

US, READER = "bounces@news.example", "ann@people.example"


@pytest.mark.parametrize(
    ("status", "reply", "kind"),
    [
        ("5.1.1", "550 5.1.1 user unknown", Kind.HARD),
        ("5.0.0", "550 5.4.1 Recipient address rejected: Access denied", Kind.HARD),
        ("5.1.2", "550 host not found", Kind.HARD),
        ("5.1.10", "556 5.1.10 null MX", Kind.HARD),
        ("5.0.0", "550 この宛先は存在しません", Kind.HARD),
        ("5.2.2", "552 mailbox full", Kind.SOFT),
        ("5.2.1", "550 5.2.1 the account is disabled", Kind.SOFT),
        ("5.7.1", "550 5.7.1 user unknown or blocked", Kind.SOFT),
        ("5.1.1", "550 5.1.1 blocked using zen.spamhaus.example", Kind.SOFT),
        ("5.1.8", "553 sender address does not exist", Kind.SOFT),
        ("5.7.1", "554 5.7.1 relaying denied", Kind.SOFT),
        ("5.3.4", "552 message too large", Kind.SOFT),
        ("4.4.7", "delivery time expired", Kind.SOFT),
        ("4.4.3", "451 host not found, try again", Kind.SOFT),
        ("4.0.0", "no such domain", Kind.SOFT),
    ],
)
def test_words_and_codes_are_weighed(status: str, reply: str, kind: Kind) -> None:
    report = read(dsn(US, READER, status=status, reply=reply))
    assert report.kind is kind
    assert report.leading is not None
    assert report.leading.recipient == READER


def test_a_user_unknown_only_after_the_message_was_a_filter() -> None:
    reply = "550 Unknown user (in reply to end of DATA command)"
    assert read(dsn(US, READER, status="5.0.0", reply=reply)).kind is Kind.SOFT
    reply = "550 Unknown user (in reply to RCPT TO command)"
    assert read(dsn(US, READER, status="5.0.0", reply=reply)).kind is Kind.HARD


def test_a_delay_is_never_hard() -> None:
    report = read(dsn(US, READER, action="delayed", status="4.1.1", reply="450 user unknown"))
    assert report.kind is Kind.SOFT
    assert report.leading is not None
    assert not report.leading.judged.counts


def test_a_notice_of_success_is_no_bounce() -> None:
    report = read(dsn(US, READER, action="relayed", status="2.0.0", reply="250 ok"))
    assert (report.kind, report.failures) == (Kind.UNRECOGNISED, ())


def test_a_report_of_several_recipients_tells_each() -> None:
    one = dsn(US, READER)
    two = b"\n\nFinal-Recipient: rfc822; ben@people.example\nAction: failed\nStatus: 5.2.2\n"
    report = read(
        one.replace(
            b"user unknown\n\n--b\nContent-Type: text/rfc822",
            b"user unknown" + two + b"\n--b\nContent-Type: text/rfc822",
        )
    )
    assert [(f.recipient, f.kind) for f in report.failures] == [
        (READER, Kind.HARD),
        ("ben@people.example", Kind.SOFT),
    ]
    assert report.kind is Kind.HARD


def test_a_report_without_its_boundary_is_read_all_the_same() -> None:
    assert read(dsn(US, READER).replace(b'; boundary="b"', b"")).kind is Kind.HARD
    assert (
        read(dsn(US, READER).replace(b"message/delivery-status", b"text/plain")).kind is Kind.HARD
    )


def test_a_forwarded_report_is_read_inside_the_mail_that_carries_it() -> None:
    head = b"From: ann@people.example\nContent-Type: message/rfc822\n\n"
    assert read(head + dsn(US, READER)).kind is Kind.HARD


def test_the_kind_of_feedback_is_told() -> None:
    for kind in ("abuse", "fraud", "opt-out", "auth-failure"):
        report = read(complaint(US, READER, kind))
        assert (report.kind, report.feedback) == (Kind.COMPLAINT, kind)


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied",
        "X-Autoreply: yes",
        "Subject: Out of office until Monday",
        "Subject: =?utf-8?b?6Ieq5YuV5b+c562U?=",
        "Precedence: auto_reply",
    ],
)
def test_automatic_replies_are_known_by_their_headers(head: str) -> None:
    report = read(
        f"From: ann@people.example\n{head}\n\nMailbox full? No, user on leave.\n".encode()
    )
    assert report.kind is Kind.AUTO_REPLY


def test_nothing_that_a_terminal_would_obey_comes_out_of_a_mail() -> None:
    harm = "\x1b[2J\x07\x00"
    for mail in (
        dsn(US, f"ann{harm}@people.example", reply=f"550 5.1.1 {harm} user unknown"),
        dsn(US, f"{harm}", reply=f"550 5.1.1 {harm} user unknown"),
        complaint(US, f"ann{harm}@people.example", f"abuse{harm}"),
    ):
        report = read(mail)
        told = [report.why, report.feedback, *(one.recipient for one in report.failures)]
        assert not any(character in text for text in told for character in harm[:1] + harm[-2:])


def test_no_phrase_is_written_so_that_it_could_never_occur() -> None:
    for group in GROUPS:
        for phrase in group.table:
            for piece in phrase.pieces:
                assert piece == " ".join(piece.lower().split())
                assert piece


# --- hostile mails -------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        b"From: mailer-daemon@x.example\n", b"Subject: failure notice\n", b"\n", b"\r", b"\r\n",
        b'Content-Type: multipart/report; boundary="b"\n', b"--b\n", b"--b--\n", b"a@b.example",
        b"Content-Type: message/delivery-status\n", b"Content-Type: message/rfc822\n",
        b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n",
        b"Content-Type: text/html; charset=utf-16\n", b"charset=idna", b"=?utf-7?q?+2AA-?=",
        b"Final-Recipient: rfc822; ", b"Action: failed\n", b"Status: 5.1.1\n", b"user unknown\n",
        b"Content-Type: message/feedback-report\n", b"Feedback-Type: abuse\n", b"\x00", b"\xff",
        b'{"notificationType":"Bounce","bouncedRecipients":[{"emailAddress":"', b"<", b">", b"=?",
        b"+2026-W46.aaaaaaaaaaaaaaaaaaaa@x.example", b"From x Thu Apr 29 23:34:45 2015\n", b"550 ",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_no_bytes_at_all_make_the_reader_raise(raw: bytes) -> None:
    assert read(raw).kind in Kind


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(PIECES | st.binary(max_size=20), max_size=40).map(b"".join))
def test_no_arrangement_of_what_bounces_are_made_of_makes_the_reader_raise(raw: bytes) -> None:
    report = read(raw)
    assert report.kind in Kind
    report.why.encode()  # no lone surrogates, which no database takes
    for failure in report.failures:
        failure.recipient.encode()


MIB = 1024 * 1024
NOTICE = b"From: mailer-daemon@x.example\nSubject: failure notice\n"
BOMBS = {
    "nested parts": b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(10_000)
    ),
    "nested mails": b"Content-Type: message/rfc822\n\n" * 30_000,
    "many parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000,
    "many headers": b"".join(b"X-%d: y\n" % n for n in range(80_000)),
    "one long header": b"Subject: " + b"=?utf-8?q?a?= " * 70_000,
    "folded header": b"Subject: a\n" + b" b\n" * 300_000,
    "zeros": b"\0" * MIB,
    "at signs": NOTICE + b"\n" + b"a@a " * 250_000,
    "open tags": NOTICE + b"Content-Type: text/html\n\n" + b"<style" * 170_000,
    "recipients": NOTICE + b"\n" + b"user x@y.example unknown\n" * 40_000,
    "codes": NOTICE + b"\n" + b"5.1." * 250_000,
    "half phrases": NOTICE + b"\n" + b"user domain host mailbox account recipient " * 20_000,
    "groups": dsn(US, READER).replace(
        b"Action: failed", b"Action: failed\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed"
        * 5_000,
    ),
    "json": b'Subject: x\n\n{"notificationType":"Bounce",' + b'"bouncedRecipients":[' * 40_000,
    "tokens": NOTICE + b"\n" + b"+2026-W46.aaaaaaaaaaaaaaaaaaaa@x " * 30_000,
    "junk": random.Random(7).randbytes(MIB),
    "empty": b"",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_no_mail_takes_long(name: str) -> None:
    began = time.process_time()
    read(BOMBS[name][:MIB])
    assert time.process_time() - began < 5


def test_the_table_is_small_enough_to_be_read() -> None:
    assert sum(len(group.table) for group in GROUPS) < 1_000
    assert Path(read.__code__.co_filename).with_name("phrases.toml").stat().st_size < 40_000
