"""The order of an import: find the format, read, store, report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from digest.database import Database, analyze
from digest.errors import DatabaseError, InputError, UsageError
from digest.ingest import exchange, stackexchange, youtube
from digest.ingest.files import Source
from digest.ingest.report import Complaints, Listener, Progress, Report
from digest.ingest.rows import Outcome, Problem, Row
from digest.ingest.store import Import, store

MUCH = 10_000
"""Rows of one table that an import changed, from which on the database looks at the table anew."""


class Format(NamedTuple):
    """A way to write posts and views down: how to recognise it and how to read it.

    ``orphans`` says what a view or reaction of a post that is not there is: a fault, or, where a
    source leaves out deleted posts by design, only worth a note.
    """

    fits: Callable[[Source], bool]
    read: Callable[[Source], Iterator[Row | Problem]]
    looks_like: str
    orphans: Outcome = Outcome.REJECTED


FORMATS = {
    "exchange": Format(
        exchange.fits, exchange.read, "a folder with users.csv, posts.csv, views.csv …"
    ),
    "stackexchange": Format(
        stackexchange.fits,
        stackexchange.read,
        "a folder with Users.xml and Posts.xml",
        Outcome.NOTED,
    ),
    "youtube-trending": Format(
        youtube.fits, youtube.read, "CSV files with video_id, channel_title and views"
    ),
}


def ingest(
    database: Database,
    path: Path,
    *,
    format_name: str | None = None,
    strict: bool = False,
    rejects: Path | None = None,
    progress: Listener | None = None,
) -> Report:
    """Import the file or folder ``path``; importing the same again changes nothing.

    Rejected rows go to the JSON Lines file ``rejects``, which is made only when there are some.
    With ``strict`` the first of them is an :class:`InputError` and nothing at all is imported. An
    unreadable file or an unknown format is an :class:`InputError` too.
    """
    source = Source(path)
    chosen = FORMATS[format_name] if format_name in FORMATS else _detect(source, format_name)
    return ingest_rows(
        database,
        chosen.read(source),
        strict=strict,
        rejects=rejects,
        progress=progress,
        reading=_reading(source),
        orphans=chosen.orphans,
    )


def ingest_rows(
    database: Database,
    rows: Iterable[Row | Problem],
    *,
    strict: bool = False,
    rejects: Path | None = None,
    progress: Listener | None = None,
    reading: Iterator[Progress] | None = None,
    orphans: Outcome = Outcome.REJECTED,
) -> Report:
    """Import a stream of rows of any types in any order, as :func:`ingest` does with a file's."""
    report = Report()
    listen = progress or _ignore
    places = reading or repeat(Progress("reading", "", 0, 0))
    with (
        Complaints(report, rejects, strict=strict) as complaints,
        database.loading(whole=strict) as load,
    ):
        store(Import(load, report, complaints, listen, orphans), rows, places)
    if grown := [name for name, tally in report.tables.items() if tally.changed >= MUCH]:
        # All is imported, whatever comes of this: it only makes what reads it faster.
        with suppress(DatabaseError), database.writing() as session:
            analyze(session, grown)
    return report


def _detect(source: Source, format_name: str | None) -> Format:
    if format_name is not None:
        raise UsageError(
            f"there is no format “{format_name}”", hint=f"choose one of {', '.join(FORMATS)}"
        )
    for candidate in FORMATS.values():
        if candidate.fits(source):
            return candidate
    known = "; ".join(f"{name}: {format_.looks_like}" for name, format_ in FORMATS.items())
    raise InputError(f"{source.path} is in no format that is known", hint=known)


def _reading(source: Source) -> Iterator[Progress]:
    while True:
        yield Progress("reading", source.current, source.done, source.total)


def _ignore(_progress: Progress) -> None:
    """Nobody wants to know."""
