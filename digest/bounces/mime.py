"""A mail of unknown origin as a flat list of its parts: decoded, bounded, and never refused.

Not the standard parser, because what comes back is often damaged: bare CR line ends, boundaries
that are missing or never closed, thousands of levels. Here nothing nests deeper than
:data:`MAX_DEPTH`, nothing is kept that is longer than its limit, and whatever cannot be understood
is text. MIME is RFC 2045-2047.
"""

from __future__ import annotations

import binascii
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_DEPTH = 12
MAX_PARTS = 200
MAX_TEXT = 64 * 1024
"""Characters of one part that are looked at."""
MAX_HEADERS = 400
MAX_VALUE = 4000
"""Characters of one header field."""

_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_WORD = re.compile(r"=\?([\w-]{1,40})(?:\*[\w-]*)?\?([bqBQ])\?([^?\s]{0,2000})\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?)")
_PARAMETER = re.compile(r';\s*([\w*-]{1,40})\s*=\s*(?:"([^"]{0,200})"|([^\s;"]{1,200}))')
_GUESSED_BOUNDARY = re.compile(rb"^--([!-~]{4,70})\n(?=[A-Za-z-]{3,40}:)", re.MULTILINE)
_CHARSET = re.compile(
    r"(?:us-?)?ascii|utf[-_]?(?:8|16(?:[lb]e)?|7)|(?:iso[-_]?)?8859[-_]?\d{1,2}|latin[-_]?\d"
    r"|iso[-_]2022[-_](?:jp|kr)[-_\w]*|(?:windows[-_]|cp)\d{3,4}|koi8[-_][rtu]|gb\d*|hz|big5\w*"
    r"|(?:x-)?euc[-_]?(?:jp|kr|cn)|(?:x-)?s(?:hift)?[-_]?jis|ks_c_5601\w*|mac[-_]\w+|tis-620",
    re.IGNORECASE,
)
_BREAKS = re.compile(
    r"<(?:br|/?p|/?div|/?tr|/?li|/?h\d|/?pre|/?table)\b[^<>]{0,500}>", re.IGNORECASE
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,2000}>")


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of a mail. ``kind`` is its type in lower case, ``text`` its content, decoded, with
    line feeds only; ``returned`` says that it lies inside a message that is itself a part.
    """

    kind: str
    text: str
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """The header fields by name in lower case, and the parts in their order."""

    headers: dict[str, list[str]]
    parts: list[Part] = field(default_factory=list)

    def first(self, name: str) -> str:
        """The first field of that name, "" where there is none."""
        return next(iter(self.headers.get(name, ())), "")

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the mail's Content-Type."""
        return _typed(self.first("content-type"))[1]


def parse(raw: bytes) -> Mail:
    """Take a mail apart; any bytes at all are some mail."""
    raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    if raw.startswith(b"From "):  # the separator of an mbox
        raw = raw.partition(b"\n")[2]
    headers, body = split_headers(raw)
    mail = Mail(headers)
    for part in _leaves(headers, body, MAX_DEPTH, returned=False):
        mail.parts.append(part)
        if len(mail.parts) >= MAX_PARTS:
            break
    return mail


def split_headers(raw: bytes) -> tuple[dict[str, list[str]], bytes]:
    """The header fields, unfolded and decoded, and what follows them.

    A line that is no field ends them, as if the empty line had been forgotten.
    """
    fields: list[tuple[str, list[bytes]]] = []
    position = 0
    while position < len(raw):
        end = raw.find(b"\n", position)
        line = raw[position : end if end >= 0 else len(raw)]
        following = end + 1 if end >= 0 else len(raw)
        if not line.strip():
            position = following
            break
        if line[:1] in b" \t" and fields:
            fields[-1][1].append(line)
        elif found := _FIELD.match(line):
            fields.append((found[1].decode("ascii").lower(), [found[2]]))
        else:
            break
        position = following
    headers: dict[str, list[str]] = {}
    for name, lines in fields[:MAX_HEADERS]:
        value = b" ".join(piece.strip() for piece in lines[:200])[:MAX_VALUE]
        headers.setdefault(name, []).append(decode_words(decode(value, "utf-8")))
    return headers, raw[position:]


def decode(octets: bytes, charset: str) -> str:
    """Octets as text: in their charset, else UTF-8, else Latin 1, which takes everything.

    No lone surrogates come out, which UTF-7 and UTF-16 can hold and no database takes.
    """
    names = [charset] if _CHARSET.fullmatch(charset) else []
    if b"\x1b$" in octets:  # Japanese that says so itself, whatever the label
        names.insert(0, "iso-2022-jp")
    for name in (*names, "utf-8"):
        try:
            return octets.decode(name).encode("utf-8", "replace").decode()
        except (LookupError, UnicodeError):
            continue
    return octets.decode("latin-1")


def decode_words(value: str) -> str:
    """A header field with its encoded words (RFC 2047) read."""
    if "=?" not in value:
        return value
    return _WORD.sub(_decoded_word, _BETWEEN_WORDS.sub(r"\1", value))


def words_of(page: str) -> str:
    """The words of an HTML page, in lines."""
    for name in ("style", "script", "head"):
        page = _without(page, f"<{name}", f"</{name}>")
    page = _TAG.sub(" ", _BREAKS.sub("\n", page.replace("\n", " ")))
    return html.unescape(page)


def _decoded_word(word: re.Match[str]) -> str:
    charset, how, content = word.groups()
    octets = content.encode("utf-8", "replace")
    try:
        octets = _from_base64(octets) if how in "bB" else binascii.a2b_qp(octets, header=True)
    except ValueError:
        return word[0]
    return decode(octets, charset)


def _leaves(
    headers: dict[str, list[str]], body: bytes, depth: int, *, returned: bool
) -> Iterator[Part]:
    kind, parameters = _typed(next(iter(headers.get("content-type", ())), "text/plain"))
    encoding = next(iter(headers.get("content-transfer-encoding", ())), "").strip().lower()
    if depth and kind.startswith("multipart/"):
        pieces = _pieces(body, parameters.get("boundary", ""))
        for piece in pieces[:MAX_PARTS]:
            yield from _leaves(*split_headers(piece.lstrip(b"\n")), depth - 1, returned=returned)
        if pieces:
            return
    octets = _decoded(body, encoding)
    text = decode(octets[: MAX_TEXT * 4], parameters.get("charset", ""))[:MAX_TEXT]
    if kind == "text/html":
        text = words_of(text)
    yield Part(kind, text, returned)
    if depth and kind in {"message/rfc822", "message/partial", "message/global"}:
        inner, rest = split_headers(octets.lstrip(b"\n"))
        yield from _leaves(inner, rest, depth - 1, returned=True)


def _typed(value: str) -> tuple[str, dict[str, str]]:
    """A Content-Type and its parameters."""
    kind = value.partition(";")[0].strip().lower()
    parameters = {
        name.lower().rstrip("*0"): quoted or bare
        for name, quoted, bare in _PARAMETER.findall(value)
    }
    return kind if "/" in kind else "text/plain", parameters


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """What stands between the boundaries; where the one announced does not occur, a likely one."""
    line = boundary.encode("utf-8", "replace")
    if not line or b"--" + line not in body:
        found = _GUESSED_BOUNDARY.search(body)
        if found is None:
            return []
        line = found[1]
    pattern = re.compile(rb"^--" + re.escape(line) + rb"(--)?[ \t]*(?:\n|\Z)", re.MULTILINE)
    preamble, *rest = pattern.split(body, MAX_PARTS)
    pieces = rest[1::2]
    # Some put what they have to say before the first boundary, where nobody reads it.
    told = preamble.strip()
    return [b"\n" + told, *pieces] if told and b"@" in told else pieces


def _decoded(body: bytes, encoding: str) -> bytes:
    try:
        if encoding == "base64":
            return _from_base64(body)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(body)
    except ValueError:
        pass
    return body


def _from_base64(octets: bytes) -> bytes:
    """Base64 that may have lost its end."""
    kept = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
    return binascii.a2b_base64(kept[: len(kept) // 4 * 4] + _rest(kept[len(kept) // 4 * 4 :]))


def _rest(octets: bytes) -> bytes:
    return octets + b"=" * (4 - len(octets)) if len(octets) > 1 else b""


def _without(text: str, opening: str, closing: str) -> str:
    """Drop everything from each ``opening`` to its ``closing``, in either case."""
    lowered, kept, position = text.lower(), [], 0
    if len(lowered) != len(text):  # a letter that is longer in lower case moves what follows
        return text
    while (start := lowered.find(opening, position)) >= 0:
        end = lowered.find(closing, start)
        if end < 0:
            break
        kept.append(text[position:start])
        position = end + len(closing)
    return "".join([*kept, text[position:]])
