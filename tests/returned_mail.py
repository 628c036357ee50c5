"""Mails that come back, as mail systems write them, and a real IMAP server to fetch them from."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pytest

from tests.databases import REQUIRED

DOVECOT = Path("/usr/sbin/dovecot")


def dsn(
    to: str,
    recipient: str,
    *,
    status: str = "5.1.1",
    reply: str = "550 5.1.1 user unknown",
    action: str = "failed",
    message_id: str = "<elsewhere@mail.example>",
) -> bytes:
    """A delivery status notification (RFC 3464) that a server sends to the envelope sender."""
    return f"""Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <{zlib.crc32(f"{to}{status}{reply}{message_id}".encode())}@mx.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

<{recipient}>: host mx.people.example said: {reply}

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {reply}

--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
To: {recipient}
Subject: Your week

--b--
""".encode()


def complaint(to: str, recipient: str, kind: str = "abuse") -> bytes:
    """A feedback report (RFC 5965)."""
    return f"""From: feedback@mailbox.example
To: {to}
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an email abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: loop/1.0
Version: 1
Original-Rcpt-To: {recipient}

--b
Content-Type: text/rfc822-headers

Subject: Your week

--b--
""".encode()


PASSWORD = "s\u00e9cret:/@"
"""Of the account on the IMAP server; LOGIN could not take it."""


@dataclass(frozen=True)
class Imap:
    """A running server with one account, and its Maildir."""

    port: int
    tls_port: int
    maildir: Path
    log: Path

    @property
    def url(self) -> str:
        return self.at(self.port)

    def at(self, port: int, scheme: str = "imap") -> str:
        """The account as ``BOUNCES_URL`` names it."""
        return f"{scheme}://bounces:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/INBOX"

    def logins(self, connections: int) -> list[str]:
        """How those who connected logged in: over "TLS" or "plain"; who did not is left out.

        The log has a line for each of them, a little later, and one for us, who asked if it is up.
        """
        end = time.monotonic() + 60
        while len(seen := [x for x in self.log.read_text().splitlines() if "-login: " in x]) <= (
            connections
        ):
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)
        entered = [line for line in seen if re.search(" (Login|Logged in): ", line)]
        return ["TLS" if ", TLS" in line else "plain" for line in entered]

    def deliver(self, name: str, content: bytes) -> None:
        """Put a mail into the mailbox as a mail server does."""
        there = self.maildir / "tmp" / name
        there.write_bytes(content)
        there.chmod(0o666)
        there.rename(self.maildir / "new" / name)

    def seen(self) -> set[str]:
        """The names of the mails with the flag ``\\Seen``."""
        return {
            file.name.partition(":")[0]
            for file in (self.maildir / "cur").iterdir()
            if "S" in file.name.partition(":2,")[2]
        }


@contextmanager
def imap_server(certificate: Path | None = None) -> Iterator[Imap]:
    """Dovecot on free ports of the loopback, with everything it needs in a folder of its own.

    It speaks TLS only with the ``certificate`` in that folder.
    """
    if not DOVECOT.is_file():
        assert "dovecot" not in REQUIRED, f"{DOVECOT} is missing"
        pytest.skip(f"needs an IMAP server at {DOVECOT}; on Debian: apt install dovecot-imapd")
    folder = Path(tempfile.mkdtemp(prefix="dc"))  # short, because of the sockets in it
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    maildir = folder / "Maildir"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    for path in (folder, maildir, *maildir.iterdir()):
        path.chmod(0o777)
    process, ports = _started(folder, user, certificate)
    try:
        yield Imap(*ports, maildir, folder / "log")
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _started(
    folder: Path, user: pwd.struct_passwd, certificate: Path | None
) -> tuple[subprocess.Popen[bytes], tuple[int, int]]:
    """A server that greets, and its ports; other programs may have taken some before it did."""
    config = folder / "dovecot.conf"
    for _ in range(3):
        one, other = _free_ports()
        ports = one, other if certificate else 0
        config.write_text(_config(folder, ports, user, certificate))
        process = subprocess.Popen([DOVECOT, "-F", "-c", config], start_new_session=True)
        if _greets(one, process):
            return process, ports
        process.kill()
        process.wait()
    raise AssertionError("the IMAP server does not answer")


def _is_old() -> bool:
    """Before Dovecot 2.4, which calls most things otherwise."""
    said = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, check=True)
    return said.stdout.startswith("2.3.")


def _old(folder: Path, user: pwd.struct_passwd, certificate: Path | None) -> str:
    keys = f"ssl_cert = <{certificate}/cert.pem\nssl_key = <{certificate}/key.pem"
    return f"""
{keys if certificate else ""}
disable_plaintext_auth = no
mail_location = maildir:{folder}/Maildir
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={user.pw_uid} gid={user.pw_gid} home={folder}
}}
"""


def _new(folder: Path, user: pwd.struct_passwd, certificate: Path | None) -> str:
    keys = (
        f"ssl_server_cert_file = {certificate}/cert.pem\n"
        f"ssl_server_key_file = {certificate}/key.pem"
    )
    return f"""
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
{keys if certificate else ""}
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = {folder}/Maildir
mail_home = {folder}
mail_uid = {user.pw_uid}
mail_gid = {user.pw_gid}
passdb static {{
  password = {PASSWORD}
}}
userdb static {{
  fields {{
    uid = {user.pw_uid}
    gid = {user.pw_gid}
    home = {folder}
  }}
}}
"""


def _config(
    folder: Path, ports: tuple[int, int], user: pwd.struct_passwd, certificate: Path | None
) -> str:
    own = _old(folder, user, certificate) if _is_old() else _new(folder, user, certificate)
    return f"""
{own}
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = {"yes" if certificate else "no"}
default_internal_user = {user.pw_name}
default_login_user = {user.pw_name}
default_internal_group = {_group_name(user.pw_gid)}
first_valid_uid = 1
first_valid_gid = 0
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {ports[0]}
  }}
  inet_listener imaps {{
    port = {ports[1]}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""


def _group_name(number: int) -> str:
    import grp  # noqa: PLC0415 - not everywhere

    return grp.getgrgid(number).gr_name


def _free_ports() -> tuple[int, int]:
    """Two that nobody has at this instant."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _greets(port: int, server: subprocess.Popen[bytes]) -> bool:
    """Wait until the server greets; not where it has ended, or after a minute.

    Once it listens it is asked once: its log has a line for everybody who comes.
    """
    end = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 60) as connection:
            if connection.recv(4) == b"* OK":
                return True
        time.sleep(0.05)
    return False


class Tap:
    """A way to a server on the loopback that keeps what a client says to it, as it is on the wire.

    ``kept`` lists it connection by connection.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.kept: list[bytearray] = []
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in (self._listening, *self._ends):
            end.close()

    def _run(self, work: Callable[..., None], *what: object) -> None:
        thread = threading.Thread(target=work, args=what, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                self.kept.append(bytearray())
                self._run(_pass_on, near, far, self.kept[-1])
                self._run(_pass_on, far, near, bytearray())


def _pass_on(source: socket.socket, to: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            kept += data
            to.sendall(data)
    with suppress(OSError):
        to.shutdown(socket.SHUT_RDWR)
