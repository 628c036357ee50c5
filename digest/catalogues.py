"""What the product says, in one language: gettext catalogues, read once per process.

The sentences themselves stand in templates and code, in English; a catalogue gives another
language's words for them, and its rule for plurals. Placeholders are written ``{name}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from gettext import c2py
from pathlib import Path

from babel.messages import Catalog
from babel.messages.pofile import PoFileError, read_po

from digest.errors import TemplateError

SOURCE = "en"
"""The language that templates and code are written in."""

Rule = Callable[[int], int]
_Key = tuple[str | None, str]


def english(number: int) -> int:
    """Which of two forms an English noun takes: 0 for one of them, else 1."""
    return int(number != 1)


class Catalogue:
    """The words of one language; whatever has no translation stays English.

    ``messages`` gives, by context and English text, all forms of the translation; ``rule`` says
    which form a number takes.
    """

    def __init__(
        self, language: str, messages: Mapping[_Key, tuple[str, ...]], rule: Rule = english
    ) -> None:
        self.language = language
        self._messages = messages
        self.rule = rule

    def __str__(self) -> str:
        """All of it, for telling one state of it from another."""
        return f"{self.language} {sorted(self._messages.items(), key=repr)}"

    def sentence(self, text: str, context: str | None = None) -> str:
        """The words for ``text``."""
        return self._messages.get((context, text), (text,))[0]

    def forms(
        self, one: str, many: str, context: str | None = None
    ) -> tuple[tuple[str, ...], Rule]:
        """The words for something counted, in every form, and the rule that picks one."""
        found = self._messages.get((context, one))
        return (found, self.rule) if found else ((one, many), english)


def languages(folders: Sequence[Path]) -> frozenset[str]:
    """The languages that these folders have a catalogue for, and English."""
    files = [file for folder in folders for file in folder.glob("*/LC_MESSAGES/digest.po")]
    return frozenset({SOURCE, *(file.parts[-3] for file in files)})


@lru_cache(maxsize=64)
def catalogue(language: str, folders: tuple[Path, ...]) -> Catalogue:
    """The catalogue of a language, the first folder that has a message winning.

    A file that cannot be read, or counts otherwise than the first, is a :class:`TemplateError`.
    """
    files = [folder / language / "LC_MESSAGES" / "digest.po" for folder in folders]
    read = [_read(file) for file in files if file.is_file()]
    if not read:
        return Catalogue(language, {})
    for file, catalog in zip(files, read, strict=False):
        if catalog.plural_forms != read[0].plural_forms:
            raise TemplateError(
                str(file),
                None,
                f"its Plural-Forms are not those of {files[0]}",
                hint="copy the header of the first file",
            )
    messages: dict[_Key, tuple[str, ...]] = {}
    for catalog in reversed(read):
        messages |= _translated(catalog)
    return Catalogue(language, messages, c2py(read[0].plural_expr))


def _read(file: Path) -> Catalog:
    try:
        with file.open("rb") as source:
            return read_po(source, ignore_obsolete=True, abort_invalid=True)
    except (PoFileError, UnicodeDecodeError, ValueError) as error:
        raise TemplateError(str(file), None, f"is no catalogue: {error}") from error


def _translated(catalog: Catalog) -> dict[_Key, tuple[str, ...]]:
    """The messages that are finished: a fuzzy one is a guess, an empty one is none."""
    found: dict[_Key, tuple[str, ...]] = {}
    for message in catalog:
        one = message.id if isinstance(message.id, str) else message.id[0]
        said = message.string
        forms = (said,) if said is None or isinstance(said, str) else tuple(said)
        if one and not message.fuzzy:
            whole = [form for form in forms if form]
            if len(whole) == len(forms):
                found[message.context, one] = tuple(whole)
    return found
