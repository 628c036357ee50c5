"""Private keys for tests, and a receiver that knows their public halves."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from digest.dkim import Key


@cache
def rsa(bits: int = 2048) -> bytes:
    """A key as ``openssl genrsa`` writes it."""
    return generate_private_key(65537, bits).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


@cache
def ed25519() -> bytes:
    """A key as ``openssl genpkey -algorithm ed25519`` writes it."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def named(folder: Path, **keys: bytes) -> str:
    """The keys in files, as ``DKIM_KEYS`` names them."""
    for selector, key in keys.items():
        (folder / f"{selector}.pem").write_bytes(key)
        (folder / f"{selector}.pem").chmod(0o600)
    return ",".join(f"{selector}:{folder / selector}.pem" for selector in keys)


def verified(message: bytes, domain: str, keys: Iterable[Key]) -> list[bool]:
    """What a receiver says of each signature, from the first to the last."""
    published = {f"{key.selector}._domainkey.{domain}.".encode(): key.record for key in keys}

    def ask(name: bytes, timeout: float = 5) -> str | None:
        del timeout
        return published.get(name)

    receiver = dkim.DKIM(message)
    signatures = message.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [_holds(receiver, number, ask) for number in range(signatures)]


def _holds(receiver: dkim.DKIM, number: int, ask: object) -> bool:
    try:
        return bool(receiver.verify(number, dnsfunc=ask))
    except dkim.DKIMException:
        return False
