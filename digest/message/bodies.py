"""Bodies in ASCII, each in its own way: plain text as quoted-printable, HTML as itself."""

from __future__ import annotations

import binascii
import re

from digest.message.fields import SURROGATES
from digest.text import is_text

_LONGEST_LINE = 998  # octets without CRLF (RFC 5322, 2.1.1)
# HTML reads references to C1 as others, and to surrogates as none (WHATWG HTML, 13.2.5.80).
_REMAPPED = re.compile(rb"&#(?:1[2-5][0-9]|5[5-7][0-9]{3});")


def quoted_printable(text: str) -> bytes:
    """``text`` in UTF-8 as quoted-printable: CRLF lines of at most 76 octets, ending in CRLF."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    octets = (text if is_text(text) else SURROGATES.sub("\ufffd", text)).encode()
    if not octets.endswith(b"\n"):
        octets += b"\n"
    # The encoder writes its soft line breaks in the style of the first line end it meets.
    return binascii.b2a_qp(octets.replace(b"\n", b"\r\n"), istext=True)


def html_part(html: str) -> tuple[bytes, bytes]:
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
