"""The mailbox that ``BOUNCES_URL`` names, over IMAP (RFC 3501).

Unseen mails are read without touching them, and marked as seen only after what they say was
committed: after a crash they are read again, which changes nothing.
"""

from __future__ import annotations

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
    """The mailbox, while it is open."""
    with _translated(account):
        connection = _connected(account.server)
        try:
            connection.login(account.server.user, account.server.password)
            name = account.mailbox.replace("\\", "\\\\").replace('"', '\\"')
            answer, said = connection.select(f'"{name}"')
            if answer != "OK":
                raise ConfigError(_SETTING, f"no such mailbox: {_text(said)}", hint=_FORM)
            yield Box(connection)
        finally:
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


def _connected(server: Server) -> imaplib.IMAP4:
    context = ssl.create_default_context()
    if server.is_loopback:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if server.tls is Tls.IMPLICIT:
        return imaplib.IMAP4_SSL(
            server.host, server.port, ssl_context=context, timeout=TIMEOUT_SECONDS
        )
    connection = imaplib.IMAP4(server.host, server.port, timeout=TIMEOUT_SECONDS)
    if server.tls is Tls.REQUIRE:
        connection.starttls(context)
    return connection


@contextmanager
def _translated(account: Account) -> Iterator[None]:
    """Turn what goes wrong into one error that says where, and never the password."""
    try:
        yield
    except (OSError, EOFError, imaplib.IMAP4.error) as error:
        raise InputError(
            f"the mailbox of bounces on {account.server}: {_text([error])}",
            hint="see BOUNCES_URL; the mails stay unseen, and the next reading takes them",
        ) from error


def _text(said: Iterable[object]) -> str:
    words = " ".join(
        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in said
    )
    return " ".join(words.split())[:200]
