"""The pages on which a reader chooses: how often, when, what of it, and for now less.

The form is the signed link's own page: whoever has the link may choose, and nobody else can post
to it. Saving answers with the page itself, so that sending the form twice is saving once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.cadence import Frequency
from digest.preferences import Preferences, Reader, save, sends
from digest.web import forms
from digest.web.forms import Form, FormError
from digest.web.site import Site, known
from digest.window import zone, zones
from digest.wording import gettext

Change = Callable[[Preferences], Preferences]
_MAP = {
    "Africa": gettext("Africa"),
    "America": gettext("America"),
    "Antarctica": gettext("Antarctica"),
    "Arctic": gettext("Arctic"),
    "Asia": gettext("Asia"),
    "Atlantic": gettext("Atlantic Ocean"),
    "Australia": gettext("Australia"),
    "Europe": gettext("Europe"),
    "Indian": gettext("Indian Ocean"),
    "Pacific": gettext("Pacific Ocean"),
}
_ELSEWHERE = gettext("Elsewhere")
_LESS = ("fortnightly", "monthly", "eventful", forms.PAUSED)


class Chooser:
    """The pages of choices of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sections = {s.name: s.label for s in site.sections if s.label}

    def routes(self) -> list[Route]:
        """Where the pages are."""
        post = ["POST"]
        return [
            Route("/p/{token}", self.ask, name="preferences page"),
            Route("/p/{token}", self.choose, methods=post, name="preferences"),
            Route("/p/{token}/less", self.ask_less, name="less often page"),
            Route("/p/{token}/less", self.choose_less, methods=post, name="less often"),
            Route("/p/{token}/keep", self.ask_keep, name="keep weekly page"),
            Route("/p/{token}/keep", self.keep, methods=post, name="keep weekly"),
        ]

    def ask(self, request: Request) -> Response:
        """Everything that can be chosen, as it is now."""
        return self._form(request, self._reader(self._site.user(request)))

    async def choose(self, request: Request) -> Response:
        """Keep what the form says; a form that cannot be says why and changes nothing."""
        user = self._site.user(request)
        form = await forms.read_form(request)
        return await run_in_threadpool(self._choose, request, user, form)

    def ask_less(self, request: Request) -> Response:
        """The few ways to get fewer mails, a button each."""
        reader = self._reader(self._site.user(request))
        return self._page("less.html", request, reader, choices=self._fewer(reader))

    async def choose_less(self, request: Request) -> Response:
        """Take one of them."""
        user = self._site.user(request)  # whose link is wrong need not be told about the form
        form = await forms.read_form(request)
        often = forms.single(form, "frequency")
        if often not in _LESS:
            raise HTTPException(400)
        change = _pause if often == forms.PAUSED else partial(_less, Frequency(often))
        return await run_in_threadpool(self._change, request, user, change)

    def ask_keep(self, request: Request) -> Response:
        """Ask somebody whose mails became fewer whether they want them weekly."""
        return self._page("keep.html", request, self._reader(self._site.user(request)))

    async def keep(self, request: Request) -> Response:
        """Mail them weekly from now on, whether they post or not."""
        user = self._site.user(request)
        await forms.read_form(request)
        return await run_in_threadpool(self._change, request, user, _always)

    def _choose(self, request: Request, user: str, form: Form) -> Response:
        reader = self._reader(user)
        try:
            spoken = self._site.mailer.renderer.languages.names
            wanted = forms.chosen(form, reader.preferences, self._sections, spoken)
        except FormError as error:
            return self._form(request, reader, sent=form, wrong=error.fields)
        saved = self._saved(user, lambda _: wanted, datetime.now(UTC))
        return self._form(request, saved, saved=True)

    def _change(self, request: Request, user: str, change: Change) -> Response:
        reader = self._saved(user, change, datetime.now(UTC))
        return self._page("chosen.html", request, reader)

    def _saved(self, user: str, change: Change, now: datetime) -> Reader:
        with self._site.database.writing() as session:
            reader = known(session, user, now)
            return save(session, self._site.settings, reader, change(reader.preferences), now)

    def _reader(self, user: str) -> Reader:
        with self._site.database.reading() as session:
            return known(session, user, datetime.now(UTC))

    def _form(
        self,
        request: Request,
        reader: Reader,
        *,
        sent: Form | None = None,
        wrong: Collection[str] = (),
        saved: bool = False,
    ) -> Response:
        filled = forms.filled(reader.preferences, self._sections)
        return self._page(
            "preferences.html",
            request,
            reader,
            status=422 if wrong else 200,
            problems={field: forms.PROBLEMS[field] for field in wrong},
            filled=filled if sent is None else forms.typed(sent, filled, wrong),
            saved=saved,
            sections=self._sections,
            zones=_grouped_zones(reader.preferences.timezone),
            languages=self._site.mailer.renderer.languages.names,
        )

    def _page(
        self, template: str, request: Request, reader: Reader, status: int = 200, **values: Any
    ) -> Response:
        """A page of choices: each knows the reader's own, and when the next mail comes."""
        return self._site.own_page(
            request,
            template,
            status,
            leave=self._site.links.unsubscribe(reader.user_id).rpartition("/")[2],
            reader=reader,
            chosen=reader.preferences,
            following=self._following(reader),
            adapts=self._site.settings.adaptive_cadence,
            **values,
        )

    def _following(self, reader: Reader) -> dict[str, Any] | None:
        """When the next mail is due, in the reader's own time; None where none is."""
        now = datetime.now(UTC)
        slot = next(sends(reader, self._site.settings, now), None)
        if slot is None:
            return None
        local = slot.astimezone(zone(reader.timezone))
        return {"at": None if slot <= now else local, "zone": reader.timezone}

    def _fewer(self, reader: Reader) -> list[str]:
        """The choices that would be fewer than now."""
        now = forms.filled(reader.preferences, self._sections).frequency
        return [choice for choice in _LESS if choice != now]


def _less(frequency: Frequency, preferences: Preferences) -> Preferences:
    return replace(preferences, frequency=frequency, off=False, paused=False)


def _pause(preferences: Preferences) -> Preferences:
    return replace(preferences, paused=True, off=False)


def _always(preferences: Preferences) -> Preferences:
    weekly = Frequency.WEEKLY
    return replace(preferences, frequency=weekly, adaptive=False, off=False, paused=False)


def _grouped_zones(own: str | None) -> dict[str, list[str]]:
    """The zones of the list by what the map calls their first word; the own is always there."""
    names = sorted(zones() | ({own} if own else set()))
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_MAP.get(name.partition("/")[0], _ELSEWHERE), []).append(name)
    return groups
