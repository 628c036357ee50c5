"""What the answers to single messages say about the server and about recipient domains."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field, replace

from digest.errors import SendError, StopRun, TryLater
from digest.smtp.breaker import Breaker
from digest.smtp.outcomes import Outcome, outcome_of
from digest.smtp.pacing import Domains
from digest.smtp.replies import Meaning, anonymous
from digest.smtp.server import Server

log = logging.getLogger(__name__)


def _any_domain() -> Domains:
    return Domains(per_minute=0, base=300, cap=14_400, jitter=random.random)


@dataclass(slots=True)
class Pace:
    """How a sender may load its server: ``rate`` in messages per second (0: no limit), the pauses
    of ``breaker``, and the recipient ``domains``, which may outlive the sender.
    """

    rate: float = 0
    breaker: Breaker = field(default_factory=Breaker)
    domains: Domains = field(default_factory=_any_domain)


class Watch:
    """Keeps breaker and domains up to date, says so in the log, and ends it all where it must.

    ``ended`` is what ended it: it is raised by whoever comes next, so that the message which met it
    still gets its own outcome. ``news`` is set, and replaced, whenever those who wait for the
    message that asks should look again.
    """

    def __init__(self, server: Server, breaker: Breaker, domains: Domains) -> None:
        self.ended: StopRun | None = None
        self.news = asyncio.Event()
        self.was_reached = False
        self._server = server
        self._breaker = breaker
        self._domains = domains
        self._in_trouble: set[str] = set()  # domains whose mails met it since the last success

    @property
    def is_well(self) -> bool:
        """Whether there was a connection, and no trouble of the server since."""
        return self.was_reached and self._breaker.is_closed

    @property
    def is_asking(self) -> bool:
        """Whether a message that goes now is the one that asks a server in trouble."""
        return not self._breaker.is_closed

    def hold(self) -> float | None:
        """As :meth:`Breaker.hold`."""
        return self._breaker.hold(_now())

    def hold_domain(self, domain: str) -> float:
        """As :meth:`Domains.hold`."""
        return self._domains.hold(domain, _now())

    def leave(self) -> None:
        """The message that asked is back, whatever it met."""
        if self._breaker.leave():
            self._tell()

    def succeeded(self, domain: str) -> None:
        """A message was accepted."""
        self._domains.success(domain)
        if not self._breaker.is_closed:
            log.info("%s takes mail again; sending goes on", self._server)
            self._tell()
        self._breaker.close()
        self._in_trouble.clear()

    def failed(self, error: SendError, domain: str) -> Outcome:
        """What became of a message that was not accepted; raises StopRun where none would be."""
        if isinstance(error, StopRun):
            raise self.end(error)
        outcome = outcome_of(error)
        self._judge_domain(outcome, domain)
        if outcome.is_of_the_server or outcome.is_against_us:
            if self._is_believed(outcome, domain):
                self._pause(error)
                if outcome.is_against_us:  # refused like all before it: not for the reader's sake
                    return replace(outcome, state="deferred", meaning=Meaning.POLICY)
        elif outcome.is_of_the_message:
            self._breaker.answered()
        return outcome

    def unreachable(self, error: TryLater, at_least: float) -> None:
        """No connection can be had, and there is none: a pause, or the end where there never was.

        ``at_least`` is how many seconds the pause must last.
        """
        if not self.was_reached and (not error.code or error.code >= 500):
            self.end(_stop(error.message, error))
        else:
            self._pause(error, at_least)

    def end(self, error: StopRun) -> StopRun:
        """Nothing more is sent; gives back ``error``."""
        self.ended = error
        self._tell()
        return error

    def _judge_domain(self, outcome: Outcome, domain: str) -> None:
        if outcome.is_of_the_domain:
            if pause := self._domains.trouble(domain, _now()):
                log.info("a recipient domain defers everything; it is left alone for %.0f s", pause)
        elif outcome.is_of_the_message:
            self._domains.success(domain)

    def _is_believed(self, outcome: Outcome, domain: str) -> bool:
        """Whether this is the server's trouble: not if a single domain has all of it."""
        self._in_trouble.add(domain)
        believed = self._breaker.is_trouble(refusal=outcome.is_against_us)
        if outcome.is_of_the_domain and len(self._in_trouble) == 1:
            return False
        for innocent in self._in_trouble if believed else ():
            self._domains.success(innocent)
        return believed

    def _pause(self, error: SendError, at_least: float = 0) -> None:
        seconds = self._breaker.trip(_now(), at_least=at_least)
        if not seconds:
            return
        since = _now() - (self._breaker.since or 0)
        lasting = f", for {since:.0f} s now" if since >= 1 else ""
        what = f"{self._server} takes no mail{lasting}: {_in_short(error)}"
        if self._breaker.is_hopeless:
            self.end(_stop(what, error))
            return
        log.warning("%s; sending pauses, next try in %.0f s", what, seconds)
        self._tell()

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _in_short(error: SendError) -> str:
    """What happened, without the addresses that a server may repeat."""
    if not error.code:
        return error.message
    return f"{error.code} {anonymous(error.message)} (in answer to {error.phase})"


def _stop(message: str, error: SendError) -> StopRun:
    return StopRun(
        message,
        code=error.code,
        enhanced=error.enhanced,
        phase=error.phase,
        hint=error.hint or "look at the server, then send again: the rest is still unsent",
    )
