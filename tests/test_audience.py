"""Every gate between a user and their mail: what it asks, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest import audience, subscriptions
from digest.audience import Author, Gate
from digest.models import State
from digest.window import Period
from tests.office import MONDAY, NOW, WEEK, Office, open_office

PASSED = ["subscribed", "address", "not suppressed", "one mailbox", "has posts"]
PASSED += ["no break", "chosen week", "cadence"]
UTC_ZONE = ZoneInfo("UTC")
END = MONDAY + timedelta(weeks=1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        office.enrol("ann", "ben")
        yield office


def author(office: Office, user: str = "ann") -> Author:
    with office.database.reading() as session:
        return audience.authors(session, [user], END)[user]


def stop(office: Office, user: str = "ann") -> Gate | None:
    return next((gate for gate in gates(office, user) if not gate.passed), None)


def gates(office: Office, user: str = "ann", period: str = WEEK) -> list[Gate]:
    return audience.gates(author(office, user), Period.parse(period), UTC_ZONE)


def test_who_wants_and_can_have_the_mail_passes_every_gate(office: Office) -> None:
    assert [gate.name for gate in gates(office)] == PASSED
    assert all(gate.passed for gate in gates(office))


def test_who_left_is_stopped_first_and_told_when(office: Office) -> None:
    with office.database.writing() as session:
        subscriptions.unsubscribe(session, "ann", NOW)
    office.sql("UPDATE users SET email_key = NULL")
    gate = stop(office)
    assert gate is not None
    assert (gate.name, gate.state, gate.reason) == ("subscribed", State.SKIPPED, "unsubscribed")
    assert gate.fact == "left on 2026-11-16 09:00 UTC"


def test_an_address_that_no_server_takes_fails(office: Office) -> None:
    office.sql("UPDATE users SET email = 'nowhere', email_key = NULL WHERE id = 'ann'")
    gate = stop(office)
    assert gate is not None
    assert (gate.name, gate.state, gate.reason) == ("address", State.FAILED, "unusable-address")


def test_a_suppressed_address_keeps_its_reason_and_day(office: Office) -> None:
    with office.database.writing() as session:
        subscriptions.suppress(session, "ann@people.example", "complaint", NOW)
    gate = stop(office)
    assert gate is not None
    assert (gate.state, gate.reason) == (State.SUPPRESSED, "complaint")
    assert gate.fact == "suppressed on 2026-11-16: complaint"
    assert stop(office, "ben") is None


def test_of_two_users_with_one_mailbox_the_first_is_mailed(office: Office) -> None:
    office.sql("UPDATE users SET email_key = 'ann@people.example' WHERE id = 'ben'")
    assert stop(office, "ann") is None
    gate = stop(office, "ben")
    assert gate is not None
    assert (gate.name, gate.reason) == ("one mailbox", "duplicate-address")


def test_a_reader_with_the_same_mailbox_takes_no_authors_mail_away(office: Office) -> None:
    """Whoever never posted gets no mail, and so cannot be the one who gets it instead."""
    office.sql("UPDATE users SET email_key = 'ann@people.example' WHERE id = 'ben'")
    office.sql("DELETE FROM views WHERE post_id = 'p-ann'")
    office.sql("DELETE FROM posts WHERE id = 'p-ann'")
    assert stop(office, "ben") is None
    gate = stop(office, "ann")
    assert gate is not None
    assert gate.reason == "no-posts"


def test_addresses_that_no_server_takes_are_not_one_mailbox(office: Office) -> None:
    office.sql("UPDATE users SET email_key = NULL")
    assert not author(office, "ben").double


def test_who_never_posted_is_skipped(office: Office) -> None:
    office.sql("DELETE FROM posts")
    gate = stop(office)
    assert gate is not None
    assert (gate.name, gate.reason) == ("has posts", "no-posts")


def test_users_without_a_subscription_are_known_and_strangers_are_not(office: Office) -> None:
    office.sql("DELETE FROM subscriptions WHERE user_id = 'ann'")
    with office.database.reading() as session:
        found = audience.authors(session, ["ann", "zoe"], END)
    assert list(found) == ["ann"]
    assert (found["ann"].weekday, found["ann"].locale) == (0, "")


def test_instants_of_an_author_are_utc(office: Office) -> None:
    office.sql("INSERT INTO suppressions VALUES ('ann@people.example', 'x', '2026-01-02', '')")
    office.sql("UPDATE suppressions SET since = '2026-01-02 03:04:05.000000'")
    assert author(office).suppressed_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "quiet", "before", "passed"),
    [
        ("once", False, False, True),
        ("once", True, False, True),
        ("once", True, True, False),
        ("always", True, True, True),
        ("never", True, False, False),
        ("never", False, True, True),
    ],
)
def test_a_quiet_week_is_mailed_as_the_policy_says(
    policy: str, quiet: bool, before: bool, passed: bool
) -> None:
    gate = audience.activity(quiet=quiet, quiet_before=before, policy=policy)
    assert gate.passed == passed
    assert passed or gate.reason == "quiet"
    assert gate.fact
