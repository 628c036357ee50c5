"""Numbers, dates and other people's words, as the mail writes them."""

import re
from datetime import date, timedelta

import pytest
from babel import Locale
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from digest.folders import catalogue_folders
from digest.languages import Languages
from digest.lines import columns, heading, wrapped
from digest.wording import Bar

wording = Languages(catalogue_folders()).wording
LOCALES = [
    "en",
    "en-US",
    "en_GB",
    "en_IN",
    "en_ZA",
    "de_AT",
    "es",
    "fr_CA",
    "ja",
    "ar",
    "ar_EG",
    "",
]


@given(st.integers(-(10**12), 10**12), st.sampled_from(["en_US", "en_GB", "en_IN", "en_ZA"]))
def test_numbers_are_those_of_the_locale(value: int, locale: str) -> None:
    assert wording(locale).number(value) == format_decimal(value, locale=Locale.parse(locale))


@pytest.mark.parametrize(
    ("locale", "week", "across"),
    [
        ("en", "9–15 November", "30 November – 6 December"),
        ("en-US", "November 9–15", "November 30 – December 6"),
        ("en_GB", "9–15 November", "30 November – 6 December"),
        ("de_DE", "9.–15. November", "30. November – 6. Dezember"),
        ("es", "9–15 de noviembre", "30 de noviembre – 6 de diciembre"),
        ("fr", "9–15 novembre", "30 novembre – 6 décembre"),
        ("ja", "11月9日～15日", "11月30日～12月6日"),
        ("ar", "9–15 نوفمبر", "30 نوفمبر – 6 ديسمبر"),
        ("ar_EG", "٩–١٥ نوفمبر", "٣٠ نوفمبر – ٦ ديسمبر"),
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
    assert set("–～") & set(wording(locale).week(monday))


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
    lines = wording("en").numbered(2, "word " * 30).split("\n")
    assert lines[0].startswith("2. word")
    assert lines[1].startswith("   word")


NAMES = ["Ada", "Grace", "Edsger"]


@pytest.mark.parametrize(
    ("locale", "row"),
    [
        ("en", "Ada, Grace and Edsger"),
        ("en_US", "Ada, Grace, and Edsger"),
        ("de", "Ada, Grace und Edsger"),
        ("es", "Ada, Grace y Edsger"),
        ("fr", "Ada, Grace et Edsger"),
        ("ja", "Ada、Grace、Edsger"),
        ("ar", "\u2068Ada\u2069 و\u2068Grace\u2069 و\u2068Edsger\u2069"),
    ],
)
def test_names_stand_in_a_row_as_people_say_them(locale: str, row: str) -> None:
    words = wording(locale)
    assert words.plain_names(NAMES) == row
    assert words.plain_names([]) == ""
    assert words.plain_names(["Ada"]) == words.isolated("Ada")


def test_those_who_are_not_named_are_counted_at_the_end() -> None:
    assert wording("en").plain_names(["Ada", "Grace"], "12 others") == "Ada, Grace and 12 others"
    assert wording("en").html_names([], "1 < 2") == "1 &lt; 2"


def test_names_cannot_break_out_of_the_html() -> None:
    assert wording("en").html_names(["<b>", "A&{0}"]) == (
        '<span dir="auto">&lt;b&gt;</span> and <span dir="auto">A&amp;{0}</span>'
    )


def test_only_text_of_the_other_direction_is_isolated() -> None:
    assert wording("en").isolated("Noor") == "Noor"
    assert wording("en").isolated("يعل") == "\u2068يعل\u2069"
    assert wording("ar").isolated("Noor") == "\u2068Noor\u2069"
    assert wording("ar").isolated("نور") == "نور"


@pytest.mark.parametrize(
    ("locale", ("figures")),
    [
        ("en", ("1,284", "1,234,567", "2.4", "62%", "1.2M")),
        ("de", ("1.284", "1.234.567", "2,4", "62\u00a0%", "1,2 Mio.")),
        ("es", ("1284", "1.234.567", "2,4", "62\u00a0%", "1,2 M")),
        ("es_MX", ("1,284", "1,234,567", "2.4", "62%", "1.2 M")),
        ("fr", ("1\u202f284", "1\u202f234\u202f567", "2,4", "62\u00a0%", "1,2 M")),
        ("ja", ("1,284", "1,234,567", "2.4", "62%", "123.5万")),
        ("ar", ("1,284", "1,234,567", "2.4", "62\u200e%\u200e", "1.2 مليون")),
        ("ar_EG", ("١٬٢٨٤", "١٬٢٣٤٬٥٦٧", "٢٫٤", "٦٢٪\u061c", "١٫٢ مليون")),
        ("hi_IN", ("1,284", "1,234,567", "2.4", "62%", "1.2M")),
    ],
)
def test_figures_are_those_of_cldr(locale: str, figures: tuple[str, ...]) -> None:
    words = wording(locale)
    (bar,) = words.bars([{"date": "2026-11-09", "count": 1_234_567}])
    said = words.number(1284), words.number(1_234_567), words.times(2.4), words.percent(62)
    assert (*said, bar.figure) == figures


@pytest.mark.parametrize("locale", ["en", "ja", "ar", "de", "es", "fr", "ar_EG"])
def test_names_of_days_and_months_stay_in_their_language_whoever_came_before(locale: str) -> None:
    """Babel 2.18 lends “stand-alone” names of the first locale that asked to the others."""
    expected = {
        "en": ("March", "March 2024", "Monday"),
        "de": ("März", "März 2024", "Montag"),
        "es": ("marzo", "marzo de 2024", "lunes"),
        "fr": ("mars", "mars 2024", "lundi"),
        "ja": ("3月", "2024年3月", "月曜日"),
        "ar": ("مارس", "مارس 2024", "الاثنين"),
        "ar_EG": ("مارس", "مارس ٢٠٢٤", "الاثنين"),
    }
    words, now = wording(locale), date(2026, 11, 9)
    said = words.month("2026-03-02", now), words.month("2024-03-02", now), words.weekday(0)
    assert said == expected[locale]


@pytest.mark.parametrize(
    ("locale", "places"),
    [
        ("de", ["Platz 1", "Platz 2", "Platz 3", "Platz 11"]),
        ("es", ["1.ª", "2.ª", "3.ª", "11.ª"]),
        ("fr", ["1re", "2e", "3e", "11e"]),
        ("ja", ["1位", "2位", "3位", "11位"]),
        ("ar_EG", ["المرتبة ١", "المرتبة ٢", "المرتبة ٣", "المرتبة ١١"]),
    ],
)
def test_places_are_said_as_the_language_says_them(locale: str, places: list[str]) -> None:
    assert [wording(locale).ordinal(place) for place in (1, 2, 3, 11)] == places


COUNTS = (0, 1, 2, 3, 5, 11, 21, 100)


NOUNS = """
en: 0 people, 1 person, 2 people, 3 people, 5 people, 11 people, 21 people, 100 people
de: 0 Personen, 1 Person, 2 Personen, 3 Personen, 5 Personen, 11 Personen, 21 Personen, 100 Personen
es: 0 personas, 1 persona, 2 personas, 3 personas, 5 personas, 11 personas, 21 personas, 100 personas
fr: 0 personne, 1 personne, 2 personnes, 3 personnes, 5 personnes, 11 personnes, 21 personnes, 100 personnes
ja: 0人, 1人, 2人, 3人, 5人, 11人, 21人, 100人
ar: 0 شخص, شخص واحد, شخصان, 3 أشخاص, 5 أشخاص, 11 شخصًا, 21 شخصًا, 100 شخص
"""  # noqa: E501


@pytest.mark.parametrize(("locale", "people"), re.findall("(..): (.+)", NOUNS))
def test_nouns_take_the_form_that_their_number_asks_for(locale: str, people: str) -> None:
    words = wording(locale)
    assert [words.amount(count, "reach") for count in COUNTS] == people.split(", ")
    assert [words.count(count, "person", "people") for count in COUNTS] == people.split(", ")


def test_a_range_says_both_ends_once() -> None:
    words = wording("en")
    assert words.between(640, 980, "reach") == "640–980 people"
    assert words.between(0, 1, "views") == "up to 1 view"
    assert words.between(4, 4, "reactions") == "4 reactions"
    assert wording("ar_EG").between(3, 11, "reach") == "٣–١١ شخصًا"


def test_headings_of_plain_text_are_told_by_capitals_or_marks() -> None:
    assert heading("Most viewed") == "MOST VIEWED"
    assert heading("Größte Woche") == "GRÖSSTE WOCHE"
    assert heading("今週") == "== 今週 =="


@given(st.text(st.sampled_from("ab 、。「」月火水ー"), max_size=300), st.integers(0, 6))
def test_japanese_is_wrapped_by_columns_and_keeps_every_character(text: str, indent: int) -> None:
    out = wrapped(text, " " * indent, 40)
    assert all(columns(line) <= 40 for line in out.split("\n"))
    assert out.replace("\n", "").replace(" ", "") == text.replace(" ", "")


def test_no_line_of_japanese_begins_with_a_full_stop() -> None:
    lines = wrapped("投稿を見た人は増えました。" * 12, "", 40).split("\n")
    assert len(lines) > 5
    assert not any(line[0] in "、。" for line in lines)


def test_the_columns_of_a_drawn_chart_are_aligned_whatever_the_names_of_days() -> None:
    days = [{"date": f"2026-11-{9 + n:02}", "count": 10 * n} for n in range(7)]
    for locale in ("en", "de", "ja", "ar"):
        words = wording(locale)
        chart: list[Bar] = words.bars(days)
        ends = {columns(line[: line.index("#")]) for line in words.drawn(chart) if "#" in line}
        assert len(ends) == 1, locale
