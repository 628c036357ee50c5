"""What every page needs, made once when the program starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from digest.catalogues import SOURCE
from digest.config import Settings
from digest.database import Database
from digest.links import Links
from digest.mail import Mailer
from digest.preferences import Reader, find
from digest.sections import Section, sections
from digest.web.leaving import Door
from digest.web.pages import Pages
from digest.web.speech import Speech, recognise
from digest.web.tokens import Strikes, opened
from digest.wording import Wording


@dataclass(frozen=True, slots=True)
class Site:
    """The settings, the database, and what is prepared from them."""

    settings: Settings
    database: Database
    links: Links
    pages: Pages
    mailer: Mailer
    sections: Sequence[Section]
    strikes: Strikes
    speech: Speech
    door: Door

    def page(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A page in the language of who asks for it."""
        return self.pages.page(self.speech.to(request), template, status, **values)

    def own_page(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A page below ``/p/``, which leads to the others of the same link.

        It says that something was ``saved`` or is a ``problem`` only where ``values`` do.
        """
        depth = request.url.path.rstrip("/").rpartition("/p/")[2].count("/") + 1
        way = {"root": "../" * depth, "token": request.path_params["token"]}
        unsaid = {"saved": False, "problem": False}
        return self.page(request, template, status, **unsaid | way | values)

    def user(self, request: Request) -> str:
        """Whose link it is, of a page below ``/p/``; they may be gone."""
        read = partial(self.links.read_preferences, now=datetime.now(UTC))
        return recognise(request, opened(request, self.strikes, read))

    @property
    def english(self) -> Wording:
        """The words of the operator's pages."""
        return self.mailer.renderer.languages.wording(SOURCE)

    @classmethod
    def prepare(cls, settings: Settings, database: Database) -> Site:
        """Compile the templates and derive the keys; raises what is wrong with either."""
        found = sections()
        mailer = Mailer(settings, found)
        languages = mailer.renderer.languages
        return cls(
            settings,
            database,
            Links(settings.base_url, settings.signing_keys()),
            Pages(settings, languages.wording("")),
            mailer,
            found,
            Strikes(time.monotonic),
            Speech(languages, database),
            Door(database),
        )


def known(session: Session, user: str, now: datetime) -> Reader:
    """The reader ``user``; who is gone has no page."""
    reader = find(session, user, now)
    if reader is None:
        raise HTTPException(404)
    return reader
