"""Records about mail as values: tags of DKIM and DMARC, terms of SPF. Plain text in, values out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_SPF = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_DMARC = re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)")
_ASKING = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})


def tags(record: str) -> dict[str, str]:
    """The ``name=value`` pairs of a record, names in small letters (RFC 6376, 3.2)."""
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}


def spf_among(texts: Iterable[str]) -> list[str]:
    """Those of a domain's TXT records that are SPF (RFC 7208, 4.5)."""
    return [text for text in texts if _SPF.match(text)]


def dmarc_among(texts: Iterable[str]) -> list[str]:
    """Those of a domain's TXT records that are DMARC (RFC 9989, 4.7)."""
    return [text for text in texts if _DMARC.match(text)]


def lets_everybody(spf: str) -> bool:
    """Whether an SPF record calls every machine of the world a sender."""
    return any(term.lower() in {"all", "+all"} for term in spf.split()[1:])


def asking(spf: str) -> Iterator[tuple[str, str]]:
    """The terms of an SPF record that cost a receiver a question: each name and its target."""
    for term in spf.split()[1:]:
        name, _, target = re.sub(r"^[-+~?]", "", term).replace("=", ":", 1).partition(":")
        name = name.partition("/")[0].lower()
        if name in _ASKING:
            yield name, target.partition("/")[0]


def walk(domain: str) -> list[str]:
    """Where DMARC looks for a record: the domain, then its parents (RFC 9989, 4.10).

    Of a very long name at most eight are asked, as receivers do.
    """
    labels = domain.split(".")
    start = 1 if len(labels) <= 8 else len(labels) - 7
    return [domain, *(".".join(labels[n:]) for n in range(start, len(labels)))]


def organization(domain: str, found: dict[str, str]) -> str:
    """The organizational domain of ``domain``, whose DMARC records along the walk are ``found``.

    RFC 9989, 4.10.2. Where there is none, it is the domain itself.
    """
    names = [name for name in walk(domain) if name in found]
    for name in names:
        psd = tags(found[name]).get("psd", "u").lower()
        if psd == "n":
            return name
        if psd == "y" and name != domain:
            return ".".join(domain.split(".")[-name.count(".") - 2 :])
    return names[-1] if names else domain


def within(name: str, domain: str) -> bool:
    """Whether ``name`` is ``domain`` or below it."""
    return name == domain or name.endswith(f".{domain}")
