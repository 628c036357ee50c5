"""Mails that come back, as mail systems write them, and a real IMAP server to fetch them from."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Imap:
    """A running server with one account, and its Maildir."""

    port: int
    maildir: Path

    @property
    def url(self) -> str:
        return f"imap://bounces:secret@127.0.0.1:{self.port}/INBOX"

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
def imap_server() -> Iterator[Imap]:
    """Dovecot on a free port of the loopback, with everything it needs in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="dc"))  # short, because of the sockets in it
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    port = _free_port()
    maildir = folder / "Maildir"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    for path in (folder, maildir, *maildir.iterdir()):
        path.chmod(0o777)
    config = folder / "dovecot.conf"
    config.write_text(_config(folder, port, user))
    process = subprocess.Popen([DOVECOT, "-F", "-c", config], start_new_session=True)
    try:
        _greeted(port)
        yield Imap(port, maildir)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _config(folder: Path, port: int, user: pwd.struct_passwd) -> str:
    group = user.pw_gid
    return f"""
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {user.pw_name}
default_login_user = {user.pw_name}
default_internal_group = {_group_name(group)}
first_valid_uid = 1
first_valid_gid = 0
mail_location = maildir:{folder}/Maildir
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={user.pw_uid} gid={group} home={folder}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


def _group_name(number: int) -> str:
    import grp  # noqa: PLC0415 - not everywhere

    return grp.getgrgid(number).gr_name


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _greeted(port: int) -> None:
    """Wait until the server greets."""
    end = time.monotonic() + 20
    while True:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), 5)) as connection:
                if connection.recv(4) == b"* OK":
                    return
        except OSError:
            pass
        assert time.monotonic() < end, "the IMAP server does not answer"
        time.sleep(0.05)
