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
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime

from digest.address import Address, BadAddress, parse
from digest.errors import ConfigError, UsageError
from digest.message.bodies import html_part, quoted_printable
from digest.message.fields import (
    MAX_NAME,
    bracketed,
    clean,
    dated,
    line,
    named,
    phrase,
    unstructured,
)

__all__ = ["Envelope", "Letterhead", "build", "clean", "message_id", "quoted_printable"]

MAX_SUBJECT = 400
"""Characters of a subject that are kept; no mail program shows half as many."""

_TOKENS = re.compile(r"[!-~]{1,200}")
_MESSAGE_ID = re.compile(r"<[!#$%&'*+/=?^_`{|}~.\w-]+@[a-z0-9.-]+>", re.ASCII | re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,4}", re.IGNORECASE | re.ASCII)


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
        name = phrase(clean(self.list_name, MAX_NAME), len("List-Id: "))
        lines = [
            line("From", named(self.from_name, sender, len("From: "))),
            line("List-Id", f"{name} <{self.list_id}>".lstrip()),
            line("Auto-Submitted", "auto-generated"),
            line("X-Auto-Response-Suppress", "All"),
            line("Precedence", "bulk"),
            line("MIME-Version", "1.0"),
        ]
        if self.reply_to:
            lines.append(line("Reply-To", str(_own_address("REPLY_TO", self.reply_to))))
        if self.list_help:
            lines.append(line("List-Help", bracketed("List-Help", self.list_help)))
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
            line("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
            opening,
            b"plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            quoted_printable(text),
            opening,
            *html_part(html),
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


def _head(envelope: Envelope, subject: str) -> bytes:
    if envelope.date.tzinfo is None:
        raise ValueError("the date of a message needs a time zone")
    if not _MESSAGE_ID.fullmatch(envelope.message_id):
        raise UsageError(f"{envelope.message_id!r} cannot be a Message-ID")
    unsubscribe = bracketed("List-Unsubscribe", envelope.unsubscribe_url)
    if envelope.unsubscribe_mailto:
        mailto = bracketed("List-Unsubscribe", envelope.unsubscribe_mailto)
        unsubscribe = f"{unsubscribe}, {mailto}"
    lines = [
        dated(envelope.date),
        line("Message-ID", envelope.message_id),
        line("To", named(envelope.to_name, envelope.to, len("To: "))),
        line("Subject", unstructured(clean(subject, MAX_SUBJECT), len("Subject: "))),
        line("List-Unsubscribe", unsubscribe),
        line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]
    if envelope.browser_url:
        lines.append(line("List-Archive", bracketed("List-Archive", envelope.browser_url)))
    if envelope.feedback_id:
        lines.append(line("Feedback-ID", _feedback_id(envelope.feedback_id)))
    language = envelope.language.replace("_", "-")
    if _LANGUAGE.fullmatch(language):
        lines.append(line("Content-Language", language))
    return b"".join(lines)


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
