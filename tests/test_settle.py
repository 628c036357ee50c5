"""Mails in doubt: an operator can list them, see what to look for, and decide."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digest import window
from digest.faults import Point
from tests.office import Ended, Office, counted, ended, message_id, now, open_office, pause, serving
from tests.scripted_smtp import Drop, ScriptedServer

USERS = ["ann", "ben", "cem"]
PERIOD = window.last_full_week(now(), window.zone("UTC"))
WEEK, MONDAY = str(PERIOD), window.week(PERIOD, window.zone("UTC")).start


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        office.enrol(*USERS, now=now(), monday=MONDAY)
        yield office


def digest(office: Office, *words: str) -> Ended:
    return ended(office.start(*words))


def send(office: Office, server: ScriptedServer, **settings: Any) -> Ended:
    words = ("send", "--week", WEEK)
    settings = {"on_unknown": "hold", **settings}
    return ended(office.start(*words, port=server.port, connections=1, **settings))


@pytest.fixture
def doubtful(office: Office) -> ScriptedServer:
    """Every mail was taken and none answered; the server that knows it."""
    with serving({".": lambda _: Drop()}) as server:
        end = send(office, server)
    assert counted(office.states()) == {"unknown": 3}
    assert end.code == 1
    assert "3 mails are in doubt. Which, and what to do about it: digest settle" in end.out
    return server


def test_what_is_in_doubt_is_listed_with_what_the_mail_server_knows_it_by(
    office: Office, doubtful: ScriptedServer
) -> None:
    found = json.loads(digest(office, "settle", "--json").out)
    assert (found["in_doubt"], found["settled"]) == (3, [])
    assert [(row["user"], row["week"]) for row in found["deliveries"]] == [(u, WEEK) for u in USERS]
    assert {row["message_id"] for row in found["deliveries"]} == {
        message_id(message.body).partition(": ")[2] for message in doubtful.received
    }
    said = digest(office, "settle").out
    for row in found["deliveries"]:
        assert row["message_id"] in said
        assert row["since"] == office.rows()[row["user"]].updated_at.isoformat()
    assert office.states() == dict.fromkeys(USERS, "unknown")


@pytest.mark.usefixtures("doubtful")
def test_what_is_in_doubt_is_explained_with_what_to_look_for_and_how_to_decide(
    office: Office,
) -> None:
    said = digest(office, "explain", "ann", "--week", WEEK).out
    assert f", Message-ID {office.rows()['ann'].message_id}" in said
    assert f"digest settle --user ann --week {WEEK} --sent, --resend or --give-up" in said


@pytest.mark.usefixtures("doubtful")
def test_each_decision_is_recorded_and_those_it_does_not_name_stay_in_doubt(office: Office) -> None:
    assert "1 recorded as sent" in digest(office, "settle", "--user", "ann", "--sent").out
    end = digest(office, "settle", "--user", "ben", "--give-up", "--week", WEEK, "--json")
    given_up = json.loads(end.out)
    assert given_up["settled"] == [{"user": "ben", "week": WEEK}]
    assert given_up["in_doubt"] == 0  # of those it was asked about
    nothing = digest(office, "settle", "--week", "2020-W01", "--resend").out
    assert nothing.startswith("0 pending")
    assert "None was in doubt there." in nothing
    found = json.loads(digest(office, "status", "--json").out)
    assert found["states"] == {"failed": 1, "sent": 1, "unknown": 1}
    assert found["reasons"] == {
        "failed:given-up": 1,
        "sent:settled": 1,
        "unknown:connection": 1,
    }
    with serving() as server:
        assert "Nothing to send" in send(office, server).out
        assert digest(office, "settle", "--resend").out.startswith("1 pending again")
        assert office.rows()["cem"].attempts == 1
        send(office, server)
        assert server.accepted == ["cem@people.example"]
    assert digest(office, "settle").out == "Nothing is in doubt.\n"


def test_what_a_dead_run_was_sending_can_be_settled_before_anything_is_sent(office: Office) -> None:
    with serving() as server:
        assert send(office, server, fault=Point.AFTER_REPLY).code == -signal.SIGKILL
        assert digest(office, "settle", "--sent").out.startswith("1 recorded as sent")
        assert send(office, server, on_unknown="resend").code == 0
        assert sorted(server.accepted) == [f"{user}@people.example" for user in USERS]


def test_what_a_killed_process_was_sending_goes_at_once_unless_it_is_held(office: Office) -> None:
    with serving() as server:
        assert send(office, server, fault=Point.AFTER_REPLY).code == -signal.SIGKILL
        send(office, server)
        assert counted(office.states()) == {"sent": 2, "unknown": 1}
        assert send(office, server, on_unknown="resend").code == 0
        assert len(server.accepted) == 4


def test_what_a_broken_connection_left_in_doubt_waits_and_can_no_longer_be_settled(
    office: Office,
) -> None:
    with serving({".": lambda _: Drop()}) as server:
        send(office, server, on_unknown="resend")
    with serving() as server:
        send(office, server, on_unknown="resend")
        assert (server.accepted, counted(office.states())) == ([], {"pending": 3})
    assert digest(office, "settle").out == "Nothing is in doubt.\n"


def test_what_a_live_run_is_sending_cannot_be_settled(office: Office) -> None:
    """Paused with one body under way, and by its lock known to be alive."""
    with serving() as server:
        # With a limit it has nothing left to claim: a pause within a claim would hold a lock.
        words = ("send", "--week", WEEK, "--limit", "3")
        run = office.start(*words, port=server.port, connections=1, fault="marked:1:stop")
        try:
            pause(run)
            assert digest(office, "settle", "--give-up").out.startswith("0 given up")
            assert counted(office.states()) == {"sending": 1, "claimed": 2}
        finally:
            run.send_signal(signal.SIGCONT)
        assert ended(run).code == 0
    assert counted(office.states()) == {"sent": 3}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--sent", "--resend"), "a mail has one fate"),
        (("--user", "nobody", "--sent"), "there is no user nobody"),
        (("--week", "yesterday"), "yesterday"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
@pytest.mark.usefixtures("doubtful")
def test_a_decision_that_is_none_changes_nothing(
    office: Office, words: tuple[str, ...], complaint: str
) -> None:
    end = digest(office, "settle", *words)
    assert end.code == 2
    assert complaint in end.err
    assert counted(office.states()) == {"unknown": 3}


# --- who is in which state -----------------------------------------------------------------------


def test_status_lists_who_is_in_a_state_and_why(office: Office) -> None:
    with serving({"RCPT": ["550 5.7.1 not today", "452 4.2.2 full"]}) as server:
        send(office, server)
    status = ("status", "--week", WEEK)
    (failed,) = json.loads(digest(office, *status, "--state", "failed", "--json").out)["users"]
    assert (failed["user"], failed["reason"]) == ("ann", "policy")
    assert failed["reply"] == "550 5.7.1 not today"
    said = digest(office, *status, "--state", "deferred").out
    assert "ben" in said
    assert "452 4.2.2 full" in said
    assert "in doubt" not in said


def test_status_lists_who_was_not_even_planned(office: Office) -> None:
    with serving() as server:
        ended(office.start("send", "--week", WEEK, "--limit", "1", port=server.port))
    found = json.loads(digest(office, "status", "--state", "unplanned", "--json").out)
    assert found["states"] == {"sent": 1, "unplanned": 2}
    assert found["users"] == [{"user": user, "week": WEEK} for user in USERS[1:]]


@pytest.mark.usefixtures("doubtful")
def test_a_list_is_bounded_and_says_how_many_more_there_are(office: Office) -> None:
    words = ("status", "--state", "unknown", "--limit", "2")
    assert "and 1 more" in digest(office, *words).out
    assert "3 mails are in doubt" in digest(office, *words).out
    assert len(json.loads(digest(office, *words, "--json").out)["users"]) == 2
    settle = json.loads(digest(office, "settle", "--limit", "1", "--json").out)
    assert (settle["in_doubt"], len(settle["deliveries"])) == (3, 1)


def test_a_state_that_does_not_exist_is_named_with_those_that_do(office: Office) -> None:
    end = digest(office, "status", "--state", "lost")
    assert end.code == 2
    assert "there is no state lost" in end.err
    assert "unplanned" in end.err
