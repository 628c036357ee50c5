"""What an import did: how much was read and changed, what went wrong, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeAlias

from digest.errors import InputError
from digest.ingest.rows import Outcome, Problem

SHOWN = 20
"""How many problems of each kind are kept for display; the rejects file has every rejected row."""


@dataclass(slots=True)
class Tally:
    """Rows of one table: ``read`` from the source, and ``changed`` (new or different) by it."""

    read: int = 0
    changed: int = 0


@dataclass(slots=True)
class Report:
    """The outcome of an import. ``problems`` are the first of each kind; the counts are of all.

    ``rejects`` is the file that holds the rejected rows, None where there are none.
    """

    tables: dict[str, Tally] = field(default_factory=dict)
    rejected: int = 0
    mended: int = 0
    noted: int = 0
    problems: list[Problem] = field(default_factory=list)
    rejects: Path | None = None

    @property
    def changed(self) -> int:
        """How many rows are new or different, over all tables."""
        return sum(tally.changed for tally in self.tables.values())

    def tally(self, table: str) -> Tally:
        """The counts of ``table``."""
        return self.tables.setdefault(table, Tally())

    def add(self, other: Report) -> None:
        """Take in what another import did."""
        for name, tally in other.tables.items():
            mine = self.tally(name)
            mine.read += tally.read
            mine.changed += tally.changed
        for problem in other.problems:
            self.keep(problem)
        self.rejected += other.rejected
        self.mended += other.mended
        self.noted += other.noted

    def keep(self, problem: Problem) -> None:
        """Remember ``problem`` for display if there are few of its kind yet."""
        if sum(known.outcome is problem.outcome for known in self.problems) < SHOWN:
            self.problems.append(problem)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: ``done`` of ``total`` bytes while reading, rows while storing."""

    phase: str
    name: str
    done: int
    total: int


Listener: TypeAlias = Callable[[Progress], None]


class Complaints:
    """Takes every problem: counts it, keeps the first ones, and writes rejected rows to a file.

    With ``strict`` the first rejected row is an :class:`InputError` instead.
    """

    def __init__(self, report: Report, path: Path | None, *, strict: bool) -> None:
        """Write to ``path``, which is made when it is needed."""
        self._report = report
        self._path = path
        self._strict = strict
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def take(self, problem: Problem) -> None:
        """Deal with one problem."""
        self._report.keep(problem)
        match problem.outcome:
            case Outcome.NOTED:
                self._report.noted += 1
            case Outcome.MENDED:
                self._report.mended += 1
            case Outcome.REJECTED:
                self._report.rejected += 1
                self._reject(problem)

    def _reject(self, problem: Problem) -> None:
        if self._strict:
            raise InputError(
                str(problem), hint="nothing was imported; mend the row, or leave out --strict"
            )
        if self._path is None:
            return
        if self._file is None:
            self._file = self._open(self._path)
        entry = {"file": problem.file, "line": problem.line, "reason": problem.reason}
        # ASCII, so that bytes which were no text do not make this file unreadable too.
        self._file.write(json.dumps({**entry, "row": dict(problem.row or {})}) + "\n")

    def _open(self, path: Path) -> IO[str]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w", encoding="ascii")
        except OSError as error:
            raise InputError(
                f"the rejects file {path} cannot be written: {error.strerror}",
                hint="name another place for it",
            ) from error
        self._report.rejects = path
        return file
