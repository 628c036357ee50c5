"""What each section of the mail costs, and what all of them cost together."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from digest.config import Settings
from digest.database import Database
from digest.deciding import workshop
from digest.sections import Section
from tests.bench import stages

PLAIN = frozenset({"headline", "new_posts", "next", "quiet", "so_far", "top_posts", "usual"})
"""The sections of the plainest mail, with which a mail of all sections is compared."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass
class Costs:
    """Processor milliseconds per mail by section, to load and to build it, and who is told it.

    What sections share is counted for the one that asks first; what happens once per run is not
    taken out.
    """

    load: Counter[str] = field(default_factory=Counter)
    build: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    mails: int = 0


def costs(folder: Path, original: Path) -> Costs:
    """Decide some thousand mails with a clock at every section."""
    file, spent = folder / "parts.db", Costs()
    shutil.copy(original, file)
    url = f"sqlite:///{file}"
    with closing(Database(url)) as database:
        shop = workshop(
            database, Settings(database_url=url, var=folder / "var", suggest_people=True)
        )
        shop = replace(shop, sections=[_timed(section, spent) for section in shop.sections])
        made = stages.decisions(shop, datetime.now(UTC), stages.Stages())
    for one in made:
        if one.stopped_by is None and one.composed is not None:
            spent.mails += 1
            spent.told.update(one.composed.snapshot.sections.keys())
    return spent


def _timed(section: Section, spent: Costs) -> Section:
    return replace(
        section,
        load=_clocked(section.load, spent.load, section.name),
        build=_clocked(section.build, spent.build, section.name),
    )


def _clocked(work: Callable[_P, _T], spent: Counter[str], name: str) -> Callable[_P, _T]:
    def clocked(*given: _P.args, **named: _P.kwargs) -> _T:
        began = time.process_time_ns()
        try:
            return work(*given, **named)
        finally:
            spent[name] += time.process_time_ns() - began

    return clocked
