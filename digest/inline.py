"""Inlining of a stylesheet into a template's source: once per template, never per mail.

premailer sees the source with every Jinja tag swapped for a token, and the tags are put back where
the tokens came out. That equals inlining each rendered page as long as which rule matches which
element cannot depend on data or on another fragment. :class:`Inliner` refuses sources that break
this, with file and line:

* ``class`` and ``id`` are plain text; an element that looks different in another state is another
  element. ``style`` may hold values (``{{ }}``), not statements.
* Elsewhere in a tag Jinja stands only inside the quotes of an attribute.
* Selectors are a single element, class or both; no combinators, no positions.
* A fragment closes what it opens, so that parsing does not move anything.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from jinja2 import Environment, TemplateSyntaxError

from digest.errors import TemplateError
from digest.mirroring import mirrored
from digest.sentences import Sentences

_TOKEN = re.compile(r"8147(\d{5})7418")
_MARKUP = re.compile(
    r"<!--.*?-->|<!doctype[^>]*>|</?[a-z](?:\"[^\"]*\"|'[^']*'|[^\"'>])*>",
    re.DOTALL | re.IGNORECASE,
)
_NAME = re.compile(r"</?([a-z][^\s/>]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([^\s=/>]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+))?")
_PLAIN_COMMENT = re.compile(r"<!--(?!\[if|<!\[endif)")
_CSS_NOISE = re.compile(r"/\*.*?\*/", re.DOTALL)
_BRACE = re.compile(r"[{};]")
_SIMPLE = re.compile(r"(?:[a-z][a-z0-9]*|:root)?(?:\.[\w-]+)*(?::(?:hover|focus|active|visited))?")
_VARIABLE = re.compile(r"var\(--([\w-]+)\)")
_WRAPPER = re.compile(r"<html><body[^>]*><div[^>]*>(.*)</div></body></html>\s*", re.DOTALL)
_PROLOGUE = re.compile(r"\s*<(?:!doctype|html)\b", re.IGNORECASE)
_BLOCK = re.compile(
    r"/?(?:body|br|center|div|h[1-6]|head|hr|html|li|link|meta|ol|p|style|table|tbody|td|th|title"
    r"|tr|ul)"
)
_STYLE = re.compile(r"(?<= style=)(\"[^\"]*\"|'[^']*')")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_OPENING = re.compile(r"\{[{%][-+]?")
_PLAIN_JINJA = Environment(autoescape=True, extensions=[Sentences])


@dataclass(frozen=True, slots=True)
class Stylesheet:
    """A stylesheet that keeps the rules above, ready for inlining."""

    css: str

    @classmethod
    def load(cls, source: str, name: str, colours: dict[str, str]) -> Stylesheet:
        """Fill ``var(--name)`` from ``colours``; an unknown name or selector is a TemplateError."""
        plain = _CSS_NOISE.sub(lambda noise: "\n" * noise[0].count("\n"), source)
        for selector, line in _inlined_selectors(plain):
            if not selector or not _SIMPLE.fullmatch(selector):
                raise TemplateError(
                    name,
                    line,
                    f"the selector “{selector}” can match across fragments",
                    hint="use one element, class or both, and give the element a class of its own",
                )

        def fill(variable: re.Match[str]) -> str:
            if variable[1] not in colours:
                line = plain.count("\n", 0, variable.start()) + 1
                raise TemplateError(name, line, f"there is no colour “{variable[1]}”")
            return colours[variable[1]]

        return cls(_VARIABLE.sub(fill, plain))

    def turned(self, direction: str) -> Stylesheet:
        """The same for a direction of writing, ``ltr`` or ``rtl``."""
        return Stylesheet(mirrored(self.css)) if direction == "rtl" else self


@dataclass(frozen=True, slots=True)
class _Tag:
    """A Jinja tag of the source, whole, with the line it begins in."""

    text: str
    line: int
    statement: bool


@lru_cache(maxsize=256)
def inline(source: str, stylesheet: Stylesheet, name: str) -> str:
    """The template ``source`` with ``stylesheet`` inlined and needless whitespace gone.

    Rules that cannot be inlined (``@media``, ``:hover``) go to the head's ``<style>``, if there is
    a head. Jinja tags keep their line numbers, so that an error at run time names the right line.
    A source that breaks the rules of this module is a :class:`TemplateError`.
    """
    text, tags = _swap_out(source, name)
    _check_attributes(text, tags, name)
    styled = _premailed(text, stylesheet)
    _check_elements(text, styled, tags, name)
    return _swap_in(_tidy(styled), tags)


def _inlined_selectors(css: str) -> Iterator[tuple[str, int]]:
    """Each selector outside ``@`` blocks, with its line; comments must be gone already."""
    depth = 0
    start = 0
    at_rule = False
    for brace in _BRACE.finditer(css):
        if brace[0] == "{":
            prelude = css[start : brace.start()]
            if depth == 0:
                at_rule = prelude.lstrip().startswith("@")
                if not at_rule:
                    offset = start
                    for part in prelude.split(","):
                        lead = len(part) - len(part.lstrip())
                        yield part.strip(), css.count("\n", 0, offset + lead) + 1
                        offset += len(part) + 1
            depth += 1
        elif brace[0] == "}":
            depth -= 1
        start = brace.end()


def _swap_out(source: str, name: str) -> tuple[str, list[_Tag]]:
    """The source with tokens for Jinja's tags, and the tags in order; its comments vanish."""
    out: list[str] = []
    tags: list[_Tag] = []
    pending: list[str] = []
    first_line = 1
    try:
        _PLAIN_JINJA.parse(source)
        for line, kind, text in _PLAIN_JINJA.lex(source):
            if kind == "data" and not pending:
                out.append(text)
                continue
            if not pending:
                first_line = line
            pending.append(text)
            if kind == "comment_end":
                out.append("\n" * "".join(pending).count("\n"))
            elif kind in {"block_end", "variable_end", "raw_end"}:
                out.append(f"8147{len(tags):05d}7418")
                tags.append(_Tag("".join(pending), first_line, kind != "variable_end"))
            if kind in {"block_end", "variable_end", "raw_end", "comment_end"}:
                pending.clear()
    except TemplateSyntaxError as error:
        raise TemplateError(name, error.lineno, error.message or "cannot be read") from error
    return "".join(out), tags


def _check_attributes(text: str, tags: list[_Tag], name: str) -> None:
    for markup in _markup(text):
        element = _NAME.match(markup[0])
        assert element is not None
        for attribute in _ATTRIBUTE.finditer(markup[0], element.end()):
            inside = [tags[int(token[1])] for token in _TOKEN.finditer(attribute[0])]
            if not inside:
                continue
            problem = _problem(attribute[1].lower(), attribute[2] or "", inside)
            if problem:
                hint = "write one element per state, each with its own class"
                raise TemplateError(name, inside[0].line, problem, hint=hint)


def _problem(attribute: str, value: str, inside: list[_Tag]) -> str:
    if not value.startswith(('"', "'")) or _TOKEN.search(attribute):
        return "Jinja in a tag must stand inside the quotes of an attribute"
    if attribute in {"class", "id"}:
        return f"the attribute “{attribute}” depends on data, so rules for it cannot be inlined"
    if attribute == "style" and any(tag.statement for tag in inside):
        return "the attribute “style” holds a statement, so rules cannot be merged into it"
    return ""


def _premailed(text: str, stylesheet: Stylesheet) -> str:
    from premailer import Premailer  # noqa: PLC0415 - a fifth of every start, and few need it

    whole = _PROLOGUE.match(text) is not None
    styled: str = Premailer(
        html=text if whole else f"<html><body><div>{text}</div></body></html>",
        css_text=stylesheet.css,
        allow_network=False,
        align_floating_images=False,
        cssutils_logging_level=logging.CRITICAL,
        disable_leftover_css=not whole,
        disable_validation=True,
        strip_important=False,
    ).transform(pretty_print=False)
    wrapped = None if whole else _WRAPPER.fullmatch(styled)
    return wrapped[1] if wrapped else styled


def _check_elements(text: str, styled: str, tags: list[_Tag], name: str) -> None:
    """What the parser had to repair would come out elsewhere than the author wrote it."""
    wanted = [(_element(markup), markup.start()) for markup in _markup(text)]
    found = [_element(markup) for markup in _markup(styled)]
    if _PROLOGUE.match(text):
        wanted = [pair for pair in wanted if pair[0].strip("/") != "style"]
        found = [element for element in found if element.strip("/") != "style"]
    for (element, place), other in zip_longest(wanted, found, fillvalue=("", len(text))):
        if element != other:
            raise TemplateError(
                name,
                _line(text, place, tags),
                "this is not complete HTML on its own",
                hint="close every element in the file, and the branch, that opens it",
            )


def _line(text: str, place: int, tags: list[_Tag]) -> int:
    before = next(reversed(list(_TOKEN.finditer(text, 0, place))), None)
    if before is None:
        return text.count("\n", 0, place) + 1
    tag = tags[int(before[1])]
    return tag.line + tag.text.count("\n") + text.count("\n", before.end(), place)


def _markup(text: str) -> Iterator[re.Match[str]]:
    """The start and end tags in ``text``, without comments and the doctype."""
    return (markup for markup in _MARKUP.finditer(text) if not markup[0].startswith("<!"))


def _element(markup: re.Match[str]) -> str:
    """Its name, with "/" in front when it closes."""
    name = _NAME.match(markup[0])
    assert name is not None
    return ("/" if markup[0].startswith("</") else "") + name[1].lower()


def _tidy(styled: str) -> str:
    """Drop the whitespace that nobody sees and the comments that no mail program reads."""
    out: list[str] = []
    end = 0
    after_block = True
    for markup in _MARKUP.finditer(styled):
        piece = markup[0]
        if _PLAIN_COMMENT.match(piece):
            piece = ""
        comment = piece.startswith("<!") or not piece
        block = comment or _BLOCK.fullmatch(_element(markup)) is not None
        text = styled[end : markup.start()]
        if out and out[-1].startswith("<style"):
            text = _small_css(text)
        piece = _STYLE.sub(lambda style: style[0].replace("; ", ";"), _SPACES.sub(" ", piece))
        out += [_small_text(text, left=after_block, right=block), piece]
        after_block = block
        end = markup.end()
    return "".join(out) + _small_text(styled[end:], left=after_block, right=True)


def _small_text(text: str, *, left: bool, right: bool) -> str:
    text = _SPACES.sub(" ", text)
    text = text.lstrip(" ") if left else text
    return text.rstrip(" ") if right else text


def _small_css(css: str) -> str:
    return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r":\s+", ":", css)).replace(";}", "}").strip()


def _swap_in(text: str, tags: list[_Tag]) -> str:
    """Put the tags back, each on the line it came from: newlines inside its braces are free."""
    out: list[str] = []
    line = 1
    end = 0
    for token in _TOKEN.finditer(text):
        tag = tags[int(token[1])]
        before = text[end : token.start()]
        line += before.count("\n")
        opening = _OPENING.match(tag.text)
        assert opening is not None
        padded = opening[0] + "\n" * (tag.line - line) + tag.text[opening.end() :]
        line += padded.count("\n")
        out += [before, padded]
        end = token.end()
    return "".join(out) + text[end:]
