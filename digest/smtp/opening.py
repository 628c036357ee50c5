"""From a server's address to a connection that takes mail: connect, secure, log in.

aiosmtplib does it, once per connection; what fails is said in words that name the setting to mend.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPTimeoutError,
)

from digest.errors import SendError, StopRun, TryLater
from digest.smtp.replies import Phase, Reply, refusal, tidy
from digest.smtp.server import Server, Tls
from digest.smtp.wire import Wire

_BROKEN = (SMTPException, OSError)  # OSError: also TimeoutError and every error of TLS


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


async def open_wire(
    server: Server, timeouts: Timeouts, hostname: str, tls_context: ssl.SSLContext | None
) -> tuple[Wire, Mapping[str, str]]:
    """A wire that takes mail, and the server's extensions (names in small letters).

    Raises :class:`~digest.errors.TryLater` where the server cannot be had now, and
    :class:`~digest.errors.StopRun` where trying again would be refused again.
    """
    opening = _Opening(server, timeouts, hostname, tls_context)
    try:
        await opening.run()
        return opening.wire()
    except BaseException as error:  # cancelled too: a half-open connection is nobody's
        opening.abort()
        if isinstance(error, _BROKEN) and not isinstance(error, SendError):
            raise _cannot_open(server, opening.phase, error) from error
        raise


class _Opening:
    def __init__(
        self,
        server: Server,
        timeouts: Timeouts,
        hostname: str,
        tls_context: ssl.SSLContext | None,
    ) -> None:
        self.phase: Phase = "connect"
        self._server = server
        self._timeouts = timeouts
        self._tls_context = tls_context
        self._smtp = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=hostname,
            timeout=timeouts.greet,
            use_tls=server.tls is Tls.IMPLICIT,
            start_tls=False,  # done here, so that each step is known by name
            tls_context=self._context() if server.tls is Tls.IMPLICIT else None,
        )

    async def run(self) -> None:
        await self._smtp.connect(timeout=self._timeouts.connect)
        await self._greet()
        self.phase = "starttls"
        await self._secure()
        self.phase = "auth"
        await self._authenticate()

    def wire(self) -> tuple[Wire, Mapping[str, str]]:
        transport = self._smtp.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the server closed the connection")
        # uvloop's transports do what asyncio.Transport says, and do not inherit from it.
        return Wire(cast(asyncio.Transport, transport)), dict(self._smtp.esmtp_extensions)

    def abort(self) -> None:
        if self._smtp.transport is not None:
            cast(asyncio.Transport, self._smtp.transport).abort()
        self._smtp.close()

    async def _greet(self) -> None:
        try:
            await self._smtp.ehlo()
        except SMTPHeloError as error:
            if not self._smtp.is_connected or error.code < 500:
                raise
            await self._smtp.helo()

    async def _secure(self) -> None:
        offered = self._smtp.supports_extension("starttls")
        if self._server.tls is Tls.REQUIRE and not offered:
            raise StopRun(
                f"{self._server} does not offer STARTTLS",
                phase="starttls",
                hint="use smtps:// if the server does, or another port (587)",
            )
        if offered and self._server.tls in {Tls.AUTO, Tls.REQUIRE}:
            await self._smtp.starttls(tls_context=self._context())
            await self._smtp.ehlo()

    async def _authenticate(self) -> None:
        if not self._server.user:
            return
        # One mechanism, once: trying them in turn would make three failed logins of one.
        methods = {
            "plain": self._smtp.auth_plain,
            "login": self._smtp.auth_login,
            "cram-md5": self._smtp.auth_crammd5,
        }
        for name, login in methods.items():
            if name in self._smtp.server_auth_methods:
                await login(self._server.user, self._server.password)
                return
        raise StopRun(
            f"{self._server} offers no way to log in that we know (PLAIN, LOGIN, CRAM-MD5)",
            phase="auth",
            hint=_where_to_log_in(self._server.tls),
        )

    def _context(self) -> ssl.SSLContext:
        if self._tls_context is not None:
            return self._tls_context
        # On the loopback there is nobody in between, and certificates are rarely in order.
        return _default_context(
            verify=not (self._server.is_loopback and self._server.tls is Tls.AUTO)
        )


@lru_cache(maxsize=2)
def _default_context(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


# --- what went wrong, and what to do about it ---


def _where_to_log_in(tls: Tls) -> str:
    other = "leave user and password out of SMTP_URL, or name another port (587)"
    if tls is Tls.NEVER:
        return (
            f"leave ?starttls=never out of SMTP_URL: many take a login after TLS only; or {other}"
        )
    return other


def _cannot_open(server: Server, phase: Phase, error: BaseException) -> SendError:
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    dropped = isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    if isinstance(cause, ssl.SSLError) and not dropped:
        return _no_tls(server, cause)
    if isinstance(error, SMTPResponseException) and error.code > 0:
        reply = Reply(error.code, tidy(error.message), phase)
        return _no_login(server, reply) if phase == "auth" else refusal(reply)
    return TryLater(
        f"no connection to {server}: {tidy(str(error)) or type(error).__name__}",
        phase=phase,
        hint=_hint(server, error, cause),
    )


def _no_login(server: Server, reply: Reply) -> SendError:
    refused = refusal(reply, hint="check user and password in SMTP_URL")
    if not isinstance(refused, StopRun):
        return refused
    what = "user and password" if reply.code == 535 else "the login"
    return StopRun(
        f"{server} refuses {what}: {reply.code} {refused.message}",
        code=reply.code,
        enhanced=reply.enhanced,
        phase=reply.phase,
        hint=refused.hint,
    )


def _no_tls(server: Server, error: ssl.SSLError) -> StopRun:
    if isinstance(error, ssl.SSLCertVerificationError):
        what = f"its certificate is refused: {error.verify_message or error.reason}"
        hint = (
            "mend the server's certificate, or name its authority in SSL_CERT_FILE; SMTP_URL "
            "must name the server as the certificate does"
        )
    else:
        what = error.reason or str(error)
        hint = (
            "smtps:// is for ports that speak TLS from the start (465); write smtp:// for one that "
            "offers STARTTLS (587, 25)"
        )
    return StopRun(f"no TLS with {server}: {what}", phase="starttls", hint=hint)


def _hint(server: Server, error: BaseException, cause: BaseException | None) -> str:
    if isinstance(cause, socket.gaierror):
        return "the name of the host is not known here: look at SMTP_URL and at the resolver"
    if isinstance(cause, ConnectionRefusedError):
        return "nothing listens there: look at host and port in SMTP_URL, and at the mail server"
    if isinstance(error, SMTPTimeoutError | TimeoutError):
        return (
            "silence: a firewall, or a port that speaks TLS from the start (465), for which "
            "SMTP_URL must begin with smtps://"
            if server.tls is not Tls.IMPLICIT
            else "silence: look at host and port in SMTP_URL, and for a firewall"
        )
    if isinstance(error, SMTPResponseException):
        return "another service answers on that port: look at SMTP_URL"
    return "look at SMTP_URL and at the mail server; it closed the connection without a word"
