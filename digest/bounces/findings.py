"""What can be found in a returned mail: its kind, and what it says of each recipient."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from digest.bounces.judging import Judgement


class Kind(StrEnum):
    """What a mail, or what it says of one recipient, is."""

    HARD = "hard"
    """The address is dead."""
    SOFT = "soft"
    """Not delivered, for a reason that may pass or is not the reader's."""
    COMPLAINT = "complaint"
    """The reader, or their provider, does not want our mail."""
    AUTO_REPLY = "auto-reply"
    """A mailbox answered by itself."""
    UNRECOGNISED = "unrecognised"
    """Nothing of that, or not to be understood."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a mail says of one recipient; ``status`` is an enhanced code, ``said`` the reason."""

    recipient: str
    kind: Kind
    judged: Judgement

    @property
    def status(self) -> str:
        """The enhanced status code (RFC 3463), "" where none is known."""
        return self.judged.status


@dataclass(frozen=True, slots=True)
class Report:
    """A mail, read. ``tokens`` are (VERP or not, token, host) of mails of ours that it mentions."""

    kind: Kind
    why: str
    failures: tuple[Failure, ...] = ()
    feedback: str = ""
    tokens: tuple[Token, ...] = ()

    @property
    def leading(self) -> Failure | None:
        """The failure that gave the mail its kind."""
        return next((one for one in self.failures if one.kind is self.kind), None)


@dataclass(frozen=True, slots=True)
class Token:
    """A mail of ours, as a report names it: the local part of its Message-ID, and the host."""

    name: str
    host: str
    verp: bool


def kind_of(judged: Judgement) -> Kind:
    """The kind of a failure."""
    return Kind.HARD if judged.dead else Kind.SOFT


def summed(failures: list[Failure]) -> Report:
    """One kind for the mail: a dead address outweighs a full one."""
    kind = min((one.kind for one in failures), key=(Kind.HARD, Kind.SOFT).index)
    leading = next(one for one in failures if one.kind is kind)
    return Report(kind, leading.judged.said, tuple(failures))
