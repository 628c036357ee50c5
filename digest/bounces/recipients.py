"""Who did not get a mail, from the sentences of notices that follow no standard.

Such notices name a recipient at the head of a line, mostly with the reason behind or below it.
Nothing here is particular to one mail system.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from digest.bounces.phrases import (
    DEAD,
    DEAD_HOST,
    FULL,
    LEADS,
    NOT_FAILING,
    SURE_LEADS,
    UNSURE,
    occurs,
    squeeze,
)

MAX_RECIPIENTS = 100
MAX_LINES = 600

_ADDRESS = re.compile(
    r"(?<![\w.+-])"
    r"(?:\"[^\"\x00-\x20\x7f-\xa0@]{1,64}\"|[^\x00-\x20\x7f-\xa0\s@<>()\[\]\",:;`]{1,64})"
    r"@(?:[a-zA-Z0-9_-]{1,63}\.){0,8}[a-zA-Z0-9_-]{1,63}"
)
_DECORATION = re.compile(r"[\s<>\"'`*(\[{|:=–•·-]+|smtp:|rfc822;|\d{1,3}[.)]?", re.IGNORECASE)
_REASON = (*DEAD, *DEAD_HOST, *FULL, *UNSURE)


@dataclass(frozen=True, slots=True)
class Named:
    """An address that a notice names, and what it says from there to the next one."""

    address: str
    said: str


def addresses(text: str) -> list[str]:
    """Every address in ``text`` in its order, each once."""
    found = (hit.group().strip("\"'.") for hit in _ADDRESS.finditer(text))
    return list(dict.fromkeys(found))[:MAX_RECIPIENTS]


def failing(notice: str, others: Collection[str]) -> list[Named]:
    """The recipients that ``notice`` names as failing, the surest kind of mention only.

    ``others`` are the parties of the notice itself: whom it comes from and goes to.
    """
    strangers = {address.lower() for address in others}
    ranked: dict[int, list[tuple[int, str]]] = {}
    lines = notice.splitlines()[:MAX_LINES]
    before = ""
    for number, line in enumerate(lines):
        for hit in _mentions(line):
            address = hit.group().strip("\"'.")
            rank = _rank(line, hit, before)
            rank += 10 if address.lower() in strangers or _is_daemon(address) else 0
            ranked.setdefault(rank, []).append((number, address))
        before = line if line.strip() else before
    best = min(ranked, default=99)
    return _told(lines, ranked[best]) if best <= 4 else []


def _mentions(line: str) -> list[re.Match[str]]:
    return list(_ADDRESS.finditer(line[:1000]))[:20] if "@" in line else []


def _rank(line: str, hit: re.Match[str], before: str) -> int:
    """How sure it is that this is a recipient: 0 surest, 4 a mere mention, 5 somebody else."""
    lead, rest = squeeze(line[: hit.start()]), squeeze(line[hit.end() :])
    if not _DECORATION.sub("", lead):
        return 0
    if occurs(NOT_FAILING, lead):
        return 5
    if occurs(SURE_LEADS, lead[-40:]) or occurs(_REASON, rest):
        return 1
    if occurs(LEADS, lead[-40:]):
        return 2
    return 3 if occurs(SURE_LEADS, squeeze(before)) else 4


def _told(lines: list[str], found: list[tuple[int, str]]) -> list[Named]:
    """Each address once, with the words up to the next one."""
    named: dict[str, Named] = {}
    for position, (number, address) in enumerate(found):
        later = (
            other
            for other, who in found[position + 1 :]
            if other > number and who.lower() != address.lower()
        )
        end = min(next(later, len(lines)), number + 40)
        if address.lower() not in named and len(named) < MAX_RECIPIENTS:
            named[address.lower()] = Named(address, "\n".join(lines[number:end]))
    return list(named.values())


def _is_daemon(address: str) -> bool:
    local = address.partition("@")[0].lower()
    return local.startswith(("mailer-daemon", "postmaster", "mail-daemon", "mdaemon"))
