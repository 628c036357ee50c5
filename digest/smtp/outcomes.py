"""What became of one message, and whose trouble it was: its own, its domain's or the server's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from digest.address import BadAddress
from digest.errors import DeliveryUnknown, RecipientProblem, SendError
from digest.smtp.connection import NeedsUtf8, TooLarge
from digest.smtp.replies import Meaning, Reply, classify

_SAYS_NOTHING = {Meaning.THROTTLED, Meaning.PAUSED, Meaning.POLICY}
_SLOW_DOWN = {Meaning.THROTTLED, Meaning.CONNECTION}
_AGAINST_US = {Meaning.POLICY, Meaning.UNCLEAR}
_OF_THE_DOMAIN = {Meaning.THROTTLED, Meaning.TRANSIENT}

# Recipients given up without a word from the server.
_SILENT: dict[type[SendError], Meaning] = {
    BadAddress: Meaning.ADDRESS,
    NeedsUtf8: Meaning.UNSUPPORTED,
    TooLarge: Meaning.MESSAGE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message.

    ``sent``: accepted. ``deferred``: nothing was delivered, offer it again later. ``failed``: do
    not offer it again. ``unknown``: delivered or not, nobody can say. ``withdrawn``: the caller's
    mark said no, or the sender was stopped, and nothing was sent. ``code``, ``enhanced`` and
    ``reply_text`` are the server's (0 and "" where there was no reply), ``phase`` what was being
    answered, and ``meaning`` why it was refused; None where it was not. ``wait`` is how many
    seconds to wait before another try, 0 where that is the caller's to say.
    """

    state: Literal["sent", "deferred", "failed", "unknown", "withdrawn"]
    code: int
    enhanced: str
    reply_text: str
    phase: str
    meaning: Meaning | None = None
    wait: float = 0

    @property
    def is_attempt(self) -> bool:
        """Whether it counts as one: not where it says nothing of the message and its reader."""
        return self.state != "deferred" or self.meaning not in _SAYS_NOTHING

    @property
    def is_throttle(self) -> bool:
        """Whether fewer connections might help."""
        return self.state != "sent" and self.meaning in _SLOW_DOWN

    @property
    def is_against_us(self) -> bool:
        """Whether a refusal may be aimed at us, so that everybody would get it."""
        return self.state in {"failed", "deferred"} and self.meaning in _AGAINST_US

    @property
    def is_of_the_server(self) -> bool:
        """Whether it may be the server's trouble: no word, 421, 4.3.x, a sender refused for now."""
        if self.state not in {"deferred", "unknown"} or self.phase == "address":
            return False
        return self.code in {0, 421} or self.phase == "mail" or self.enhanced.startswith("4.3.")

    @property
    def is_of_the_domain(self) -> bool:
        """Whether it may be the trouble of the recipient's domain."""
        return (
            self.state == "deferred"
            and self.phase in {"rcpt", "data", "body"}
            and self.meaning in _OF_THE_DOMAIN
        )

    @property
    def is_of_the_message(self) -> bool:
        """Whether the server has judged the message or its reader, and so is well itself."""
        return self.code != 0 and (self.state == "failed" or self.meaning in _OF_A_READER)


_OF_A_READER = {Meaning.GREYLISTED, Meaning.FULL}
STOPPED = Outcome("withdrawn", 0, "", "the run is ending", "address")
WITHDRAWN = Outcome("withdrawn", 0, "", "withdrawn before the message was sent", "data")


def accepted(reply: Reply) -> Outcome:
    """The server has taken the message."""
    return Outcome("sent", reply.code, reply.enhanced, reply.text, reply.phase)


def held(domain: str, seconds: float) -> Outcome:
    """Not offered, because the recipient's domain has to wait."""
    said = f"{domain} has to wait: it defers, or has had its share of the minute"
    return Outcome("deferred", 0, "", said, "address", Meaning.PAUSED, seconds)


def outcome_of(error: SendError) -> Outcome:
    """What became of the message that met this error."""
    state: Literal["deferred", "failed", "unknown"] = "deferred"
    if isinstance(error, DeliveryUnknown):
        state = "unknown"
    elif isinstance(error, RecipientProblem):
        state = "failed"
    return Outcome(state, error.code, error.enhanced, error.message, error.phase, _meaning(error))


def _meaning(error: SendError) -> Meaning:
    if not error.code:
        return _SILENT.get(type(error), Meaning.CONNECTION)
    return classify(Reply(error.code, error.message, error.phase)).meaning
