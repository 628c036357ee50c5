"""One connection to the mail server, many messages over it.

It always knows how far a message has come: a connection that breaks before the final dot has left
is safe to repeat, one that breaks after it is not. aiosmtplib cannot tell the two apart, takes one
timeout for everything, and scans every body with regular expressions; it only opens connections.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping

from digest.address import Address
from digest.errors import DeliveryUnknown, RecipientProblem, SendError, TryLater
from digest.faults import Point, reach
from digest.smtp.opening import Timeouts, open_wire
from digest.smtp.replies import Meaning, Phase, Reply, classify, refusal, tidy
from digest.smtp.server import Server
from digest.smtp.wire import Wire

Mark = Callable[[], Awaitable[bool]]
"""Called after the server's 354 and before the body: records durably that the message is being
sent. False (the reader has left, or another process took over) means: do not send it."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_SURRENDER = frozenset({421, 503})  # the server closes, or both sides have lost their place
_EXPECTED: dict[Phase, int] = {"mail": 2, "rcpt": 2, "data": 3}


class TooLarge(RecipientProblem):
    """The message is larger than the server takes (SIZE, RFC 1870)."""


class NeedsUtf8(RecipientProblem):
    """The address is not ASCII, and the server does not take such (SMTPUTF8, RFC 6531)."""


class GroupFailed(TryLater):
    """Commands sent in one group (PIPELINING) were not answered; nothing was delivered."""


class Connection:
    """A session with the server, from greeting to QUIT.

    After an error that leaves the dialogue in doubt it is closed and never used again.
    ``pipelining`` says whether commands are sent in groups where the server offers it.
    """

    def __init__(
        self,
        server: Server,
        *,
        timeouts: Timeouts,
        hostname: str,
        tls_context: ssl.SSLContext | None = None,
        pipelining: bool = True,
    ) -> None:
        self.server = server
        self.pipelining = pipelining
        self.messages = 0
        self.opened_at = self.used_at = 0.0
        self._timeouts = timeouts
        self._hostname = hostname
        self._tls_context = tls_context
        self._needs_reset = False
        self._wire: Wire | None = None
        self._extensions: Mapping[str, str] = {}

    @property
    def is_open(self) -> bool:
        """Whether the connection can take another command, as far as this side knows."""
        return self._wire is not None and self._wire.is_open

    async def open(self) -> None:
        """Connect, secure and authenticate.

        Raises :class:`~digest.errors.TryLater` where the server cannot be had now, and
        :class:`~digest.errors.StopRun` where trying again would be refused again.
        """
        self._wire, self._extensions = await open_wire(
            self.server, self._timeouts, self._hostname, self._tls_context
        )
        self.pipelining = self.pipelining and "pipelining" in self._extensions
        self.opened_at = self.used_at = asyncio.get_running_loop().time()

    async def deliver(self, mail_from: Address, rcpt_to: Address, body: bytes, mark: Mark) -> Reply:
        """One transaction: the accepting reply, or code 0 where ``mark`` said no.

        Raises TryLater, RecipientProblem, StopRun, or DeliveryUnknown where the connection broke
        after the final dot. What ``mark`` raises passes through; nothing was sent then.
        """
        assert self._wire is not None, "it must be opened first"
        try:
            text = with_crlf(body)
            commands = self._envelope(mail_from, rcpt_to, len(text))
            await (self._offer_at_once if self.pipelining else self._offer)(commands)
            if not await mark():
                self.abort()  # between 354 and the dot, leaving is the only way back
                return Reply(0, "withdrawn before the message was sent", "data")
            return await self._hand_over(self._wire, dot_stuffed(text))
        except SendError:
            raise
        except BaseException:  # cancelled, or ``mark`` failed: a reply may still be due
            self.abort()
            raise
        finally:
            self.messages += 1
            self.used_at = asyncio.get_running_loop().time()

    async def reset(self) -> bool:
        """Forget a refused transaction, if there was one; False means: use another connection.

        Done before the next message and not after the refusal, so that a slow answer to RSET can
        neither hide nor delay the refusal itself.
        """
        if self._needs_reset and self.is_open:
            try:
                self._write(b"RSET\r\n", 1, "mail")
                reply = await self._read("mail", self._timeouts.reset)
            except TryLater:
                return False
            self._needs_reset = False
            if reply.code != 250:
                self.abort()
        return self.is_open

    async def quit(self) -> None:
        """Say goodbye and close; whatever goes wrong now does not matter."""
        if self._wire is None:
            return
        try:
            if self._wire.is_open:
                self._wire.write(b"QUIT\r\n", 1)
                await self._wire.read(self._timeouts.quit)
        except OSError:
            pass
        finally:
            self._wire.close()

    def abort(self) -> None:
        """Close at once, without a word and without what is still in the buffer."""
        if self._wire is not None:
            self._wire.abort()

    def _envelope(self, mail_from: Address, rcpt_to: Address, size: int) -> dict[Phase, bytes]:
        """The commands of one message; raises where the server has said that it takes it not."""
        options = ""
        if (limit := self._extensions.get("size")) is not None:
            if limit.isdecimal() and 0 < int(limit) < size:
                raise TooLarge(
                    f"the message has {size:,} bytes, and the server takes {int(limit):,}",
                    phase="mail",
                )
            options = f" SIZE={size}"
        if mail_from.smtputf8 or rcpt_to.smtputf8:
            if "smtputf8" not in self._extensions:
                raise NeedsUtf8(
                    "the server does not take addresses that are not ASCII (SMTPUTF8)", phase="rcpt"
                )
            options += " SMTPUTF8"
        return {
            "mail": f"MAIL FROM:<{mail_from}>{options}\r\n".encode(),
            "rcpt": f"RCPT TO:<{rcpt_to}>\r\n".encode(),
            "data": b"DATA\r\n",
        }

    async def _offer(self, commands: Mapping[Phase, bytes]) -> None:
        for phase, command in commands.items():
            if phase == "data":
                reach(Point.BEFORE_354)
            self._write(command, 1, phase)
            reply = await self._read(phase, getattr(self._timeouts, phase))
            if reply.code // 100 != _EXPECTED[phase]:
                self._after_refusal(reply)
                raise refusal(reply)

    async def _offer_at_once(self, commands: Mapping[Phase, bytes]) -> None:
        """The same in one write (RFC 2920, 3.1); the first refusal is the one that counts."""
        refused = reply = None
        try:
            self._write(b"".join(commands.values()), len(commands), "mail")
            for phase in commands:
                reply = await self._read(phase, getattr(self._timeouts, phase))
                if refused is None and reply.code // 100 != _EXPECTED[phase]:
                    refused = reply
                    self._after_refusal(reply)
        except TryLater as error:
            if refused is None:
                raise GroupFailed(error.message, phase=error.phase) from error
        if refused is None:
            return
        if reply is not None and reply.code == 354:
            await self._end_empty_message()
        refused_by = refusal(refused)
        if classify(refused).meaning is Meaning.DESYNC:
            raise GroupFailed(refused_by.message, code=refused.code, phase=refused.phase)
        raise refused_by

    async def _end_empty_message(self) -> None:
        """The server waits for a message to nobody: a dot alone ends it, and delivers nothing."""
        try:
            self._write(b".\r\n", 1, "data")
            await self._read("data", self._timeouts.reset)
            self._needs_reset = False
        except TryLater:
            pass  # the connection is closed, and the refusal is known

    def _write(self, data: bytes, replies: int, phase: Phase) -> None:
        assert self._wire is not None
        try:
            self._wire.write(data, replies)
        except OSError as error:
            raise self._lost(error, phase) from error

    async def _read(self, phase: Phase, seconds: float) -> Reply:
        assert self._wire is not None
        try:
            code, text = await self._wire.read(seconds)
        except OSError as error:
            raise self._lost(error, phase) from error
        return Reply(code, tidy(text), phase)

    def _lost(self, error: OSError, phase: Phase) -> TryLater:
        self.abort()
        return TryLater(tidy(str(error)), phase=phase)

    def _after_refusal(self, reply: Reply) -> None:
        if reply.code in _SURRENDER or reply.code // 100 not in {4, 5}:
            self.abort()
        else:
            self._needs_reset = reply.phase != "body"

    async def _hand_over(self, wire: Wire, body: bytes) -> Reply:
        try:
            wire.write(body, 0)
            reach(Point.IN_BODY)
            wire.write(b".\r\n", 1)
            gone = await wire.drained(self._timeouts.body)
            reach(Point.AFTER_DOT)
        except OSError as error:  # the dot is the last that leaves: nothing can have arrived
            raise self._lost(error, "data") from error
        if not gone:
            reply = await self._read("data", 0)
            self.abort()
            raise refusal(reply)
        return await self._verdict(wire)

    async def _verdict(self, wire: Wire) -> Reply:
        try:
            code, text = await wire.read(self._timeouts.reply)
            reply = Reply(code, tidy(text), "body")
            if code // 100 not in {2, 4, 5}:
                raise ConnectionError(f"not an answer: {code} {reply.text}")
        except OSError as error:
            self.abort()
            raise DeliveryUnknown(tidy(str(error)), phase="body") from error
        if code // 100 != 2:
            self._after_refusal(reply)
            raise refusal(reply)
        return reply


def with_crlf(body: bytes) -> bytes:
    """``body`` in lines that end in CR LF, the last one too."""
    rest = body.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest:
        body = _LINE_END.sub(b"\r\n", body)
    return body if body.endswith(b"\r\n") else body + b"\r\n"


def dot_stuffed(body: bytes) -> bytes:
    """CR LF lines as they cross the wire: leading dots are doubled (RFC 5321, 4.5.2)."""
    body = body.replace(b"\r\n.", b"\r\n..")
    return b"." + body if body.startswith(b".") else body


def transparent(body: bytes) -> bytes:
    """``body`` as it crosses the wire."""
    return dot_stuffed(with_crlf(body))
