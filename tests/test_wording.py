"""Numbers, dates and other people's words, as the mail writes them."""

from datetime import date, timedelta

import pytest
from babel import Locale
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from digest.wording import html_list, isolated, numbered, plain_list, wording, wrapped

LOCALES = ["en", "en-US", "en_GB", "en_IN", "en_ZA", "en_CH", "de_DE", "", "xx-nonsense", "ar_EG"]


@given(st.integers(-(10**12), 10**12), st.sampled_from(["en_US", "en_GB", "en_IN", "en_ZA"]))
def test_numbers_are_those_of_the_locale(value: int, locale: str) -> None:
    assert wording(locale).number(value) == format_decimal(value, locale=Locale.parse(locale))


@pytest.mark.parametrize(
    ("locale", "week", "across"),
    [
        ("en", "9–15 November", "30 November – 6 December"),
        ("en-US", "November 9–15", "November 30 – December 6"),
        ("en_GB", "9–15 November", "30 November – 6 December"),
        ("de_DE", "9–15 November", "30 November – 6 December"),
        ("xx-nonsense", "9–15 November", "30 November – 6 December"),
    ],
)
def test_a_week_is_written_as_its_reader_writes_dates(locale: str, week: str, across: str) -> None:
    words = wording(locale)
    assert (words.week(date(2026, 11, 9)), words.week(date(2026, 11, 30))) == (week, across)


def test_a_week_across_two_years_names_both() -> None:
    assert wording("en").week(date(2026, 12, 28)) == "28 December 2026 – 3 January 2027"


@given(st.dates(date(2000, 1, 3), date(2060, 1, 1)), st.sampled_from(LOCALES))
def test_every_week_can_be_written_in_every_locale(day: date, locale: str) -> None:
    monday = day - timedelta(days=day.weekday())
    assert "–" in wording(locale).week(monday)


def test_nouns_agree_with_their_numbers() -> None:
    words = wording("en")
    assert words.count(1, "person", "people") == "1 person"
    assert words.count(0, "person", "people") == "0 people"
    assert words.count(1284, "person", "people") == "1,284 people"


def test_places_are_ordinals() -> None:
    places = [wording("en").ordinal(place) for place in (1, 2, 3, 4, 11, 12, 13, 21, 111)]
    assert places == ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "111th"]


def test_multiples_have_one_decimal_only_below_three() -> None:
    words = wording("en")
    assert [words.times(ratio) for ratio in (1.52, 2.04, 2.96, 3.4, 12.6)] == [
        *("1.5", "2", "3", "3", "13")
    ]


def test_the_month_of_an_archive_post_has_its_year_when_it_is_another() -> None:
    now = date(2026, 11, 9)
    assert wording("en").month("2026-03-02", now) == "March"
    assert wording("en").month("2024-03-02", now) == "March 2024"


def test_a_chart_marks_the_first_best_day_and_leaves_a_day_without_views_unnumbered() -> None:
    counts = [0, 30, 120, 120, 1, 0, 60]
    days = [{"date": f"2026-11-{9 + n:02}", "count": c} for n, c in enumerate(counts)]
    bars = wording("en").bars(days)
    assert [bar.best for bar in bars] == [False, False, True, False, False, False, False]
    assert [bar.figure for bar in bars] == ["", "30", "120", "120", "1", "", "60"]
    assert [bar.label for bar in bars] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert [bar.name for bar in bars][:2] == ["Monday", "Tuesday"]
    assert bars[2].pixels == 2 * bars[6].pixels == 84
    assert (bars[4].pixels, bars[4].hashes, bars[0].hashes) == (3, "#", "")


def test_there_is_no_chart_of_next_to_nothing() -> None:
    assert wording("en").bars(None) == []
    days = [{"date": f"2026-11-{9 + n:02}", "count": n == 3} for n in range(7)]
    assert wording("en").bars(days) == []


def test_very_large_counts_are_short_in_a_chart() -> None:
    (bar,) = wording("en").bars([{"date": "2026-11-09", "count": 1_234_567}])
    assert bar.figure == "1.2M"


@given(st.text(st.sampled_from("ab é\u00a0\n"), max_size=400), st.integers(0, 6))
def test_wrapping_keeps_every_word_and_the_width(text: str, indent: int) -> None:
    out = wrapped(text, " " * indent, 40)
    assert all(len(line) <= 40 for line in out.split("\n"))
    assert out.replace("\n", "").replace(" ", "") == text.replace("\n", "").replace(" ", "")
    assert all(line == line.rstrip(" ") for line in out.split("\n"))


def test_a_numbered_entry_hangs_under_its_first_line() -> None:
    lines = numbered(2, "word " * 30).split("\n")
    assert lines[0].startswith("2. word")
    assert lines[1].startswith("   word")


def test_names_stand_in_a_row_as_people_say_them() -> None:
    assert plain_list([], " and ") == ""
    assert plain_list(["Noor"], " and ") == "Noor"
    assert plain_list(["Noor", "Tomás"], " and ") == "Noor and Tomás"
    assert plain_list(["Ada", "Grace"], " and ", "12 others") == "Ada, Grace and 12 others"


def test_names_cannot_break_out_of_the_html() -> None:
    assert html_list(["<b>", "A&B"], " & ") == (
        '<span dir="auto">&lt;b&gt;</span> &amp; <span dir="auto">A&amp;B</span>'
    )


def test_only_right_to_left_text_is_isolated() -> None:
    assert isolated("Noor") == "Noor"
    assert isolated("יעל") == "\u2068יעל\u2069"
