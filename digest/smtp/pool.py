"""Several connections to one server, shared by everybody who has a message to send."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from digest.address import Address, BadAddress, parse
from digest.errors import DeliveryUnknown, RecipientProblem, SendError, StopRun, TryLater
from digest.smtp.connection import Connection, Mark, Timeouts
from digest.smtp.replies import Meaning, Reply, classify
from digest.smtp.server import Server

CONNECT_PATIENCE = 5
"""Failed connects in a row, with no other connection open, after which the run stops."""

POLICY_PATIENCE = 20
"""Refusals in a row that are aimed at us rather than at a recipient, after which the run stops."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message.

    ``sent``: accepted. ``deferred``: nothing was delivered, offer it again later. ``failed``: do
    not offer it again. ``unknown``: delivered or not, nobody can say. ``withdrawn``: the caller's
    mark said no, and nothing was sent. ``code``, ``enhanced`` and ``reply_text`` are the server's
    (0 and "" where there was no reply), ``phase`` what was being answered, and ``meaning`` why it
    was refused; None where it was not.
    """

    state: Literal["sent", "deferred", "failed", "unknown", "withdrawn"]
    code: int
    enhanced: str
    reply_text: str
    phase: str
    meaning: Meaning | None = None


class Sender:
    """A pool of connections to one server; use it as an asynchronous context manager.

    Connections are opened when there is something to send, used for ``messages_per_connection``
    messages or ``max_age`` seconds, and not again after ``max_idle`` seconds without work. If the
    server refuses a further connection while others are open, the pool makes do with fewer and
    tries one more whenever a connection is replaced.

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
        timeouts: Timeouts | None = None,
        hostname: str = "",
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self.server = server
        self._messages_per_connection = messages_per_connection
        self._max_age = max_age
        self._max_idle = max_idle
        self._timeouts = timeouts or Timeouts()
        self._hostname = hostname or _hostname(server)
        self._tls_context = tls_context
        self._slots = asyncio.Semaphore(connections)
        self._first = asyncio.Lock()
        self._withheld = 0
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._connect_failures = 0
        self._refusals = 0
        self._stopped: StopRun | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        idle, self._idle = self._idle, []
        for connection in self._open.difference(idle):
            connection.abort()  # its message was abandoned by its caller
        await asyncio.gather(*(connection.quit() for connection in idle))
        self._open.clear()

    async def send(self, mail_from: str, rcpt_to: str, body: bytes, mark: Mark) -> Outcome:
        """Offer one message to one recipient, as soon as a connection is free.

        ``mark`` is awaited after the server's 354 and before the first byte of ``body``. Raises
        :class:`~digest.errors.StopRun`, and raises it again for every later message, where the
        server refuses us as a whole; and whatever ``mark`` raises. In both cases nothing was sent.
        """
        sender = _parse_sender(mail_from)
        try:
            recipient = parse(rcpt_to)
        except BadAddress as error:
            return _outcome(error)
        while True:
            try:
                connection = await self._take()
            except TryLater as error:
                return _outcome(error)
            fresh = connection.messages == 0
            try:
                reply = await connection.deliver(sender, recipient, body, mark)
            except SendError as error:
                if _was_stale(error, connection) and not fresh:
                    continue
                self._judge(error)
                return _outcome(error)
            finally:
                self._give_back(connection)
            if not reply.code:
                return Outcome("withdrawn", 0, "", reply.text, reply.phase)
            self._refusals = 0
            return Outcome("sent", reply.code, reply.enhanced, reply.text, reply.phase)

    async def _take(self) -> Connection:
        while True:
            await self._slots.acquire()
            try:
                connection = await self._ready()
            except BaseException:
                self._slots.release()
                raise
            if connection is not None:
                return connection
            # The slot stays empty until a connection is opened again: some other one is open.
            self._withheld += 1

    async def _ready(self) -> Connection | None:
        # None: the server wants no further connection while it has others of ours.
        if self._stopped is not None:
            raise self._stopped
        while self._idle:
            connection = self._idle.pop()
            try:
                if not self._is_worn(connection) and await connection.reset():
                    return connection
                self._open.discard(connection)
                await connection.quit()
            except BaseException:
                self._open.discard(connection)
                connection.abort()
                raise
        return await self._connect()

    async def _connect(self) -> Connection | None:
        # The first connection is opened alone: a server that is down is asked once at a time, and
        # one that takes a single connection does not turn that one away.
        if not self._open:
            async with self._first:
                if not self._open:
                    return await self._open_one()
        return await self._open_one()

    async def _open_one(self) -> Connection | None:
        if self._stopped is not None:
            raise self._stopped
        connection = Connection(
            self.server,
            timeouts=self._timeouts,
            hostname=self._hostname,
            tls_context=self._tls_context,
        )
        try:
            await connection.open()
        except StopRun as error:
            self._stopped = error
            raise
        except TryLater as error:
            if self._open:
                return None
            self._connect_failures += 1
            if self._connect_failures >= CONNECT_PATIENCE:
                self._stop(f"{self._connect_failures} connects in a row failed", error)
            raise
        self._open.add(connection)
        self._connect_failures = 0
        if self._withheld:
            self._withheld -= 1
            self._slots.release()
        return connection

    def _is_worn(self, connection: Connection) -> bool:
        now = asyncio.get_running_loop().time()
        return (
            connection.messages >= self._messages_per_connection
            or now - connection.opened_at >= self._max_age
            or now - connection.used_at >= self._max_idle
        )

    def _give_back(self, connection: Connection) -> None:
        if connection.is_open:
            self._idle.append(connection)
        else:
            self._open.discard(connection)
        self._slots.release()

    def _judge(self, error: SendError) -> None:
        if isinstance(error, StopRun):
            self._stopped = error
            raise error
        if _meaning(error) is Meaning.POLICY:
            self._refusals += 1
            if self._refusals >= POLICY_PATIENCE:
                self._stop(f"{self._refusals} messages in a row were refused", error)

    def _stop(self, what: str, error: SendError) -> None:
        self._stopped = StopRun(
            f"{self.server}: {what}; the last time: {error.message}",
            code=error.code,
            enhanced=error.enhanced,
            phase=error.phase,
            hint=error.hint or "look at the server, then send again: the rest is still unsent",
        )
        raise self._stopped from error


# Recipients given up without a word from the server.
_SILENT: dict[type[SendError], Meaning] = {
    BadAddress: Meaning.ADDRESS,
    RecipientProblem: Meaning.UNSUPPORTED,
}


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


def _meaning(error: SendError) -> Meaning:
    if not error.code:
        return _SILENT.get(type(error), Meaning.CONNECTION)
    return classify(Reply(error.code, error.message, error.phase)).meaning


def _outcome(error: SendError) -> Outcome:
    state: Literal["deferred", "failed", "unknown"] = "deferred"
    if isinstance(error, DeliveryUnknown):
        state = "unknown"
    elif isinstance(error, RecipientProblem):
        state = "failed"
    return Outcome(state, error.code, error.enhanced, error.message, error.phase, _meaning(error))


def _hostname(server: Server) -> str:
    name = socket.gethostname()
    if server.is_loopback or "." not in name:
        return "localhost" if server.is_loopback else "[127.0.0.1]"
    return name
