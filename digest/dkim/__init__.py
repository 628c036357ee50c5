"""DKIM: signatures over whole messages (RFC 6376, and RFC 8463 for Ed25519)."""

from digest.dkim.keys import Key, read_keys
from digest.dkim.signing import Signer

__all__ = ["Key", "Signer", "read_keys"]
