"""The page on which an author says of what kind their posts are, where the guess is wrong.

As on the page of preferences, the signed link is all that is needed: looking changes nothing, and
saving twice is saving once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.facts.sorting import Sorted, correct, latest
from digest.kinds import Kind
from digest.web import forms
from digest.web.forms import Form
from digest.web.site import Site, known

SPAN = timedelta(weeks=8)
MOST = 50
"""Posts that are listed: as many as a digest looks back on."""
_FIELD = "kind of "


class Corrector:
    """The page of kinds of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Where the page is."""
        return forms.asking("/p/{token}/kinds", "kinds", self.ask, self.choose)

    def ask(self, request: Request) -> Response:
        """The author's latest posts, each with its kind."""
        return self._page(request, self._site.user(request), datetime.now(UTC))

    def choose(self, request: Request, form: Form) -> Response:
        """Keep what the form says; one that cannot be says why and changes nothing."""
        user, now = self._site.user(request), datetime.now(UTC)
        wanted = _wanted(form)
        if wanted is None:
            return self._page(request, user, now, 422, problem=True)
        with self._site.database.writing() as session:
            # Only what is listed, which is the reader's own, can be said anything of.
            correct(session, _latest(session, user, now), wanted, now)
        return self._page(request, user, now, saved=True)

    def _page(
        self, request: Request, user: str, now: datetime, status: int = 200, **said: bool
    ) -> Response:
        with self._site.database.reading() as session:
            posts = _latest(session, user, now)
        kinds = [str(kind) for kind in Kind]
        return self._site.own_page(
            request, "kinds.html", status, field=_FIELD, posts=posts, kinds=kinds, **said
        )


def _latest(session: Session, user: str, now: datetime) -> list[Sorted]:
    """The posts that are listed."""
    known(session, user, now)
    return latest(session, user, now - SPAN, now, MOST)


def _wanted(form: Form) -> Mapping[str, Kind | None] | None:
    """What the form says of each post; None where it says what is no kind."""
    try:
        return {
            name.removeprefix(_FIELD): Kind(said) if (said := forms.single(form, name)) else None
            for name in form
            if name.startswith(_FIELD)
        }
    except ValueError:
        return None
