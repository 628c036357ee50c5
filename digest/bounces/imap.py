"""The mailbox that ``BOUNCES_URL`` names, over IMAP (RFC 3501).

Unseen mails are read without touching them, and marked as seen only after what they say was
committed: after a crash they are read again, which changes nothing.
"""

from __future__ import annotations

import binascii
import imaplib
import re
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from digest.bounces.sources import MAX_MAIL, Found
from digest.errors import ConfigError, InputError
from digest.smtp import Server, Tls

TIMEOUT_SECONDS = 60.0
BATCH = 50
"""Mails read, committed and marked at a time."""

_SETTING = "BOUNCES_URL"
_FORM = (
    "write imaps://user:password@host[:port]/Mailbox, with @ : / ? # and % in user and password "
    "percent-encoded"
)
_NUMBER = re.compile(rb"\bUID (\d{1,10})\b")
_MAILBOX = re.compile(r"[ -~]{1,200}")


@dataclass(frozen=True, slots=True)
class Account:
    """A server with its credentials, and the mailbox on it."""

    server: Server
    mailbox: str


def parse_url(text: str) -> Account:
    """What ``BOUNCES_URL`` names; raises :class:`~digest.errors.ConfigError`.

    Ports default to 993 for ``imaps`` and 143 for ``imap``, which must offer STARTTLS unless it is
    on the loopback; the mailbox defaults to INBOX. No error repeats the URL and its
    password.
    """
    try:
        url = urlsplit(text)
        port, host = url.port, url.hostname
    except ValueError:
        raise ConfigError(_SETTING, "it is not a URL", hint=_FORM) from None
    user, password = unquote(url.username or ""), unquote(url.password or "")
    mailbox = unquote(url.path.strip("/")) or "INBOX"
    if url.scheme not in {"imap", "imaps"} or not host or port == 0:
        raise ConfigError(_SETTING, "it does not begin with imaps:// and a host", hint=_FORM)
    if not user or not (user + password).isprintable() or not _MAILBOX.fullmatch(mailbox):
        raise ConfigError(_SETTING, "its user, password or mailbox cannot be", hint=_FORM)
    implicit = url.scheme == "imaps"
    tls = Tls.IMPLICIT if implicit else Tls.REQUIRE
    server = Server(host, port or (993 if implicit else 143), user, password, tls)
    if not implicit and server.is_loopback:
        server = Server(host, server.port, user, password, Tls.AUTO)
    return Account(server, mailbox)


@contextmanager
def opened(account: Account) -> Iterator[Box]:
    """The mailbox, while it is open.

    Whatever is wrong with it is one error that says what to mend, and never the password, which
    crosses the network only after TLS that is proved.
    """
    with _translated(account.server), _connected(account.server) as connection:
        _log_in(connection, account.server)
        _select(connection, account.mailbox)
        yield Box(connection)
        with suppress(OSError, imaplib.IMAP4.error):
            connection.logout()


class Box:
    """An open mailbox."""

    def __init__(self, connection: imaplib.IMAP4) -> None:
        self._connection = connection

    def unseen(self) -> list[str]:
        """The numbers (UID) of the mails that were not seen."""
        _, found = self._connection.uid("SEARCH", "UNSEEN")
        return [number.decode("ascii") for line in found if line for number in line.split()]

    def read(self, numbers: list[str]) -> dict[str, Found]:
        """The beginnings of these mails by number; reading does not mark them."""
        _, lines = self._connection.uid("FETCH", ",".join(numbers), f"(BODY.PEEK[]<0.{MAX_MAIL}>)")
        found = {}
        for line in lines:
            if isinstance(line, tuple) and (number := _NUMBER.search(line[0])):
                name = number[1].decode("ascii")
                found[name] = Found(f"imap {name}", line[1])
        return found

    def mark_seen(self, numbers: list[str]) -> None:
        """Say that these mails need not be read again."""
        self._connection.uid("STORE", ",".join(numbers), "+FLAGS.SILENT", r"(\Seen)")


@contextmanager
def _connected(server: Server) -> Iterator[imaplib.IMAP4]:
    """A connection that is as safe as it has to be; it is cut where it does not end well."""
    connection = _greeted(server)
    try:
        offered = "STARTTLS" in connection.capabilities
        if server.tls is Tls.REQUIRE and not offered:
            raise InputError(
                f"the mailbox of bounces: {server} does not offer STARTTLS",
                hint="use imaps:// in BOUNCES_URL if the server does; nothing was logged in",
            )
        if offered and server.tls in {Tls.AUTO, Tls.REQUIRE}:
            connection.starttls(_context(server))
        yield connection
    finally:
        with suppress(OSError):
            connection.shutdown()


def _greeted(server: Server) -> imaplib.IMAP4:
    if server.tls is not Tls.IMPLICIT:
        return imaplib.IMAP4(server.host, server.port, timeout=TIMEOUT_SECONDS)
    context = _context(server)
    return imaplib.IMAP4_SSL(server.host, server.port, ssl_context=context, timeout=TIMEOUT_SECONDS)


def _context(server: Server) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if server.tls is Tls.AUTO:  # the loopback: nobody is in between, certificates rarely fit it
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _log_in(connection: imaplib.IMAP4, server: Server) -> None:
    """By SASL where it is offered: LOGIN takes no more than ASCII (RFC 3501, 6.2.3)."""
    if "AUTH=PLAIN" in connection.capabilities:
        secret = f"\0{server.user}\0{server.password}".encode()
        connection.authenticate("PLAIN", lambda _: secret)
    elif "LOGINDISABLED" in connection.capabilities:
        raise ConfigError(
            _SETTING,
            f"{server} takes no password on this connection",
            hint="use imaps://, or ask the server's operator for a port with STARTTLS",
        )
    elif not (server.user + server.password).isascii():
        raise ConfigError(
            _SETTING,
            f"{server} takes no user or password that is not ASCII",
            hint="give the account an ASCII password",
        )
    else:
        connection.login(_quoted(server.user), server.password)


def _select(connection: imaplib.IMAP4, mailbox: str) -> None:
    answer, said = connection.select(_quoted(mailbox))
    if answer != "OK":
        raise ConfigError(_SETTING, f"no such mailbox: {_text(said)}", hint=_FORM)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# --- what went wrong, and what to do about it ---


@contextmanager
def _translated(server: Server) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, UnicodeError, binascii.Error, imaplib.IMAP4.error) as error:
        raise InputError(
            f"the mailbox of bounces on {server}: {_told(error)}",
            hint=f"{_hint(server, error)}; the mails stay unseen, and the next reading takes them",
        ) from error


def _told(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message or error.reason}"
    if isinstance(error, UnicodeError | binascii.Error):
        return "it answers what is not IMAP"
    return _text(error.args[-1:]) or type(error).__name__


def _hint(server: Server, error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "mend the server's certificate, or name its authority in SSL_CERT_FILE; BOUNCES_URL "
            "must name the server as the certificate does"
        )
    if isinstance(error, ssl.SSLError) and server.tls is Tls.IMPLICIT:
        return (
            "imaps:// is for ports that speak TLS from the start (993); write imap:// for one that "
            "offers STARTTLS (143)"
        )
    if isinstance(error, TimeoutError) and server.tls is not Tls.IMPLICIT:
        return (
            "silence: a firewall, or a port that speaks TLS from the start (993), for which "
            "BOUNCES_URL must begin with imaps://"
        )
    return "look at BOUNCES_URL and at the server"


def _text(said: Iterable[object]) -> str:
    words = " ".join(
        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in said
    )
    return " ".join(words.split())[:200]
