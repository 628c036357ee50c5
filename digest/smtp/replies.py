"""What a server's reply means for the message, for the person, and for the run.

A table, tried from the top: the first rule whose columns all match decides. Codes are RFC 5321's,
enhanced codes RFC 3463's; the phase is the command that was answered ("body" is the final dot).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from digest.errors import RecipientProblem, SendError, StopRun, TryLater

Phase = Literal["address", "connect", "starttls", "auth", "mail", "rcpt", "data", "body"]

MAX_TEXT = 500
"""Characters of a reply's text that are kept; servers may send kilobytes."""

DISABLED_STATUS = "5.2.1"
"""The enhanced code of a mailbox that is disabled and takes no mail."""

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MAILBOX = re.compile(r"[^\s<>,;]+@[^\s<>,;]+")
_UNDECODED = re.compile(r"[\ud800-\udfff]")


class Verdict(StrEnum):
    """What the sender does next."""

    PERSON = "person"
    """Give up on this message to this person; go on with the others."""
    LATER = "later"
    """Offer the same message again later."""
    STOP = "stop"
    """The server refuses us, whoever the recipient is."""


class Meaning(StrEnum):
    """Why; only the first three say anything about the recipient's address."""

    ADDRESS = "address"
    """The address is dead: suppress it."""
    DISABLED = "disabled"
    """The mailbox takes no mail (RFC 3463, X.2.1): suppress it if a later week hears the same."""
    UNCLEAR = "unclear"
    """Probably the recipient, but the server does not say: suppress only if it happens again."""
    FULL = "full"
    """The mailbox is full, or over its quota."""
    POLICY = "policy"
    """The server does not like us (block list, sender, proofs): never the person's fault."""
    MESSAGE = "message"
    """The message is too big or malformed: our fault, never the person's."""
    THROTTLED = "throttled"
    """Too much, too fast: slow down."""
    GREYLISTED = "greylisted"
    """Come back in five minutes or more, from the same address."""
    TRANSIENT = "transient"
    """Any other trouble that passes."""
    DESYNC = "desync"
    """Server and client disagree where in the dialogue they are: use another connection."""
    CREDENTIALS = "credentials"
    """The server wants other credentials, or some."""
    TLS = "tls"
    """No protected connection can be had."""
    UNSUPPORTED = "unsupported"
    """The server cannot take this address, which is not ASCII (SMTPUTF8)."""
    PAUSED = "domain-paused"
    """The recipient's domain has to wait: it defers, or has had its share of the minute."""
    CONNECTION = "connection"
    """There was no reply: refused, dropped, timed out, or not SMTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of a server: ``code`` (0 where none came), its ``text`` and the ``phase``."""

    code: int
    text: str
    phase: str

    @property
    def enhanced(self) -> str:
        """The enhanced status code, such as ``5.1.1``; "" where there is none."""
        return parse_enhanced(self.code, self.text)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table.

    Columns are regular expressions for the whole value, ``text`` for a part of it, in any case; an
    empty column matches everything.
    """

    verdict: Verdict
    meaning: Meaning
    phase: str = ""
    code: str = ""
    enhanced: str = ""
    text: str = ""

    def matches(self, reply: Reply) -> bool:
        """Whether every column agrees with ``reply``."""
        return (
            (not self.phase or re.fullmatch(self.phase, reply.phase) is not None)
            and (not self.code or re.fullmatch(self.code, f"{reply.code:03}") is not None)
            and (not self.enhanced or re.fullmatch(self.enhanced, reply.enhanced) is not None)
            and (not self.text or re.search(self.text, reply.text, re.IGNORECASE) is not None)
        )


_PERSON, _LATER, _STOP = Verdict.PERSON, Verdict.LATER, Verdict.STOP

RULES: tuple[Rule, ...] = (
    Rule(_LATER, Meaning.CONNECTION, code="000"),
    # Getting in: refused credentials and TLS never mend themselves within a run.
    Rule(_STOP, Meaning.CREDENTIALS, phase="auth", code="5.."),
    Rule(_STOP, Meaning.CREDENTIALS, code="530|535"),
    Rule(_STOP, Meaning.TLS, phase="starttls", code="5.."),
    Rule(_LATER, Meaning.TLS, phase="starttls"),
    # Whatever the phase.
    Rule(_LATER, Meaning.DESYNC, code="503"),
    Rule(_LATER, Meaning.THROTTLED, code="421"),
    Rule(_LATER, Meaning.GREYLISTED, code="45[01]", text=r"gr[ea]y-?list"),
    Rule(_LATER, Meaning.THROTTLED, code="4..", enhanced=r"4\.7\.(0|28)|4\.3\.2"),
    Rule(_LATER, Meaning.THROTTLED, code="4..", text=r"\[TSS?\d\d\]|too (many|fast)|rate.?limit"),
    Rule(_LATER, Meaning.GREYLISTED, code="45[01]", enhanced=r"4\.7\.1"),
    Rule(_LATER, Meaning.FULL, enhanced=r"[45]\.2\.2"),
    Rule(_LATER, Meaning.FULL, phase="rcpt", code="[45]52", enhanced="|4.2.0|5.2.0"),
    Rule(_LATER, Meaning.TRANSIENT, code="4.."),
    Rule(_LATER, Meaning.POLICY, phase="connect", code="5.."),
    # Permanent: our sender, the recipient, our standing, our message, in this order.
    Rule(_PERSON, Meaning.MESSAGE, phase="mail", code="5..", enhanced=r"5\.3\.4"),
    Rule(_PERSON, Meaning.MESSAGE, phase="mail", code="552"),
    Rule(_LATER, Meaning.POLICY, phase="mail", code="5.."),
    Rule(_PERSON, Meaning.POLICY, enhanced=r"5\.1\.[78]"),
    Rule(_PERSON, Meaning.ADDRESS, code="5..", enhanced=r"5\.1\.([1236]|10)"),
    Rule(_PERSON, Meaning.DISABLED, code="5..", enhanced=DISABLED_STATUS.replace(".", r"\.")),
    Rule(_PERSON, Meaning.ADDRESS, phase="rcpt", code="556"),
    Rule(_PERSON, Meaning.POLICY, code="5..", enhanced=r"5\.7\.\d+"),
    Rule(_PERSON, Meaning.MESSAGE, code="5..", enhanced=r"5\.(6|5)\.\d+|5\.3\.4"),
    Rule(_PERSON, Meaning.POLICY, code="554"),
    Rule(_PERSON, Meaning.MESSAGE, code="50[0-4]|552|555"),
    Rule(_PERSON, Meaning.UNCLEAR, code="5.."),
    # A code that this phase does not know (2xx to DATA, 354 to the dot, 1xx).
    Rule(_LATER, Meaning.DESYNC),
)

_ERRORS: dict[Verdict, type[SendError]] = {
    Verdict.PERSON: RecipientProblem,
    Verdict.LATER: TryLater,
    Verdict.STOP: StopRun,
}


def classify(reply: Reply) -> Rule:
    """The first rule of :data:`RULES` that matches; the last one matches everything."""
    return next(rule for rule in RULES if rule.matches(reply))


def refusal(reply: Reply, *, hint: str = "") -> SendError:
    """The error that a refusing ``reply`` is, ready to be raised."""
    text, kind = reply.text or "no reply", _ERRORS[classify(reply).verdict]
    if kind is StopRun:  # the one refusal that is shown, and so logged
        text = anonymous(text)
    return kind(text, code=reply.code, enhanced=reply.enhanced, phase=reply.phase, hint=hint)


def parse_enhanced(code: int, text: str) -> str:
    """The enhanced code at the head of a reply's text, if it agrees with ``code`` (RFC 2034)."""
    found = _ENHANCED.match(text)
    return found[0] if found and found[1] == str(code)[:1] else ""


def tidy(text: str) -> str:
    """A reply's text fit to be stored and shown: one line, printable, at most 500 characters."""
    text = _UNDECODED.sub("\ufffd", text[: MAX_TEXT * 2])
    return _CONTROLS.sub(" ", text).strip()[:MAX_TEXT]


def anonymous(text: str) -> str:
    """A reply's text fit for a log: servers repeat addresses."""
    return _MAILBOX.sub("…", text)
