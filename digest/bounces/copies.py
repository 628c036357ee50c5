"""Which words of a returned mail are the mail system's, and which are the copy of ours."""

from __future__ import annotations

import re

from digest.bounces import mime
from digest.bounces.mime import Mail, Part
from digest.bounces.phrases import SEPARATORS, occurs, squeeze

_HEADER_LINE = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,40}:(?:\s|$)")
_TRACE = re.compile(
    r"(?:received|message-id|return-path|mime-version|x-mailer|date):", re.IGNORECASE
)
_COPIES = frozenset({"message/rfc822", "text/rfc822-headers", "message/global"})


def split(mail: Mail) -> tuple[list[Part], dict[str, list[str]]]:
    """The parts that speak to us, and the header of the message they speak about."""
    own: list[Part] = []
    copies: list[str] = []
    for part in mail.parts:
        if part.returned or part.kind in {
            "message/rfc822",
            "text/rfc822-headers",
            "message/global",
        }:
            copies.append(part.text)
        elif part.kind.startswith("text/"):
            told, copy = _cut(part.text)
            own.append(Part(part.kind, told))
            copies += [copy] if copy else []
        else:
            own.append(part)
    header: dict[str, list[str]] = {}
    for copy in copies:
        for name, values in mime.split_headers(copy.lstrip("\n").encode())[0].items():
            header.setdefault(name, values)
    return own, header


def _cut(text: str) -> tuple[str, str]:
    """A notice, and the copy of the message that it ends with."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if _TRACE.match(line) and _is_header(lines[number : number + 6]):
            return "\n".join(lines[:number]), "\n".join(lines[number:])
        if number and len(line) < 100 and _separates(line):
            return "\n".join(lines[:number]), "\n".join(lines[number + 1 :])
    return text, ""


def _separates(line: str) -> bool:
    squeezed = squeeze(line)
    return len(squeezed) > 8 and (occurs(SEPARATORS, squeezed))


def _is_header(lines: list[str]) -> bool:
    fields = sum(bool(_HEADER_LINE.match(line)) for line in lines)
    return fields >= 3 and bool(_HEADER_LINE.match(lines[0]))


def story(parts: list[Part]) -> str:
    """What is written for people: the plain text, or else the words of the page."""
    for kind in ("text/plain", "text/html"):
        told = "\n".join(part.text for part in parts if part.kind == kind)
        if told.strip():
            return told[: mime.MAX_TEXT]
    return "\n".join(part.text for part in parts if part.kind.startswith("text/"))[: mime.MAX_TEXT]
