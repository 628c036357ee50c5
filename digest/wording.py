"""How the mail writes numbers, dates, names and what people wrote: the vocabulary of its templates.

Numbers, dates, lists and the direction of writing follow CLDR (through Babel) for the reader's
locale; the nouns that are counted come from its language's catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

from babel import Locale
from babel.dates import (
    format_date,
    format_skeleton,
    format_time,
    get_datetime_format,
    get_day_names,
)
from babel.numbers import format_compact_decimal, format_decimal
from markupsafe import Markup, escape

from digest import cldr
from digest.catalogues import Catalogue, Rule
from digest.lines import columns, wrapped
from digest.text import shorten

_LTR = re.compile("[A-Za-z\u00c0-\u02b8\u0370-\u058f\u0900-\u1fff\u2c00-\ud7ff\uff21-\uffdc]")
_CHART_FROM = 5
_BARS_KEPT = 4096
"""How many different bars are kept as they were last drawn: the days of a week are everybody's."""
_BAR_PIXELS = 84
_BAR_HASHES = 24
_LABEL_COLUMNS = 4
_RTL = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def gettext(text: str) -> str:
    """Mark for extraction; it is translated where it is used."""
    return text


def ngettext(one: str, many: str) -> tuple[str, str]:
    """The same for something counted."""
    return one, many


def pgettext(context: str, text: str) -> tuple[str, str]:
    """The same for a word in a context."""
    return text, context


_AMOUNTS = {
    "reach": ngettext("{number} person", "{number} people"),
    "views": ngettext("{number} view", "{number} views"),
    "reactions": ngettext("{number} reaction", "{number} reactions"),
}
_RANGES = {
    "reach": ngettext("{low}–{number} person", "{low}–{number} people"),
    "views": ngettext("{low}–{number} view", "{low}–{number} views"),
    "reactions": ngettext("{low}–{number} reaction", "{low}–{number} reactions"),
}
_LIMITS = {
    "reach": ngettext("up to {number} person", "up to {number} people"),
    "views": ngettext("up to {number} view", "up to {number} views"),
    "reactions": ngettext("up to {number} reaction", "up to {number} reactions"),
}
_PLACES = {
    "one": pgettext("ordinal", "{number}st"),
    "two": pgettext("ordinal", "{number}nd"),
    "few": pgettext("ordinal", "{number}rd"),
    "other": pgettext("ordinal", "{number}th"),
}

_KINDS = {
    "question": pgettext("kind", "Questions"),
    "information": pgettext("kind", "Links and news"),
    "self-promotion": pgettext("kind", "Your own work"),
    "opinion": pgettext("kind", "Opinions"),
    "now": pgettext("kind", "What you are doing"),
    "conversation": pgettext("kind", "Words to somebody"),
    "presence": pgettext("kind", "Greetings"),
    "thought": pgettext("kind", "Thoughts"),
}


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
    """The words of one locale, whose language is that of ``catalogue``."""

    def __init__(self, locale: Locale, catalogue: Catalogue) -> None:
        self.language = catalogue.language
        self.direction = locale.text_direction
        self._locale = locale
        self.catalogue = catalogue
        self._digits = cldr.digits(locale)
        self._grouped = cldr.plain_grouping(locale)
        self._ungrouped_below = 10_000 if cldr.groups_late(locale) else 0
        # Of the kind “format” only: names that a locale inherits from the root (“stand-alone”)
        # Babel lends to other locales in the language of the first that asked for them.
        self._names = dict(get_day_names("wide", "format", locale))
        short = get_day_names("abbreviated", "format", locale)
        self._labels = {day: name.rstrip(".") for day, name in short.items()}
        lists = locale.list_patterns["standard"]
        self._lists = {place: str(escape(pattern)) for place, pattern in lists.items()}
        self._nouns: dict[str, tuple[tuple[str, ...], Rule]] = {}
        self._bar = lru_cache(_BARS_KEPT)(self._drawn_bar)

    def sentence(self, text: str, context: str | None = None) -> str:
        """The translation of ``text``, for words that stand in no template."""
        return self.catalogue.sentence(text, context)

    def number(self, value: int) -> str:
        """A whole number, grouped: 1,284."""
        if 0 <= value < self._ungrouped_below:
            return f"{value}".translate(self._digits)
        if self._grouped is None or value < 0:
            return self.decimal(value)
        text = f"{value:,}".replace(",", self._grouped)
        return text.translate(self._digits) if self._digits else text

    def count(self, value: int, one: str, many: str) -> str:
        """A number with its noun: 1 person, 612 people."""
        return self._counted(value, f"{{number}} {one}", f"{{number}} {many}")

    def amount(self, value: int, metric: str) -> str:
        """So much of a metric (``reach``, ``views``, ``reactions``): 612 people."""
        return self._counted(value, *_AMOUNTS[metric])

    def between(self, low: int | None, high: int, metric: str) -> str:
        """A range of a metric: 640–980 people, up to 980 people, 980 people."""
        if low == high:
            return self.amount(high, metric)
        if not low:
            return self._counted(high, *_LIMITS[metric])
        return self._counted(high, *_RANGES[metric]).replace("{low}", self.number(low))

    def _counted(self, value: int, one: str, many: str) -> str:
        found = self._nouns.get(one)
        if found is None:
            found = self._nouns[one] = self.catalogue.forms(one, many)
        forms, rule = found
        return forms[rule(value)].replace("{number}", self.number(value))

    def decimal(self, value: float) -> str:
        """A number that need not be whole: 2.66."""
        text = format_decimal(value, locale=self._locale, numbering_system="default")
        return text.translate(self._digits)

    def times(self, ratio: float) -> str:
        """How many times as much, with one decimal below three: 2.4, 3, 12."""
        return self.decimal(round(ratio, 1) if ratio < 3 else round(ratio))

    def percent(self, value: int) -> str:
        """Hundredths of something: 62%."""
        return cldr.percent(value, self._locale).translate(self._digits)

    def ordinal(self, place: int) -> str:
        """A place in a ranking: 1st, 2nd, 11th."""
        text, context = _PLACES.get(self._locale.ordinal_form(place), _PLACES["other"])
        return self.sentence(text, context).replace("{number}", self.number(place))

    def kind(self, name: str) -> str:
        """What posts of a kind (:class:`digest.kinds.Kind`) are called."""
        return self.sentence(*_KINDS.get(name, _KINDS["thought"]))

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

    def _drawn_bar(self, day: str, count: int, top: int, best: bool) -> Bar:
        weekday = date.fromisoformat(day).weekday()
        figure = self.number(count) if count < 100_000 else self._compact(count)
        return Bar(
            seen=count > 0,
            figure=figure if count else "",
            label=self._labels[weekday],
            name=self._names[weekday],
            pixels=max(3, round(count / top * _BAR_PIXELS)) if count else 2,
            hashes="#" * (max(1, round(count / top * _BAR_HASHES)) if count else 0),
            best=best,
        )

    def spoken(self, chart: Sequence[Bar]) -> str:
        """A chart in words: Monday 120, Tuesday 188 and Wednesday 742."""
        return self._row([f"{bar.name} {bar.figure or self.number(0)}" for bar in chart])

    def drawn(self, chart: Sequence[Bar]) -> list[str]:
        """A chart as lines of plain text, its columns aligned."""
        wide = max([_LABEL_COLUMNS, *(columns(bar.label) for bar in chart)])
        return [
            f"{bar.label}{' ' * (wide - columns(bar.label))} {bar.figure:>7}  {bar.hashes}"
            for bar in chart
        ]

    def month(self, day: str, now: date) -> str:
        """The month of a date, with its year unless that is the year of ``now``: March."""
        moment = date.fromisoformat(day)
        same = moment.year == now.year
        pattern = "MMMM" if same else self._locale.datetime_skeletons["yMMMM"].pattern
        return format_date(moment, pattern, locale=self._locale).translate(self._digits)

    def day(self, day: str, now: date) -> str:
        """A date, with its year unless that is the year of ``now``: 3 March."""
        moment = date.fromisoformat(day)
        if moment.year == now.year and "MMMMd" in self._locale.datetime_skeletons:
            pattern = self._locale.datetime_skeletons["MMMMd"].pattern
        else:
            pattern = "long"
        return format_date(moment, pattern, locale=self._locale).translate(self._digits)

    def week(self, monday: date) -> str:
        """A week's seven days: 9–15 November."""
        return cldr.week(monday, self._locale).translate(self._digits)

    def weekday(self, number: int) -> str:
        """The name of a day of the week, 0 being Monday."""
        return str(self._names[number])

    def hours(self, start: int, end: int) -> str:
        """A part of a day, from one full hour to another: 17:00–19:00, 5–7 PM."""
        return cldr.hours(time(start), time(end), self._locale).translate(self._digits)

    def year(self, number: int) -> str:
        """A year by itself: 2026."""
        text = format_skeleton("y", date(number, 1, 1), locale=self._locale)
        return str(text).translate(self._digits)

    def hour(self, number: int) -> str:
        """A full hour as clocks show it: 17:00, 5:00 pm."""
        return format_time(time(number), "short", locale=self._locale).translate(self._digits)

    def moment(self, local: datetime) -> str:
        """A day and a time of it: Monday, 7 December 2026, 08:00."""
        day = format_date(local, "full", locale=self._locale)
        clock = format_time(local.time(), "short", locale=self._locale)
        both = str(get_datetime_format("full", self._locale)).replace("'", "")
        return both.format(clock, day).translate(self._digits)

    def isolated(self, text: str) -> str:
        """Plain text that cannot change the direction of what stands around it (Unicode UAX 9)."""
        other = _RTL if self.direction == "ltr" else _LTR
        return f"\u2068{text}\u2069" if other.search(text) else text

    def numbered(self, number: int, text: str) -> str:
        """An entry of a plain list: ``1. title``, its further lines under the first."""
        mark = f"{self.number(number)}."
        return mark + wrapped(text, " " * 3)[len(mark) :]

    def plain_names(self, names: Sequence[str], extra: str = "") -> str:
        """Names in a row: ``Noor, Tomás and 3 others``."""
        items = [self.isolated(shorten(name, 40)) for name in names]
        return self._row([*items, extra] if extra else items)

    def html_names(self, names: Sequence[str], extra: str = "") -> Markup:
        """The same for HTML, each name isolated from the direction of its neighbours."""
        items = [str(apart(shorten(name, 40))) for name in names]
        return Markup(self._row([*items, str(escape(extra))] if extra else items))  # noqa: S704 each part is escaped

    def _row(self, items: Sequence[str]) -> str:
        """Items as CLDR lists them (UTS 35, part 2, list patterns)."""
        if len(items) < 3:
            return self._lists["2"].format(*items) if len(items) == 2 else "".join(items)
        row = self._lists["start"].format(*items[:2])
        for item in items[2:-1]:
            row = self._lists["middle"].format(row, item)
        return self._lists["end"].format(row, items[-1])

    def _compact(self, value: int) -> str:
        text = format_compact_decimal(
            value, locale=self._locale, fraction_digits=1, numbering_system="default"
        ).translate(self._digits)
        return text.replace("\u00a0", " ")  # a bar is narrow: 123,5 above Mio.


def apart(text: str) -> Markup:
    """What a person wrote, for HTML, isolated from the direction of what stands around it."""
    return Markup(f'<span dir="auto">{escape(text)}</span>')  # noqa: S704 escaped here
