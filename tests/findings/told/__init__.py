"""Figures of the page as the product's own code has them: by its mails, facts and statistics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from digest.compose import Snapshot
from tests.findings import towns
from tests.findings.figures import Figures
from tests.findings.told import deskdrop, others
from tests.findings.weeks import live


@dataclass(frozen=True)
class Told:
    """One data set: its mails, how many have each section, and its figures."""

    mails: list[Snapshot]
    sections: Counter[str]
    figures: dict[str, Figures]


def tell(name: str, data: Path, folder: Path) -> Told:
    """The weeks of a data set, lived once more in ``folder``."""
    desk, least = deskdrop.Look(), others.Least()
    with getattr(towns, name)(data, folder) as town:
        if name == "deskdrop":
            town.look = desk
        if name == "stackexchange":
            town.look = least
        live(town, *towns.WEEKS[name])
        figures = {
            "deskdrop": lambda: deskdrop.figures(town, desk),
            "stackexchange": lambda: others.stackexchange(least),
            "dev_to": lambda: others.dev_to(town),
            "youtube": lambda: others.youtube(town),
            "page": lambda: others.page(data),
            "news": lambda: others.news(town),
            "publications": lambda: others.publications(town),
        }[name]()
    sections = Counter(name for mail in town.mails for name in mail.sections)
    return Told(town.mails, sections, figures)
