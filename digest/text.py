"""Other people's words made safe to keep: one line, bounded, plain, or a link that can be followed.

Nothing here escapes for HTML or mail headers; that is done where the words are shown. What comes
out has no control characters, NUL, lone surrogates or bidirectional overrides, and is NFC.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

URL_LIMIT = 2000
SLICE = 16 * 1024
MARKUP_LIMIT = 512 * 1024
"""How much of a body is looked at: enough for any excerpt, little enough to be quick."""

_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls that are not white space
    "\u202a-\u202e\u2066-\u2069"  # embeddings and overrides would turn the text around them
    "\ufeff\ufdd0-\ufdef\ufffe\uffff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_NAMES = (
    "a|abbr|acronym|address|article|aside|audio|b|base|bdi|bdo|big|blink|blockquote|body|br|button"
    "|canvas|caption|center|cite|code|col|colgroup|dd|del|details|dfn|dialog|div|dl|dt|em|embed"
    "|fieldset|figcaption|figure|font|footer|form|frame|frameset|h[1-6]|head|header|hr|html|i"
    "|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark|marquee|math|menu|meta|meter|nav"
    "|noscript|object|ol|optgroup|option|output|p|param|picture|pre|progress|q|rp|rt|ruby|s|samp"
    "|script|section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody"
    "|td|template|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|wbr"
)
_TAG = re.compile(rf"<(/?)({_NAMES})(\s[^<>]*|/)?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_COMMENT = re.compile(r"<!--|<!\[CDATA\[|<!doctype", re.IGNORECASE)
_EMPTY = frozenset({"br", "hr", "img", "wbr"})
_UNSEEN_NAMES = (
    "script|style|template|head|noscript|noframes|noembed|iframe|object|svg|select|textarea"
)
_INLINE_NAMES = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small"
    "|span|strike|strong|sub|sup|time|tt|u|var|wbr"
)
_UNSEEN = frozenset(_UNSEEN_NAMES.split("|"))
_INLINE = frozenset(_INLINE_NAMES.split("|"))


def clean(text: str, limit: int) -> str:
    """A name or a title as one line of at most ``limit`` characters.

    Tags that are really tags (closed again, or with attributes) go, together with their entities;
    ``a < b``, ``List<int>`` and a title about ``<div>`` stay as they are. "" when nothing is left.
    """
    text = text[: limit * 20 + 2000]
    if "<" in text:
        text = _without_tags(text)
    return shorten(_one_line(text), limit)


def plain(markup: str, limit: int) -> str:
    """A body, HTML or plain, as one paragraph of at most ``limit`` characters.

    Nothing is run or fetched; scripts, styles and embedded things leave no words behind.
    """
    beginning = markup[:MARKUP_LIMIT]
    if _TAG.search(beginning) or _ENTITY.search(beginning) or _COMMENT.search(beginning):
        return shorten(_one_line(_words_of(beginning, limit)), limit)
    return shorten(_one_line(markup[: limit * 4 + 2000]), limit)


def http_url(text: str) -> str:
    """The link itself when it is http or https, names a host and holds nothing odd; else ""."""
    url = text.strip()
    if len(url) > URL_LIMIT or not url.isprintable() or " " in url or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.hostname else ""


def shorten(text: str, limit: int) -> str:
    """``text``, cut to ``limit`` characters with an ellipsis, between words where there are any."""
    if len(text) <= limit:
        return text
    end = limit - 1
    while end > 1 and _continues(text, end):
        end -= 1
    space = text.rfind(" ", end * 3 // 5, end + 1)
    return text[: space if space > 0 else end].rstrip(" .,;:–—-") + "…"


def is_text(text: str) -> bool:
    """Whether every character could be written as UTF-8 (no lone surrogates)."""
    try:
        text.encode()  # several times faster than a search
    except UnicodeEncodeError:
        return False
    return True


def _one_line(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        text = _SURROGATES.sub("\ufffd", _UNWANTED.sub("", text))
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def _without_tags(text: str) -> str:
    """Drop what is markup beyond doubt, and only then decode entities."""
    closed = {tag[2].lower() for tag in _TAG.finditer(text) if tag[1]}
    opened = {tag[2].lower() for tag in _TAG.finditer(text) if not tag[1]}

    def is_markup(tag: re.Match[str]) -> bool:
        name = tag[2].lower()
        if tag[1]:
            return name in opened
        return name in closed or name in _EMPTY or bool(tag[3])

    def replace(tag: re.Match[str]) -> str:
        if not is_markup(tag):
            return tag[0]
        return "" if tag[2].lower() in _INLINE else " "

    stripped = _TAG.sub(replace, text)
    return html.unescape(stripped) if stripped != text else text


class _Words:
    """Collects the words of a page as the parser meets them, and knows when there are enough."""

    def __init__(self, enough: int) -> None:
        self.parts: list[str] = []
        self.missing = enough
        self._unseen = 0

    def start(self, tag: str, _attributes: Any) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag not in _INLINE:
            self.parts.append(" ")

    def end(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen -= 1
        elif tag not in _INLINE:
            self.parts.append(" ")

    def data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)
            self.missing -= len(data)

    def comment(self, _text: str) -> None: ...

    def pi(self, _target: str, _data: str | None = None) -> None: ...

    def close(self) -> str:
        return "".join(self.parts)


def _words_of(markup: str, limit: int) -> str:
    markup = _SURROGATES.sub("\ufffd", _UNWANTED.sub("", markup))
    words = _Words(limit * 4 + 2000)
    parser = etree.HTMLParser(target=words, no_network=True, recover=True, huge_tree=False)
    try:
        for start in range(0, len(markup), SLICE):
            parser.feed(markup[start : start + SLICE])
            if words.missing <= 0:
                break
        parser.close()
    except etree.LxmlError:  # nothing but a comment, or nested beyond reason: what was read stands
        return words.close()
    return words.close()


def _continues(text: str, index: int) -> bool:
    """Whether the character at ``index`` belongs to the one before it (accents, joined emoji)."""
    character = text[index]
    return (
        unicodedata.combining(character) != 0
        or character in "\u200d\ufe0e\ufe0f"
        or text[index - 1] == "\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
