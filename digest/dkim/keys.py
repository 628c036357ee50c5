"""The private keys of DKIM: read once, and refused where no receiver would accept their work."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from digest.errors import ConfigError

SETTING = "DKIM_KEYS"
LEAST_BITS, FEW_BITS = 1024, 2048
"""RFC 8301, 3.2: receivers need not take RSA keys below the first, and signers should not use any
below the second."""

_FORM = "write selector:file, for example 2026a:/etc/digest/dkim.pem, and a comma between two"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SELECTOR = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Key:
    """One private key and the name under which its public half is published.

    ``kind`` is "rsa" or "ed25519", ``public`` the public key as DNS holds it (base64), and
    ``sign`` makes the bytes of a signature of what is to be signed.
    """

    selector: str
    kind: str
    bits: int
    public: str
    path: Path
    sign: Callable[[bytes], bytes]

    @property
    def record(self) -> str:
        """The TXT record to publish (RFC 6376, 3.6.1)."""
        return f"v=DKIM1; k={self.kind}; p={self.public}"

    @property
    def is_short(self) -> bool:
        """Whether a longer key should take its place."""
        return self.kind == "rsa" and self.bits < FEW_BITS

    @property
    def is_open(self) -> bool:
        """Whether everybody on this machine may read it."""
        return bool(self.path.stat().st_mode & 0o004)


def read_keys(setting: str) -> tuple[Key, ...]:
    """The keys that ``DKIM_KEYS`` names; a :class:`ConfigError` where one cannot sign."""
    keys = tuple(_read(entry.strip()) for entry in setting.split(",") if entry.strip())
    selectors = [key.selector.lower() for key in keys]
    if len(set(selectors)) < len(selectors):
        raise ConfigError(
            SETTING,
            "two keys have the same selector",
            hint="a selector publishes one key: give each its own",
        )
    return keys


def _read(entry: str) -> Key:
    selector, _, path = entry.partition(":")
    if not path or not _SELECTOR.fullmatch(selector):
        raise ConfigError(SETTING, f"“{entry}” is no selector with a file", hint=_FORM)
    try:
        private = load_pem_private_key(Path(path).read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(
            SETTING,
            f"{path} cannot be read: {error.strerror}",
            hint="name the file of the private key, and let this user read it",
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Never the library's own words: they may hold a piece of the key.
        raise ConfigError(
            SETTING,
            f"{path} holds no private key in PEM, or one with a password",
            hint="make one: openssl genrsa -out dkim.pem 2048",
        ) from None
    if isinstance(private, RSAPrivateKey):
        return _rsa(selector, Path(path), private)
    if isinstance(private, Ed25519PrivateKey):
        return _ed25519(selector, Path(path), private)
    raise ConfigError(
        SETTING, f"{path} is neither RSA nor Ed25519", hint="DKIM knows only these two"
    )


def _rsa(selector: str, path: Path, private: RSAPrivateKey) -> Key:
    if private.key_size < LEAST_BITS:
        raise ConfigError(
            SETTING,
            f"{path} has {private.key_size} bits, and no receiver takes fewer than {LEAST_BITS}",
            hint="make a longer one: openssl genrsa -out dkim.pem 2048",
        )
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    padding, algorithm = PKCS1v15(), SHA256()

    def sign(data: bytes) -> bytes:
        return private.sign(data, padding, algorithm)

    return Key(selector, "rsa", private.key_size, b64encode(public).decode(), path, sign)


def _ed25519(selector: str, path: Path, private: Ed25519PrivateKey) -> Key:
    public = private.public_key().public_bytes_raw()

    def sign(data: bytes) -> bytes:
        return private.sign(hashlib.sha256(data).digest())  # RFC 8463, 3: over the hash

    return Key(selector, "ed25519", 256, b64encode(public).decode(), path, sign)
