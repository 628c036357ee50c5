"""DKIM: whether a receiver can verify what we sign."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import dkim

from digest.checks import records
from digest.checks.finding import Finding
from digest.checks.names import Names
from digest.checks.sender import Sender
from digest.dkim import Key, Signer
from digest.errors import ConfigError, DigestError

_SAMPLE = b"From: %b\r\nSubject: A sample\r\n\r\nThis message is never sent.\r\n"


def unpublished(sender: Sender, names: Names) -> Iterator[ConfigError]:
    """The keys whose signatures nobody could verify, by what the DNS says now."""
    if sender.signer is None:
        return
    for key in sender.signer.keys:
        if (problem := _published(key, sender.signer.domain, names)) is not None:
            yield problem


def look_at_signatures(sender: Sender, names: Names, now: datetime) -> Iterator[Finding]:
    """What is published of each key, and what should be done about the key itself."""
    if sender.signer is None:
        yield Finding(
            "DKIM",
            "",
            DigestError(
                "mails leave unsigned: the mail server must sign them, List-Unsubscribe and"
                " List-Unsubscribe-Post included",
                hint="make sure that it does, or set DKIM_KEYS",
            ),
            advice=True,
        )
        return
    for key in sender.signer.keys:
        yield _signature(key, sender, sender.signer.domain, names, now)
        yield from _doubts(key)


def _signature(key: Key, sender: Sender, domain: str, names: Names, now: datetime) -> Finding:
    problem = _published(key, domain, names)
    if problem is None and not _is_verified(key, sender.author, domain, names, now):
        problem = _wrong(
            f"a receiver does not verify what {key.path} signs",
            f"look at the record of {key.selector}._domainkey.{domain}, or publish {key.record}",
        )
    size = "Ed25519" if key.kind == "ed25519" else f"RSA of {key.bits:,} bits"
    fact = f"{key.selector}._domainkey.{domain}: our key ({size}); a signed sample is verified"
    return Finding("DKIM", fact, problem)


def _published(key: Key, domain: str, names: Names) -> ConfigError | None:
    """What is wrong with the published half of a key."""
    name = f"{key.selector}._domainkey.{domain}"
    found = [record for record in map(records.tags, names.texts(name)) if "p" in record]
    publish = f"publish, as TXT of {name}: {key.record}"
    if not found:
        return _wrong(f"no key is published at {name}", publish)
    if len(found) > 1:
        return _wrong(
            f"{len(found)} keys are published at {name}, and receivers may take any",
            f"leave one: {key.record}",
        )
    if not found[0]["p"]:
        return _wrong(f"the key at {name} is revoked", f"{publish}, or take a new selector")
    if (found[0].get("k", "rsa"), found[0]["p"].rstrip("=")) != (key.kind, key.public.rstrip("=")):
        return _wrong(f"the key at {name} is not the one of {key.path}", publish)
    return None


def _is_verified(key: Key, author: str, domain: str, names: Names, now: datetime) -> bool:
    """Whether dkimpy, which shares no line with what signs, accepts a sample as receivers do."""
    sample = Signer(domain, [key]).signed(_SAMPLE % f"digest@{author}".encode(), now)

    def ask(name: bytes, timeout: float = 0) -> str:
        del timeout  # Names has its own
        return names.texts(name.decode().rstrip("."))[0]

    try:
        return bool(dkim.DKIM(sample).verify(dnsfunc=ask))
    except dkim.DKIMException:
        return False


def _doubts(key: Key) -> Iterator[Finding]:
    if key.is_short:
        problem = _wrong(
            f"{key.path} has {key.bits:,} bits; some receivers take only 2,048 or more",
            "make a longer one under a new selector: openssl genrsa -out dkim.pem 2048",
        )
        yield Finding("DKIM", "", problem, advice=True)
    if key.is_open:
        problem = _wrong(
            f"everybody on this machine can read {key.path}", f"run: chmod 600 {key.path}"
        )
        yield Finding("DKIM", "", problem, advice=True)


def _wrong(what: str, hint: str) -> ConfigError:
    return ConfigError("DKIM_KEYS", what, hint=hint)
