"""Whole sentences in templates, put into the mail's language when a template is compiled.

::

    {% trans name=apart(name, 60) %}{{ name }}, a quiet week{% endtrans %}
    {% trans count=s.more %}{{ count }} other{% pluralize %}{{ count }} others{% endtrans %}

The syntax is that of Jinja's own ``i18n``. Here the words of a language become part of the compiled
template, so no mail looks anything up, and what a translator writes can only be text: it is
escaped, except for the elements that the English sentence has itself. Those stand without their
attributes (``<b>``), which are the template's matter; plain text drops them.

The first variable is the one that ``{% pluralize %}`` counts by, and is written as a number of the
reader's locale. A string after ``trans`` is gettext's context.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import escape

from digest.catalogues import SOURCE, Catalogue, english

_ELEMENT = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:\"[^\"]*\"|[^\">])*)>")
_PIECE = re.compile(r"(\{\w+\}|</?[a-z][a-z0-9]*>)")
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)>")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_EMPTY = frozenset({"br"})


class Sentences(Extension):
    """The tag ``trans`` in English; :meth:`speaking` gives it in another language."""

    tags = {"trans"}  # noqa: RUF012 - Jinja's own way
    catalogue = Catalogue(SOURCE, {})

    @classmethod
    def speaking(cls, catalogue: Catalogue) -> type[Sentences]:
        """The extension for the language of ``catalogue``."""
        return type(cls.__name__, (cls,), {"catalogue": catalogue})

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """The sentence as template data and expressions, once for every plural form."""
        line = next(parser.stream).lineno
        context = parser.stream.next_if("string")
        values = _values(parser)
        one = _sentence(parser)
        many = _sentence(parser) if parser.stream.skip_if("name:pluralize") else None
        parser.stream.expect("name:endtrans")
        writer = _Writer(parser, line, values)
        called = context.value if context else None
        if many is None:
            return writer.output(one, self.catalogue.sentence(one.text, called))
        if not values:
            parser.fail("pluralize needs a variable to count by", line)
        forms, rule = self.catalogue.forms(one.text, many.text, called)
        form = self.attr("english" if rule is english else "form")
        return writer.counted(one, many, forms, form)

    def form(self, number: int) -> int:
        """Which form of the language ``number`` takes; compiled templates ask."""
        return self.catalogue.rule(number)

    def english(self, number: int) -> int:
        """The same for a sentence that has no translation."""
        return english(number)


def joined(tree: nodes.Template) -> nodes.Template:
    """The same template with neighbouring outputs made one: a sentence need not stand alone."""
    for node in [tree, *tree.find_all(nodes.Node)]:
        for _, body in node.iter_fields():
            if isinstance(body, list):
                _join(body)
    return tree


def _join(body: list[nodes.Node]) -> None:
    for at in range(len(body) - 1, 0, -1):
        before, after = body[at - 1 : at + 1]
        if isinstance(before, nodes.Output) and isinstance(after, nodes.Output):
            before.nodes = [*before.nodes, *after.nodes]
            del body[at]


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence as catalogues have it, and the start tags of its elements as the template has."""

    text: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Writer:
    """Makes nodes of translations; ``values`` are the expressions behind the placeholders."""

    parser: Parser
    line: int
    values: dict[str, nodes.Expr]

    def output(self, source: _Sentence, text: str, spare: str = "") -> nodes.Output:
        """The words of one form; ``spare`` is a placeholder that a form may do without."""
        self._check(source.text, text, spare)
        written = [self._written(piece, source) for piece in _PIECE.split(text) if piece]
        return nodes.Output(written, lineno=self.line)

    def counted(
        self, one: _Sentence, many: _Sentence, forms: tuple[str, ...], form: nodes.Expr
    ) -> list[nodes.Node]:
        """Every form, and the choice between them at the time of rendering."""
        name, value = next(iter(self.values.items()))
        number, chosen = self.parser.free_identifier(), self.parser.free_identifier()
        self.values[name] = _call(nodes.Name("number", "load"), number)
        outputs = [self.output(many if at else one, text, name) for at, text in enumerate(forms)]
        return [
            nodes.Assign(number, value, lineno=self.line),
            nodes.Assign(chosen, _call(form, number), lineno=self.line),
            _choice(chosen, outputs, self.line),
        ]

    def _written(self, piece: str, source: _Sentence) -> nodes.Expr:
        plain = (self.parser.name or "").endswith(".txt")
        if not _PIECE.fullmatch(piece):
            piece = piece if plain else str(escape(piece))
        elif piece.startswith("{"):
            name = piece[1:-1]
            return self.values.get(name, nodes.Name(name, "load", lineno=self.line))
        elif plain:
            piece = " " if piece == "<br>" else ""
        else:
            piece = source.tags[piece]
        return nodes.TemplateData(piece, lineno=self.line)

    def _check(self, source: str, text: str, spare: str) -> None:
        wanted, found = Counter(_PIECE.findall(source)), Counter(_PIECE.findall(text))
        if spare:
            found[f"{{{spare}}}"] = wanted[f"{{{spare}}}"]
        if +wanted != +found or not _nested(text):
            self.parser.fail(
                f"the translation “{text}” has other placeholders or elements than “{source}”",
                self.line,
            )


def _values(parser: Parser) -> dict[str, nodes.Expr]:
    """``name=expression, …`` up to the end of the tag."""
    values: dict[str, nodes.Expr] = {}
    while parser.stream.current.type != "block_end":
        if values:
            parser.stream.expect("comma")
        name = parser.stream.expect("name").value
        parser.stream.expect("assign")
        values[name] = parser.parse_expression()
    return values


def _sentence(parser: Parser) -> _Sentence:
    """What stands between two tags, spaces made one."""
    parser.stream.expect("block_end")
    parts: list[str] = []
    tags: dict[str, str] = {}
    while (token := next(parser.stream)).type != "block_begin":
        if token.type == "data":
            parts.append(_bare(token.value, tags, parser, token.lineno))
        elif token.type == "variable_begin":
            parts.append(f"{{{parser.stream.expect('name').value}}}")
            parser.stream.expect("variable_end")
        else:
            parser.fail("a sentence holds words and {{ names }} only", token.lineno)
    return _Sentence(_SPACES.sub(" ", "".join(parts)).strip(" "), tags)


def _bare(data: str, tags: dict[str, str], parser: Parser, line: int) -> str:
    """Template data as a catalogue shows it: elements without attributes, no entities."""
    if "{" in data or "}" in data:
        parser.fail("a brace in a sentence would be taken for a placeholder", line)

    def bare(element: re.Match[str]) -> str:
        tag = f"<{element[1]}{element[2]}>"
        if tags.setdefault(tag, element[0]) != element[0]:
            parser.fail(f"two elements {tag} of one sentence must have the same attributes", line)
        return tag

    return html.unescape(_ELEMENT.sub(bare, data))


def _nested(text: str) -> bool:
    """Whether every element is closed, the inner before the outer."""
    is_open: list[str] = []
    for closing, name in _TAG.findall(text):
        if closing and (not is_open or is_open.pop() != name):
            return False
        if not closing and name not in _EMPTY:
            is_open.append(name)
    return not is_open


def _choice(chosen: nodes.Expr, outputs: list[nodes.Output], line: int) -> nodes.Node:
    first, *others = outputs
    if not others:
        return first
    tests = [
        nodes.If(_equals(chosen, at), [output], [], [], lineno=line)
        for at, output in enumerate(others[:-1], 1)
    ]
    return nodes.If(_equals(chosen, 0), [first], tests, [others[-1]], lineno=line)


def _equals(chosen: nodes.Expr, form: int) -> nodes.Compare:
    return nodes.Compare(chosen, [nodes.Operand("eq", nodes.Const(form))])


def _call(function: nodes.Expr, argument: nodes.Expr) -> nodes.Call:
    return nodes.Call(function, [argument], [], None, None)
