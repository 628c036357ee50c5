"""Whoever has a message hands it in here, and learns what became of it.

It decides what concerns more than one message: when the server as a whole is in trouble, how fast
it is asked, and which recipient domains have to wait.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Self

from digest.address import Address, BadAddress, parse
from digest.errors import SendError, StopRun, TryLater
from digest.smtp.connection import Connection, GroupFailed, Mark
from digest.smtp.opening import Timeouts
from digest.smtp.outcomes import STOPPED, WITHDRAWN, Outcome, accepted, held, outcome_of
from digest.smtp.pacing import Rate, Width
from digest.smtp.pool import LOGIN_PAUSE, Pool
from digest.smtp.server import Server
from digest.smtp.watch import Pace, Watch

log = logging.getLogger(__name__)


class Sender:
    """A pool of connections to one server; use it as an asynchronous context manager.

    Connections are opened when there is something to send, used for ``messages_per_connection``
    messages or ``max_age`` seconds, and not again after ``max_idle`` seconds without work. Fewer
    are used while the server throttles us, or takes no more.

    While the server as a whole is in trouble messages wait, and one of them asks again after each
    pause. ``stop`` ends all waiting: what has not begun is withdrawn.

    ``hostname`` is what we call ourselves in EHLO; ``tls_context`` replaces the system's
    certificate authorities.
    """

    def __init__(
        self,
        server: Server,
        *,
        connections: int = 4,
        messages_per_connection: int = 100,
        max_age: float = 300,
        max_idle: float = 30,
        pace: Pace | None = None,
        stop: asyncio.Event | None = None,
        timeouts: Timeouts | None = None,
        hostname: str = "",
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self.server = server
        self._timeouts = timeouts or Timeouts()
        self._hostname = hostname or _hostname(server)
        self._tls_context = tls_context
        pace = pace or Pace()
        self._rate = Rate(pace.rate)
        self._watch = Watch(server, pace.breaker, pace.domains)
        self._pool = Pool(
            self._connection,
            width=Width(connections),
            messages=messages_per_connection,
            max_age=max_age,
            max_idle=max_idle,
        )
        self._stop = stop or asyncio.Event()
        self._pipelining: bool | None = None  # None: neither known to work nor to fail

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pool.close()

    async def send(self, mail_from: str, rcpt_to: str, body: bytes, mark: Mark) -> Outcome:
        """Offer one message to one recipient, as soon as it may go.

        ``mark`` is awaited after the server's 354 and before the first byte of ``body``. Raises
        :class:`~digest.errors.StopRun`, and raises it again for every later message, where the
        server refuses us as a whole; and whatever ``mark`` raises. In both cases nothing was sent.
        """
        sender = _parse_sender(mail_from)
        try:
            message = _Message(sender, parse(rcpt_to), body, mark)
        except BadAddress as error:
            return outcome_of(error)
        while True:
            outcome = await self._in_turn(message)
            if outcome is not None:
                return outcome

    async def _in_turn(self, message: _Message) -> Outcome | None:
        """Offer it when it has a turn and no pause is on; None: not decided, ask again."""
        await self._pool.turn()
        try:
            if self._watch.ended is not None:
                raise self._watch.ended
            if self._stop.is_set():
                return STOPPED
            hold = self._watch.hold()
            if hold == 0:
                asks = self._watch.is_asking
                try:
                    return await self._try(message)
                finally:
                    if asks:
                        self._watch.leave()
        finally:
            self._pool.leave()
        await self._wait(hold, self._watch.news)
        return None

    async def _try(self, message: _Message) -> Outcome | None:
        if wait := self._watch.hold_domain(message.rcpt_to.domain):
            return held(message.rcpt_to.domain, wait)
        if (turn := self._rate.turn(asyncio.get_running_loop().time())) and await self._wait(turn):
            return STOPPED
        try:
            connection = await self._take()
        except StopRun as error:
            raise self._watch.end(error) from None
        except TryLater as error:
            self._watch.unreachable(error, LOGIN_PAUSE if error.phase == "auth" else 0)
            return None
        if connection is None:
            return STOPPED if self._stop.is_set() else None
        self._watch.was_reached = True
        try:
            return await self._deliver(connection, message)
        finally:
            self._pool.give_back(connection)

    async def _take(self) -> Connection | None:
        if self._watch.is_well:
            return await self._pool.take()
        # The server may be silent for a minute now, and a stop should not wait for it.
        taking = asyncio.create_task(self._pool.take())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await taking if taking.done() else None
        finally:
            stopping.cancel()
            taking.cancel()
            # What was half open is closed now; what it met all the same is the first one's to say.
            await asyncio.gather(taking, stopping, return_exceptions=True)

    async def _deliver(self, connection: Connection, message: _Message) -> Outcome | None:
        fresh = connection.messages == 0
        try:
            reply = await connection.deliver(
                message.mail_from, message.rcpt_to, message.body, message.mark
            )
        except SendError as error:
            if _was_stale(error, connection) and not fresh:
                return None
            if isinstance(error, GroupFailed) and self._pipelining is None:
                self._do_without_groups(error)
                return None
            outcome = self._watch.failed(error, message.rcpt_to.domain)
            if outcome.is_throttle:
                self._pool.width.narrow(self._pool.busy)
            return outcome
        if not reply.code:
            return WITHDRAWN
        if connection.pipelining:
            self._pipelining = True
        self._pool.width.widen()
        self._watch.succeeded(message.rcpt_to.domain)
        return accepted(reply)

    def _do_without_groups(self, error: GroupFailed) -> None:
        log.debug(
            "%s offers PIPELINING but does not keep it up (%s); commands go one by one",
            self.server,
            error.message if not error.code else error.code,
        )
        self._pipelining = False
        self._pool.do_not_pipeline()

    async def _wait(self, seconds: float | None, news: asyncio.Event | None = None) -> bool:
        """Wait so long, for news, or for the stop; whether it is the stop."""
        events = [self._stop, news] if news else [self._stop]
        tasks = {asyncio.create_task(event.wait()) for event in events}
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        return self._stop.is_set()

    def _connection(self) -> Connection:
        return Connection(
            self.server,
            timeouts=self._timeouts,
            hostname=self._hostname,
            tls_context=self._tls_context,
            pipelining=self._pipelining is not False,
        )


@dataclass(frozen=True, slots=True)
class _Message:
    mail_from: Address
    rcpt_to: Address
    body: bytes
    mark: Mark


@lru_cache(maxsize=16)
def _parse_sender(text: str) -> Address:
    try:
        return parse(text)
    except BadAddress as error:  # ours, and so nobody's but the operator's to mend
        raise StopRun(
            f"the envelope sender is an {error.message}", phase="address", hint=error.hint
        ) from error


def _was_stale(error: SendError, connection: Connection) -> bool:
    # A server may close a connection it finds old (421, or no word) when we use it again.
    return isinstance(error, TryLater) and error.phase == "mail" and not connection.is_open


def _hostname(server: Server) -> str:
    name = socket.gethostname()
    if server.is_loopback or "." not in name:
        return "localhost" if server.is_loopback else "[127.0.0.1]"
    return name
