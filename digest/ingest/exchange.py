"""The exchange format: a folder of CSV or JSON Lines files, one or more per table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from digest.errors import InputError
from digest.ingest import lines
from digest.ingest.files import Record, Source, Values, csv_records, json_records, stem, suffix
from digest.ingest.rows import Outcome, Problem, Row
from digest.ingest.values import BadValue
from digest.text import clean

_SHOWN = 40


class Layout(NamedTuple):
    """The columns of one table's file, which of them must be there, and what makes a row."""

    columns: tuple[str, ...]
    required: frozenset[str]
    build: Callable[[Values, str, int, list[str]], Row]


def _layout(build: Callable[[Values, str, int, list[str]], Row], columns: str) -> Layout:
    names = columns.split()
    return Layout(
        tuple(name.rstrip("*") for name in names),
        frozenset(name.rstrip("*") for name in names if name.endswith("*")),
        build,
    )


LAYOUTS = {
    "users": _layout(lines.user, "id* name* email* handle locale timezone joined_at"),
    "groups": _layout(lines.group, "id* name*"),
    "memberships": _layout(lines.membership, "group_id* user_id* since"),
    "posts": _layout(
        lines.post, "id* author_id* published_at title text url kind topics group_id"
    ),
    "views": _layout(lines.view, "post_id* at* viewer_id count via"),
    "counters": _layout(lines.counter, "post_id* at* views* likes reposts replies"),
    "reactions": _layout(lines.reaction, "post_id* actor_id* type* at*"),
    "follows": _layout(lines.follow, "follower_id* followee_id* since until"),
}  # fmt: skip
"""The contract: the star marks what is required."""


def fits(source: Source) -> bool:
    """Whether some file has the name of a table."""
    return bool(_files(source))


def read(source: Source) -> Iterator[Row | Problem]:
    """Every row of every file, in the order in which tables refer to each other."""
    files = _files(source)
    if not files:
        raise InputError(
            f"{source.path} has no file of the exchange format",
            hint=f"name the files {', '.join(f'{name}.csv' for name in LAYOUTS)}",
        )
    source.expect(files)
    order = list(LAYOUTS)
    files.sort(key=lambda file: (order.index(stem(file)), file.name))
    return chain.from_iterable(_read(source, file) for file in files)


def _files(source: Source) -> list[Path]:
    return [
        file
        for file in source.files()
        if stem(file) in LAYOUTS and suffix(file) in {".csv", ".jsonl"}
    ]


def _read(source: Source, file: Path) -> Iterator[Row | Problem]:
    layout = LAYOUTS[stem(file)]
    with source.text_of(file) as text:
        if suffix(file) == ".jsonl":
            records = json_records(text, layout.columns)
            yield from _rows(records, layout, file.name, layout.columns, list)
            return
        records = csv_records(text)
        header = next(records, None)
        if header is not None:
            names = [name.strip().lower() for name in header.values]
            _require(layout.required.difference(names), layout, file, names)
            for name in names:
                if name not in layout.columns:
                    yield _unused(file.name, name)
            pick = _picker(names, layout.columns)
            yield from _rows(records, layout, file.name, names, pick)


def _require(missing: frozenset[str], layout: Layout, file: Path, names: Sequence[str]) -> None:
    if not missing:
        return
    hint = f"its header must name at least {', '.join(sorted(layout.required))}"
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        hint = "separate the columns with commas"
    raise InputError(f"{file} has no column {', '.join(sorted(missing))}", hint=hint)


def _unused(file: str, name: str) -> Problem:
    return Problem(Outcome.NOTED, file, 0, f"the column “{clean(name, _SHOWN)}” is not used")


def _picker(names: Sequence[str], columns: Sequence[str]) -> Callable[[Values], Values]:
    """What puts the fields of a line in the order of ``columns``; missing ones are ""."""
    positions = [names.index(name) if name in names else len(names) for name in columns]
    pick = itemgetter(*positions)

    def values(fields: Values) -> Values:
        picked: Values = pick([*fields, ""])
        return picked

    return values


def _rows(
    records: Iterator[Record],
    layout: Layout,
    file: str,
    names: Sequence[str],
    pick: Callable[[Values], Values],
) -> Iterator[Row | Problem]:
    build = layout.build
    mended: list[str] = []
    for line, fields, reason in records:
        if reason:
            yield Problem(Outcome.REJECTED, file, line, reason, {"line": ",".join(fields)})
            continue
        if not line:
            yield _unused(file, fields[0])
            continue
        try:
            yield build(pick(fields), file, line, mended)
        except BadValue as error:
            row = dict(zip(names, fields, strict=False))
            yield Problem(Outcome.REJECTED, file, line, str(error), row)
            mended.clear()
        if mended:
            for what in mended:
                yield Problem(Outcome.MENDED, file, line, what)
            mended.clear()
