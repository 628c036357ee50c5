"""Folders of real data, turned into the exchange format for the tests."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


def write(folder: Path, table: str, columns: str, rows: Iterable[Sequence[object]]) -> None:
    """One file of the exchange format; bytes that were no text stay what they were."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table}.csv"
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split())
        writer.writerows(rows)


def read(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a CSV file, gzipped or not."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    text = content.decode("utf-8-sig", "surrogateescape")
    yield from csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
