"""What an HTML text uses: elements, attributes and CSS, each with the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple

_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source"})
_CONDITION = re.compile(r"\[if ([^\]]*)\]>?(.*?)(?:<!\[endif\])?", re.DOTALL)
_CSS_NOISE = re.compile(r"/\*.*?\*/|<!--|-->", re.DOTALL)
_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
_COLOUR = re.compile(r"#[0-9a-f]+\b", re.IGNORECASE)
_FUNCTION = re.compile(r"([a-z-]+)\(([^()]*)\)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])([-+]?)(?:\d+\.?\d*|\.\d+)(%|[a-z]+)?", re.IGNORECASE)
_WORD = re.compile(r"-?[a-z][a-z-]*", re.IGNORECASE)
_FEATURE = re.compile(r"\(\s*([a-z-]+)")
_SELECTOR = re.compile(r"[.#]?[a-z][\w-]*|\*|\[[^\]]*\]|::?[a-z-]+(?:\([^)]*\))?", re.IGNORECASE)
_KINDS = {".": "class", "#": "id", "[": "attribute", "*": "universal"}


class Feature(NamedTuple):
    """What the table has rows of: ``property``, ``margin``."""

    kind: str
    name: str


class Use(NamedTuple):
    """A feature that is used, and where.

    ``element`` is "" in a rule whose element is not known. ``place`` is for people. ``within`` are
    the features around it: who does not know those never comes to this.
    """

    feature: Feature
    element: str
    place: str
    within: tuple[Feature, ...] = ()


class Uses(HTMLParser):
    """Reads an HTML text; ``found`` are its uses in order, ``style`` is all its ``<style>``."""

    def __init__(self, html: str, within: tuple[Feature, ...] = ()) -> None:
        super().__init__()
        self.found: list[Use] = []
        self.style = ""
        self._within = within
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down the element and its attributes, and look into its style."""
        values = {name: value or "" for name, value in attrs}
        classes = values.get("class", "").split()
        self._open.append((tag, f"{tag}.{classes[0]}" if classes else tag))
        misplaced = tag == "style" and any(name == "body" for name, _ in self._open)
        self._use("element", "style in body" if misplaced else tag)
        for name, value in values.items():
            self._use("attribute", name)
            if name == "style":
                for feature in _declared(value, "in an attribute"):
                    self._use(*feature)
        if tag == "meta" and values.get("name"):
            self._use("meta", values["name"].lower())
        if tag in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element of that name."""
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at][0] == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        """Look into a stylesheet; words are free."""
        if self._open and self._open[-1][0] == "style":
            self.style += data
            self.found += (
                use._replace(within=self._within + use.within) for use in _in_stylesheet(data)
            )

    def handle_comment(self, data: str) -> None:
        """Look into a conditional comment, which some programs read as if it were none."""
        condition = _CONDITION.fullmatch(data.strip())
        if condition:
            around = Feature("comment", f"[if {condition[1].strip()}]")
            self._use(*around)
            inside = Uses(condition[2], (*self._within, around))
            self.found += inside.found

    def _use(self, kind: str, name: str) -> None:
        element = self._open[-1][0] if self._open else ""
        place = " ".join(label for _, label in self._open[-3:])
        self.found.append(Use(Feature(kind, name), element, place, self._within))


def _declared(declarations: str, where: str) -> Iterator[Feature]:
    """What ``name: value; name: value`` uses."""
    for declaration in declarations.split(";"):
        name, colon, value = declaration.partition(":")
        if not colon:
            continue
        name, value = name.strip().lower(), value.strip()
        yield Feature("property", name)
        if "!" in value:
            value = value.partition("!")[0]
            yield Feature("!important", where)
        yield from _valued(name, value)


def _valued(name: str, value: str) -> Iterator[Feature]:
    """The functions, units and words of the value of the property ``name``."""
    rest = _COLOUR.sub(" ", _STRING.sub(" ", value))
    while function := _FUNCTION.search(rest):
        yield Feature("function", function[1].lower())
        rest = rest[: function.start()] + " " + rest[function.end() :]
    for number in _NUMBER.finditer(rest):
        if number[2]:
            yield Feature("unit", number[2].lower())
        if number[1] == "-":
            yield Feature(f"value.{name}", "negative")
    for word in _WORD.finditer(_NUMBER.sub(" ", rest)):
        yield Feature(f"value.{name}", word[0].lower())


def _in_stylesheet(css: str) -> Iterator[Use]:
    """The uses of a stylesheet, in order."""
    around: list[tuple[Feature, ...]] = []
    text, start, selectors = _CSS_NOISE.sub(" ", css), 0, ""
    for mark in re.finditer(r"[{};]", text):
        before, start = text[start : mark.start()].strip(), mark.end()
        within = tuple(feature for features in around for feature in features)
        if before.startswith("@"):
            features = _at_rule(before, nested=bool(within))
            yield from (Use(feature, "", before, within) for feature in features)
            if mark[0] == "{":
                around.append(tuple(features))
        elif mark[0] == "{":
            yield from (Use(feature, "", before, within) for feature in _selected(before))
            around.append(())
            selectors = before
        elif before:
            for selector in selectors.split(","):
                element = selector.strip() if selector.strip().isalnum() else ""
                for feature in _declared(before, "in <style>"):
                    yield Use(feature, element, selector.strip(), within)
        if mark[0] == "}" and around:
            around.pop()


def _at_rule(prelude: str, *, nested: bool) -> list[Feature]:
    """``@media (max-width: 480px)``: the rule and what it asks for."""
    name = re.split(r"[\s(]", prelude[1:], maxsplit=1)[0].lower()
    found = [Feature("at-rule", "@ within @" if nested else name)]
    if name == "media":
        found += [Feature("media-feature", feature) for feature in _FEATURE.findall(prelude)]
    return found


def _selected(selectors: str) -> Iterator[Feature]:
    """The kinds of selectors in a list of them."""
    for selector in selectors.split(","):
        parts = re.split(r"(\s*[>+~]\s*|\s+)", selector.strip())
        for combinator in parts[1::2]:
            kind = {">": "child", "": "descendant"}.get(combinator.strip(), combinator.strip())
            yield Feature("selector", kind)
        for part in parts[::2]:
            yield from _compound(part)


def _compound(part: str) -> Iterator[Feature]:
    """``td.card:hover``: its pieces, and that they are chained."""
    pieces = [piece[0].lower() for piece in _SELECTOR.finditer(part)]
    for piece in pieces:
        yield Feature("selector", piece if piece[0] == ":" else _KINDS.get(piece[0], "type"))
    if sum(piece[0] != ":" for piece in pieces) > 1:
        yield Feature("selector", "chain")
