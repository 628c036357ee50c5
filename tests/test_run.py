"""From claimed to recorded: what becomes of a mail, whatever the server or another program does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import NoResultFound

from digest import ledger, planning, snapshots, subscriptions
from digest.deciding import workshop
from digest.errors import StopRun, UsageError
from digest.facts import Batch
from digest.ledger import Decision, Recovered, Scope
from digest.models import Run, State, Suppression
from digest.run import Report
from digest.sections import Section
from tests.databases import POSTGRES
from tests.office import NOW, WEEK, Office, counted, message_id, once, open_office
from tests.scripted_smtp import Drop, Step, Wait

HOUR = timedelta(hours=1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Ann, Ben and Cem are due, and mailed over one connection, in this order."""
    with open_office(tmp_path, connections=1) as office:
        office.enrol("ann", "ben", "cem")
        office.plan()
        yield office


def to(user: str, answer: Step) -> Callable[[str], Step]:
    """A step that answers so for one recipient."""
    return lambda argument: answer if f"<{user}@" in argument else None


# --- what the server says ------------------------------------------------------------------------


def test_everybody_gets_one_mail_and_the_ledger_says_so(office: Office) -> None:
    report, server = office.send()
    assert sorted(server.accepted) == [f"{user}@people.example" for user in ("ann", "ben", "cem")]
    assert report.states == {("sent", ""): 3}
    assert not report.incomplete
    for row in office.rows().values():
        assert (row.state, row.attempts, row.reply, row.owner) == (
            "sent",
            1,
            "250 2.0.0 queued",
            None,
        )
    ids = {message_id(message.body).split("<")[1] for message in server.received}
    assert ids == {row.message_id.removeprefix("<") for row in office.rows().values()}
    again, silent = office.send()
    assert (again.total, silent.received) == (0, [])


def test_a_mail_that_is_to_be_tried_again_waits_and_is_taken_when_it_is_due(office: Office) -> None:
    report, _ = office.send({"RCPT": to("ben", "451 4.3.0 come back later")})
    assert report.incomplete
    assert report.states == {("sent", ""): 2, ("deferred", "transient"): 1}
    ben = office.rows()["ben"]
    assert (ben.attempts, ben.reply) == (1, "451 4.3.0 come back later")
    assert timedelta(seconds=225) <= ben.next_attempt_at - NOW <= timedelta(seconds=300)
    early, _ = office.send(now=ben.next_attempt_at - timedelta(seconds=1))
    assert early.total == 0
    report, server = office.send(now=ben.next_attempt_at)
    assert (server.accepted, report.states) == (["ben@people.example"], {("sent", ""): 1})
    assert office.rows()["ben"].attempts == 2


def test_each_deferral_waits_longer_until_it_is_given_up(office: Office) -> None:
    office.resettle(max_attempts=3)
    waits, now = [], NOW
    for _ in range(2):
        office.send({"RCPT": to("ben", "452 4.2.2 mailbox full")}, now=now)
        ben = office.rows()["ben"]
        waits.append(ben.next_attempt_at - now)
        now = ben.next_attempt_at
    assert waits[1] > waits[0]
    report, _ = office.send({"RCPT": to("ben", "452 4.2.2 mailbox full")}, now=now)
    assert report.states == {("failed", "too-many-attempts"): 1}
    ben = office.rows()["ben"]
    assert (ben.attempts, ben.reply) == (3, "452 4.2.2 mailbox full")


@pytest.mark.parametrize(
    ("reply", "reason", "suppressed"),
    [
        ("550 5.1.1 no such user", "address", True),
        ("556 the domain takes no mail", "address", True),
        ("550 no", "unclear", False),
        ("550 5.7.1 we do not like you", "policy", False),
        ("552 5.3.4 too big", "message", False),
    ],
)
def test_a_refusal_fails_one_mail_and_only_a_dead_address_is_suppressed(
    office: Office, reply: str, reason: str, suppressed: bool
) -> None:
    report, server = office.send({"RCPT": to("ben", reply)})
    assert report.states == {("sent", ""): 2, ("failed", reason): 1}
    assert report.incomplete
    assert office.rows()["ben"].reply == reply
    assert [one.email_key for one in office.all(Suppression)] == ["ben@people.example"] * suppressed
    assert len(server.accepted) == 2


def test_a_suppressed_address_is_not_asked_for_again_the_week_after(office: Office) -> None:
    office.send({"RCPT": to("ben", "550 5.1.1 no such user")})
    office.plan("2026-W45")
    report, server = office.send(scope=Scope(("2026-W45",), wanted=("2026-W45",)))
    assert "ben@people.example" not in [message.rcpt_to for message in server.received]
    assert office.rows()["ben"].period == WEEK
    assert report.states["suppressed", "hard-bounce"] == 1


def test_a_connection_that_breaks_after_the_final_dot_leaves_a_doubt(office: Office) -> None:
    report, server = office.send({".": [None, Drop(), None]})
    assert report.states == {("sent", ""): 2, ("unknown", "connection"): 1}
    assert report.incomplete
    ben = office.rows()["ben"]
    assert (ben.state, ben.attempts) == ("unknown", 1)
    assert ben.next_attempt_at > NOW
    assert office.recover(on_unknown="hold") == Recovered()
    assert office.send(now=ben.next_attempt_at)[0].total == 0
    office.recover()
    assert office.send()[0].total == 0, "not before its time"
    report, again = office.send(now=ben.next_attempt_at)
    assert report.states == {("sent", ""): 1}
    first = next(message for message in server.received if not message.accepted)
    assert again.received[0].body == first.body, "the same bytes, Message-ID and date included"


def test_a_server_that_never_answers_the_final_dot_is_given_up_in_the_end(office: Office) -> None:
    """Each attempt may have arrived: there must be an end to the copies."""
    office.resettle(max_attempts=3)
    now, copies = NOW, 0
    for _ in range(5):
        office.recover(now)
        copies += len(office.send({".": Drop()}, now=now, scope=Scope((), ("ann",)))[1].received)
        now += timedelta(minutes=30)
    assert copies == 3
    assert office.rows()["ann"].reason == "too-many-attempts"


def test_under_hold_a_doubt_stays_a_doubt_whatever_the_number_of_attempts(office: Office) -> None:
    office.resettle(max_attempts=1, on_unknown="hold")
    office.send({".": Drop()})
    assert counted(office.states()) == {"unknown": 3}
    assert {row.next_attempt_at for row in office.rows().values()} == {None}


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "BODY"])
def test_a_connection_that_breaks_before_the_final_dot_leaves_no_doubt(
    office: Office, verb: str
) -> None:
    report, server = office.send({verb: [Drop()]})
    assert report.states["sent", ""] == 2
    assert ("unknown", "connection") not in report.states or verb == "BODY"
    assert len(server.accepted) == 2


def test_a_server_that_is_down_stops_the_run_and_the_rest_is_pending_again(
    tmp_path: Path,
) -> None:
    with open_office(tmp_path, connections=2) as office:
        office.enrol(*[f"user{n:02}" for n in range(20)])
        office.plan()
        report, server = office.send({"CONNECT": Drop()})
        assert isinstance(report.stopped, StopRun)
        assert report.stopped.hint
        assert report.incomplete
        assert server.received == []
        assert counted(office.states()) == {"pending": 20}
        report, server = office.send()
        assert len(server.accepted) == 20


def test_wrong_credentials_stop_the_run_before_any_mail(office: Office) -> None:
    report, server = office.send({"MAIL": "530 5.7.0 authentication required"})
    assert isinstance(report.stopped, StopRun)
    assert server.received == []
    assert counted(office.states()) == {"pending": 3}


def test_a_refusal_of_us_after_the_final_dot_stops_the_run_and_leaves_no_doubt(
    office: Office,
) -> None:
    """The body was refused: it is known not to have arrived, and is offered again."""
    report, _ = office.send({".": "535 5.7.8 who are you?"})
    assert isinstance(report.stopped, StopRun)
    assert office.states() == {"ann": State.DEFERRED, "ben": State.PENDING, "cem": State.PENDING}
    assert len(office.send(now=NOW + HOUR)[1].accepted) == 3


def test_one_connection_carries_many_mails_and_is_then_replaced(office: Office) -> None:
    office.resettle(messages_per_connection=2)
    _, server = office.send()
    assert server.connections == 2
    assert server.verbs(1).count("DATA") == 2
    assert server.verbs(2).count("DATA") == 1


# --- one person never stops the others -----------------------------------------------------------


def test_a_template_that_fails_for_one_person_fails_only_their_mail(office: Office) -> None:
    own = office.folder / "templates" / "email"
    own.mkdir(parents=True)
    (own / "subject.txt").write_text(
        "Hello\n{% if name == 'Ben' %}{{ sections.none.at_all }}{% endif %}"
    )
    office.resettle(templates=own.parent)
    office.shop = workshop(office.database, office.settings)
    report, server = office.send()
    assert report.states == {("sent", ""): 2, ("failed", "template"): 1}
    assert "subject.txt, line 2" in office.rows()["ben"].reply
    assert len(server.accepted) == 2


def test_an_address_that_went_bad_after_the_import_fails_only_its_mail(office: Office) -> None:
    """Another program wrote it, and left the key that we compare by as it was."""
    office.sql("UPDATE users SET email = 'ben@@nowhere' WHERE id = 'ben'")
    report, server = office.send()
    assert report.states == {("sent", ""): 2, ("failed", "unusable-address"): 1}
    assert "exactly one @" in office.rows()["ben"].reply
    assert len(server.accepted) == 2


def test_a_mail_that_cannot_be_written_at_all_fails_alone(office: Office) -> None:
    """Another program stored an id that no link of a header can hold."""
    endless = "\u5b57" * 255
    office.enrol(endless)
    mailbox = "dee@people.example"
    office.sql("UPDATE users SET email = ?, email_key = ? WHERE id = ?", mailbox, mailbox, endless)
    office.plan()
    report, server = office.send()
    assert report.states == {("sent", ""): 3, ("failed", "unwritable"): 1}
    assert office.rows()[endless].reply == "UsageError"
    assert len(server.accepted) == 3
    assert not report.stopped


def test_a_run_that_others_took_for_dead_says_so(office: Office) -> None:
    def over(_: str) -> str:
        office.sql(
            "UPDATE deliveries SET state = 'pending', owner = NULL WHERE state = 'claimed'"
            " AND user_id <> 'ann'"
        )
        office.sql("UPDATE runs SET finished_at = started_at, outcome = 'died'")
        return "250 2.1.5 Ok"

    report, server = office.send({"RCPT": over})
    assert server.accepted == ["ann@people.example"]
    assert "took this run for dead" in str(report.stopped)
    assert report.incomplete


NAUGHTY = [
    "\r\nBcc: victim@people.example\r\n\r\n<script>alert(1)</script>",
    "{{ settings.secret() }}{% include 'base.html' %}",
    "\u202eright to left\u2066 \ufeff\u2028 and \x00 nothing",
    "=?utf-8?q?=0D=0ABcc:_x?=" * 40,
    "Z\u0351\u036b\u0343a\u0323\u033al\u0321g\u033bo\u0321" * 50,
    "👩‍👩‍👧‍👦" * 200,
    "x" * 20_000,
    "'; DROP TABLE deliveries; --",
    ".\r\n.\r\nQUIT\r\n",
]


@pytest.mark.parametrize("text", NAUGHTY, ids=range(len(NAUGHTY)))
def test_naughty_names_and_titles_are_mailed_like_any_other(office: Office, text: str) -> None:
    if POSTGRES:
        text = text.replace("\x00", "")  # which it does not take from any program
    office.sql("UPDATE users SET name = ? WHERE id = 'ben'", text)
    office.sql("UPDATE posts SET title = ?, text = ? WHERE author_id = 'ben'", text, text)
    report, server = office.send()
    assert report.states == {("sent", ""): 3}
    assert sorted(server.accepted) == [f"{user}@people.example" for user in ("ann", "ben", "cem")]
    head = server.received[1].body.split(b"\r\n\r\n", 1)[0].lower()
    assert b"\r\nbcc:" not in head


def test_whoever_was_deleted_after_the_plan_is_skipped_and_stops_nobody(office: Office) -> None:
    office.sql("DELETE FROM users WHERE id = 'ben'")
    report, server = office.send()
    assert report.states == {("sent", ""): 2, ("skipped", "deleted"): 1}
    assert len(server.accepted) == 2


def test_an_address_changed_before_the_mail_is_begun_is_mailed_at_the_new_one(
    office: Office,
) -> None:
    """And what comes back of it is of that address."""
    change = "UPDATE users SET email = 'cem@new.example', email_key = 'cem@new.example'"
    report, server = office.send({"MAIL": once(lambda: office.sql(f"{change} WHERE id = 'cem'"))})
    assert [rcpt for rcpt in server.accepted if rcpt.startswith("cem@")] == ["cem@new.example"]
    assert report.states == {("sent", ""): 3}
    assert office.rows()["cem"].sent_to == "cem@new.example"


def test_who_leaves_during_the_run_gets_no_mail_and_the_gates_say_why(office: Office) -> None:
    def leave() -> None:
        with office.database.writing() as session:
            subscriptions.unsubscribe(session, "cem", NOW)

    report, server = office.send({"MAIL": once(leave)})
    assert "cem@people.example" not in server.accepted
    assert report.states == {("sent", ""): 2, ("skipped", "unsubscribed"): 1}
    assert office.rows()["cem"].reason == "unsubscribed"


# --- limit, scope, stop --------------------------------------------------------------------------


def test_a_limit_is_kept_exactly_over_several_batches(office: Office) -> None:
    office.resettle(batch=1)
    report, server = office.send(limit=2)
    assert (report.total, len(server.accepted)) == (2, 2)
    assert counted(office.states()) == {"sent": 2, "pending": 1}


def test_a_scope_of_users_and_periods_leaves_all_others_open(office: Office) -> None:
    office.plan("2026-W45")
    _, server = office.send(scope=Scope((WEEK,), ("ann", "cem")))
    assert sorted(server.accepted) == ["ann@people.example", "cem@people.example"]
    assert office.rows()["ben"].state == "pending"


@pytest.mark.parametrize("at", [1, 5, 17])
def test_a_stop_drains_and_leaves_nothing_claimed_in_doubt_or_sent_twice(
    tmp_path: Path, at: int
) -> None:
    with open_office(tmp_path, connections=3, batch=10) as office:
        office.enrol(*[f"user{n:02}" for n in range(40)])
        office.plan()
        stop = asyncio.Event()
        report, server = office.send({"RCPT": once(stop.set, at)}, stop=stop)
        states = counted(office.states())
        assert set(states) == {"sent", "pending"}
        assert at <= states["sent"] <= at + 3
        assert len(server.accepted) == states["sent"] == report.total
        assert report.stopped is None
        _, rest = office.send()
        everybody = Counter(server.accepted + rest.accepted)
        assert len(everybody) == 40
        assert set(everybody.values()) == {1}


def test_an_error_in_the_middle_closes_the_books(office: Office) -> None:
    """Whatever goes wrong, no delivery stays claimed or being sent by a run that has ended."""

    class Broken(Exception):
        pass

    def fail(report: Report) -> None:
        raise Broken

    with pytest.raises(ExceptionGroup):
        office.send(progress=fail)
    assert set(counted(office.states())) <= {"sent", "pending", "unknown"}
    (row,) = office.all(Run)
    assert (row.outcome, row.finished_at) == ("interrupted", NOW)


def with_a_section(office: Office, load: Callable[[Any, Batch], dict[str, Any]]) -> None:
    """Somebody's own section comes last, and has nothing to say."""
    more = Section("own", 99, load, lambda *_: None)
    office.shop = replace(office.shop, sections=[*office.shop.sections, more])


@pytest.mark.parametrize("error", [KeyError("dot"), NoResultFound("of what it asked for")])
def test_a_section_that_cannot_load_its_facts_fails_its_batch_and_no_other(
    office: Office, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def load(session: Any, batch: Batch) -> dict[str, Any]:
        if batch.tz.key != "UTC":
            raise error
        return {}

    with_a_section(office, load)
    office.enrol("dot", "eve", timezone="Asia/Tokyo")
    office.plan()
    report, server = office.send()
    assert report.states == {("sent", ""): 3, ("failed", "section"): 2}
    assert len(server.accepted) == 3
    assert office.states()["dot"] == office.states()["eve"] == "failed"
    why = type(error).__name__
    said = [message for name, _, message in caplog.record_tuples if name == "digest.deciding"]
    assert said == [f"section own failed for user dot and 1 more ({why})"]


def test_what_ends_a_run_between_two_batches_lets_what_is_under_way_arrive(office: Office) -> None:
    """Nobody is in doubt, and nobody mailed twice, because of the mails that come after."""

    def load(session: Any, batch: Batch) -> dict[str, Any]:
        if batch.tz.key == "UTC":
            raise MemoryError
        return {}

    with_a_section(office, load)
    office.enrol("dot", timezone="Asia/Tokyo")  # the first by zone
    office.plan()
    office.resettle(batch=1)
    with pytest.raises(MemoryError):
        office.send({".": Wait(0.5, "250 2.0.0 queued")})
    assert office.server.accepted == ["dot@people.example"]
    assert office.states() == {"dot": "sent", "ann": "pending", "ben": "pending", "cem": "pending"}


def test_progress_is_told_of_every_decided_delivery(office: Office) -> None:
    seen: list[int] = []
    office.send(progress=lambda report: seen.append(report.total))
    assert seen == [1, 2, 3]


# --- late ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["pending", "deferred"])
def test_what_an_earlier_run_left_open_is_not_mailed_weeks_late(office: Office, state: str) -> None:
    office.sql(f"UPDATE deliveries SET state = '{state}'")
    weeks_later = NOW + timedelta(weeks=3)
    report, server = office.send(now=weeks_later, scope=Scope())
    assert report.states == {("skipped", "late"): 3}
    assert server.received == []


def test_what_an_earlier_run_left_open_is_mailed_while_it_is_not_too_late(office: Office) -> None:
    report, _ = office.send(now=NOW + office.settings.max_lateness, scope=Scope())
    assert report.states == {("sent", ""): 3}


@pytest.mark.parametrize("state", ["failed", "unknown"])
def test_what_was_opened_again_is_late_only_from_then_on(office: Office, state: str) -> None:
    """Though the server then asks to wait, and the next run knows of no wish."""
    office.sql("UPDATE deliveries SET state = ?", state)
    weeks_later = NOW + timedelta(weeks=3)
    with office.database.writing() as session:
        if state == "failed":
            ledger.reopen(session, State.FAILED, weeks_later)
        else:
            ledger.resolve(session, Decision.RESEND, Scope(), weeks_later)
    report, _ = office.send({"RCPT": to("ben", "451 4.3.0")}, now=weeks_later, scope=Scope())
    assert report.states == {("sent", ""): 2, ("deferred", "transient"): 1}
    report, server = office.send(now=weeks_later + 8 * HOUR, scope=Scope())
    assert (server.accepted, report.states) == (["ben@people.example"], {("sent", ""): 1})
    late = weeks_later + office.settings.max_lateness + timedelta(hours=1)
    office.sql("UPDATE deliveries SET state = 'pending'")
    report, _ = office.send(now=late, scope=Scope())
    assert report.states == {("skipped", "late"): 3}


def test_a_week_that_somebody_asks_for_is_never_too_late(office: Office) -> None:
    report, _ = office.send(now=NOW + timedelta(weeks=30), scope=Scope((WEEK,), wanted=(WEEK,)))
    assert report.states == {("sent", ""): 3}


# --- planning ------------------------------------------------------------------------------------


def test_without_a_week_each_zone_has_its_own_last_full_one(tmp_path: Path) -> None:
    sunday_night = NOW.replace(day=15, hour=12)
    with open_office(tmp_path) as office:
        office.enrol("ann", timezone="Pacific/Auckland", now=sunday_night)
        office.enrol("ben", timezone="America/New_York", now=sunday_night)
        with office.database.writing() as session:
            assert planning.weeks(session, sunday_night) == {
                "America/New_York": "2026-W45",
                "Pacific/Auckland": WEEK,
            }
            assert planning.plan_week(session, sunday_night) == 2
        assert {user: row.period for user, row in office.rows().items()} == {
            "ann": WEEK,
            "ben": "2026-W45",
        }


def test_a_week_is_planned_only_where_it_is_over(tmp_path: Path) -> None:
    """Half a week would be a wrong number, and the ledger would never mend it."""
    sunday_night = NOW.replace(day=15, hour=12)
    with open_office(tmp_path) as office:
        office.enrol("ann", timezone="Pacific/Auckland", now=sunday_night)
        office.enrol("ben", timezone="America/New_York", now=sunday_night)
        with office.database.writing() as session:
            assert planning.plan_week(session, sunday_night, period=WEEK) == 1
        assert set(office.rows()) == {"ann"}
        with office.database.writing() as session, pytest.raises(UsageError, match="not over"):
            planning.plan_week(session, sunday_night, period="2026-W47")


def test_planning_names_the_user_whom_nobody_knows(office: Office) -> None:
    with (
        pytest.raises(UsageError, match="no user zoe"),
        office.database.writing() as session,
    ):
        planning.plan_week(session, NOW, users=["ann", "zoe"])


def test_an_empty_database_is_sent_in_no_time(tmp_path: Path) -> None:
    with open_office(tmp_path) as office:
        report, server = office.send()
        assert (report.total, report.incomplete, server.connections) == (0, False, 0)


def test_a_snapshot_is_kept_before_its_mail_and_used_again(office: Office) -> None:
    office.send({"RCPT": to("ben", "451 4.3.0 later")})
    office.sql("DELETE FROM views")
    ben = office.rows()["ben"]
    _, server = office.send(now=ben.next_attempt_at)
    with office.database.reading() as session:
        kept = snapshots.stored(session, "ben", WEEK)
    assert kept is not None
    assert kept.reach == 3
    assert b"3" in server.received[0].body


@given(st.dictionaries(st.tuples(st.sampled_from(sorted(State)), st.just("")), st.integers(1, 9)))
def test_a_run_is_incomplete_exactly_if_somebody_went_without(
    states: dict[tuple[str, str], int],
) -> None:
    troubled = {"failed", "deferred", "unknown"}
    assert Report(Counter(states)).incomplete == any(state in troubled for state, _ in states)
