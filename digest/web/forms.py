"""Forms: what a browser sent, and of preferences what a reader can choose, or what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.cadence import Frequency
from digest.preferences import Preferences
from digest.web.guard import read_body
from digest.window import zones
from digest.wording import gettext

MAX_FIELDS = 200
_LONGEST_NUMBER = 40
_GROUPED = re.compile(r"\d+|\d{1,3}(?:[ .,'’٬\u00a0\u202f]\d{3})+")
OFF, PAUSED = "off", "paused"
Form = Mapping[str, list[str]]


PROBLEMS = {
    "frequency": gettext("Choose how often the mail should come."),
    "weekday": gettext("Choose one of the seven days."),
    "hour": gettext("Choose one of the hours of the list."),
    "timezone": gettext("Choose one of the time zones of the list."),
    "section": gettext("Keep at least one part of the mail, or choose to get none at all."),
    "locale": gettext("Choose one of the languages of the list."),
}
"""What its reader is told, by field, in the order of the page."""


class FormError(ValueError):
    """A form that cannot be taken, because of these fields of :data:`PROBLEMS`."""

    def __init__(self, fields: Collection[str]) -> None:
        super().__init__(" ".join(PROBLEMS[field] for field in fields))
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Filled:
    """What is marked in the form, as the values of its fields."""

    frequency: str
    adaptive: bool
    weekday: str
    hour: str
    timezone: str
    sections: Collection[str]
    numbers: bool
    locale: str


def asking(
    path: str,
    name: str,
    ask: Callable[[Request], Response],
    answer: Callable[[Request, Form], Response],
) -> list[Route]:
    """A page that asks something, and at the same address what takes the form that answers it.

    ``answer`` may ask the database: it runs in a thread.
    """

    async def take(request: Request) -> Response:
        return await run_in_threadpool(answer, request, await read_form(request))

    return [
        Route(path, ask, name=f"{name} page"),
        Route(path, take, methods=["POST"], name=name),
    ]


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


def filled(preferences: Preferences, sections: Collection[str]) -> Filled:
    """The form of what a reader has chosen before."""
    often = OFF if preferences.off else PAUSED if preferences.paused else preferences.frequency
    return Filled(
        frequency=often,
        adaptive=preferences.adaptive,
        weekday=str(preferences.weekday),
        hour=str(preferences.hour),
        timezone=preferences.timezone or "",
        sections=set(sections) - preferences.hidden,
        numbers=preferences.numbers,
        locale=preferences.locale or "",
    )


def typed(form: Form, before: Filled, wrong: Collection[str]) -> Filled:
    """The form as it was sent; where a list has no such entry (``wrong``), it shows the old one."""

    def entry(name: str, otherwise: str) -> str:
        return otherwise if name in wrong else single(form, name)

    return Filled(
        frequency=single(form, "frequency"),
        adaptive=bool(single(form, "adaptive")),
        weekday=entry("weekday", before.weekday),
        hour=entry("hour", before.hour),
        timezone=entry("timezone", before.timezone),
        sections=form.get("section", ()),
        numbers=bool(single(form, "numbers")),
        locale=entry("locale", before.locale),
    )


def chosen(
    form: Form, before: Preferences, sections: Collection[str], languages: Collection[str]
) -> Preferences:
    """What the form says; ``sections`` can be switched off, and ``languages`` are spoken.

    Everything is looked at before anything is taken: a :class:`FormError` names the fields.
    """
    sent = {name: single(form, name) for name in PROBLEMS}
    often, wanted = sent["frequency"], set(form.get("section", ()))
    fine = {
        "frequency": often in {OFF, PAUSED, *Frequency},
        "weekday": _up_to(sent["weekday"], 6),
        "hour": _up_to(sent["hour"], 23),
        "timezone": sent["timezone"] in {"", before.timezone} or sent["timezone"] in zones(),
        "section": not sections or not wanted.isdisjoint(sections),
        "locale": sent["locale"] in {"", before.locale, *languages},
    }
    wrong = [field for field in PROBLEMS if not fine[field]]
    if wrong:
        raise FormError(wrong)
    return Preferences(
        frequency=before.frequency if often in {OFF, PAUSED} else Frequency(often),
        off=often == OFF,
        paused=often == PAUSED,
        adaptive=bool(single(form, "adaptive")),
        weekday=int(sent["weekday"]),
        hour=int(sent["hour"]),
        timezone=sent["timezone"] or None,
        locale=sent["locale"] or None,
        hidden=frozenset(sections) - wanted,
        numbers=bool(single(form, "numbers")),
    )


def _up_to(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= most


def guessed(form: Form, most: int) -> int | None:
    """The number that was typed, or else the one that was picked; None where it is none."""
    typed = " ".join(form.get("number", ())).strip()
    return whole(typed or single(form, "choice"), most)


def whole(text: str, most: int) -> int | None:
    """A whole number from 1 to ``most``, in any script's digits and with any grouping of three."""
    if len(text) > _LONGEST_NUMBER or not _GROUPED.fullmatch(text.strip()):
        return None
    number = int("".join(filter(str.isdecimal, text)))
    return number if 1 <= number <= most else None
