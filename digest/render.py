"""A snapshot to subject, text and HTML: pure, fast, and always from the snapshot's plain data.

Templates see the snapshot's sections as plain data (``s``), the :class:`Brand`, the
:class:`MailLinks` and the vocabulary of :mod:`digest.wording`. What people wrote is cleaned here
once: control and direction marks are gone, and whatever is not a web address is no ``url``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import escape

from digest.colour import palette
from digest.compose import Snapshot
from digest.folders import template_folders
from digest.templating import Templates, run
from digest.text import URL_LIMIT, http_url, shorten
from digest.window import Period
from digest.wording import (
    LANGUAGE,
    html_list,
    isolated,
    numbered,
    plain_list,
    wording,
)

_PAGES = ("subject.txt", "base.txt", "base.html")
_FROM_CALLER = frozenset({"brand", "links", "name", "language", "monday", "due", "sections", "s"})
_FROM_CALLER |= {"lead", "second", "subject", "section", "numbers", "eased"}
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]+"
)
_GAPS = re.compile(r"\n{3,}")
_RESERVED = "%/:?#[]@!$&'()*+,;=~"
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
    """One delivery's own addresses; an empty ``browser`` is left out (the web copy itself)."""

    unsubscribe: str
    browser: str
    counting: str
    preferences: str = ""

    @property
    def less(self) -> str:
        """Where fewer mails can be chosen."""
        return f"{self.preferences}/less"

    @property
    def keep(self) -> str:
        """Where mails can be had every week again."""
        return f"{self.preferences}/keep"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's three texts; the subject is one line."""

    subject: str
    text: str
    html: str


class Renderer:
    """All templates, inlined and compiled; make it once per process.

    ``overrides`` is the operator's folder, ``extra`` are folders with sections from elsewhere; all
    are laid out like ``templates/``. ``inlined=False`` leaves out the stylesheet, for comparisons.
    A template that is broken, breaks the rules of :mod:`digest.inline`, or uses an unknown name is
    a :class:`TemplateError` here, not in the middle of a run.
    """

    def __init__(
        self,
        brand: Brand,
        *,
        overrides: Path | None = None,
        extra: Sequence[Path] = (),
        inlined: bool = True,
    ) -> None:
        self._brand = brand
        folders = template_folders("email", overrides=overrides, extra=extra)
        names = _FROM_CALLER | _vocabulary("", "txt").keys()
        templates = Templates(folders, palette(brand.accent), names, inlined=inlined)
        self.stylesheet = templates.stylesheet
        self._subject, self._text, self._html = map(templates.get, _PAGES)

    def render(self, snapshot: Snapshot, links: MailLinks, weekday: int = 0) -> Rendered:
        """The mail of one snapshot; ``weekday`` is the day it is sent on, 0 being Monday.

        A section without templates, or data that a template does not expect, is a
        :class:`TemplateError` that names the file and line.
        """
        sections = _cleaned(snapshot.sections)
        locale = snapshot.locale or ""
        lead, second = _news(sections, numbers=snapshot.numbers)
        facts = {
            "brand": self._brand,
            "links": links,
            "name": _said(snapshot.name or ""),
            "language": LANGUAGE,
            "monday": Period.parse(snapshot.period).monday,
            "due": weekday,
            "sections": sections,
            "lead": lead,
            "second": second,
            "numbers": snapshot.numbers,
            "eased": snapshot.eased,
        }
        plain = {**_vocabulary(locale, "txt"), **facts}
        subject = " ".join(run(self._subject, plain).split())
        text = run(self._text, {**plain, "subject": subject})
        html = run(self._html, {**_vocabulary(locale, "html"), **facts, "subject": subject})
        return Rendered(subject, _tidy(text), html)


@lru_cache(maxsize=512)
def _vocabulary(locale: str, kind: str) -> dict[str, Any]:
    """What templates can say, by name; the same names for HTML and text."""
    words = wording(locale)
    plain = kind == "txt"

    def said(text: str, limit: int = 160) -> str:
        short = shorten(text, limit)
        return isolated(short) if plain else short

    def title(post: Mapping[str, str], untitled: str) -> str:
        return said(post["title"] or shorten(post.get("excerpt") or "", 80) or untitled)

    return {
        "number": words.number,
        "count": words.count,
        "times": words.times,
        "ordinal": words.ordinal,
        "bars": words.bars,
        "month": words.month,
        "week": words.week,
        "weekday": words.weekday,
        "names": plain_list if plain else html_list,
        "said": said,
        "title": title,
        "numbered": numbered,
    }


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


def _news(sections: Mapping[str, Any], *, numbers: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two best facts of the week, the first for the subject, the second for the preheader."""
    headline = sections.get("headline")
    posts = [
        post
        for name in ("top_posts", "new_posts")
        for post in sections.get(name, {}).get("posts", ())
        if post["title"]
    ]
    news: list[dict[str, Any]] = []
    if "quiet" in sections:
        best = sections["quiet"]["best"]
        news += [{"kind": "quiet"}]
        if best and best["title"]:
            news.append({"kind": "best", "post": best})
    if "so_far" in sections:
        news.append({"kind": "so_far", "so_far": sections["so_far"]})
    outstanding = max(posts, key=lambda post: post["times"] or 0, default=None)
    if numbers and outstanding and (outstanding["times"] or 0) >= 2:
        news.append({"kind": "times", "post": outstanding})
    if headline and headline[headline["metric"]]:
        news.append({"kind": "count", "metric": headline["metric"], "headline": headline})
    top = sections.get("top_posts", {}).get("posts", ())
    if top and top[0]["title"]:
        news.append({"kind": "top", "metric": sections["top_posts"]["metric"], "post": top[0]})
    news += [{"kind": "week"}, {"kind": "site"}]
    return news[0], news[1]


def _tidy(text: str) -> str:
    trimmed = "\n".join([line.rstrip(" ") for line in text.split("\n")])
    return _GAPS.sub("\n\n", trimmed).strip("\n") + "\n"
