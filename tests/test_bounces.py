"""What comes back: a bounce or a complaint is found, acted upon once, and explained."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from digest import bounces
from digest.config import Settings
from digest.errors import ConfigError
from digest.mail import Mailer
from digest.models import Suppression
from digest.sections import sections
from tests.community import MONDAY, village
from tests.conftest import Front
from tests.databases import sqlite_only
from tests.office import NOW, WEEK, Office, open_office, serving
from tests.returned_mail import complaint, dsn
from tests.scripted_smtp import Received

NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)
ALICE = "alice@people.example"


@pytest.fixture
def told(digest: Front, monkeypatch: pytest.MonkeyPatch) -> Front:
    """The village is imported, and bounces go to an address of their own."""
    monkeypatch.setenv("DIGEST_BOUNCE_ADDRESS", "bounces@news.example")
    monkeypatch.setenv("DIGEST_FROM", "digest@news.example")
    assert digest("import", village().write(digest.folder / "in"), at=NEXT_MONDAY).code == 0
    return digest


@pytest.fixture
def sent(told: Front, monkeypatch: pytest.MonkeyPatch) -> Received:
    """Alice's mail of the week, as a server received it."""
    with serving() as server:
        url = f"smtp://127.0.0.1:{server.port}?starttls=never"
        monkeypatch.setenv("DIGEST_SMTP_URL", url)
        assert told("send", "--week", "2026-W46", at=NEXT_MONDAY).code == 0
    monkeypatch.delenv("DIGEST_SMTP_URL")
    (mail,) = (mail for mail in server.received if mail.rcpt_to == ALICE)
    return replace(mail, mail_from=bare(mail.mail_from))


def bare(sender: str) -> str:
    """The address in the argument of MAIL."""
    return sender.partition("<")[2].partition(">")[0]


def fed(told: Front, content: bytes, name: str = "mail.eml") -> Any:
    """The row that ``digest bounces`` prints of this mail."""
    (told.folder / name).write_bytes(content)
    (row,) = told("bounces", name, "--json", at=NEXT_MONDAY).json
    return row


def suppressed(told: Front) -> dict[str, str]:
    return dict(sql(told, "SELECT email_key, reason FROM suppressions"))


def sql(told: Front, statement: str) -> list[tuple[Any, ...]]:
    return told.sql(statement)


# --- by whatever way it comes --------------------------------------------------------------------


def by_file(told: Front, mail: bytes, _monkeypatch: pytest.MonkeyPatch) -> None:
    (told.folder / "one.eml").write_bytes(mail)
    assert told("bounces", "one.eml", at=NEXT_MONDAY).code == 0


def by_folder(told: Front, mail: bytes, _monkeypatch: pytest.MonkeyPatch) -> None:
    (told.folder / "more" / "deep").mkdir(parents=True)
    (told.folder / "more" / "deep" / "one.eml").write_bytes(mail)
    assert told("bounces", "more", at=NEXT_MONDAY).code == 0


def by_maildir(told: Front, mail: bytes, _monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("new", "cur", "tmp"):
        (told.folder / "Maildir" / name).mkdir(parents=True)
    (told.folder / "Maildir" / "new" / "1.x").write_bytes(mail)
    (told.folder / "Maildir" / "tmp" / "2.x").write_bytes(b"half a m")
    result = told("bounces", "Maildir", at=NEXT_MONDAY)
    assert (result.code, "1 mails: 1 hard." in result.out) == (0, True)
    assert (told.folder / "Maildir" / "new" / "1.x").is_file()


def by_pipe(told: Front, mail: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(mail)))
    assert told("bounces", "-", at=NEXT_MONDAY).code == 0


@pytest.mark.parametrize("way", [by_file, by_folder, by_maildir, by_pipe])
def test_a_dead_address_is_not_mailed_again(
    told: Front,
    sent: Received,
    way: Callable[[Front, bytes, pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way(told, dsn(sent.mail_from, ALICE), monkeypatch)
    assert suppressed(told) == {ALICE: "hard-bounce"}
    explained = told("explain", "alice", "--week", "2026-W46", "--json", at=NEXT_MONDAY).json
    assert [(one["class"], one["status"]) for one in explained["bounces"]] == [("hard", "5.1.1")]
    told("send", "--week", "2026-W47", at=NEXT_MONDAY + timedelta(weeks=1))
    later = told("explain", "alice", "--week", "2026-W47", at=NEXT_MONDAY + timedelta(weeks=1))
    assert "suppressed (hard-bounce)" in later.out
    assert "suppressed on 2026-11-16: hard-bounce" in later.out


def test_the_envelope_sender_is_the_message_id(sent: Received) -> None:
    (line,) = (one for one in sent.body.split(b"\r\n") if one.startswith(b"Message-ID:"))
    token = line.partition(b"<")[2].partition(b"@")[0].decode()
    assert sent.mail_from == f"bounces+{token}@news.example"
    assert token.startswith("2026-W46.")


def test_without_an_address_for_bounces_the_returned_message_id_tells(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGEST_BOUNCE_ADDRESS")
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    message_id = str(told.mail_to(ALICE)["Message-ID"])
    row = fed(told, dsn("digest@news.example", ALICE, message_id=message_id))
    assert row["delivery"] == {"user": "alice", "period": "2026-W46"}
    assert row["action"] == "suppressed"


def test_servers_may_change_the_case_of_the_envelope_sender(told: Front, sent: Received) -> None:
    for change in (str.upper, str.lower):
        row = fed(told, dsn(change(sent.mail_from), ALICE))
        assert row["delivery"] == {"user": "alice", "period": "2026-W46"}


def test_a_forged_token_changes_nothing_and_says_so(told: Front, sent: Received) -> None:
    token = sent.mail_from.partition("+")[2].partition("@")[0]
    forged = sent.mail_from.replace(token, token[:-1] + ("b" if token[-1] == "a" else "a"))
    row = fed(told, dsn(forged, ALICE))
    assert (row["class"], row["delivery"], row["action"]) == ("hard", None, "none")
    assert row["why"] == "it names no mail of ours"
    assert fed(told, dsn("digest@news.example", ALICE))["action"] == "none"
    assert suppressed(told) == {}


def test_reading_the_same_mail_twice_changes_nothing(told: Front, sent: Received) -> None:
    mail = dsn(sent.mail_from, ALICE)
    assert fed(told, mail)["action"] == "suppressed"
    assert told("bounces", "--lift", ALICE).code == 0
    assert fed(told, mail, "again.eml")["action"] == "known"
    assert suppressed(told) == {}


def test_lifting_says_whether_there_was_anything_to_lift(told: Front, sent: Received) -> None:
    fed(told, dsn(sent.mail_from, ALICE))
    assert "mailed again" in told("bounces", "--lift", ALICE).out
    assert "not suppressed" in told("bounces", "--lift", ALICE).out
    assert told("bounces", "--lift", "nobody").code == 2
    assert told("bounces", "x.eml", "--lift", ALICE).code == 2


# --- what follows --------------------------------------------------------------------------------


def test_a_complaint_suppresses_and_unsubscribes(told: Front, sent: Received) -> None:
    row = fed(told, complaint(sent.mail_from, ALICE))
    assert (row["class"], row["feedback"], row["action"]) == ("complaint", "abuse", "suppressed")
    assert suppressed(told) == {ALICE: "complaint"}
    assert sql(
        told,
        "SELECT count(*) FROM subscriptions"
        " WHERE user_id = 'alice' AND unsubscribed_at IS NOT NULL",
    ) == [(1,)]


def test_feedback_about_our_proofs_is_reported_only(told: Front, sent: Received) -> None:
    row = fed(told, complaint(sent.mail_from, ALICE, "auth-failure"))
    assert (row["class"], row["feedback"], row["action"]) == ("complaint", "auth-failure", "noted")
    assert suppressed(told) == {}


@pytest.mark.parametrize("make", [dsn, complaint])
def test_only_the_address_that_the_mail_was_sent_to_is_suppressed(
    told: Front, sent: Received, make: Callable[[str, str], bytes]
) -> None:
    """The user has a new address meanwhile, which nobody complained about."""
    new = "alice@elsewhere.example"
    sql(told, f"UPDATE users SET email = '{new}', email_key = '{new}' WHERE id = 'alice'")
    fed(told, make(sent.mail_from, ALICE))
    assert list(suppressed(told)) == [ALICE]
    told("send", "--week", "2026-W47", at=NEXT_MONDAY + timedelta(weeks=1))
    explained = told(
        "explain", "alice", "--week", "2026-W47", "--json", at=NEXT_MONDAY + timedelta(weeks=1)
    ).json
    assert all(gate["passed"] for gate in explained["gates"] if gate["name"] == "not suppressed")
    assert all(gate["passed"] for gate in explained["gates"] if gate["name"] == "subscribed")


def test_a_delivery_from_before_addresses_were_kept_needs_the_address_in_the_report(
    told: Front, sent: Received
) -> None:
    sql(told, "UPDATE deliveries SET sent_to = NULL")
    assert fed(told, dsn(sent.mail_from, "other@people.example"))["action"] == "noted"
    assert suppressed(told) == {}
    assert fed(told, dsn(sent.mail_from, ALICE))["action"] == "suppressed"


def test_a_delay_notice_counts_for_nothing(told: Front, sent: Received) -> None:
    late = dsn(
        sent.mail_from, ALICE, action="delayed", status="4.2.2", reply="452 4.2.2 mailbox full"
    )
    row = fed(told, late)
    assert (row["class"], row["action"]) == ("soft", "noted")


def test_an_automatic_reply_changes_nothing(told: Front, sent: Received) -> None:
    away = (
        f"From: {ALICE}\nTo: {sent.mail_from}\nSubject: Out of office\n"
        "Auto-Submitted: auto-replied\n\nI no longer work here: user unknown.\n"
    )
    row = fed(told, away.encode())
    assert (row["class"], row["action"]) == ("auto-reply", "noted")
    assert suppressed(told) == {}


def test_a_strange_mail_is_a_row_and_never_an_error(told: Front) -> None:
    row = fed(told, b"Subject: hello\n\nIs anybody there?\n")
    assert (row["class"], row["recipient"], row["action"]) == ("unrecognised", None, "none")
    result = told("bounces", "mail.eml", at=NEXT_MONDAY)
    assert (result.code, "1 unrecognised" in result.out) == (0, True)


def test_a_pipe_never_makes_the_mail_server_bounce_again(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (b"", b"\x00\xff" * 100, b"Subject: hello\n\nhello\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        result = told("bounces", "-", "--json", at=NEXT_MONDAY)
        assert (result.code, result.json[0]["class"]) == (0, "unrecognised")


# --- counting ------------------------------------------------------------------------------------

PERIODS = ["2026-W46", "2026-W47", "2026-W48", "2026-W49"]


@dataclass
class Desk:
    """An office whose mails carry their own envelope sender, and what came back there."""

    office: Office
    folder: Path

    def sent(self, period: str) -> str:
        """Send a week; the envelope sender of Ann's mail."""
        monday = NOW + timedelta(weeks=PERIODS.index(period))
        self.office.plan(period, monday)
        _, server = self.office.send(now=monday)
        return bare(server.received[-1].mail_from)

    def returned(self, content: bytes) -> str:
        """Feed a mail; what was done."""
        (self.folder / "mail").write_bytes(content)
        found = bounces.mails([str(self.folder / "mail")], io.BytesIO())
        rows = bounces.take(self.office.database, self.office.settings, found, lambda: NOW)
        return next(rows).done.action.value

    def reasons(self) -> list[str]:
        return [row.reason for row in self.office.all(Suppression)]


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    with open_office(
        tmp_path,
        bounce_address="bounces@news.example",
        sender="digest@news.example",
        quiet_weeks="always",
        max_attempts=1,
    ) as office:
        office.enrol("ann")
        office.shop = replace(office.shop, mailer=Mailer(office.settings, sections()))
        yield Desk(office, tmp_path)


def full(to: str, n: int = 0) -> bytes:
    return dsn(to, "ann@people.example", status="5.2.2", reply=f"552 5.2.2 mailbox full ({n})")


def test_a_mailbox_that_is_full_for_three_periods_is_suppressed(desk: Desk) -> None:
    done = []
    for period in PERIODS[:3]:
        sender = desk.sent(period)
        done += [desk.returned(full(sender)), desk.returned(full(sender, 2))]
    assert done == ["counted"] * 4 + ["suppressed", "suppressed"]
    assert desk.reasons() == ["soft-bounces"]


def test_what_is_our_own_fault_never_counts(desk: Desk) -> None:
    for period in PERIODS:
        refused = dsn(
            desk.sent(period),
            "ann@people.example",
            status="5.7.1",
            reply=f"554 5.7.1 blocked using a block list, {period}",
        )
        assert desk.returned(refused) == "noted"
    assert desk.reasons() == []


def test_a_lifted_address_begins_to_count_anew(desk: Desk) -> None:
    for period in PERIODS[:3]:
        desk.returned(full(desk.sent(period)))
    with desk.office.database.writing() as session:
        assert bounces.lift(session, "ann@people.example")
    assert desk.returned(full(desk.sent(PERIODS[3]))) == "counted"
    assert desk.reasons() == []


@pytest.mark.parametrize("reply", ["550 no", "452 4.2.2 mailbox full"])
def test_refusals_while_sending_count_the_same(desk: Desk, reply: str) -> None:
    for number, period in enumerate(PERIODS[:3]):
        assert desk.reasons() == []
        monday = NOW + timedelta(weeks=number)
        desk.office.plan(period, monday)
        desk.office.send({"RCPT": reply}, now=monday)
    assert desk.reasons() == ["soft-bounces"]


Door = Callable[[Desk, str, str], None]
"""A way by which a server says that Ann's mailbox does not take the mail of a period."""


def while_sending(desk: Desk, period: str, reply: str) -> None:
    monday = NOW + timedelta(weeks=PERIODS.index(period))
    desk.office.plan(period, monday)
    desk.office.send({"RCPT": reply}, now=monday)


def in_a_bounce(desk: Desk, period: str, reply: str) -> None:
    status = reply.split(" ")[1]
    desk.returned(dsn(desk.sent(period), "ann@people.example", status=status, reply=reply))


DISABLED, FULL = "550 5.2.1 no", "452 4.2.2 mailbox full"


@pytest.mark.parametrize("first", [while_sending, in_a_bounce])
@pytest.mark.parametrize("second", [while_sending, in_a_bounce])
def test_a_disabled_mailbox_is_suppressed_in_the_second_period_whoever_says_it(
    desk: Desk, first: Door, second: Door
) -> None:
    first(desk, PERIODS[0], DISABLED)
    assert desk.reasons() == []
    second(desk, PERIODS[1], DISABLED)
    assert desk.reasons() == ["soft-bounces"]


@pytest.mark.parametrize("tell", [while_sending, in_a_bounce])
def test_one_word_of_disabled_counts_like_any_other(desk: Desk, tell: Door) -> None:
    tell(desk, PERIODS[0], FULL)
    tell(desk, PERIODS[1], DISABLED)
    assert desk.reasons() == []
    tell(desk, PERIODS[2], FULL)
    assert desk.reasons() == ["soft-bounces"]


def test_disabled_twice_in_one_period_is_once(desk: Desk) -> None:
    sender = desk.sent(PERIODS[0])
    for words in ("550 5.2.1 disabled", "550 5.2.1 the account is disabled"):
        bounce = dsn(sender, "ann@people.example", status="5.2.1", reply=words)
        assert desk.returned(bounce) == "counted"
    assert desk.reasons() == []


def test_a_mailbox_that_is_disabled_fails_and_says_so(desk: Desk) -> None:
    while_sending(desk, PERIODS[0], DISABLED)
    (row,) = desk.office.rows().values()
    assert (row.state, row.reason) == ("failed", "disabled")


def test_trouble_on_the_way_does_not_count_while_sending(desk: Desk) -> None:
    for number, period in enumerate(PERIODS):
        monday = NOW + timedelta(weeks=number)
        desk.office.plan(period, monday)
        desk.office.send({"RCPT": "450 4.4.1 later"}, now=monday)
    assert desk.reasons() == []


@sqlite_only
def test_a_bounce_is_found_through_the_index(desk: Desk) -> None:
    desk.sent(WEEK)
    with desk.office.database.reading() as session:
        plan = session.connection().exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT user_id FROM deliveries WHERE message_id IN ('<a>', '<b>')"
        )
        assert any("ix_deliveries_message_id" in str(row) for row in plan)


@pytest.mark.parametrize("address", ["bounces", "b" * 36 + "@news.example", "ü@news.example"])
def test_an_address_for_bounces_that_cannot_be_is_refused(address: str) -> None:
    settings = Settings(bounce_address=address, secret_key=SecretStr("k"))
    with pytest.raises(ConfigError, match="BOUNCE_ADDRESS"):
        Mailer(settings, sections())
