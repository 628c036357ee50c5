"""A message and its signatures: relaxed/relaxed, over every field that we write.

The canonical forms are ours because they are a few lines where the message is: ASCII, in CRLF
lines, each field once. dkimpy's would cost more than an RSA signature; a property test holds both
equal, and has every signature verified by dkimpy.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

from digest.dkim.keys import Key

SIGNED = (
    *("from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type"),
    *("content-transfer-encoding", "content-language", "list-id", "list-unsubscribe"),
    *("list-unsubscribe-post", "list-help", "list-archive", "feedback-id", "auto-submitted"),
)
"""What is signed where it stands in the message (RFC 6376, 5.4.1; RFC 8058, 4)."""

SEALED = (
    *("from", "to", "cc", "reply-to", "sender", "subject", "date", "message-id", "mime-version"),
    *("content-type", "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post"),
)
"""What is named once more than it stands there, so that nobody can add another (RFC 6376, 8.15)."""

_FIELDS = re.compile(rb"\r\n(?![ \t])")
_SPACES = re.compile(rb"[ \t]+")


class Signer:
    """Signs messages for ``domain`` with one key, or with one of each kind."""

    def __init__(self, domain: str, keys: Sequence[Key]) -> None:
        self.domain = domain
        self.keys = keys

    def signed(self, message: bytes, at: datetime) -> bytes:
        """``message`` with a DKIM-Signature before it for each key.

        The same arguments give the same bytes. ``message`` has CRLF lines, and ``at`` is the
        instant that the signatures name.
        """
        head, _, body = message.partition(b"\r\n\r\n")
        fields = dict(map(_canonical, _FIELDS.split(head)))
        names = [name for name in SIGNED if name.encode() in fields] + list(SEALED)
        signed = b"".join(fields.get(name.encode(), b"") for name in names[: -len(SEALED)])
        body_hash = b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()
        lines = [self._field(key, at, names, body_hash, signed) for key in self.keys]
        return b"".join((*lines, message))

    def _field(
        self, key: Key, at: datetime, names: Sequence[str], body_hash: str, signed: bytes
    ) -> bytes:
        field = (
            f"DKIM-Signature: v=1; a={key.kind}-sha256; c=relaxed/relaxed;\r\n"
            f" d={self.domain}; s={key.selector}; t={at.timestamp():.0f};\r\n"
            f" h={_folded(names)};\r\n bh={body_hash};\r\n b="
        ).encode("ascii")
        _, canonical = _canonical(field)
        signature = b64encode(key.sign(signed + canonical.removesuffix(b"\r\n"))).decode()
        rows = [signature[start : start + 72] for start in range(0, len(signature), 72)]
        return field + "\r\n ".join(rows).encode("ascii") + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """``body`` in its canonical form (RFC 6376, 3.4.4); its lines end in CRLF."""
    body = body.replace(b"\t", b" ")
    while b"  " in body:
        body = body.replace(b"  ", b" ")
    body = body.replace(b" \r\n", b"\r\n")
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def _canonical(field: bytes) -> tuple[bytes, bytes]:
    """The name of a header field, and the whole of it in its canonical form (RFC 6376, 3.4.2)."""
    name, _, value = field.partition(b":")
    name = name.strip().lower()
    unfolded = _SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip()
    return name, b"%b:%b\r\n" % (name, unfolded)


def _folded(names: Sequence[str]) -> str:
    """The names of the signed fields, in lines of a mail."""
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 70:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n  ".join(lines).removesuffix(":")
