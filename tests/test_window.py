"""Windows, weeks and due times, where clocks do what they do."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import window
from digest.errors import UsageError
from digest.window import Period, Window
from tests.databases import examples

HOUR = timedelta(hours=1)
# "Factory" is the name for a zone that nobody has set; "localtime" is this machine's.
ZONES = sorted(available_timezones() - {"Factory", "localtime"})
zones = st.sampled_from(ZONES)
seconds = st.integers(0, 37 * 365 * 86_400)
instants = seconds.map(lambda n: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
periods = st.dates(date(2000, 1, 3), date(2037, 1, 1)).map(Period.of)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- periods -------------------------------------------------------------------------------------


def test_a_period_is_written_as_it_is_read() -> None:
    assert str(Period.parse("2026-W46")) == "2026-W46"
    assert Period.parse("2026-W46").monday == date(2026, 11, 9)


def test_the_53rd_week_exists_only_in_long_years() -> None:
    assert Period.parse("2026-W53").monday == date(2026, 12, 28)
    with pytest.raises(UsageError, match="no week 2025-W53"):
        Period.parse("2025-W53")


@pytest.mark.parametrize(
    "text",
    ["", "2026-46", "2026-W00", "2026-W54", "2026W46", "26-W46", " 2026-W46", "2026-W46\n",
     "0000-W01", "9999-W52", "٢٠٢٦-W46"],
)  # fmt: skip
def test_what_is_not_a_week_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Period.parse(text)
    assert caught.value.hint


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    assert Period.of(date(2027, 1, 3)) == Period(2026, 53)
    assert Period.of(date(2024, 12, 30)) == Period(2025, 1)


@given(periods, st.integers(-500, 500))
def test_shifting_back_and_forth_ends_where_it_began(period: Period, weeks: int) -> None:
    assert period.shift(weeks).shift(-weeks) == period
    assert (period.shift(1) > period) is True


def test_periods_sort_by_time() -> None:
    assert Period(2026, 53) < Period(2027, 1) < Period(2027, 2)


# --- zones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a\0b"])
def test_a_name_that_is_no_zone_is_refused_with_a_hint(name: str) -> None:
    with pytest.raises(UsageError, match="is not a time zone") as caught:
        window.zone(name)
    assert "Europe/Berlin" in caught.value.hint


# --- weeks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "period", "hours"),
    [
        ("Europe/Berlin", "2026-W46", 168),
        ("Europe/Berlin", "2026-W13", 167),
        ("Europe/Berlin", "2026-W43", 169),
        ("America/New_York", "2026-W10", 167),
        ("America/New_York", "2026-W44", 169),
        ("Pacific/Auckland", "2026-W14", 169),
        ("Pacific/Auckland", "2026-W39", 167),
        ("Africa/Cairo", "2026-W17", 167),
        ("Asia/Kolkata", "2026-W13", 168),
        ("UTC", "2026-W43", 168),
    ],
)
def test_a_week_lasts_as_long_as_the_clocks_say(zone: str, period: str, hours: float) -> None:
    week = window.week(Period.parse(period), window.zone(zone))
    assert week.end - week.start == hours * HOUR


def test_a_week_where_clocks_move_half_an_hour() -> None:
    lord_howe = window.zone("Australia/Lord_Howe")
    spring = window.week(Period.of(date(2026, 10, 4)), lord_howe)
    autumn = window.week(Period.of(date(2026, 4, 5)), lord_howe)
    assert spring.end - spring.start == 167.5 * HOUR
    assert autumn.end - autumn.start == 168.5 * HOUR


def test_the_day_that_apia_skipped_has_no_length() -> None:
    """Samoa went from 29 to 31 December 2011, over the date line."""
    apia = window.zone("Pacific/Apia")
    midnights = window.days(Period.of(date(2011, 12, 30)), apia)
    lengths = [after - before for before, after in pairwise(midnights)]
    assert lengths == [24 * HOUR] * 4 + [timedelta(0)] + [24 * HOUR] * 2
    assert midnights[4] == midnights[5] == utc("2011-12-30T10:00")


@pytest.mark.parametrize(
    ("zone", "day", "midnight"),
    [
        # Clocks go from 00:00 to 01:00: the day begins at 01:00.
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00"),
        ("Asia/Beirut", date(2026, 3, 29), "2026-03-28T22:00"),
        # Clocks go from 24:00 back to 23:00: the day begins once, at its only midnight in Cairo.
        ("Africa/Cairo", date(2026, 10, 30), "2026-10-29T22:00"),
        # Clocks go from 01:00 back to 00:00: midnight comes twice, and the first one counts.
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00"),
    ],
)
def test_a_day_begins_once_where_clocks_change_at_midnight(
    zone: str, day: date, midnight: str
) -> None:
    days = window.days(Period.of(day), window.zone(zone))
    assert days[day.weekday()] == utc(midnight)


def test_a_window_holds_its_start_and_not_its_end() -> None:
    one = Window(utc("2026-11-09T00:00"), utc("2026-11-16T00:00"))
    assert one.start in one
    assert one.end not in one
    assert one.end - timedelta(microseconds=1) in one


@settings(max_examples=examples(400))
@given(zones, periods)
def test_days_and_weeks_are_contiguous_in_every_zone(name: str, period: Period) -> None:
    tz = window.zone(name)
    midnights = window.days(period, tz)
    week = window.week(period, tz)
    assert len(midnights) == 8
    assert list(midnights) == sorted(midnights)
    assert (midnights[0], midnights[7]) == (week.start, week.end)
    assert week.end == window.week(period.shift(1), tz).start
    assert timedelta(days=5.9) < week.end - week.start < timedelta(days=8.1)


@settings(max_examples=examples(400))
@given(zones, instants)
def test_every_instant_lies_in_the_week_of_its_local_day(name: str, now: datetime) -> None:
    tz = window.zone(name)
    assert now in window.week(Period.of(now.astimezone(tz).date()), tz)


@settings(max_examples=examples(400))
@given(zones, instants)
def test_the_last_full_week_is_over_and_the_next_one_is_not(name: str, now: datetime) -> None:
    tz = window.zone(name)
    last = window.last_full_week(now, tz)
    assert window.week(last, tz).end <= now < window.week(last.shift(1), tz).end


# --- instants ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),
        ("Pacific/Apia", "2011-12-30T08:00", "2011-12-30T10:00"),
    ],
)
def test_a_time_that_does_not_exist_moves_on_and_a_repeated_one_is_taken_first(
    zone: str, local: str, expected: str
) -> None:
    assert window.instant(datetime.fromisoformat(local), window.zone(zone)) == utc(expected)


@settings(max_examples=examples(400))
@given(zones, instants)
def test_an_instant_is_the_first_that_shows_its_local_time(name: str, now: datetime) -> None:
    tz = window.zone(name)
    local = now.astimezone(tz).replace(tzinfo=None)
    assert window.instant(local, tz) <= now
    assert window.instant(local, tz).astimezone(tz).replace(tzinfo=None) == local


# --- due times -----------------------------------------------------------------------------------


def test_the_next_due_time_is_the_readers_local_hour() -> None:
    berlin = window.zone("Europe/Berlin")
    due = window.next_due(utc("2026-11-11T12:00"), weekday=0, hour=8, tz=berlin)
    assert due == utc("2026-11-16T07:00")
    assert window.next_due(due, weekday=0, hour=8, tz=berlin) == utc("2026-11-23T07:00")
    assert window.next_due(due - HOUR, weekday=0, hour=8, tz=berlin) == due


def test_the_local_hour_stays_when_the_clocks_change() -> None:
    berlin = window.zone("Europe/Berlin")
    dues = [window.next_due(utc("2026-03-20T00:00"), weekday=0, hour=8, tz=berlin)]
    dues.append(window.next_due(dues[0], weekday=0, hour=8, tz=berlin))
    assert dues == [utc("2026-03-23T07:00"), utc("2026-03-30T06:00")]


def test_a_due_hour_that_does_not_exist_is_the_first_one_that_does() -> None:
    berlin = window.zone("Europe/Berlin")
    assert window.next_due(utc("2026-03-28T00:00"), weekday=6, hour=2, tz=berlin) == utc(
        "2026-03-29T01:00"
    )


def test_a_due_hour_that_happens_twice_is_due_once() -> None:
    berlin = window.zone("Europe/Berlin")
    first = window.next_due(utc("2026-10-24T00:00"), weekday=6, hour=2, tz=berlin)
    assert first == utc("2026-10-25T00:00")
    assert window.next_due(first, weekday=6, hour=2, tz=berlin) == utc("2026-11-01T01:00")


@settings(max_examples=examples(600))
@given(zones, instants, st.integers(0, 6), st.integers(0, 23))
def test_the_next_due_time_is_later_and_near_and_the_last_one_is_not_later(
    name: str, now: datetime, weekday: int, hour: int
) -> None:
    tz = window.zone(name)
    after = window.next_due(now, weekday=weekday, hour=hour, tz=tz)
    before = window.last_due(now, weekday=weekday, hour=hour, tz=tz)
    assert before <= now < after <= now + timedelta(days=8)
    assert window.next_due(before, weekday=weekday, hour=hour, tz=tz) == after


def test_every_zone_has_exactly_one_due_time_a_week_over_three_years() -> None:
    """Walks from due time to due time, as the daemon does, in every zone, through three years."""
    start, end = utc("2025-01-06T12:00"), utc("2028-01-10T12:00")
    for number, name in enumerate(ZONES):
        weekday, hour, tz = number * 5 % 7, number * 7 % 24, ZoneInfo(name)
        dues = [window.next_due(start, weekday=weekday, hour=hour, tz=tz)]
        while dues[-1] < end:
            dues.append(window.next_due(dues[-1], weekday=weekday, hour=hour, tz=tz))
        weeks = [Period.of(due.astimezone(tz).date()) for due in dues]
        assert weeks == [weeks[0].shift(n) for n in range(len(weeks))], name
