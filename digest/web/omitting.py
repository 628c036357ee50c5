"""The page on which a reader says what topics the mail should not be about.

As on the page of preferences, the signed link is all that is needed: looking changes nothing, and
pressing a button twice is pressing it once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.facts.omissions import Topic, omit, restore, topics
from digest.preferences import find
from digest.web import forms
from digest.web.forms import Form
from digest.web.site import Site
from digest.web.speech import recognise
from digest.web.tokens import opened


class Omitter:
    """The page of topics of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Where the page is."""
        return [
            Route("/p/{token}/topics", self.ask, name="topics page"),
            Route("/p/{token}/topics", self.choose, methods=["POST"], name="topics"),
        ]

    def ask(self, request: Request) -> Response:
        """The topics that the mail may be about, and those that are left out."""
        with self._site.database.reading() as session:
            listed = _listed(session, self._user(request), datetime.now(UTC))
        return self._page(request, listed)

    async def choose(self, request: Request) -> Response:
        """Leave one topic out, or take that back; what is not listed changes nothing."""
        return await run_in_threadpool(self._choose, request, await forms.read_form(request))

    def _choose(self, request: Request, form: Form) -> Response:
        user, now = self._user(request), datetime.now(UTC)
        out, back = forms.single(form, "omit"), forms.single(form, "restore")
        with self._site.database.writing() as session:
            listed = _listed(session, user, now)
            known = (out or back) in {topic.name for topic in listed}
            if known and out:
                omit(session, user, out, now)
            elif known:
                restore(session, user, back)
        with self._site.database.reading() as session:
            listed = _listed(session, user, now)
        return self._page(request, listed, 200 if known else 422, problem=not known, saved=known)

    def _page(
        self,
        request: Request,
        listed: list[Topic],
        status: int = 200,
        *,
        problem: bool = False,
        saved: bool = False,
    ) -> Response:
        return self._site.page(
            request,
            "topics.html",
            status,
            root="../../",
            token=request.path_params["token"],
            topics=listed,
            problem=problem,
            saved=saved,
        )

    def _user(self, request: Request) -> str:
        read = partial(self._site.links.read_preferences, now=datetime.now(UTC))
        return recognise(request, opened(request, self._site.strikes, read))


def _listed(session: Session, user: str, now: datetime) -> list[Topic]:
    """The topics that are listed; who is gone has no page."""
    if find(session, user, now) is None:
        raise HTTPException(404)
    return topics(session, user, now)
