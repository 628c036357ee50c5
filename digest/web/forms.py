"""The form of preferences: what a browser sent, as what a reader can choose, or what is wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from digest.cadence import Frequency
from digest.preferences import Preferences
from digest.web.guard import read_body
from digest.window import zones

MAX_FIELDS = 200
_LONGEST_NUMBER = 40
_GROUPED = re.compile(r"\d+|\d{1,3}(?:[ .,'’٬\u00a0\u202f]\d{3})+")
OFF, PAUSED = "off", "paused"
Form = Mapping[str, list[str]]


class FormError(ValueError):
    """A form that cannot be taken; the message is for its reader."""


async def read_form(request: Request) -> Form:
    """The fields of a form; what is none is answered 400."""
    body = await read_body(request)
    try:
        return parse_qs(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:
        raise HTTPException(400) from error


def single(form: Form, name: str) -> str:
    """The one value of a field; "" where there is none or more than one."""
    values = form.get(name, [])
    return values[0] if len(values) == 1 else ""


def chosen(
    form: Form, before: Preferences, sections: Collection[str], languages: Collection[str]
) -> Preferences:
    """What the form says; ``sections`` can be switched off, and ``languages`` are spoken.

    Everything is looked at before anything is taken: a :class:`FormError` names the field.
    """
    often = single(form, "frequency")
    wanted = set(form.get("section", ()))
    if sections and not wanted & set(sections):
        raise FormError("Keep at least one part of the mail, or choose to get none at all.")
    return Preferences(
        frequency=before.frequency if often in {OFF, PAUSED} else _frequency(often),
        off=often == OFF,
        paused=often == PAUSED,
        adaptive=bool(single(form, "adaptive")),
        weekday=_number(form, "weekday", 6, "Choose one of the seven days."),
        hour=_number(form, "hour", 23, "Choose an hour from 0 to 23."),
        timezone=_zone(single(form, "timezone"), before.timezone),
        locale=_locale(single(form, "locale"), before.locale, languages),
        hidden=frozenset(sections) - wanted,
        numbers=bool(single(form, "numbers")),
    )


def guessed(form: Form, most: int) -> int:
    """The number that was typed, or else the one that was picked; a FormError asks for one."""
    typed = " ".join(form.get("number", ())).strip()
    number = whole(typed or single(form, "choice"), most)
    if number is None:
        raise FormError(f"Pick a number, or type a whole one from 1 to {most:,}.")
    return number


def whole(text: str, most: int) -> int | None:
    """A whole number from 1 to ``most``, in any script's digits and with any grouping of three."""
    if len(text) > _LONGEST_NUMBER or not _GROUPED.fullmatch(text.strip()):
        return None
    number = int("".join(filter(str.isdecimal, text)))
    return number if 1 <= number <= most else None


def _frequency(text: str) -> Frequency:
    try:
        return Frequency(text)
    except ValueError:
        raise FormError("Choose how often the mail should come.") from None


def _number(form: Form, name: str, most: int, otherwise: str) -> int:
    text = single(form, name)
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= most):
        raise FormError(otherwise)
    return int(text)


def _zone(text: str, before: str | None) -> str | None:
    if text and text != before and text not in zones():
        raise FormError("Choose one of the time zones of the list.")
    return text or None


def _locale(text: str, before: str | None, languages: Collection[str]) -> str | None:
    if text and text != before and text not in languages:
        raise FormError("Choose one of the languages of the list.")
    return text or None
