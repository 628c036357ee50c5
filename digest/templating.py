"""The templates of the mail as Jinja programs: inlined, compiled and checked before the first mail.

What is wrong with a template is a :class:`TemplateError` with its file and line, whether it is
found when the templates are loaded or only when data meets them.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    nodes,
)

from digest import compiled
from digest.emitting import Generator, written
from digest.errors import TemplateError
from digest.inline import Stylesheet, inline
from digest.lines import heading, wrapped
from digest.sentences import Sentences, joined
from digest.wording import Wording

STYLESHEET = "email.css"


class Templates:
    """All templates of some folders, the first folder that has one winning.

    ``words`` is their language, ``names`` what they may use; ``inlined=False`` leaves out the
    stylesheet. What is compiled is kept in the folder ``cache``, if one is given.
    """

    def __init__(
        self,
        folders: tuple[Path, ...],
        colours: dict[str, str],
        names: AbstractSet[str],
        words: Wording,
        *,
        inlined: bool,
        cache: Path | None = None,
    ) -> None:
        files = FileSystemLoader(folders)
        environment = _Environment(files, Sentences.speaking(words.catalogue), names)
        css, file, _ = files.get_source(environment, STYLESHEET)
        self.stylesheet = Stylesheet.load(css, file, colours).turned(words.direction)
        sources = {
            name: files.get_source(environment, name)[:2]
            for name in sorted(files.list_templates())
            if name.endswith((".html", ".txt"))
        }
        stylesheet = self.stylesheet if inlined else None
        self._sources, self._inlined = sources, stylesheet
        made_from = (stylesheet, sorted(names), sources, words.catalogue)
        codes = compiled.kept(
            cache,
            compiled.named(map(str, made_from)),
            partial(_compile, environment, sources, stylesheet),
        )
        environment.loader = _Compiled(codes)
        self._environment = environment

    def get(self, name: str) -> Template:
        """A compiled template, by its place below ``email/``."""
        return self._environment.get_template(name)

    def markup(self) -> Iterator[tuple[str, str]]:
        """Each template of HTML: its file, and all its branches as HTML, a 0 for every value."""
        for name, (source, file) in self._sources.items():
            if name.endswith(".html"):
                text = inline(source, self._inlined, file) if self._inlined else source
                yield (
                    file,
                    "".join(
                        "0" if kind == "variable_begin" else piece
                        for _, kind, piece in self._environment.lex(text)
                        if kind in {"data", "variable_begin"}
                    ),
                )


def run(template: Template, context: dict[str, Any]) -> str:
    """What the template makes of the context; data that it does not expect is a TemplateError."""
    try:
        return template.render(context)
    except TemplateNotFound as error:
        raise TemplateError(f"{error.name}", None, "is missing") from error
    except Exception as error:  # whatever an expression raises: told with its place, or as it is
        files = {
            frame.filename: frame.lineno for frame in traceback.extract_tb(error.__traceback__)
        }
        place = [pair for pair in files.items() if pair[0].endswith((".html", ".txt"))]
        if not place:
            raise
        raise TemplateError(*place[-1], f"{error}") from error


class _Environment(Environment):
    """Data before methods (a key may be called "items"), and nothing unknown is silently empty."""

    written = staticmethod(written)

    def __init__(
        self, loader: BaseLoader, sentences: type[Sentences], names: AbstractSet[str]
    ) -> None:
        super().__init__(
            loader=loader,
            extensions=[sentences],
            autoescape=lambda name: not (name or "").endswith(".txt"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self.filters |= {"wrap": wrapped, "heading": heading}
        self._names = names | self.globals.keys()
        self._parts: dict[str, Template] = {}
        self.code_generator_class = Generator.knowing(names)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        _check_names(tree, self._names, filename or f"{name}")
        return joined(tree)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """One mapping, not a chain of them: it is gone through for every section of every mail."""
        return {**self.globals, **(d or {})}

    def included(self, name: str, facts: dict[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
        """What a part of a template says of ``facts``, and of what is the includer's ``own``."""
        if name not in self._parts:
            self._parts[name] = self.get_template(name)
        part = self._parts[name]
        return part.root_render_func(part.new_context(facts, shared=True, locals=own))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``s.views`` is ``s["views"]`` for plain data."""
        if type(obj) is not dict:
            return super().getattr(obj, attribute)
        try:
            return obj[attribute]
        except KeyError:
            return self.undefined(obj=obj, name=attribute)


class _Compiled(BaseLoader):
    """Templates that are compiled already."""

    def __init__(self, codes: Mapping[str, CodeType]) -> None:
        self._codes = codes

    def load(
        self,
        environment: Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 - Jinja's name
    ) -> Template:
        """The template of that name."""
        if name not in self._codes:
            raise TemplateNotFound(name)
        shared = environment.make_globals(globals)
        return environment.template_class.from_code(environment, self._codes[name], shared)


def _compile(
    environment: Environment, sources: Mapping[str, tuple[str, str]], stylesheet: Stylesheet | None
) -> dict[str, CodeType]:
    """Inline, check and compile every template there is, before the first mail is made."""
    codes = {}
    for name, (source, file) in sources.items():
        try:
            text = source
            if stylesheet is not None and name.endswith(".html"):
                text = inline(source, stylesheet, file)
            codes[name] = environment.compile(text, name, file)
        except TemplateSyntaxError as error:
            raise TemplateError(file, error.lineno, error.message or "cannot be read") from error
        is_part = name.startswith("sections/") and not name.endswith(".subject.txt")
        if is_part and _twin(name) not in sources:
            raise TemplateError(file, None, f"there is no {_twin(name)} beside it")
    return codes


def _check_names(tree: nodes.Template, known: AbstractSet[str], file: str) -> None:
    for macro in tree.find_all(nodes.Macro):
        if macro.name in known:
            raise TemplateError(
                file,
                macro.lineno,
                f"a macro cannot be called “{macro.name}”",
                hint="every template has something of that name already",
            )
    own = {found.name for found in tree.find_all(nodes.Name) if found.ctx != "load"}
    own |= {macro.name for macro in tree.find_all(nodes.Macro)} | {"loop", "caller"}
    for found in tree.find_all(nodes.Name):
        if found.ctx == "load" and found.name not in known | own:
            raise TemplateError(
                file,
                found.lineno,
                f"there is nothing called “{found.name}”",
                hint=f"a template may use {', '.join(sorted(known))}",
            )


def _twin(name: str) -> str:
    return name[:-5] + ".txt" if name.endswith(".html") else name[:-4] + ".html"
