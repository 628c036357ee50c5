"""The parts of the mail, one file each.

A section loads its facts for a whole batch and decides, for one author, whether it has something
to say: plain JSON data for its two partials, or None. Modules here are found by themselves; other
packages offer theirs by the entry point group ``digest.sections``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from sqlmodel import Session

from digest.errors import UsageError
from digest.facts import Batch

GROUP = "digest.sections"


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the mail.

    ``load`` asks the database for a batch of users and answers by user; ``build`` is pure: one
    user's answer to JSON data, or None for nothing to say. An error fails the users it was asked
    about, and nobody else: a batch, or one. ``order`` is the place in the mail, and
    ``templates`` the folder of the partials of a section that is not ours. One with a ``label``
    can be switched off: that is what the preferences call it. One that is about ``figures`` is left
    out for a reader who wants to see none; only one that is ``calm`` stands in a week in which
    nothing happened.

    ``worth`` says of what ``build`` made how much it has to say, from 0 to 1; the mail has room for
    the few that say most (:mod:`digest.editing`). A section without one always stands. One that
    ``repeats`` says much the same from week to week, so having been shown lately counts against it.
    ``news``, from 0 to 1, is how strong its fact would be as the subject of the mail, which is then
    written by the partial ``sections/<name>.subject.txt``; 0 or no such function: never.
    """

    name: str
    order: int
    load: Callable[[Session, Batch], Mapping[str, Any]]
    build: Callable[[Any, Batch], dict[str, Any] | None]
    templates: Path | None = None
    label: str = ""
    figures: bool = False
    calm: bool = True
    worth: Callable[[dict[str, Any]], float] | None = None
    repeats: bool = True
    news: Callable[[dict[str, Any]], float] | None = None


def sections() -> list[Section]:
    """All sections, ours and those of installed packages, in the order of the mail."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{name}").SECTION for name in names]
    for entry in entry_points(group=GROUP):
        section = entry.load()
        if not isinstance(section, Section):
            raise UsageError(
                f"the entry point {entry.value} is not a section",
                hint="it must name a digest.sections.Section",
            )
        found.append(section)
    return sorted(found, key=lambda section: (section.order, section.name))
