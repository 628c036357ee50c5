"""The pages of what is kept: a reader's own weeks, their data to take away, and deleting it all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest import personal
from digest.errors import LinkError, LinkExpired
from digest.snapshots import past_weeks
from digest.web import forms
from digest.web.chart import chart
from digest.web.forms import Form
from digest.web.site import Site, known
from digest.window import Period
from digest.wording import gettext

WEEKS = 52
_TOO_LONG = gettext("The page was open for long: please press again.")
_UNSURE = gettext("Tick the box first.")


class Keeper:
    """The pages of what is kept, of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Where the pages are."""
        post = ["POST"]
        return [
            Route("/p/{token}/weeks", self.weeks, name="past weeks"),
            Route("/p/{token}/data", self.data, name="your data page"),
            Route("/p/{token}/data", self.download, methods=post, name="your data"),
            Route("/p/{token}/delete", self.ask_delete, name="delete page"),
            Route("/p/{token}/delete", self.delete, methods=post, name="delete"),
        ]

    def weeks(self, request: Request) -> Response:
        """The reader's own weeks, newest first, with the mails there were."""
        user = self._known(request)
        with self._site.database.reading() as session:
            found = past_weeks(session, user, WEEKS)
        words = self._site.speech.to(request)

        def name(period: str) -> str:
            return words.week(Period.parse(period).monday)

        listed = [
            {
                "name": name(week.period),
                "year": Period.parse(week.period).year,
                "week": week,
                "mail": self._site.links.browser(user, week.period).rpartition("/")[2],
            }
            for week in reversed(found)
        ]
        return self._site.own_page(
            request, "weeks.html", weeks=listed, chart=chart(found), name=name
        )

    def data(self, request: Request) -> Response:
        """What is kept, and what can be done with it."""
        self._known(request)
        return self._site.own_page(request, "data.html")

    async def download(self, request: Request) -> Response:
        """All of it as a file. A POST, because it is much work, and programs open every link."""
        self._site.user(request)
        await forms.read_form(request)
        return await run_in_threadpool(self._download, request)

    def ask_delete(self, request: Request) -> Response:
        """Say what goes and what stays; the button works for an hour."""
        return self._question(request, self._known(request))

    async def delete(self, request: Request) -> Response:
        """Delete everything, if the page was really seen and the box ticked."""
        user = self._site.user(request)
        form = await forms.read_form(request)
        return await run_in_threadpool(self._delete, request, user, form)

    def _download(self, request: Request) -> Response:
        user = self._known(request)
        with self._site.database.reading() as session:
            found = personal.export(session, user)
        return Response(
            json.dumps(found, ensure_ascii=True, indent=1),
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="digest-data.json"'},
        )

    def _delete(self, request: Request, user: str, form: Form) -> Response:
        now = datetime.now(UTC)
        try:
            meant = self._site.links.read_erasing(forms.single(form, "confirm"), now) == user
        except LinkExpired:
            sure = bool(forms.single(form, "sure"))
            return self._question(request, user, {"confirm": _TOO_LONG}, sure=sure)
        except LinkError as error:
            raise HTTPException(400) from error
        if not meant:
            raise HTTPException(400)
        if not forms.single(form, "sure"):
            return self._question(request, user, {"sure": _UNSURE})
        words = self._site.speech.to(request)  # whose language is forgotten with the rest
        with self._site.database.writing() as session:
            personal.erase(session, user, now)
        return self._site.pages.page(words, "deleted.html")

    def _question(
        self,
        request: Request,
        user: str,
        problems: Mapping[str, str] | None = None,
        *,
        sure: bool = False,
    ) -> Response:
        return self._site.own_page(
            request,
            "delete.html",
            422 if problems else 200,
            problems=problems or {},
            sure=sure,
            confirm=self._site.links.erasing(user, datetime.now(UTC)),
        )

    def _known(self, request: Request) -> str:
        """The reader of the link, who is not gone."""
        user = self._site.user(request)
        with self._site.database.reading() as session:
            known(session, user, datetime.now(UTC))
        return user
