"""Finds what is to be translated, as extraction methods of Babel.

``digest`` is for templates. What stands in ``{% trans %}`` is found with its context and plural,
and so are the nouns of ``count(n, "person", "people")``, as the messages that are looked up:
``{number} person``. ``digest_sections`` finds what the preferences call a section: its ``label``.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any

from jinja2 import Environment, nodes

from digest.catalogues import SOURCE, Catalogue, Rule
from digest.sentences import Sentences

Found = tuple[int, str, str | tuple[str, ...], list[str]]
"""A line, the function of gettext that says what the texts are, the texts, and comments."""


def extract(
    fileobj: IO[bytes],
    keywords: Mapping[str, Any],
    comment_tags: Collection[str],
    options: Mapping[str, Any],
) -> Iterator[Found]:
    """Every message of one template, in the form that Babel asks of its methods."""
    del keywords, comment_tags, options
    told = _Told()
    environment = Environment(autoescape=True, extensions=[Sentences.speaking(told)])
    tree = environment.parse(fileobj.read().decode(), filename=getattr(fileobj, "name", None))
    yield from told.found
    for call in tree.find_all(nodes.Call):
        texts = [one.value for one in call.args[1:] if isinstance(one, nodes.Const)]
        if isinstance(call.node, nodes.Name) and call.node.name == "count" and len(texts) == 2:
            nouns = tuple(f"{{number}} {text}" for text in texts)
            yield call.lineno, "ngettext", nouns, []


def labels(
    fileobj: IO[bytes],
    keywords: Mapping[str, Any],
    comment_tags: Collection[str],
    options: Mapping[str, Any],
) -> Iterator[Found]:
    """The labels of the sections that one file of Python makes."""
    del keywords, comment_tags, options
    for call in ast.walk(ast.parse(fileobj.read())):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Section":
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            label = getattr(given.get("label"), "value", "")
            if label:
                yield call.lineno, "gettext", label, []


class _Told(Catalogue):
    """Writes down what it is asked."""

    def __init__(self) -> None:
        super().__init__(SOURCE, {})
        self.found: list[Found] = []

    def sentence(self, text: str, context: str | None = None) -> str:
        self._tell("gettext", context, text)
        return text

    def forms(
        self, one: str, many: str, context: str | None = None
    ) -> tuple[tuple[str, ...], Rule]:
        self._tell("ngettext", context, one, many)
        return super().forms(one, many, context)

    def _tell(self, function: str, context: str | None, *texts: str) -> None:
        if context is not None:
            function = {"gettext": "pgettext", "ngettext": "npgettext"}[function]
            texts = (context, *texts)
        self.found.append((0, function, texts if len(texts) > 1 else texts[0], []))
