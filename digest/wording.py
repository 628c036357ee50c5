"""How the mail writes numbers, dates, names and what people wrote: the vocabulary of its templates.

Numbers and dates follow CLDR (through Babel) in the reader's kind of English; a reader of another
language gets world English, because the sentences around them are English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, get_day_names
from babel.numbers import format_compact_decimal, format_decimal
from markupsafe import Markup, escape

from digest.text import shorten

LANGUAGE = "en"
WORLD_ENGLISH = "en_001"
LOCALES = ("en", "en_GB", "en_US")
"""What a reader can choose to be written to in."""

_WORD = re.compile(r"[^ \t\r\n]+")
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
_CHART_FROM = 5
_BAR_PIXELS = 84
_BAR_HASHES = 24
_RTL = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


class Bar(NamedTuple):
    """One day of a chart: its figure, names, and its size in pixels and in characters."""

    seen: bool
    figure: str
    label: str
    name: str
    pixels: int
    hashes: str
    best: bool


class Wording:
    """The words of one locale; make it with :func:`wording`, which keeps them."""

    def __init__(self, locale: str) -> None:
        self._locale = Locale.parse(locale)
        self._names = dict(get_day_names("wide", "stand-alone", self._locale))
        self._labels = dict(get_day_names("abbreviated", "stand-alone", self._locale))
        self._grouped = _plain_grouping(self._locale)

    def number(self, value: int) -> str:
        """A whole number, grouped: 1,284."""
        if self._grouped is not None and value >= 0:
            return f"{value:,}".replace(",", self._grouped)
        return _decimal(value, self._locale)

    def count(self, value: int, one: str, many: str) -> str:
        """A number with its noun: 1 person, 612 people."""
        return f"{self.number(value)} {one if value == 1 else many}"

    def times(self, ratio: float) -> str:
        """How many times as much, with one decimal below three: 2.4, 3, 12."""
        return _decimal(round(ratio, 1) if ratio < 3 else round(ratio), self._locale)

    def ordinal(self, place: int) -> str:
        """A place in English: 1st, 2nd, 11th."""
        ending = "th" if place % 100 in {11, 12, 13} else _ENDINGS.get(place % 10, "th")
        return f"{self.number(place)}{ending}"

    def bars(self, days: Sequence[Mapping[str, Any]] | None) -> list[Bar]:
        """The bars of a chart, the first highest day marked; none for next to nothing."""
        counts = [day["count"] for day in days or ()]
        if sum(counts) < _CHART_FROM:
            return []
        top = max(counts)
        best = counts.index(top)
        return [
            self._bar(day["date"], day["count"], top, place == best)
            for place, day in enumerate(days or ())
        ]

    def _bar(self, day: str, count: int, top: int, best: bool) -> Bar:
        weekday = date.fromisoformat(day).weekday()
        figure = self.number(count) if count < 100_000 else _compact(count, self._locale)
        return Bar(
            seen=count > 0,
            figure=figure if count else "",
            label=self._labels[weekday],
            name=self._names[weekday],
            pixels=max(3, round(count / top * _BAR_PIXELS)) if count else 2,
            hashes="#" * (max(1, round(count / top * _BAR_HASHES)) if count else 0),
            best=best,
        )

    def month(self, day: str, now: date) -> str:
        """The month of a date, with its year unless that is the year of ``now``: March."""
        moment = date.fromisoformat(day)
        return _date(moment, "LLLL" if moment.year == now.year else "LLLL y", self._locale)

    def week(self, monday: date) -> str:
        """A week's seven days: 9–15 November."""
        return _week(monday, self._locale)

    def weekday(self, number: int) -> str:
        """The name of a day of the week, 0 being Monday."""
        return str(self._names[number])

    def moment(self, local: datetime) -> str:
        """A day and a time of it: Monday, 7 December 2026, 08:00."""
        return f"{format_date(local, 'full', locale=self._locale)}, {local:%H:%M}"


@lru_cache(maxsize=1)
def locale_names() -> dict[str, str]:
    """What can be chosen, each in its own words."""
    return {name: str(Locale.parse(name).get_display_name(name)) for name in LOCALES}


def wording(locale: str) -> Wording:
    """The words for a reader's locale (``en-GB``, ``de_DE``, empty), whatever it looks like."""
    return _wording(_english(locale))


def wrapped(text: str, indent: str = "", width: int = 72) -> str:
    """A paragraph in lines of at most ``width``; only a word longer than that is cut."""
    room = width - len(indent)
    rest = " ".join(_WORD.findall(text))
    lines: list[str] = []
    while len(rest) > room:
        space = rest.rfind(" ", 0, room + 1)
        lines.append(rest[:space] if space > 0 else rest[:room])
        rest = rest[space + 1 :] if space > 0 else rest[room:]
    return "\n".join([indent + line for line in [*lines, rest] if line])


def isolated(text: str) -> str:
    """Plain text that cannot change the direction of what stands around it (Unicode UAX 9)."""
    return f"\u2068{text}\u2069" if _RTL.search(text) else text


def numbered(number: int, text: str) -> str:
    """An entry of a plain list: ``1. title``, its further lines under the first."""
    mark = f"{number}."
    return mark + wrapped(text, " " * 3)[len(mark) :]


def plain_list(names: Sequence[str], last: str, extra: str = "") -> str:
    """Names in a row: ``Noor, Tomás and 3 others``; ``last`` stands before the last one."""
    items = [isolated(shorten(name, 40)) for name in names]
    return _row([*items, extra] if extra else items, last)


def html_list(names: Sequence[str], last: str, extra: str = "") -> Markup:
    """The same for HTML, each name isolated from the direction of its neighbours."""
    items = [f'<span dir="auto">{escape(shorten(name, 40))}</span>' for name in names]
    return Markup(_row([*items, str(escape(extra))] if extra else items, str(escape(last))))  # noqa: S704 each part is escaped above


def _row(items: Sequence[str], last: str) -> str:
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + last + items[-1]


@lru_cache(maxsize=1024)
def _english(locale: str) -> str:
    try:
        wanted = Locale.parse(locale.replace("-", "_"))
        if wanted.language == LANGUAGE and wanted.territory:
            return str(Locale(LANGUAGE, wanted.territory))
    except (UnknownLocaleError, ValueError, TypeError):
        pass
    return WORLD_ENGLISH


@lru_cache(maxsize=256)
def _wording(locale: str) -> Wording:
    return Wording(locale)


def _plain_grouping(locale: Locale) -> str | None:
    """The separator of thousands where Python's own grouping agrees with the locale's."""
    if locale.decimal_formats[None].grouping != (3, 3):
        return None
    return str(locale.number_symbols["latn"]["group"])


@lru_cache(maxsize=16_384)
def _decimal(value: float, locale: Locale) -> str:
    return str(format_decimal(value, locale=locale))


@lru_cache(maxsize=16_384)
def _compact(value: int, locale: Locale) -> str:
    return str(format_compact_decimal(value, locale=locale, fraction_digits=1))


@lru_cache(maxsize=4096)
def _date(day: date, pattern: str, locale: Locale) -> str:
    return format_date(day, pattern, locale=locale)


@lru_cache(maxsize=512)
def _week(monday: date, locale: Locale) -> str:
    """CLDR's own interval, with the month in full."""
    sunday = monday + timedelta(days=6)
    month, year = monday.month != sunday.month, monday.year != sunday.year
    skeleton, field = ("yMMMd", "y") if year else ("MMMd", "M" if month else "d")
    first, second = locale.interval_formats[skeleton][field]
    parts = zip((monday, sunday), (first, second), strict=True)
    whole = "".join(_date(day, part.replace("MMM", "MMMM"), locale) for day, part in parts)
    return re.sub("[\u2009\u202f]", " ", whole).replace(" – ", " – " if month else "–")
