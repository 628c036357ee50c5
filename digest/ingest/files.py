"""Files as streams of records, plain or gzipped, with the place of each record and of the reader.

Bytes that are not text in the expected encoding become lone surrogates: :func:`digest.text.clean`
replaces them, ids refuse them, and the rejects file can still show them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

from digest.errors import InputError

FIELD_LIMIT = 16 * 1024 * 1024
"""The longest field that is read: a body of 5 MB passes, a file that is one runaway quote not."""
RESUMES = 50
"""How often per file a broken record of many lines is taken apart and read again line by line."""
NAMES = 100
"""How many different names a JSON Lines file may use before new ones are no longer mentioned."""

Values: TypeAlias = list[str] | tuple[str, ...]


class Source:
    """The input: a file or a folder of files, and how many of its bytes have been read."""

    def __init__(self, path: Path) -> None:
        """Look at ``path``; a missing one is an :class:`InputError`."""
        if not path.exists():
            raise InputError(f"there is nothing at {path}", hint="check the path")
        self.path = path
        self.total = 0
        self.current = ""
        self._finished = 0
        self._handle: IO[bytes] | None = None

    @property
    def name(self) -> str:
        """The folder's name, also when one of its files was named."""
        path = self.path.resolve()
        return path.name if path.is_dir() else path.parent.name

    def files(self) -> list[Path]:
        """The regular files, by name."""
        if not self.path.is_dir():
            return [self.path]
        return sorted(entry for entry in self.path.iterdir() if entry.is_file())

    def expect(self, files: Sequence[Path]) -> None:
        """Say which files will be read, so that :attr:`done` has something to be compared with."""
        self.total = sum(file.stat().st_size for file in files)
        self._finished = 0

    @property
    def done(self) -> int:
        """Bytes read so far (compressed, where files are)."""
        handle = self._handle
        open_ = 0 if handle is None or handle.closed else handle.tell()
        return min(self._finished + open_, self.total)

    @contextmanager
    def bytes_of(self, file: Path) -> Iterator[IO[bytes]]:
        """The content of ``file``, unpacked if its name ends in ``.gz``."""
        try:
            with file.open("rb") as raw:
                self._handle, self.current = raw, file.name
                if file.suffix == ".gz":
                    with gzip.open(raw) as unpacked:
                        yield io.BufferedReader(unpacked, 1 << 17)
                else:
                    yield raw
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(
                f"{file} cannot be read: {error}", hint="check its permissions, or get it again"
            ) from error
        finally:
            self._handle = None
            self._finished += file.stat().st_size

    @contextmanager
    def text_of(self, file: Path, encoding: str = "utf-8-sig") -> Iterator[IO[str]]:
        """The text of ``file``, line ends as they are."""
        with self.bytes_of(file) as content:
            wrapper = io.TextIOWrapper(
                content, encoding=encoding, errors="surrogateescape", newline=""
            )
            try:
                yield wrapper
            finally:
                wrapper.detach()


def stem(file: Path) -> str:
    """``views`` of ``views.csv.gz``."""
    return file.name.partition(".")[0].lower()


def suffix(file: Path) -> str:
    """``.csv`` of ``views.csv.gz``."""
    inner = file.with_suffix("") if file.suffix == ".gz" else file
    return inner.suffix.lower()


class Record(NamedTuple):
    """The fields of one record and the line on which it begins, or why it is none."""

    line: int
    values: Values
    reason: str = ""


class _Lines:
    """The lines of a file, with those of the current record kept so that they can be read again."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self.record: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(FIELD_LIMIT)
        if not line:
            raise StopIteration
        self.record.append(line)
        return line

    def resume_after_first(self) -> None:
        self._again.extendleft(reversed(self.record[1:]))
        del self.record[1:]


def csv_records(file: IO[str]) -> Iterator[Record]:
    """The header and the rows of a CSV file. A row whose fields do not fit the header has a reason.

    Where a stray quote has swallowed lines, only the first is lost: the others are read again.
    """
    csv.field_size_limit(FIELD_LIMIT)
    lines = _Lines(file)
    reader = csv.reader(lines)
    line, width, resumes = 1, 0, RESUMES
    record = lines.record
    while True:
        reason = ""
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            values, reason = [], f"not CSV: {error}"
        if values or reason:
            if not width:
                width = len(values)
            elif not reason and len(values) != width:
                reason = f"has {len(values)} fields, the header has {width}"
            if reason and len(record) > 1 and resumes:
                resumes -= 1
                lines.resume_after_first()
                values = [record[0].rstrip("\r\n")]
                reader = csv.reader(lines)
            yield Record(line, values, reason)
        line += len(record)
        record.clear()


def json_records(file: IO[str], columns: Sequence[str]) -> Iterator[Record]:
    """The lines of a JSON Lines file as values of ``columns``; null and missing are "".

    A record of line 0 holds a name that is none of the columns, when it is met first.
    """
    decode = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str).decode
    known = set(columns)
    number = 0
    while text := file.readline(FIELD_LIMIT):
        number += 1
        if not text.strip():
            continue
        try:
            found = decode(text)
        except (ValueError, RecursionError) as error:
            yield Record(number, [text.rstrip("\r\n")], f"not JSON: {error}")
            continue
        if not isinstance(found, dict):
            yield Record(number, [text.rstrip("\r\n")], "not a JSON object")
            continue
        if not known.issuperset(found) and len(known) < NAMES:
            for name in found.keys() - known:
                yield Record(0, [name])
            known.update(found)
        try:
            yield Record(number, [_text(found.get(name), name) for name in columns])
        except ValueError as error:
            yield Record(number, [text.rstrip("\r\n")], str(error))


def _text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ";".join(value)
    raise ValueError(f"{name} is neither text nor a number")
