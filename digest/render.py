"""A snapshot to subject, text and HTML: pure, fast, and always from the snapshot's plain data.

Templates see the snapshot's sections as plain data (``s``), the :class:`Brand`, the
:class:`MailLinks` and the vocabulary of :mod:`digest.wording`. What people wrote is cleaned here
once: control and direction marks are gone, and whatever is not a web address is no ``url``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Template
from markupsafe import escape

from digest.catalogues import SOURCE
from digest.colour import palette
from digest.compose import Snapshot
from digest.errors import TemplateError
from digest.folders import catalogue_folders, template_folders
from digest.languages import Languages
from digest.news import news
from digest.templating import Templates, run
from digest.text import URL_LIMIT, http_url, shorten
from digest.window import Period
from digest.wording import Wording, apart

_PAGES = ("subject.txt", "base.txt", "base.html")
_FROM_CALLER = frozenset({"brand", "links", "name", "language", "monday", "due", "sections", "s"})
_FROM_CALLER |= {"lead", "second", "subject", "section", "numbers", "eased", "direction", "asked"}
_FROM_CALLER |= {"title"}
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]+"
)
_GAPS = re.compile(r"\n\n\n+")
_RESERVED = "%/:?#[]@!$&'()*+,;=~"
_REPEATED = (
    *("number", "count", "amount", "between", "times", "percent", "ordinal"),
    *("month", "week", "weekday", "hours", "kind"),
)
_SAID_AGAIN = 4096
"""How many different figures and dates of a locale are kept as they were last said."""
_NESTED = frozenset({str, dict, list})


@dataclass(frozen=True, slots=True)
class Brand:
    """The site that sends the mail.

    ``accent`` is ``#rrggbb``; ``logo_url`` replaces the written name; ``postal_address`` may have
    several lines; ``write_url`` is where a post is written; if empty, the site of the author's
    posts is.
    """

    site_name: str
    base_url: str
    accent: str = "#0b6b57"
    logo_url: str = ""
    postal_address: str = ""
    write_url: str = ""


@dataclass(frozen=True, slots=True)
class MailLinks:
    """One delivery's own addresses; an empty ``browser`` is left out (the web copy itself).

    ``guess`` is where the question of the mail is answered, if it asks one; a number may follow.
    """

    unsubscribe: str
    browser: str
    counting: str
    preferences: str = ""
    guess: str = ""

    @property
    def less(self) -> str:
        """Where fewer mails can be chosen."""
        return f"{self.preferences}/less"

    @property
    def keep(self) -> str:
        """Where mails can be had every week again."""
        return f"{self.preferences}/keep"

    @property
    def kinds(self) -> str:
        """Where it can be said which kind a post is of."""
        return f"{self.preferences}/kinds"

    @property
    def topics(self) -> str:
        """Where topics can be left out."""
        return f"{self.preferences}/topics"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's three texts, the subject in one line, and the tag of the language they are in."""

    subject: str
    text: str
    html: str
    language: str


class Renderer:
    """All templates, inlined and compiled; make it once per process.

    ``overrides`` is the operator's folder, ``extra`` are folders with sections from elsewhere; all
    are laid out like ``templates/``. ``locale`` is that of readers whose own is unknown or not
    spoken; the templates of other languages are compiled when the first reader wants them.
    ``inlined=False`` leaves out the stylesheet, for comparisons; ``cache`` is a folder in which
    compiled templates are kept for the next start.
    A template that is broken, breaks the rules of :mod:`digest.inline`, or uses an unknown name is
    a :class:`TemplateError` here, not in the middle of a run.
    """

    def __init__(
        self,
        brand: Brand,
        *,
        overrides: Path | None = None,
        extra: Sequence[Path] = (),
        locale: str = SOURCE,
        inlined: bool = True,
        cache: Path | None = None,
    ) -> None:
        self._brand = brand
        self.languages = Languages(catalogue_folders(overrides=overrides, extra=extra), locale)
        folders = template_folders("email", overrides=overrides, extra=extra)
        words = self.languages.wording("")
        names = _FROM_CALLER | _vocabulary(words, "txt").keys()
        self._templates = partial(
            Templates, folders, palette(brand.accent), names, inlined=inlined, cache=cache
        )
        self._pages: dict[str, tuple[Template, ...]] = {}
        prepared = self._prepared(words)
        self.stylesheet, self.markup = prepared.stylesheet, prepared.markup

    def prepare(self, locales: Iterable[str]) -> None:
        """Have the templates of these readers ready, before processes part that share them.

        What is wrong with a language is told with the mails of its readers, and only with theirs.
        """
        for locale in locales:
            with suppress(TemplateError):
                words = self.languages.wording(locale)
                if words.language not in self._pages:
                    self._prepared(words)

    def _prepared(self, words: Wording) -> Templates:
        templates = self._templates(words)
        self._pages[words.language] = tuple(map(templates.get, _PAGES))
        return templates

    def render(self, snapshot: Snapshot, links: MailLinks, weekday: int = 0) -> Rendered:
        """The mail of one snapshot; ``weekday`` is the day it is sent on, 0 being Monday.

        A section without templates, or data that a template does not expect, is a
        :class:`TemplateError` that names the file and line.
        """
        sections = _cleaned(snapshot.sections)
        words = self.languages.wording(snapshot.locale or "")
        if words.language not in self._pages:
            self._prepared(words)
        in_subject, in_text, in_html = self._pages[words.language]
        language = words.language.replace("_", "-")
        lead, second = news(sections, snapshot.lead, numbers=snapshot.numbers, asked=snapshot.asked)
        monday = Period.parse(snapshot.period).monday
        facts = {
            "brand": self._brand,
            "links": links,
            "name": _said(snapshot.name or ""),
            "language": language,
            "direction": words.direction,
            "monday": monday,
            "due": weekday,
            "sections": sections,
            "lead": lead,
            "second": second,
            "numbers": snapshot.numbers,
            "eased": snapshot.eased,
            "asked": _said(snapshot.asked),
        }
        plain = {
            **_vocabulary(words, "txt"),
            **facts,
            "title": lambda post: words.isolated(_title(post, words, monday)),
        }
        subject = " ".join(run(in_subject, plain).split())
        text = run(in_text, {**plain, "subject": subject})
        facts |= {"subject": subject, "title": lambda post: _title(post, words, monday)}
        html = run(in_html, {**_vocabulary(words, "html"), **facts})
        return Rendered(subject, _tidy(text, words.direction), html, language)


@lru_cache(maxsize=512)
def _vocabulary(words: Wording, kind: str) -> dict[str, Any]:
    """What templates can say, by name; the same names for HTML and text."""
    plain = kind == "txt"

    def said(text: str, limit: int = 160) -> str:
        short = shorten(text, limit)
        return words.isolated(short) if plain else short

    def apart_from(text: str, limit: int = 160) -> str:
        return said(text, limit) if plain else apart(shorten(text, limit))

    return {
        **{name: lru_cache(_SAID_AGAIN)(getattr(words, name)) for name in _REPEATED},
        "bars": words.bars,
        "spoken": words.spoken,
        "drawn": words.drawn,
        "names": words.plain_names if plain else words.html_names,
        "said": said,
        "apart": apart_from,
        "numbered": words.numbered,
    }


def _title(post: Mapping[str, Any], words: Wording, monday: date) -> str:
    """What a post is called: its title, how it begins, the day it is of, or that it has none."""
    text = post["title"] or shorten(post.get("excerpt") or "", 80)
    if text:
        return shorten(text, 160)
    if post.get("published"):
        day = words.day(post["published"], monday)
        return words.sentence("Post of {day}").replace("{day}", day)
    return words.sentence("Untitled post")


def _cleaned(value: Any, key: str = "") -> Any:
    """A copy of plain data in which no text can do harm."""
    kind = type(value)
    if kind is str:
        text = _said(value)
        return _address(text) if key == "url" else text
    if kind is dict:
        return {
            name: _cleaned(inner, name) if type(inner) in _NESTED else inner
            for name, inner in value.items()
        }
    if kind is list:
        return [_cleaned(inner, key) if type(inner) in _NESTED else inner for inner in value]
    return value


@lru_cache(maxsize=1024)  # a post stands in several sections of a mail
def _address(text: str) -> str:
    """A web address in ASCII, which every mail program recognises (RFC 3987, 3.1); or "".

    One that grows too long when it is written as HTML is left out: nine of them stand in a mail,
    which must stay below the size at which webmail cuts.
    """
    url = http_url(text)
    if not url.isascii():
        scheme, host, path = re.split("(?<=://)([^/?#]+)", url, maxsplit=1)
        url = scheme + host + quote(path, safe=_RESERVED)
    return url if len(escape(url)) <= URL_LIMIT else ""


def _said(text: str) -> str:
    """What a person wrote, on one line and without characters that steer the display."""
    if not text.isprintable() and _UNSAFE.search(text):  # whatever is unsafe is not printable
        text = _UNSAFE.sub(lambda found: " " if found[0].isspace() else "", text)
    return text.strip()


def _tidy(text: str, direction: str) -> str:
    lines = [line.rstrip(" ") for line in text.split("\n")]
    if direction == "rtl":
        lines = [_turned(line) for line in lines]
    return _GAPS.sub("\n\n", "\n".join(lines)).strip("\n") + "\n"


def _turned(line: str) -> str:
    """A line that runs from right to left whatever it begins with; an address stays as it is."""
    return line if not line or "://" in line else f"\u200f{line}"
