"""Reads the mails that the embedded mailbox keeps, one file each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default as policy
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+=,:-]{0,240}\.eml")
_HEAD_BYTES = 32 * 1024  # more than the headers of any mail of ours


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept mail in the list; ``size`` in bytes."""

    name: str
    to: str
    subject: str
    size: int


@dataclass(frozen=True, slots=True)
class Mail:
    """One kept mail, taken apart; a part it does not have is empty."""

    headers: tuple[tuple[str, str], ...]
    html: str
    text: str


def newest(folder: Path, start: int, count: int) -> tuple[list[Kept], int]:
    """``count`` mails of ``folder`` from the ``start``-th newest on, and how many there are.

    Their names begin with the time of arrival, so that nothing but those shown is opened.
    """
    names = sorted(_names(folder), reverse=True)
    return [_kept(folder / name) for name in names[start : start + count]], len(names)


def find(folder: Path, name: str) -> Path | None:
    """The file ``name`` of ``folder``; None where that is not one of its mails."""
    path = folder / name if _NAME.fullmatch(name) else None
    return path if path and path.is_file() and not path.is_symlink() else None


def read(path: Path) -> Mail:
    """Take the mail in ``path`` apart."""
    message = message_from_bytes(path.read_bytes(), policy=policy)
    headers = tuple((name, str(value)) for name, value in message.items())
    return Mail(headers, _text(message, "html"), _text(message, "plain"))


def _names(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                yield entry.name


def _kept(path: Path) -> Kept:
    with path.open("rb") as file:
        head = BytesHeaderParser(policy=policy).parsebytes(file.read(_HEAD_BYTES))
    size = path.stat().st_size
    return Kept(path.name, _addressee(head["to"]), str(head["subject"] or ""), size)


def _addressee(to: Any) -> str:
    """The name a mail is addressed to, or its address where it has none."""
    people = getattr(to, "addresses", ())
    named = (people[0].display_name or people[0].addr_spec) if people else str(to or "")
    return named.encode("utf-8", "replace").decode("utf-8")  # it may hold half characters


def _text(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    payload = part.get_payload(decode=True) if part else None
    if part is None or not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return payload.decode("utf-8", "replace")
