"""The embedded mailbox: a real SMTP server on the loopback that keeps every message as a file.

It is where mail goes while no server is named, so that nothing leaves the machine by accident.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from aiosmtpd.smtp import SMTP

from digest.smtp.server import Server, Tls

_UNSAFE = re.compile(r"[^A-Za-z0-9+=_-]+")
_MAX_MESSAGE = 32 * 1024 * 1024


class Mailbox:
    """A server that keeps what it accepts in ``folder``; entering it gives the :class:`Server`.

    One file per accepted message, named by the time, the recipient's local part and a random
    ending: sorted by name is sorted by arrival. Its bytes are exactly what was sent. A file
    appears whole or not at all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sessions: set[_Session] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Server:
        self.folder.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._session, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        return Server("127.0.0.1", port, tls=Tls.NEVER)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        for session in self._sessions:
            session.hang_up()
        await self._listener.wait_closed()

    def keep(self, recipient: str, content: bytes) -> str:
        """Write one message to its file and return the file's name."""
        name = _file_name(recipient)
        hidden = self.folder / f".{name}.part"
        hidden.write_bytes(content)
        hidden.rename(self.folder / name)
        return name

    def _session(self) -> _Session:
        session = _Session(self)
        self._sessions.add(session)
        return session

    def forget(self, session: _Session) -> None:
        """A client has gone."""
        self._sessions.discard(session)


class _Session(SMTP):
    """One client's dialogue, as aiosmtpd speaks it, except for the data.

    That is read in a few pieces and not line by line, which is much faster, and kept as it came.
    """

    line_length_limit = _MAX_MESSAGE  # it is also the size of the reader's buffer

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(
            mailbox,
            hostname="localhost",
            ident="digest mailbox",
            data_size_limit=_MAX_MESSAGE,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )
        self._mailbox = mailbox

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 (aiosmtpd's name for it)
        if await self.check_helo_needed():
            return
        recipients = self.envelope.rcpt_tos if self.envelope else []
        if arg or not recipients:
            await self.push("501 Syntax: DATA" if arg else "503 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await self._read_content()
        try:
            status = f"250 2.0.0 kept as {self._mailbox.keep(recipients[0], content)}"
        except OSError as error:
            status = f"452 4.3.1 cannot keep the message: {error.strerror}"
        self.envelope = self._create_envelope()
        await self.push(status)

    async def _read_content(self) -> bytes:
        data = bytearray()
        while data != b".\r\n" and not data.endswith(b"\r\n.\r\n"):
            data += await self._reader.readuntil(b".\r\n")
        content = bytes(data[:-3]).replace(b"\r\n..", b"\r\n.")
        return content[1:] if content.startswith(b"..") else content

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._mailbox.forget(self)

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()


def _file_name(recipient: str) -> str:
    arrived = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    local = _UNSAFE.sub("_", recipient.rpartition("@")[0])[:40]
    return f"{arrived}-{local}-{secrets.token_hex(4)}.eml"
