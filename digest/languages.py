"""Which language a reader is written to, and by which locale's customs: numbers, dates, lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from digest.catalogues import SOURCE, catalogue, languages
from digest.errors import ConfigError
from digest.wording import Wording

_WORLD = {"en": "en_001"}
"""A language whose bare name CLDR gives to one country: its readers may be anywhere."""

_MOST_KEPT = 1000
"""Locales whose words are kept: more than there are, unless somebody makes them up."""


class Languages:
    """The languages of a site: those that ``folders`` have catalogues for, and English.

    ``default`` is the locale of readers whose own is unknown or not spoken; one that is not spoken
    either is a :class:`ConfigError`.
    """

    def __init__(self, folders: tuple[Path, ...], default: str = SOURCE) -> None:
        self.spoken = languages(folders)
        self._folders = folders
        found = self._matching(default)
        if found is None:
            known = ", ".join(sorted(self.spoken))
            raise ConfigError("LOCALE", f"“{default}” is not spoken", hint=f"there is {known}")
        self._default = found
        self._kept: dict[str, Wording] = {}

    @cached_property
    def names(self) -> dict[str, str]:
        """What a reader can choose, each language in its own words."""
        return {tag: _own_name(tag) for tag in sorted(self.spoken)}

    def wording(self, locale: str) -> Wording:
        """The words for a reader's locale (``de-AT``, ``zh_Hant``, empty), whatever it looks like.

        The language is the reader's, or else the site's default. Numbers and dates are always those
        of a locale of that language: an Austrian's where the reader is one.
        """
        kept = self._kept.get(locale)
        if kept is None:
            kept = self._made(*(self._matching(locale) or self._default))
            if len(self._kept) < _MOST_KEPT:
                self._kept[locale] = kept
        return kept

    def first_spoken(self, locales: Iterable[str]) -> Wording:
        """The words for the first of ``locales`` that is spoken, or else for the site's default."""
        found = next(filter(None, map(self._matching, locales)), self._default)
        return self.wording(str(found[0]))

    def _made(self, locale: Locale, language: str) -> Wording:
        return Wording(locale, catalogue(language, self._folders))

    def _matching(self, locale: str) -> tuple[Locale, str] | None:
        wanted = _parsed(locale)
        if wanted is None:
            return None
        language = next((tag for tag in _tags(wanted) if tag in self.spoken), None)
        if language is None:
            return None
        return Locale.parse(_WORLD.get(str(wanted), str(wanted))), language


def _own_name(tag: str) -> str:
    name = str(Locale.parse(tag).get_display_name(tag))
    return name[:1].upper() + name[1:]


def _parsed(text: str) -> Locale | None:
    """The locale that ``text`` names, as far as it is known: ``de_XX.UTF-8`` is German."""
    parts = re.split("[-_]", re.split("[.@]", text)[0].strip())
    for end in range(len(parts), 0, -1):
        try:
            return Locale.parse("_".join(parts[:end]))
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return None


def _tags(locale: Locale) -> Iterator[str]:
    """What a catalogue for it may be called, the closest first; never one in another script."""
    language, script, territory = locale.language, locale.script, locale.territory
    yield str(locale)
    if script:
        yield f"{language}_{script}"
    usual = get_global("likely_subtags").get(language, "").split("_")
    if not script or script in usual:
        if territory:
            yield f"{language}_{territory}"
        yield language
