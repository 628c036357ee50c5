"""docs/findings.md: its tables, each after a comment with its name, read and written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.findings.figures import Figures

PAGE = Path(__file__).resolve().parents[2] / "docs" / "findings.md"
SETS = {
    "deskdrop": "Deskdrop",
    "stackexchange": "Stack Exchange",
    "dev_to": "dev.to",
    "youtube": "YouTube",
    "page": "Facebook page",
    "news": "Hacker News",
    "publications": "Medium",
}


def table(name: str) -> list[list[str]]:
    """The rows of a table of the page, without its head."""
    found = re.search(_pattern(name), PAGE.read_text("utf-8"))
    assert found, f"{PAGE.name} has no table {name}"
    rows = [line.strip("| ").split(" | ") for line in found[2].splitlines()]
    return rows[2:]


def write(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Put a table in the place of the one that is there."""
    lines = [head, ["---"] * len(head), *rows]
    drawn = "".join("|" + "|".join(_cells(line)) + "|\n" for line in lines)
    text, found = re.subn(_pattern(name), lambda place: place[1] + drawn, PAGE.read_text("utf-8"))
    assert found == 1, name
    PAGE.write_text(text, "utf-8")


def _cells(line: Sequence[str]) -> list[str]:
    return [cell if cell == "---" else f" {cell} " for cell in line]


def _pattern(name: str) -> str:
    return rf"(<!-- {name} -->\n\n)((?:\|.*\n)*)"


def flat(figures: dict[str, Figures]) -> list[list[str]]:
    """Figures by section as rows."""
    return [
        [f"`{section}`", label, figure]
        for section, said in figures.items()
        for label, figure in said.items()
    ]


def cell(mails: int) -> str:
    """So many mails; none is drawn as a dash."""
    return f"{mails:,}" if mails else "–"
