"""Where returned mails lie: files, folders, a Maildir, a pipe. They are read and never changed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from digest.errors import UsageError
from digest.smtp.replies import tidy

MAX_MAIL = 1024 * 1024
"""Octets of a mail that are looked at: a bounce says what it has to say at its beginning."""
MAX_FILE = 64 * 1024 * 1024
STDIN = "-"

_MBOX = re.compile(
    rb"(?:\A|\r?\n\r?\n)From \S{1,200} {1,2}[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]?\d \d\d:\d\d"
    rb"(?::\d\d)?(?: \S{1,10}){1,2}\r?(?=\n)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """One mail and where it lies; ``problem`` says why it could not be read."""

    name: str
    content: bytes = b""
    problem: str = ""


def mails(paths: Sequence[str], stdin: BinaryIO) -> Iterator[Found]:
    """Every mail below ``paths``; ``-`` is one mail from ``stdin``, as a mail server pipes it.

    Raises :class:`~digest.errors.UsageError` for a path that does not exist, before any is read.
    """
    for path in paths:
        if path != STDIN and not os.path.lexists(path):
            raise UsageError(f"{path} does not exist", hint="name files, folders, a Maildir or -")
    for path in paths:
        if path == STDIN:
            yield Found(STDIN, _drained(stdin))
        else:
            for file in _files(Path(path)):
                yield from _read(file) if isinstance(file, Path) else [file]


def _drained(stream: BinaryIO) -> bytes:
    """The beginning of a stream, read to its end: a server whose pipe breaks calls it a failure."""
    content = stream.read(MAX_MAIL)
    while stream.read(MAX_MAIL):
        pass
    return content


def _files(path: Path) -> Iterator[Path | Found]:
    """The files of a folder and the folders in it; of a Maildir, those in ``new`` and ``cur``."""
    if not path.is_dir():
        yield path
        return
    try:
        inside = sorted(path.iterdir())
    except OSError as error:
        yield Found(_name(path), problem=_told(error))
        return
    names = {one.name for one in inside if one.is_dir()}
    if {"new", "cur"} <= names:
        inside = [path / "new", path / "cur"]
    for one in inside:
        if one.is_symlink() and one.is_dir():
            continue  # it may lead back here
        yield from _files(one)


def _read(path: Path) -> Iterator[Found]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device would never end
            yield Found(_name(path), problem="it is not a file")
            return
        with path.open("rb") as file:
            content = file.read(MAX_FILE)
            more = bool(file.read(1))
    except OSError as error:
        yield Found(_name(path), problem=_told(error))
        return
    mails = list(_separate(content))
    for mail in mails:
        yield Found(_name(path), mail[:MAX_MAIL])
    if more and len(mails) > 1:
        yield Found(_name(path), problem=f"only its first {MAX_FILE // 2**20} MiB were read")


def _separate(content: bytes) -> Iterator[bytes]:
    """The mails of an mbox; anything else is one mail."""
    starts = [hit.start() for hit in _MBOX.finditer(content)] if content[:5] == b"From " else [0]
    starts = starts if starts and starts[0] == 0 else [0, *starts]
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        yield content[start:end]


def _name(path: Path) -> str:
    """The name fit to be shown, whatever bytes and controls it holds."""
    return tidy(os.fsencode(path).decode("utf-8", "replace"))


def _told(error: OSError) -> str:
    return f"it cannot be read: {error.strerror or error}"
