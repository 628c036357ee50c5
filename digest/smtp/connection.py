"""One connection to the mail server, many messages over it.

aiosmtplib connects, secures, authenticates and speaks the envelope. The data phase is ours,
because aiosmtplib's cannot tell a connection that broke before the message from one that broke
after it (the first is safe to repeat, the second is not), takes one timeout for everything, and
scans every body with regular expressions.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException

from digest.address import Address
from digest.errors import DeliveryUnknown, RecipientProblem, SendError, StopRun, TryLater
from digest.faults import Point, reach
from digest.smtp.replies import Phase, Reply, refusal, tidy
from digest.smtp.server import Server, Tls

Mark = Callable[[], Awaitable[bool]]
"""Called after the server's 354 and before the body: records durably that the message is being
sent. False (the reader has left, or another process took over) means: do not send it."""

_BROKEN = (SMTPException, OSError)  # OSError: also TimeoutError and every error of TLS
_LINE_END = re.compile(rb"\r\n|\r|\n")
_SURRENDER = frozenset({421, 503})  # the server closes, or both sides have lost their place


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait in each phase; the defaults are RFC 5321's (4.5.3.2).

    ``connect`` includes the server's greeting; ``greet`` is for EHLO, STARTTLS and AUTH. ``reply``
    is the wait for the answer to the final dot: too short a wait there repeats delivered mail.
    """

    connect: float = 60
    greet: float = 300
    mail: float = 300
    rcpt: float = 300
    data: float = 120
    body: float = 180
    reply: float = 600
    reset: float = 20
    quit: float = 5


class Connection:
    """A session with the server, from greeting to QUIT.

    After an error that leaves the dialogue in doubt it is closed and never used again.
    """

    def __init__(
        self,
        server: Server,
        *,
        timeouts: Timeouts,
        hostname: str,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self.server = server
        self.messages = 0
        self.opened_at = self.used_at = 0.0
        self._timeouts = timeouts
        self._tls_context = tls_context
        self._needs_reset = False
        self._writer: asyncio.StreamWriter | None = None
        self._smtp = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=hostname,
            timeout=timeouts.greet,
            use_tls=server.tls is Tls.IMPLICIT,
            start_tls=False,  # done here, so that each step is known by name
            tls_context=self._context() if server.tls is Tls.IMPLICIT else None,
        )

    @property
    def is_open(self) -> bool:
        """Whether the connection can take another command, as far as this side knows."""
        return self._smtp.is_connected

    async def open(self) -> None:
        """Connect, secure and authenticate.

        Raises :class:`~digest.errors.TryLater` where the server cannot be had now, and
        :class:`~digest.errors.StopRun` where trying again would be refused again.
        """
        phase: Phase = "connect"
        try:
            await self._smtp.connect(timeout=self._timeouts.connect)
            await self._greet()
            phase = "starttls"
            await self._secure()
            phase = "auth"
            await self._authenticate()
            self._watch_writes()
        except SendError:
            self.abort()
            raise
        except _BROKEN as error:
            self.abort()
            raise _cannot_open(self.server, phase, error) from error
        except BaseException:
            self.abort()
            raise
        self.opened_at = self.used_at = asyncio.get_running_loop().time()

    async def deliver(self, mail_from: Address, rcpt_to: Address, body: bytes, mark: Mark) -> Reply:
        """One transaction: the accepting reply, or code 0 where ``mark`` said no.

        Raises TryLater, RecipientProblem, StopRun, or DeliveryUnknown where the connection broke
        after the final dot. What ``mark`` raises passes through; nothing was sent then.
        """
        try:
            await self._offer(mail_from, rcpt_to)
            if not await mark():
                self.abort()  # between 354 and the dot, leaving is the only way back
                return Reply(0, "withdrawn before the message was sent", "data")
            return await self._hand_over(body)
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
        if self._needs_reset:
            try:
                reply = await self._command("mail", self._timeouts.reset, b"RSET")
            except TryLater:
                return False
            self._needs_reset = False
            if reply.code != 250:
                self.abort()
        return self.is_open

    async def quit(self) -> None:
        """Say goodbye and close; whatever goes wrong now does not matter."""
        try:
            if self.is_open:
                await self._smtp.execute_command(b"QUIT", timeout=self._timeouts.quit)
        except _BROKEN:
            pass
        finally:
            self._smtp.close()

    def abort(self) -> None:
        """Close at once, without a word and without what is still in the buffer."""
        transport = self._smtp.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
        self._smtp.close()

    async def _greet(self) -> None:
        try:
            await self._smtp.ehlo()
        except SMTPHeloError as error:
            if not self.is_open or error.code < 500:
                raise
            await self._smtp.helo()

    async def _secure(self) -> None:
        offered = self._smtp.supports_extension("starttls")
        if self.server.tls is Tls.REQUIRE and not offered:
            raise StopRun(
                f"{self.server} does not offer STARTTLS",
                phase="starttls",
                hint="use smtps:// if the server does, or another port (587)",
            )
        if offered and self.server.tls in {Tls.AUTO, Tls.REQUIRE}:
            await self._smtp.starttls(tls_context=self._context())
            await self._smtp.ehlo()

    async def _authenticate(self) -> None:
        if not self.server.user:
            return
        # One mechanism, once: trying them in turn would make three failed logins of one.
        methods = {
            "plain": self._smtp.auth_plain,
            "login": self._smtp.auth_login,
            "cram-md5": self._smtp.auth_crammd5,
        }
        for name, login in methods.items():
            if name in self._smtp.server_auth_methods:
                await login(self.server.user, self.server.password)
                return
        raise StopRun(
            f"{self.server} offers no way to log in that we know (PLAIN, LOGIN, CRAM-MD5)",
            phase="auth",
            hint="leave user and password out of SMTP_URL, or ask for ?starttls=require",
        )

    def _context(self) -> ssl.SSLContext:
        if self._tls_context is not None:
            return self._tls_context
        # On the loopback there is nobody in between, and certificates are rarely in order.
        return _default_context(
            verify=not (self.server.is_loopback and self.server.tls is Tls.AUTO)
        )

    def _watch_writes(self) -> None:
        transport, protocol = self._smtp.transport, self._smtp.protocol
        assert protocol is not None
        writable = cast(asyncio.WriteTransport, transport)
        writable.set_write_buffer_limits(high=0)  # drain() then waits for the last byte
        loop = asyncio.get_running_loop()
        self._writer = asyncio.StreamWriter(writable, protocol, None, loop)

    async def _offer(self, mail_from: Address, rcpt_to: Address) -> None:
        options = []
        if mail_from.smtputf8 or rcpt_to.smtputf8:
            if not self._smtp.supports_extension("smtputf8"):
                raise RecipientProblem(
                    "the server does not take addresses that are not ASCII (SMTPUTF8)", phase="rcpt"
                )
            options = [b"SMTPUTF8"]
        wait = self._timeouts
        sender, recipient = f"FROM:<{mail_from}>".encode(), f"TO:<{rcpt_to}>".encode()
        await self._expect(2, "mail", wait.mail, b"MAIL", sender, *options)
        await self._expect(2, "rcpt", wait.rcpt, b"RCPT", recipient)
        reach(Point.BEFORE_354)
        await self._expect(3, "data", wait.data, b"DATA")

    async def _expect(self, kind: int, phase: Phase, wait: float, *words: bytes) -> None:
        reply = await self._command(phase, wait, *words)
        if reply.code // 100 != kind:
            self._after_refusal(reply)
            raise refusal(reply)

    async def _command(self, phase: Phase, wait: float, *words: bytes) -> Reply:
        try:
            response = await self._smtp.execute_command(*words, timeout=wait)
        except _BROKEN as error:
            self.abort()
            raise TryLater(tidy(str(error)) or type(error).__name__, phase=phase) from error
        return Reply(response.code, tidy(response.message), phase)

    def _after_refusal(self, reply: Reply) -> None:
        if reply.code in _SURRENDER or reply.code // 100 not in {4, 5}:
            self.abort()
        else:
            self._needs_reset = reply.phase != "body"

    async def _hand_over(self, body: bytes) -> Reply:
        await self._write_body(transparent(body))
        reach(Point.AFTER_DOT)
        protocol = self._smtp.protocol
        try:
            if protocol is None:
                raise ConnectionResetError("Connection lost")
            response = await protocol.read_response(timeout=self._timeouts.reply)
            reply = Reply(response.code, tidy(response.message), "body")
            if reply.code // 100 not in {2, 4, 5}:
                raise SMTPResponseException(reply.code, f"not an answer: {reply.code} {reply.text}")
        except _BROKEN as error:
            self.abort()
            raise DeliveryUnknown(tidy(str(error)) or type(error).__name__, phase="body") from error
        if reply.code // 100 != 2:
            self._after_refusal(reply)
            raise refusal(reply)
        return reply

    async def _write_body(self, body: bytes) -> None:
        # The final dot is written only when all before it has left this process: until then a
        # broken connection cannot have delivered anything.
        protocol, writer = self._smtp.protocol, self._writer
        try:
            if protocol is None or writer is None:
                raise ConnectionResetError("Connection lost")
            protocol.write(body)
            if writer.transport.get_write_buffer_size():
                async with asyncio.timeout(self._timeouts.body):
                    await writer.drain()
            reach(Point.IN_BODY)
            protocol.write(b".\r\n")
        except _BROKEN as error:
            self.abort()
            raise TryLater(tidy(str(error)) or type(error).__name__, phase="data") from error


def transparent(body: bytes) -> bytes:
    """``body`` as it crosses the wire: CRLF lines, leading dots doubled (RFC 5321, 4.5.2)."""
    ends = body.count(b"\r\n")
    if body.count(b"\n") != ends or body.count(b"\r") != ends:
        body = _LINE_END.sub(b"\r\n", body)
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    body = body.replace(b"\r\n.", b"\r\n..")
    return b"." + body if body.startswith(b".") else body


@lru_cache(maxsize=2)
def _default_context(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _cannot_open(server: Server, phase: Phase, error: BaseException) -> SendError:
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    dropped = isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    if isinstance(cause, ssl.SSLError) and not dropped:
        return StopRun(
            f"no TLS with {server}: {cause.reason or cause}",
            phase="starttls",
            hint="mend the server's certificate, or name its authority in SSL_CERT_FILE; "
            "smtps:// is for ports that speak TLS from the start (465)",
        )
    if isinstance(error, SMTPResponseException) and error.code > 0:
        hint = "check user and password in SMTP_URL" if phase == "auth" else ""
        return refusal(Reply(error.code, tidy(error.message), phase), hint=hint)
    return TryLater(f"no connection to {server}: {tidy(str(error))}", phase=phase)
