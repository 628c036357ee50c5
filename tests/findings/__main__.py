"""Writes the tables of docs/findings.md: ``python -m tests.findings [DATA SET]…``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.conftest import SHARED_DATA
from tests.findings import page
from tests.findings.told import tell


def main() -> None:
    """Every data set, or those that are named."""
    for name in sys.argv[1:] or page.SETS:
        with tempfile.TemporaryDirectory() as folder:
            told = tell(name, SHARED_DATA, Path(folder))
        page.write(name, ["section", "figure", "is"], page.flat(told.figures))
        at = 1 + list(page.SETS).index(name)
        rows = page.table("sections")
        for row in rows:
            row[at] = page.cell(told.sections[row[0].strip("`")])
        rows[0][at] = f"{len(told.mails):,}"
        page.write("sections", ["mails with", *page.SETS.values()], rows)
        print(f"{name}: {len(told.mails):,} mails")


main()
