"""The page on which a reader says what topics the mail should not be about.

As on the page of preferences, the signed link is all that is needed: looking changes nothing, and
pressing a button twice is pressing it once.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.facts.omissions import Topic, omit, restore, topics
from digest.web import forms
from digest.web.forms import Form
from digest.web.site import Site, known


class Omitter:
    """The page of topics of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Where the page is."""
        return forms.asking("/p/{token}/topics", "topics", self.ask, self.choose)

    def ask(self, request: Request) -> Response:
        """The topics that the mail may be about, and those that are left out."""
        return self._page(request, self._site.user(request), datetime.now(UTC))

    def choose(self, request: Request, form: Form) -> Response:
        """Leave one topic out, or take that back; what is not listed changes nothing."""
        user, now = self._site.user(request), datetime.now(UTC)
        out, back = forms.single(form, "omit"), forms.single(form, "restore")
        with self._site.database.writing() as session:
            listed = (out or back) in {topic.name for topic in _listed(session, user, now)}
            if listed and out:
                omit(session, user, out, now)
            elif listed:
                restore(session, user, back)
        status = 200 if listed else 422
        return self._page(request, user, now, status, problem=not listed, saved=listed)

    def _page(
        self, request: Request, user: str, now: datetime, status: int = 200, **said: bool
    ) -> Response:
        with self._site.database.reading() as session:
            listed = _listed(session, user, now)
        return self._site.own_page(request, "topics.html", status, topics=listed, **said)


def _listed(session: Session, user: str, now: datetime) -> list[Topic]:
    """The topics that are listed."""
    known(session, user, now)
    return topics(session, user, now)
