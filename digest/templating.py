"""The templates of the mail as Jinja programs: inlined, compiled and checked before the first mail.

What is wrong with a template is a :class:`TemplateError` with its file and line, whether it is
found when the templates are loaded or only when data meets them.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, MutableMapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path
from types import FunctionType, MethodType
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
from jinja2.runtime import Context

from digest.errors import TemplateError
from digest.inline import Stylesheet, inline
from digest.lines import heading, wrapped
from digest.sentences import Sentences, joined
from digest.wording import Wording

Source = tuple[str, str, Callable[[], bool] | None]

STYLESHEET = "email.css"
_PLAIN_CALLS = frozenset({FunctionType, MethodType, type(lru_cache(len))})


class Templates:
    """All templates of some folders, the first folder that has one winning.

    ``words`` is their language, ``names`` what they may use; ``inlined=False`` leaves out the
    stylesheet.
    """

    def __init__(
        self,
        folders: tuple[Path, ...],
        colours: dict[str, str],
        names: AbstractSet[str],
        words: Wording,
        *,
        inlined: bool,
    ) -> None:
        files = FileSystemLoader(folders)
        self._environment = _Environment(files, Sentences.speaking(words.catalogue))
        source, file, _ = files.get_source(self._environment, STYLESHEET)
        self.stylesheet = Stylesheet.load(source, file, colours).turned(words.direction)
        self._environment.loader = _Prepared(files, self.stylesheet if inlined else None)
        _check_all(self._environment, files, names)

    def get(self, name: str) -> Template:
        """A compiled template, by its place below ``email/``."""
        return self._environment.get_template(name)


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


class _Context(Context):
    """Calls our own plain functions straight away: a seventh of a mail's time went into asking."""

    def call(self, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """What may want more than its arguments (macros, loops) goes Jinja's way."""
        if type(obj) in _PLAIN_CALLS:
            kwargs.pop("_loop_vars", None)
            kwargs.pop("_block_vars", None)
            return obj(*args, **kwargs)
        return super().call(obj, *args, **kwargs)


class _Environment(Environment):
    """Data before methods (a key may be called "items"), and nothing unknown is silently empty."""

    context_class = _Context

    def __init__(self, loader: BaseLoader, sentences: type[Sentences]) -> None:
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

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return joined(super()._parse(source, name, filename))

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """One mapping, not a chain of them: it is gone through for every section of every mail."""
        return {**self.globals, **(d or {})}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``s.views`` is ``s["views"]`` for plain data."""
        if type(obj) is not dict:
            return super().getattr(obj, attribute)
        try:
            return obj[attribute]
        except KeyError:
            return self.undefined(obj=obj, name=attribute)


class _Prepared(BaseLoader):
    """Loads a template with its stylesheet inlined."""

    def __init__(self, files: FileSystemLoader, stylesheet: Stylesheet | None) -> None:
        self._files = files
        self._stylesheet = stylesheet

    def get_source(self, environment: Environment, template: str) -> Source:
        source, file, _ = self._files.get_source(environment, template)
        if self._stylesheet is not None and template.endswith(".html"):
            source = inline(source, self._stylesheet, file)
        return source, file, None


def _check_all(environment: Environment, files: FileSystemLoader, known: AbstractSet[str]) -> None:
    """Compile every template there is, so that what is wrong is known before the first mail."""
    names = {name for name in files.list_templates() if name.endswith((".html", ".txt"))}
    for name in sorted(names):
        source, file, _ = files.get_source(environment, name)
        try:
            _check_names(
                environment.parse(source, name, file), known | environment.globals.keys(), file
            )
            environment.get_template(name)
        except TemplateSyntaxError as error:
            message = error.message or "cannot be read"
            raise TemplateError(file, error.lineno, message) from error
        is_part = name.startswith("sections/") and not name.endswith(".subject.txt")
        if is_part and _twin(name) not in names:
            raise TemplateError(file, None, f"there is no {_twin(name)} beside it")


def _check_names(tree: nodes.Template, known: AbstractSet[str], file: str) -> None:
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
