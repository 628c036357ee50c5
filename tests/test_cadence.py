"""Which weeks bring a mail: by choice, by a break, and while nobody posts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.cadence import EVERY_WEEK, WEEKS, Cadence, Frequency
from digest.window import Period

WEEK = Period(2026, 46)
weeks = st.integers(-2000, 2000).map(WEEK.shift)


def mailed(cadence: Cadence, posted: Period | None, number: int = 24) -> list[int]:
    """How many weeks after :data:`WEEK` there is a mail."""
    return [n for n in range(number) if cadence.mails(WEEK.shift(n), posted)]


@given(weeks, st.sampled_from(Frequency))
def test_mails_stand_the_same_distance_apart_over_every_turn_of_the_year(
    anchor: Period, frequency: Frequency
) -> None:
    cadence = Cadence(frequency, anchor)
    found = [n for n in range(120) if cadence.mails(anchor.shift(n), None)]
    assert found == list(range(0, 120, WEEKS[frequency]))


@given(weeks, weeks)
def test_the_week_one_counts_from_may_be_before_or_after(anchor: Period, week: Period) -> None:
    cadence = Cadence(Frequency.FORTNIGHTLY, anchor)
    assert cadence.includes(week) != cadence.includes(week.shift(1))
    assert cadence.includes(week) == cadence.includes(week.shift(-2))


def test_a_year_of_53_weeks_does_not_bring_two_mails_in_a_row() -> None:
    cadence = Cadence(Frequency.FORTNIGHTLY, Period(2026, 51))
    assert [str(p) for p in map(Period(2026, 51).shift, range(5)) if cadence.includes(p)] == [
        "2026-W51",
        "2026-W53",
        "2027-W02",
    ]


def test_without_a_week_to_count_from_every_week_is_included() -> None:
    assert Cadence(Frequency.MONTHLY).includes(WEEK)


def test_a_break_ends_by_itself_and_the_rhythm_goes_on_as_before() -> None:
    cadence = Cadence(Frequency.FORTNIGHTLY, WEEK, paused_through=WEEK.shift(3))
    assert mailed(cadence, None, 9) == [4, 6, 8]


def test_who_does_not_post_hears_less_often_and_never_nothing() -> None:
    assert mailed(EVERY_WEEK, WEEK, 33) == [*range(9), 10, 12, 14, 16, 20, 24, 28, 32]


@pytest.mark.parametrize(("silent", "apart"), [(7, 1), (8, 2), (15, 2), (16, 4), (500, 4)])
def test_mails_become_fewer_after_eight_weeks_and_after_sixteen(silent: int, apart: int) -> None:
    assert EVERY_WEEK.eased(WEEK.shift(silent), WEEK) == apart


@pytest.mark.parametrize("stage", [8, 16])
def test_the_first_week_of_a_stage_is_mailed_because_its_mail_says_what_follows(
    stage: int,
) -> None:
    first = WEEK.shift(stage)
    assert EVERY_WEEK.eased(first.shift(-1), WEEK) < EVERY_WEEK.eased(first, WEEK)
    assert EVERY_WEEK.mails(first, WEEK)


@pytest.mark.parametrize(
    "cadence",
    [
        Cadence(adaptive=False),
        Cadence(Frequency.EVENTFUL),
        Cadence(Frequency.FORTNIGHTLY, WEEK),
        Cadence(Frequency.MONTHLY, WEEK),
    ],
    ids=["kept weekly", "eventful", "fortnightly", "monthly"],
)
def test_whoever_chose_is_not_eased(cadence: Cadence) -> None:
    assert cadence.eased(WEEK.shift(30), WEEK) == 1
    assert mailed(cadence, WEEK.shift(-30)) == mailed(cadence, None)


def test_an_unknown_time_of_posting_is_no_silence() -> None:
    assert mailed(EVERY_WEEK, None) == list(range(24))
    assert EVERY_WEEK.mails(WEEK.shift(-3), WEEK)
