"""Turns a template of ``templates/web`` and its values into a response."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
)
from jinja2 import TemplateError as JinjaError
from markupsafe import Markup
from starlette.responses import HTMLResponse

from digest.colour import palette
from digest.config import Settings
from digest.errors import TemplateError
from digest.folders import template_folders
from digest.web.guard import HEADERS

MAIL_POLICY = (
    "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
"""For a mail shown as a page: its own inline styles and pictures, and nothing else."""

_MESSAGES = {
    404: (
        "There is nothing here",
        "If you came from a mail, the link may have been cut: open it there once more.",
    ),
    405: ("That cannot be done here", "Go back to the mail and follow its link again."),
    400: ("That is no form of ours", "Go back to the mail and follow its link again."),
    413: ("That was too much", "The request was larger than any of these pages needs."),
    429: ("One moment", "Too many wrong addresses came from where you are. Wait a minute."),
    503: ("Not just now", "The data cannot be reached at the moment. Please try again later."),
}
_BROKEN = ("Something went wrong", "It is not your fault. Please try again later.")


class Pages:
    """The templates, compiled, with the brand's colours; a broken one is a TemplateError."""

    def __init__(self, settings: Settings) -> None:
        folders = template_folders("web", overrides=settings.templates)
        self._environment = Environment(
            loader=FileSystemLoader(folders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        for name in self._environment.list_templates():
            self._load(name)
        style = self._compiled("style.css", colours=palette(settings.accent))
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; frame-src 'self'; base-uri 'none';"
            " form-action 'self'; frame-ancestors 'none'"
        )
        self._environment.globals |= {"style": Markup(style), "site": settings.site_name}  # noqa: S704

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page made from ``template`` and ``values``."""
        headers = HEADERS | {"Content-Security-Policy": self._policy}
        return HTMLResponse(self._compiled(template, **values), status, headers)

    def problem(self, status: int) -> HTMLResponse:
        """The page that says, in words, what went wrong."""
        title, advice = _MESSAGES.get(status, _BROKEN)
        return self.page("problem.html", status, title=title, advice=advice)

    def _compiled(self, template: str, **values: Any) -> str:
        try:
            return self._load(template).render(**values)
        except JinjaError as error:
            raise TemplateError(template, None, error.message or "is wrong") from error

    def _load(self, name: str) -> Template:
        try:
            return self._environment.get_template(name)
        except TemplateSyntaxError as error:
            where = error.name or name
            raise TemplateError(where, error.lineno, error.message or "is wrong") from error
        except TemplateNotFound as error:
            raise TemplateError(str(error.name or name), None, "is missing") from error
