"""Who is due: zones, moves, downtime, and who left or may not be mailed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from digest import subscriptions
from digest.models import Subscription, Suppression
from digest.subscriptions import Due
from tests.databases import examples
from tests.office import NOW, Office, open_office

MONDAY_EIGHT = datetime(2026, 11, 16, 8, tzinfo=UTC)
WEEK_LATER = MONDAY_EIGHT + timedelta(weeks=1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


def subscription(office: Office, user: str) -> Any:
    return next(row for row in office.all(Subscription) if row.user_id == user)


def enrol(office: Office, now: datetime = NOW) -> int:
    with office.database.writing() as session:
        return subscriptions.enrol(session, office.settings, now)


def due(office: Office, now: datetime, limit: int = 100) -> list[Due]:
    with office.database.reading() as session:
        return subscriptions.due(session, now, limit)


def move(office: Office, user: str, zone: str) -> None:
    office.sql(f"UPDATE users SET timezone = '{zone}' WHERE id = '{user}'")


# --- enrolment -----------------------------------------------------------------------------------


def test_new_users_are_written_to_next_monday_at_eight_where_they_live(office: Office) -> None:
    office.enrol("ann", timezone="Europe/Berlin")
    office.enrol("ben", timezone=None)
    assert subscription(office, "ann").next_due_at == datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert subscription(office, "ben").next_due_at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert subscription(office, "ben").timezone == "UTC"


def test_enrolling_again_changes_nothing(office: Office) -> None:
    office.enrol("ann", timezone="Europe/Berlin")
    office.enrol("ben", timezone=None)
    before = office.all(Subscription)
    assert enrol(office, NOW + timedelta(days=3)) == 0
    assert office.all(Subscription) == before


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "Europe"])
def test_a_zone_that_nobody_knows_counts_as_none_and_stops_nobody(
    office: Office, zone: str
) -> None:
    """Written by another program, or gone from the zone database since."""
    office.enrol("ann", timezone=zone)
    office.enrol("ben", timezone="Europe/Berlin")
    move(office, "ben", zone)
    enrol(office)
    for user in ("ann", "ben"):
        row = subscription(office, user)
        assert (row.timezone, row.next_due_at) == ("UTC", WEEK_LATER)
    before = office.all(Subscription)
    enrol(office, NOW + timedelta(days=1))
    assert office.all(Subscription) == before


def test_a_subscription_in_a_zone_that_is_gone_is_mended(office: Office) -> None:
    office.enrol("ann", timezone="UTC")
    office.sql("UPDATE users SET timezone = 'Old/Zone'")
    office.sql("UPDATE subscriptions SET timezone = 'Old/Zone'")
    enrol(office)
    assert subscription(office, "ann").timezone == "UTC"
    assert office.plan() == 1


def test_a_subscription_without_a_next_time_gets_one(office: Office) -> None:
    office.enrol("ann", "ben")
    office.sql("UPDATE subscriptions SET next_due_at = NULL WHERE user_id = 'ann'")
    assert due(office, WEEK_LATER) == [Due("ben", "UTC", WEEK_LATER)]
    enrol(office)
    assert subscription(office, "ann").next_due_at == WEEK_LATER
    assert len(due(office, WEEK_LATER)) == 2


# --- moves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("hour", [0, 8, 23])
def test_a_move_takes_effect_at_once(office: Office, hour: int) -> None:
    office.enrol("ann", "ben", timezone="Europe/Berlin")
    office.sql(f"UPDATE subscriptions SET hour = {hour} WHERE user_id = 'ann'")
    move(office, "ann", "Asia/Tokyo")
    enrol(office)
    tokyo = datetime(2026, 11, 23, hour, tzinfo=ZoneInfo("Asia/Tokyo"))
    row = subscription(office, "ann")
    assert (row.timezone, row.next_due_at) == ("Asia/Tokyo", tokyo)
    assert subscription(office, "ben").timezone == "Europe/Berlin"


def test_whoever_moves_east_past_their_hour_still_gets_their_week(office: Office) -> None:
    """Sunday 15:00 in New York is Monday 9:00 in Auckland: eight o'clock was an hour ago."""
    week_before = datetime(2026, 11, 9, 14, tzinfo=UTC)
    office.enrol("ann", timezone="America/New_York", now=week_before)
    now = datetime(2026, 11, 15, 20, tzinfo=UTC)
    move(office, "ann", "Pacific/Auckland")
    enrol(office, now)
    eight = datetime(2026, 11, 15, 19, tzinfo=UTC)
    assert due(office, now) == [Due("ann", "Pacific/Auckland", eight)]


def test_a_move_during_a_downtime_loses_no_week(office: Office) -> None:
    office.enrol("ann", timezone="Europe/Berlin", now=NOW - timedelta(weeks=2))
    move(office, "ann", "Europe/London")
    enrol(office, MONDAY_EIGHT + timedelta(hours=9))
    assert due(office, MONDAY_EIGHT + timedelta(hours=9)) == [
        Due("ann", "Europe/London", MONDAY_EIGHT)
    ]


# --- due -----------------------------------------------------------------------------------------


def test_nobody_is_due_a_moment_too_early(office: Office) -> None:
    office.enrol("ann")
    assert due(office, WEEK_LATER - timedelta(microseconds=1)) == []
    assert due(office, WEEK_LATER) == [Due("ann", "UTC", WEEK_LATER)]


def test_after_a_downtime_the_slot_is_the_latest_and_the_next_is_ahead(office: Office) -> None:
    office.enrol("ann", now=NOW - timedelta(weeks=5))
    later = NOW + timedelta(weeks=2, days=1)
    assert [one.slot for one in due(office, later)] == [MONDAY_EIGHT + timedelta(weeks=2)]
    with office.database.writing() as session:
        subscriptions.advance(session, ["ann"], later)
    assert subscription(office, "ann").next_due_at == MONDAY_EIGHT + timedelta(weeks=3)


def test_whoever_waits_longest_comes_first_and_the_limit_is_kept(office: Office) -> None:
    saturday = NOW - timedelta(days=2)
    office.enrol("ann", timezone="America/New_York", now=saturday)
    office.enrol("ben", timezone="Asia/Tokyo", now=saturday)
    office.enrol("cem", timezone="Europe/Berlin", now=saturday)
    found = due(office, NOW + timedelta(weeks=2), limit=2)
    assert [one.user_id for one in found] == ["ben", "cem"]


def test_whoever_was_deleted_is_not_due(office: Office) -> None:
    office.enrol("ann", "ben")
    office.sql("DELETE FROM users WHERE id = 'ann'")
    assert [one.user_id for one in due(office, WEEK_LATER)] == ["ben"]


def test_only_those_who_were_due_move_on(office: Office) -> None:
    office.enrol("ann", "ben")
    with office.database.writing() as session:
        subscriptions.advance(session, ["ann"], WEEK_LATER)
        subscriptions.advance(session, [], WEEK_LATER)
    assert subscription(office, "ann").next_due_at == WEEK_LATER + timedelta(weeks=1)
    assert subscription(office, "ben").next_due_at == WEEK_LATER


@hypothesis_settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    zone=st.sampled_from(
        [
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Pacific/Auckland",
            "Africa/Cairo",
            "America/Santiago",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Kiritimati",
        ]
    ),
    weekday=st.integers(0, 6),
    hour=st.integers(0, 23),
    start=st.integers(0, 2 * 365 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
)
def test_followed_for_a_year_there_is_one_send_a_week_at_its_hour(
    office: Office, zone: str, weekday: int, hour: int, start: datetime
) -> None:
    """Whatever the clocks do; where the hour does not exist, at the first that does."""
    if not office.all(Subscription):
        office.enrol("ann")
    tz = ZoneInfo(zone)
    office.sql(f"UPDATE users SET timezone = '{zone}'")
    office.sql(
        f"UPDATE subscriptions SET weekday = {weekday}, hour = {hour}, timezone = '{zone}',"
        " next_due_at = NULL"
    )
    enrol(office, start)
    slots = [subscription(office, "ann").next_due_at]
    for _ in range(8):
        with office.database.writing() as session:
            subscriptions.advance(session, ["ann"], slots[-1])
        slots.append(subscription(office, "ann").next_due_at)
    days = [slot.astimezone(tz).date() for slot in slots]
    assert {after - before for before, after in pairwise(days)} == {timedelta(weeks=1)}
    for slot in slots:
        local = slot.astimezone(tz)
        assert local.weekday() == weekday
        missing = local.replace(hour=hour, minute=0, second=0)
        exists = missing.astimezone(UTC).astimezone(tz).hour == hour
        assert not exists or (local.hour, local.minute, local.fold) == (hour, 0, 0)


# --- leaving, coming back, suppression -----------------------------------------------------------


def test_leaving_twice_keeps_the_first_time(office: Office) -> None:
    office.enrol("ann")
    with office.database.writing() as session:
        assert subscriptions.unsubscribe(session, "ann", NOW)
        assert subscriptions.unsubscribe(session, "ann", WEEK_LATER)
        assert not subscriptions.unsubscribe(session, "zoe", NOW)
    assert subscription(office, "ann").unsubscribed_at == NOW


def test_coming_back_begins_with_the_next_week(office: Office) -> None:
    office.enrol("ann")
    with office.database.writing() as session:
        subscriptions.unsubscribe(session, "ann", NOW)
        later = WEEK_LATER + timedelta(days=9)
        assert subscriptions.resubscribe(session, "ann", later)
        assert not subscriptions.resubscribe(session, "zoe", later)
    row = subscription(office, "ann")
    assert (row.unsubscribed_at, row.next_due_at) == (None, WEEK_LATER + timedelta(weeks=2))


def test_a_move_does_not_bring_back_who_left(office: Office) -> None:
    office.enrol("ann")
    with office.database.writing() as session:
        subscriptions.unsubscribe(session, "ann", NOW)
    move(office, "ann", "Asia/Tokyo")
    enrol(office)
    assert subscription(office, "ann").unsubscribed_at == NOW


def test_the_first_reason_of_a_suppression_stays(office: Office) -> None:
    with office.database.writing() as session:
        subscriptions.suppress(session, "ann@people.example", "complaint", NOW)
        subscriptions.suppress(session, "ann@people.example", "hard-bounce", WEEK_LATER, "550")
    (row,) = office.all(Suppression)
    assert (row.reason, row.since, row.detail) == ("complaint", NOW, "")


def test_upcoming_sends_are_in_order_and_leave_out_who_left(office: Office) -> None:
    saturday = NOW - timedelta(days=2)
    office.enrol("ann", timezone="America/New_York", now=saturday)
    office.enrol("ben", timezone="Asia/Tokyo", now=saturday)
    office.enrol("cem")
    with office.database.writing() as session:
        subscriptions.unsubscribe(session, "cem", NOW)
        assert [one.user_id for one in subscriptions.upcoming(session)] == ["ben", "ann"]
        assert [one.user_id for one in subscriptions.upcoming(session, "ann")] == ["ann"]
        assert list(subscriptions.upcoming(session, "cem")) == []
        assert len(list(subscriptions.upcoming(session, limit=1))) == 1
