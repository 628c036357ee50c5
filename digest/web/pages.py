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
from digest.sentences import Sentences
from digest.web.guard import HEADERS
from digest.wording import Wording, apart, gettext

MAIL_POLICY = (
    "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
"""For a mail shown as a page: its own inline styles and pictures, and nothing else."""

_AGAIN = gettext("Go back to the mail and follow its link again.")
_MESSAGES = {
    404: (
        gettext("There is nothing here"),
        gettext("If you came from a mail, the link may have been cut: open it there once more."),
    ),
    405: (gettext("That cannot be done here"), _AGAIN),
    400: (gettext("That is no form of ours"), _AGAIN),
    413: (
        gettext("That was too much"),
        gettext("The request was larger than any of these pages needs."),
    ),
    429: (
        gettext("One moment"),
        gettext("Too many wrong addresses came from where you are. Wait a minute."),
    ),
    503: (
        gettext("Not just now"),
        gettext("The data cannot be reached at the moment. Please try again later."),
    ),
}
_BROKEN = (
    gettext("Something went wrong"),
    gettext("It is not your fault. Please try again later."),
)


class Pages:
    """The templates with the brand's colours, compiled once for every language that is asked for.

    A broken one is a TemplateError: here for ``words``, the site's own, and else when it is used.
    """

    def __init__(self, settings: Settings, words: Wording) -> None:
        self._files = FileSystemLoader(template_folders("web", overrides=settings.templates))
        self._site = settings.site_name
        self._kept: dict[str, Environment] = {}
        environment = self._environment(words)
        for name in environment.list_templates():
            _template(environment, name)
        self._style = _rendered(environment, "style.css", colours=palette(settings.accent))
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; frame-src 'self'; base-uri 'none';"
            " form-action 'self'; frame-ancestors 'none'"
        )

    def page(self, words: Wording, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page made from ``template`` and ``values``, in the language of ``words``."""
        vocabulary = _vocabulary(words)
        said = _rendered(
            self._environment(words),
            template,
            **vocabulary,
            style=Markup(self._style),  # noqa: S704 - our own
            site=self._site,
            **values,
        )
        spoken = {"Content-Language": vocabulary["language"]}
        return HTMLResponse(
            said, status, HEADERS | {"Content-Security-Policy": self._policy} | spoken
        )

    def problem(self, words: Wording, status: int) -> HTMLResponse:
        """The page that says, in words, what went wrong."""
        title, advice = _MESSAGES.get(status, _BROKEN)
        return self.page(words, "problem.html", status, title=title, advice=advice)

    def _environment(self, words: Wording) -> Environment:
        kept = self._kept.get(words.language)
        if kept is None:
            kept = self._kept[words.language] = Environment(
                loader=self._files,
                extensions=[Sentences.speaking(words.catalogue)],
                autoescape=True,
                undefined=StrictUndefined,
                trim_blocks=True,
                lstrip_blocks=True,
                auto_reload=False,
            )
        return kept


def _vocabulary(words: Wording) -> dict[str, Any]:
    """What every page can say; the names are those of the mail's templates."""
    spoken = ("sentence", "number", "count", "amount", "times", "decimal", "percent", "isolated")
    dated = ("moment", "hour", "weekday", "week", "year")
    return {
        "language": words.language.replace("_", "-"),
        "direction": words.direction,
        "apart": apart,
        **{name: getattr(words, name) for name in spoken + dated},
    }


def _rendered(environment: Environment, template: str, **values: Any) -> str:
    try:
        return _template(environment, template).render(**values)
    except JinjaError as error:
        raise TemplateError(template, None, error.message or "is wrong") from error


def _template(environment: Environment, name: str) -> Template:
    try:
        return environment.get_template(name)
    except TemplateSyntaxError as error:
        where = error.name or name
        raise TemplateError(where, error.lineno, error.message or "is wrong") from error
    except TemplateNotFound as error:
        raise TemplateError(str(error.name or name), None, "is missing") from error
