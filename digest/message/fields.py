"""Header fields in ASCII: values made fit for them, folded into lines (RFC 5322, RFC 2047)."""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Literal

from digest.address import Address
from digest.errors import UsageError

MAX_NAME = 120
"""Characters of a display name that are kept; a longer one is no name."""

# The only header fields this module writes: the type checker refuses any other name.
Field = Literal[
    "Auto-Submitted",
    "Content-Language",
    "Content-Type",
    "Date",
    "Feedback-ID",
    "From",
    "List-Archive",
    "List-Help",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Message-ID",
    "Precedence",
    "Reply-To",
    "Subject",
    "To",
    "X-Auto-Response-Suppress",
]

_LINE = 76  # of 78, and the most that RFC 2047 allows a line with an encoded word
_URL = re.compile(r"(?:https?://|mailto:)[!-;=?-~]{1,900}")
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
SURROGATES = re.compile(r"[\ud800-\udfff]")
_LINE_ENDS = re.compile(r"[\t-\r\x1c-\x1f\x85\u2028\u2029]")
# The rest of C0, DEL and C1, and the marks that turn the direction of the text after them.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LONGEST_WORD = 60


def clean(text: str, limit: int) -> str:
    """``text`` fit for one header line: no controls, single spaces, at most ``limit`` characters.

    Lone surrogates become U+FFFD; marks that turn the direction of text are dropped, because they
    reach beyond the name they stand in.
    """
    text = _LINE_ENDS.sub(" ", SURROGATES.sub("\ufffd", text[: limit * 4]))
    return re.sub(" {2,}", " ", _CONTROLS.sub("", text)).strip()[:limit].rstrip()


def line(name: Field, value: str) -> bytes:
    """One field, folded at single spaces only: a URL makes a longer line rather than being cut."""
    whole = f"{name}: {value}".rstrip()
    if len(whole) > _LINE:
        first, *rest = value.split(" ")
        lines = [f"{name}: {first}"]
        for word in rest:
            if len(lines[-1]) + 1 + len(word) > _LINE:
                lines.append(f" {word}")
            else:
                lines[-1] += f" {word}"
        whole = "\r\n".join(lines)
    return whole.encode("ascii") + b"\r\n"


@lru_cache(maxsize=64)  # the mails of one run bear one date
def dated(date: datetime) -> bytes:
    """The field of the instant at which a message is written."""
    return line("Date", format_datetime(date.astimezone(UTC)))


def named(name: str, address: Address, offset: int) -> str:
    """An address with a name; ``offset`` characters stand before it in its line."""
    said = phrase(clean(name, MAX_NAME), offset)
    if address.smtputf8:
        # Only UTF-8 headers could hold it. An empty group keeps the header ASCII (RFC 6857, 3.1);
        # the mail is addressed by its SMTP envelope anyway.
        return f"{said or 'undisclosed-recipients'} :;"
    return f"{said} <{address}>" if said else str(address)


def phrase(name: str, offset: int) -> str:
    """A name as it may stand before an address."""
    if not _is_plain(name):
        return _encoded_words(name, offset)
    if not name or _ATOMS.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unstructured(text: str, offset: int) -> str:
    """Words for people, such as a subject."""
    return text if _is_plain(text) else _encoded_words(text, offset)


def _is_plain(text: str) -> bool:
    if not text.isascii() or "=?" in text:
        return False
    return len(text) <= _LONGEST_WORD or max(map(len, text.split(" "))) <= _LONGEST_WORD


def _encoded_words(text: str, offset: int) -> str:
    # RFC 2047: words of at most 75 characters, each whole by itself; ``offset`` characters stand
    # before the first one in its line.
    octets = text.encode()
    frame = len("=?utf-8?b??=")
    room = (_LINE - offset - frame) // 4 * 3
    words, start = [], 0
    while start < len(octets):
        end = min(start + room, len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        piece = binascii.b2a_base64(octets[start:end], newline=False).decode("ascii")
        words.append(f"=?utf-8?b?{piece}?=")
        start, room = end, 45
    return " ".join(words)


def bracketed(name: Field, url: str) -> str:
    """A web or mail address of ours; a UsageError where it does not fit."""
    if not _URL.fullmatch(url):
        raise UsageError(
            f"{name} cannot hold the URL {url[:80]!r}",
            hint="give a web address of printable ASCII, at most 900 characters",
        )
    return f"<{url}>"
