"""One digest as the bytes of an Internet message (RFC 5322, MIME).

The parts are written by hand, with the standard library's C encoders, for two reasons: it takes a
tenth of the time of ``EmailMessage``, and no version of that class can be trusted with headers (it
encodes long URLs in ``List-Unsubscribe``, and lets encoded words become new header fields). A
property test reads every result back with ``email.policy.default``.

The result is pure ASCII in lines of at most 998 octets, whatever names, subjects and bodies hold.
The same arguments give the same bytes, so that a message offered twice is recognisably one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Literal

from digest.address import Address, BadAddress, parse
from digest.errors import ConfigError, UsageError
from digest.text import is_text

MAX_NAME = 120
"""Characters of a display name that are kept; a longer one is no name."""

MAX_SUBJECT = 400
"""Characters of a subject that are kept; no mail program shows half as many."""

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

_LONGEST_LINE = 998  # octets without CRLF (RFC 5322, 2.1.1)
_LINE = 76  # of 78, and the most that RFC 2047 allows a line with an encoded word
_URL = re.compile(r"(?:https?://|mailto:)[!-;=?-~]{1,900}")
_TOKENS = re.compile(r"[!-~]{1,200}")
_MESSAGE_ID = re.compile(r"<[!#$%&'*+/=?^_`{|}~.\w-]+@[a-z0-9.-]+>", re.ASCII | re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,4}", re.IGNORECASE | re.ASCII)
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_LINE_ENDS = re.compile(r"[\t-\r\x1c-\x1f\x85\u2028\u2029]")
# The rest of C0, DEL and C1, and the marks that turn the direction of the text after them.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LONGEST_WORD = 60
# HTML reads references to C1 as others, and to surrogates as none (WHATWG HTML, 13.2.5.80).
_REMAPPED = re.compile(rb"&#(?:1[2-5][0-9]|5[5-7][0-9]{3});")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all messages of a process have in common; checked and written out once.

    ``list_id`` is a name like ``weekly.digest.example.com`` (RFC 2919). Raises
    :class:`~digest.errors.ConfigError` where a value cannot stand in a header.
    """

    from_name: str
    from_address: str
    list_name: str
    list_id: str
    reply_to: str = ""
    list_help: str = ""
    lines: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.list_id):
            raise ConfigError("LIST_ID", f"{self.list_id!r} is not a name like weekly.example.com")
        sender = _own_address("FROM", self.from_address)
        name = _phrase(clean(self.list_name, MAX_NAME), len("List-Id: "))
        lines = [
            _line("From", _named(self.from_name, sender, len("From: "))),
            _line("List-Id", f"{name} <{self.list_id}>".lstrip()),
            _line("Auto-Submitted", "auto-generated"),
            _line("X-Auto-Response-Suppress", "All"),
            _line("Precedence", "bulk"),
            _line("MIME-Version", "1.0"),
        ]
        if self.reply_to:
            lines.append(_line("Reply-To", str(_own_address("REPLY_TO", self.reply_to))))
        if self.list_help:
            lines.append(_line("List-Help", _bracketed("List-Help", self.list_help)))
        object.__setattr__(self, "lines", b"".join(lines))


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is one message's own, besides its content.

    ``date`` is the run's instant (time-zone aware), ``message_id`` comes from :func:`message_id`.
    ``unsubscribe_url`` is the one-click address (RFC 8058) and ``browser_url`` the web copy.
    ``feedback_id`` holds at most four fields between colons and nothing about the recipient.
    ``language`` is a language tag or locale; one that is no tag is left out.
    """

    to: Address
    to_name: str
    message_id: str
    date: datetime
    unsubscribe_url: str
    unsubscribe_mailto: str = ""
    browser_url: str = ""
    feedback_id: str = ""
    language: str = ""


def build(letterhead: Letterhead, envelope: Envelope, subject: str, text: str, html: str) -> bytes:
    """The whole message, ending in CRLF: text first, then HTML, each ASCII in its own way.

    Names, subject and bodies may hold anything: what cannot be sent is replaced or dropped.
    Raises :class:`~digest.errors.UsageError` where an address of ours (URL, Message-ID,
    Feedback-ID) is not fit for a header, and ValueError for a date without a zone.
    """
    # "=_" never occurs in quoted-printable text; and nobody who writes what stands in the HTML can
    # know the Message-ID. So this boundary never occurs in a part.
    seal = hashlib.blake2b(envelope.message_id.encode("utf-8", "replace"), digest_size=12)
    boundary = f"=_{seal.hexdigest()}"
    opening = f"\r\n--{boundary}\r\nContent-Type: text/".encode()
    return b"".join(
        (
            _head(envelope, subject),
            letterhead.lines,
            _line("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
            opening,
            b"plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            quoted_printable(text),
            opening,
            *_html_part(html),
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )


def message_id(period: str, user_id: str, secret: str | bytes, host: str) -> str:
    """The Message-ID of one user's mail of one period: always the same, and nobody else's.

    A keyed hash, so that it says nothing about the user.
    """
    key = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    named = f"message-id\0{period}\0{user_id}".encode("utf-8", "surrogatepass")
    token = base64.b32encode(hmac.digest(key, named, "sha256")[:15]).decode("ascii")[:20].lower()
    return f"<{period}.{token}@{host}>"


def clean(text: str, limit: int) -> str:
    """``text`` fit for one header line: no controls, single spaces, at most ``limit`` characters.

    Lone surrogates become U+FFFD; marks that turn the direction of text are dropped, because they
    reach beyond the name they stand in.
    """
    text = _LINE_ENDS.sub(" ", _SURROGATES.sub("\ufffd", text[: limit * 4]))
    return re.sub(" {2,}", " ", _CONTROLS.sub("", text)).strip()[:limit].rstrip()


def quoted_printable(text: str) -> bytes:
    """``text`` in UTF-8 as quoted-printable: CRLF lines of at most 76 octets, ending in CRLF."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    octets = (text if is_text(text) else _SURROGATES.sub("\ufffd", text)).encode()
    if not octets.endswith(b"\n"):
        octets += b"\n"
    # The encoder writes its soft line breaks in the style of the first line end it meets.
    return binascii.b2a_qp(octets.replace(b"\n", b"\r\n"), istext=True)


def _html_part(html: str) -> tuple[bytes, bytes]:
    """Its last header fields and its octets: as they are where that can be, else encoded.

    A page in a Latin script is nearly all ASCII; the rest is written as character references, and
    a tag may go on in the next line. That takes a quarter of the time of quoted-printable, and a
    tenth less room.
    """
    octets = _plain_lines(html)
    if octets is not None:
        return b"html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n", octets
    return (
        b"html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        quoted_printable(html),
    )


def _plain_lines(html: str) -> bytes | None:
    """``html`` as ASCII in CRLF lines of at most 998 octets, or None where that would change it.

    Lines end where a space stood, which is the same everywhere but in preformatted text.
    """
    octets = html.encode("ascii", "xmlcharrefreplace")
    if b"\0" in octets or b"\r" in octets or b"<pre" in octets or _REMAPPED.search(octets):
        return None
    octets = octets.replace(b' style="', b'\nstyle="')
    lines = octets.rstrip(b"\n").split(b"\n")
    for place in [n for n, line in enumerate(lines) if len(line) > _LONGEST_LINE]:
        short = _folded(lines[place])
        if len(short[-1]) > _LONGEST_LINE:
            return None
        lines[place] = b"\r\n".join(short)
    return b"\r\n".join([*lines, b""])


def _folded(line: bytes) -> list[bytes]:
    """``line`` in pieces, each as long as it may be; the last is what has no space to break at."""
    pieces: list[bytes] = []
    while len(line) > _LONGEST_LINE and (space := line.rfind(b" ", 0, _LONGEST_LINE + 1)) >= 0:
        pieces.append(line[:space])
        line = line[space + 1 :]
    return [*pieces, line]


def _head(envelope: Envelope, subject: str) -> bytes:
    if envelope.date.tzinfo is None:
        raise ValueError("the date of a message needs a time zone")
    if not _MESSAGE_ID.fullmatch(envelope.message_id):
        raise UsageError(f"{envelope.message_id!r} cannot be a Message-ID")
    unsubscribe = _bracketed("List-Unsubscribe", envelope.unsubscribe_url)
    if envelope.unsubscribe_mailto:
        mailto = _bracketed("List-Unsubscribe", envelope.unsubscribe_mailto)
        unsubscribe = f"{unsubscribe}, {mailto}"
    lines = [
        _date(envelope.date),
        _line("Message-ID", envelope.message_id),
        _line("To", _named(envelope.to_name, envelope.to, len("To: "))),
        _line("Subject", _unstructured(clean(subject, MAX_SUBJECT), len("Subject: "))),
        _line("List-Unsubscribe", unsubscribe),
        _line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]
    if envelope.browser_url:
        lines.append(_line("List-Archive", _bracketed("List-Archive", envelope.browser_url)))
    if envelope.feedback_id:
        lines.append(_line("Feedback-ID", _feedback_id(envelope.feedback_id)))
    language = envelope.language.replace("_", "-")
    if _LANGUAGE.fullmatch(language):
        lines.append(_line("Content-Language", language))
    return b"".join(lines)


def _line(name: Field, value: str) -> bytes:
    # Folded at single spaces only: a URL makes a longer line rather than being cut.
    line = f"{name}: {value}".rstrip()
    if len(line) > _LINE:
        first, *rest = value.split(" ")
        lines = [f"{name}: {first}"]
        for word in rest:
            if len(lines[-1]) + 1 + len(word) > _LINE:
                lines.append(f" {word}")
            else:
                lines[-1] += f" {word}"
        line = "\r\n".join(lines)
    return line.encode("ascii") + b"\r\n"


@lru_cache(maxsize=64)  # the mails of one run bear one date
def _date(date: datetime) -> bytes:
    return _line("Date", format_datetime(date.astimezone(UTC)))


def _named(name: str, address: Address, offset: int) -> str:
    phrase = _phrase(clean(name, MAX_NAME), offset)
    if address.smtputf8:
        # Only UTF-8 headers could hold it. An empty group keeps the header ASCII (RFC 6857, 3.1);
        # the mail is addressed by its SMTP envelope anyway.
        return f"{phrase or 'undisclosed-recipients'} :;"
    return f"{phrase} <{address}>" if phrase else str(address)


def _phrase(name: str, offset: int) -> str:
    if not _is_plain(name):
        return _encoded_words(name, offset)
    if not name or _ATOMS.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unstructured(text: str, offset: int) -> str:
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


def _bracketed(name: Field, url: str) -> str:
    if not _URL.fullmatch(url):
        raise UsageError(
            f"{name} cannot hold the URL {url[:80]!r}",
            hint="give a web address of printable ASCII, at most 900 characters",
        )
    return f"<{url}>"


def _feedback_id(value: str) -> str:
    if not _TOKENS.fullmatch(value) or value.count(":") > 3:
        raise UsageError(f"{value!r} cannot be a Feedback-ID: at most four printable fields")
    return value


def _own_address(setting: str, text: str) -> Address:
    try:
        address = parse(text)
    except BadAddress as error:
        raise ConfigError(setting, error.reason, hint=error.hint) from error
    if address.smtputf8:
        raise ConfigError(setting, "an address of ours must be ASCII before the @")
    return address
