"""What every page needs, made once when the program starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from digest.catalogues import SOURCE
from digest.config import Settings
from digest.database import Database
from digest.links import Links
from digest.mail import Mailer
from digest.sections import Section, sections
from digest.web.leaving import Door
from digest.web.pages import Pages
from digest.web.speech import Speech
from digest.web.tokens import Strikes
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
