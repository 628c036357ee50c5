"""What is said of facts: what was read of them, what came back, and what is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from digest.bounces import Row
from digest.console.terminal import err, out

if TYPE_CHECKING:
    from digest import ingest


def print_import(report: ingest.Report) -> None:
    """What was read, what it changed, and the first of what went wrong."""
    table = Table(show_edge=False)
    table.add_column("table")
    table.add_column("rows read", justify="right")
    table.add_column("new or changed", justify="right")
    for name, tally in report.tables.items():
        table.add_row(name, f"{tally.read:,}", f"{tally.changed:,}")
    out.print(table)
    for problem in report.problems:
        err.print(escape(str(problem)), soft_wrap=True)
    if report.rejected:
        err.print(f"Rejected rows: {report.rejected:,}, kept in {report.rejects}")
    if report.mended:
        err.print(f"Rows kept after mending: {report.mended:,}")
    if not report.changed:
        out.print("Nothing new: all of it was here already.")


def print_bounces(rows: Sequence[Row]) -> None:
    """One line per mail, and how many there were of each class."""
    table = Table(show_edge=False)
    for name in ("file", "class", "status", "recipient", "action", "why"):
        table.add_column(name, overflow="fold")
    for row in rows:
        told = row.as_json()
        sent = f"{told['delivery']['user']} {told['delivery']['period']}" if row.done.sent else ""
        table.add_row(
            *(escape(str(told[name] or "")) for name in ("file", "class", "status", "recipient")),
            escape(f"{told['action']} {sent}".strip()),
            escape(told["why"][:200]),
        )
    if rows:
        out.print(table)
    counted = Counter(row.report.kind.value for row in rows)
    said = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counted.items()))
    out.print(f"{len(rows):,} mails{f': {said}' if said else ''}.")


def print_pruned(gone: Mapping[str, int], *, dry: bool) -> None:
    """What was deleted, or would be."""
    for name, rows in sorted(gone.items()):
        out.print(f"{rows:,} rows of {name} {'would go' if dry else 'are gone'}")
    if not gone:
        out.print("Nothing to prune: the KEEP_…_WEEKS keep all there is.")
