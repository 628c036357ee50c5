"""The names by which a receiver judges our mail."""

from __future__ import annotations

from dataclasses import dataclass

from digest.address import parse
from digest.config import Settings
from digest.dkim import Signer
from digest.mail import signer


@dataclass(frozen=True, slots=True)
class Sender:
    """The names a receiver compares: of From, of the envelope, and of the signatures."""

    author: str
    envelope: str
    signer: Signer | None
    host: str

    @classmethod
    def of(cls, settings: Settings, host: str) -> Sender:
        """The sender that ``settings`` describe; ``host`` is the mail server."""
        author = parse(settings.sender).domain
        bounces = settings.bounce_address
        return cls(author, parse(bounces).domain if bounces else author, signer(settings), host)
