"""What CLDR knows of a locale and Babel does not say: digits, grouping, intervals of time."""

from __future__ import annotations

import re
from datetime import date, time, timedelta

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_time
from babel.numbers import format_percent

_GROUPS_LATE = {"es": True, "es_419": False, "pl": True, "pt_PT": True}
"""Whether four digits stand together (CLDR's minimumGroupingDigits, which Babel lacks)."""
_SHORT_MONTH = re.compile("(?<!M)MMM(?!M)")
_ZEROS = {
    "adlm": 0x1E950, "arab": 0x660, "arabext": 0x6F0, "beng": 0x9E6, "cakm": 0x11136,
    "deva": 0x966, "hmnp": 0x1E140, "mtei": 0xABF0, "mymr": 0x1040, "nkoo": 0x7C0,
    "olck": 0x1C50, "tibt": 0xF20,
}  # fmt: skip
"""The digit zero of every numbering system that is some locale's own; Babel has no digits."""


def digits(locale: Locale) -> dict[int, int]:
    """From ASCII digits to those of the locale's default numbering system."""
    zero = _ZEROS.get(locale.default_numbering_system)
    return {48 + digit: zero + digit for digit in range(10)} if zero else {}


def plain_grouping(locale: Locale) -> str | None:
    """The separator of thousands where Python's own grouping agrees with the locale's."""
    if locale.decimal_formats[None].grouping != (3, 3):
        return None
    return str(locale.number_symbols[locale.default_numbering_system]["group"])


def groups_late(locale: Locale) -> bool:
    """What the closest locale that it inherits from says of four digits."""
    name = str(locale)
    while name and name not in _GROUPS_LATE:
        name = get_global("parent_exceptions").get(name) or name.rpartition("_")[0]
    return _GROUPS_LATE.get(name, False)


def percent(value: int, locale: Locale) -> str:
    """Hundredths of something, with the locale's own sign, which Babel does not put in."""
    sign = locale.number_symbols[locale.default_numbering_system].get("percentSign", "%")
    text = format_percent(value / 100, locale=locale, numbering_system="default")
    return text.replace("%", str(sign))


def week(monday: date, locale: Locale) -> str:
    """A week's seven days: CLDR's own interval, with the month in full."""
    sunday = monday + timedelta(days=6)
    month, year = monday.month != sunday.month, monday.year != sunday.year
    skeleton, field = ("yMMMd", "y") if year else ("MMMd", "M" if month else "d")
    formats = locale.interval_formats
    full = skeleton.replace("MMM", "MMMM")
    first, second = formats[full if full in formats else skeleton][field]
    patterns = [_SHORT_MONTH.sub("MMMM", part) for part in (first, second)]
    ends = zip((monday, sunday), patterns, strict=True)
    whole = "".join(format_date(day, pattern, locale=locale) for day, pattern in ends)
    return re.sub("[\u2009\u202f]", " ", whole).replace(" – ", " – " if month else "–")


def hours(start: time, end: time, locale: Locale) -> str:
    """A part of a day: CLDR's own interval, on a clock of twelve hours where that is usual.

    Full hours alone where they have a word beside them (17–19 Uhr), else with their minutes.
    """
    formats = locale.interval_formats
    twelve = "h" in str(locale.time_formats["short"].pattern)
    halves = twelve and (start.hour < 12) != (end.hour < 12)
    full = formats["h"]["a" if halves else "h"] if twelve else formats["H"]["H"]
    worded = any(letter.isalpha() and letter not in "hH" for letter in "".join(full))
    first, second = full if worded else formats["Hm"]["H"]
    whole = format_time(start, first, locale=locale) + format_time(end, second, locale=locale)
    whole = re.sub("[\u2009\u202f]", " ", whole)
    return whole if halves else whole.replace(" – ", "–")
