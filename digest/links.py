"""Signed links: what lets a reader leave, choose, or see a mail in the browser, without an account.

A token is the purpose's facts in base64url, a dot, and an HMAC-SHA256 cut to 16 bytes (RFC 2104
allows half). Every purpose signs with a key of its own, so that no link opens another door. Leaving
never expires: a mail is read years later, and that must still work then. What can change more
holds for :data:`PREFERENCES_LAST` after the week that the mail is of.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from hmac import compare_digest, digest
from typing import NamedTuple

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_encode, want_bytes
from itsdangerous.signer import SigningAlgorithm

from digest.errors import LinkError, LinkExpired, UsageError
from digest.window import Period

PREFERENCES_LAST = timedelta(days=90)
"""How long after its week the preferences can be opened from a mail."""
ERASING_LASTS = timedelta(hours=1)
"""How long after it was shown a page's button erases."""
_SIGNATURE_BYTES = 16
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Asked(NamedTuple):
    """What a guess is about: the reader, the week of the mail that asks, and the post."""

    user_id: str
    period: str
    post_id: str


class Links:
    """Makes and reads the links below ``base_url``.

    ``keys`` are the secrets, oldest first: the last one signs, every one is accepted.
    """

    def __init__(self, base_url: str, keys: Sequence[bytes]) -> None:
        if not keys or not all(keys):
            raise ValueError("links need at least one key, and no empty one")
        base = base_url.rstrip("/")
        self._unsubscribe_base = f"{base}/u/"
        self._browser_base = f"{base}/v/"
        self._preferences_base = f"{base}/p/"
        self._guess_base = f"{base}/g/"
        self._counting = f"{base}/counting"
        self._unsubscribe = _Purpose(keys, b"digest.unsubscribe")
        self._browser = _Purpose(keys, b"digest.browser")
        self._preferences = _Purpose(keys, b"digest.preferences")
        self._guess = _Purpose(keys, b"digest.guess")
        self._erasing = _Purpose(keys, b"digest.erase")

    def unsubscribe(self, user_id: str) -> str:
        """Where ``user_id`` leaves: a page to confirm on, and one-click's target (RFC 8058)."""
        return self._unsubscribe_base + self._unsubscribe.token(user_id)

    def browser(self, user_id: str, period: str) -> str:
        """Where ``user_id`` reads the mail of ``period`` in a browser."""
        return self._browser_base + self._browser.token(f"{period} {user_id}")

    def preferences(self, user_id: str, period: str) -> str:
        """Where ``user_id`` chooses, opened from the mail of ``period``."""
        return self._preferences_base + self._preferences.token(f"{period} {user_id}")

    def guess(self, asked: Asked) -> str:
        """Where a reader guesses how many people saw a post; a number may follow as ``/40``."""
        # Ids may hold anything, so the length says where the first of the two ends.
        user_id, period, post_id = asked
        return self._guess_base + self._guess.token(f"{period} {len(user_id)} {user_id}{post_id}")

    def erasing(self, user_id: str, now: datetime) -> str:
        """What the button carries that erases all of ``user_id``: no link, and soon void."""
        return self._erasing.token(f"{now.timestamp():.0f} {user_id}")

    def counting(self) -> str:
        """Where the page stands that says how things are counted."""
        return self._counting

    def read_unsubscribe(self, token: str) -> str:
        """The user of an unsubscribe link; a :class:`LinkError` where it is not one of ours."""
        return self._unsubscribe.read(token)

    def read_browser(self, token: str) -> tuple[str, str]:
        """The user and period of a browser link; a :class:`LinkError` as above."""
        return _pair(self._browser.read(token))

    def read_guess(self, token: str) -> Asked:
        """What a guess link asks; a :class:`LinkError` as above."""
        rest, period = _pair(self._guess.read(token))
        ids, length = _pair(rest)
        if not (length.isascii() and length.isdecimal() and int(length) <= len(ids)):
            raise _damaged()
        return Asked(ids[: int(length)], period, ids[int(length) :])

    def read_preferences(self, token: str, now: datetime) -> str:
        """The user of a preferences link; LinkExpired where it is too old, LinkError as above."""
        user_id, period = _pair(self._preferences.read(token))
        try:
            over = Period.parse(period).shift(1).monday
        except UsageError as error:
            raise _damaged() from error
        if now - datetime.combine(over, time(), UTC) > PREFERENCES_LAST:
            raise LinkExpired(
                "this link is from a mail of long ago",
                user_id=user_id,
                hint="open the one in the newest mail",
            )
        return user_id

    def read_erasing(self, token: str, now: datetime) -> str:
        """The user whom a button erases; LinkExpired where the page stood open for too long."""
        user_id, at = _pair(self._erasing.read(token))
        if now - datetime.fromtimestamp(int(at), UTC) > ERASING_LASTS:
            raise LinkExpired("the page stood open for too long", user_id=user_id)
        return user_id


class _ShortHmac(SigningAlgorithm):
    """HMAC-SHA256 cut to 16 bytes: 128 bits, and a link that fits one header line."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """The signature of ``value``."""
        return digest(key, value, "sha256")[:_SIGNATURE_BYTES]


class _PreparedSigner(Signer):
    """A signer whose keys were derived once, for one purpose, instead of for every token."""

    def __init__(self, keys: Sequence[bytes], purpose: bytes) -> None:
        derived = [digest(key, purpose, "sha256") for key in keys]
        super().__init__(derived, salt=purpose, key_derivation="none", algorithm=_ShortHmac())

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        """Compare as written: base64 would let several spellings pass for one signature."""
        value, sig = want_bytes(value), want_bytes(sig)
        return any(
            compare_digest(base64_encode(self.algorithm.get_signature(key, value)), sig)
            for key in reversed(self.secret_keys)
        )


class _Purpose:
    """The tokens of one purpose: text in, token out, and back."""

    def __init__(self, keys: Sequence[bytes], purpose: bytes) -> None:
        self._signer = _PreparedSigner(keys, purpose)

    def token(self, text: str) -> str:
        # A lone surrogate is no character, but an id of the platform may hold one.
        payload = b2a_base64(text.encode("utf-8", "surrogatepass"), newline=False)
        return self._signer.sign(payload.translate(_URL_SAFE).rstrip(b"=")).decode("ascii")

    def read(self, token: str) -> str:
        if not token.isascii():
            raise _damaged()
        try:
            payload = self._signer.unsign(token)
            padded = payload.translate(_FROM_URL_SAFE) + b"=" * (-len(payload) % 4)
            return a2b_base64(padded, strict_mode=True).decode("utf-8", "surrogatepass")
        except (BadSignature, ValueError) as error:
            raise _damaged() from error


def _pair(text: str) -> tuple[str, str]:
    """The user id, which may hold anything, and what stands before it."""
    fact, space, user_id = text.partition(" ")
    if not space:
        raise _damaged()
    return user_id, fact


def _damaged() -> LinkError:
    # Never the token itself: this message may be logged.
    return LinkError(
        "this link is not one of ours, or not whole", hint="open it from the mail again"
    )
