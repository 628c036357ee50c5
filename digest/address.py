"""One e-mail address: strictly parsed, normalised for comparison, ready for the wire.

The policy is narrower than RFC 5321 allows and about as wide as what people really have. Refused,
each with its reason: quoted local parts, comments, groups, source routes, domain literals, names
without a dot, angle brackets, white space and control characters, more than 64 octets before the @
or 254 in all. Accepted: international domains (kept as A-labels) and international local parts.
Nothing is trimmed or guessed: what is mailed is what was stored, or it is not mailed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

from digest.errors import RecipientProblem

_MAX_LOCAL = 64
_MAX_TOTAL = 254
# Everything in ASCII that may stand neither in a dot-atom nor in a host name (RFC 5322, 3.2.3).
_FORBIDDEN = re.compile(r'[\x00-\x20\x7f<>()"\[\]:;,\\]')
_REASONS = {
    '"': "quoted local parts are not accepted",
    "(": "comments are not accepted",
    ")": "comments are not accepted",
    "[": "a domain literal is not accepted, only a domain name",
    "]": "a domain literal is not accepted, only a domain name",
    "<": "angle brackets are not accepted, only the bare address",
    ">": "angle brackets are not accepted, only the bare address",
    ":": "groups and source routes are not accepted",
    ";": "groups and source routes are not accepted",
    ",": "a comma is not accepted: one address, no list and no source route",
    "\\": "a backslash is not accepted",
    " ": "it holds white space",
}
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_A_LABEL = re.compile(r"(?:^|\.)xn--")


class BadAddress(RecipientProblem, ValueError):
    """No server would, or none should, take this address; ``reason`` says why.

    The message never repeats the address, so that it may be logged.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"unusable address: {reason}",
            phase="address",
            hint="correct the address; it must look like name@host.example",
        )
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: ``local`` as written (NFC), ``domain`` as lower-case A-labels.

    ``str()`` is the form for the wire. Two addresses are the same mailbox when their :attr:`key`
    is the same: the domain's case does not count, the local part's does (RFC 5321, 2.4).
    """

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """The form to compare and to keep unique."""
        return str(self)

    @property
    def smtputf8(self) -> bool:
        """Whether only a server that offers SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


def parse(text: str) -> Address:
    """The address that ``text`` is; raises :class:`BadAddress` with the reason where it is none."""
    if len(text) > _MAX_TOTAL:  # before anything that takes longer on longer text
        raise BadAddress(f"it is longer than {_MAX_TOTAL} octets")
    _refuse_forbidden(text)
    if text.count("@") != 1:
        raise BadAddress("there must be exactly one @")
    raw_local, _, raw_domain = text.partition("@")
    address = Address(_local(raw_local), _domain(raw_domain))
    if len(str(address).encode()) > _MAX_TOTAL:
        raise BadAddress(f"it is longer than {_MAX_TOTAL} octets")
    return address


def key_of(text: str) -> str | None:
    """What to compare ``text`` by, or None where it is not an address."""
    try:
        return parse(text).key
    except BadAddress:
        return None


def _refuse_forbidden(text: str) -> None:
    if found := _FORBIDDEN.search(text):
        raise BadAddress(_REASONS.get(found[0], "it holds a control character"))


def _local(local: str) -> str:
    if not local:
        raise BadAddress("nothing stands before the @")
    if not local.isascii():
        local = _international(local)
    if local[0] == "." or local[-1] == "." or ".." in local:
        raise BadAddress("a dot stands at an end of the local part, or two stand together")
    if len(local.encode()) > _MAX_LOCAL:
        raise BadAddress(f"the part before the @ is longer than {_MAX_LOCAL} octets")
    return local


def _international(local: str) -> str:
    # RFC 6532 asks for NFC. Other (C: controls, bidi marks, surrogates, unassigned) and
    # separators (Z) are invisible or undefined, and nobody could type such an address.
    local = unicodedata.normalize("NFC", local)
    _refuse_forbidden(local)  # NFC turns U+037E into a semicolon
    if any(unicodedata.category(character)[0] in "CZ" for character in local):
        raise BadAddress("it holds an invisible or undefined character")
    if unicodedata.category(local[0])[0] == "M":
        raise BadAddress("it begins with a combining mark")
    return local


@lru_cache(maxsize=1024)  # most people share a few providers
def _domain(domain: str) -> str:
    if not domain:
        raise BadAddress("nothing stands after the @")
    lowered = domain.lower()
    if not lowered.isascii() or _A_LABEL.search(lowered):
        lowered = _a_labels(domain)
    if "." not in lowered:
        raise BadAddress("the domain has no dot")
    if not _DOMAIN.fullmatch(lowered):
        raise BadAddress("the domain is not a host name")
    if lowered.rpartition(".")[2].isdigit():
        raise BadAddress("the domain ends in a number")
    return lowered


def _a_labels(domain: str) -> str:
    # UTS 46 without the transitional mappings: faß.de stays another domain than fass.de.
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (UnicodeError, IndexError) as error:
        raise BadAddress("the domain is not a valid international name") from error
