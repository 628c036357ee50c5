"""An SMTP server that misbehaves as it is told, for tests against a live socket.

A script maps a verb to what happens when it arrives: ``CONNECT`` (the greeting), ``EHLO``,
``STARTTLS``, ``AUTH``, ``MAIL``, ``RCPT``, ``DATA``, ``BODY`` (while the message is read), ``.``
(after the final dot), ``RSET``, ``QUIT``. Each step is one of

* a string: the reply, without its line end (421 also closes);
* :class:`Drop`, :class:`Wait` or :class:`Raw`;
* ``None``: behave;
* a function of the command's argument that returns one of these (for ``DATA``, ``BODY`` and ``.``
  of the recipient, "" where none was accepted);
* a list of these, used up one by one over all connections; after the last, the server behaves.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from digest.smtp import Server, Tls


@dataclass(frozen=True)
class Drop:
    """Close without a reply, at once (``reset``: with a TCP RST)."""

    reset: bool = False


@dataclass(frozen=True)
class Wait:
    """Do nothing for some seconds, then ``then``."""

    seconds: float
    then: str | Drop | Raw | None = None


@dataclass(frozen=True)
class Raw:
    """Send exactly these bytes, in pieces of ``size`` (0: all at once)."""

    data: bytes
    size: int = 0


Step = str | Drop | Wait | Raw | None
Script = Mapping[str, "Step | list[Step] | Callable[[str], Step]"]

_REPLIES = {
    "CONNECT": "220 scripted.example ESMTP",
    "STARTTLS": "220 2.0.0 go ahead",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go ahead",
    ".": "250 2.0.0 queued",
    "RSET": "250 2.0.0 ok",
    "NOBODY": "554 5.5.1 no valid recipients",
    "QUIT": "221 2.0.0 bye",
}


class _Hangup(Exception):
    """The script wants the connection closed."""


@dataclass(frozen=True)
class Received:
    """One message whose final dot was read, whatever was answered."""

    connection: int
    mail_from: str
    rcpt_to: str
    body: bytes
    accepted: bool


@dataclass
class ScriptedServer:
    """Use as an asynchronous context manager; it listens on a free port of the loopback.

    ``commands`` holds every line received, with the number of its connection.
    """

    script: Script = field(default_factory=dict)
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8")
    tls: ssl.SSLContext | None = None
    max_connections: int = 1000
    reads_one_command: bool = False
    """It loses whatever came in one piece with a command, as if it had never heard of groups."""
    received: list[Received] = field(default_factory=list)
    commands: list[tuple[int, str]] = field(default_factory=list)
    connections: int = 0

    async def __aenter__(self) -> Self:
        self._steps = {
            verb: list(step) if isinstance(step, list) else step
            for verb, step in self.script.items()
        }
        self._current: set[asyncio.Task[None]] = set()
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self.port: int = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self.hang_up()
        await asyncio.gather(*self._current, return_exceptions=True)
        await self._listener.wait_closed()

    def hang_up(self) -> None:
        """Close every open connection, whatever its dialogue has come to."""
        for task in self._current:
            task.cancel()

    @property
    def is_idle(self) -> bool:
        """Whether every connection is over, with all that came by it."""
        return not self._current

    def server(self, *, user: str = "", tls: Tls = Tls.NEVER) -> Server:
        """The address to give to a sender."""
        return Server("127.0.0.1", self.port, user, "secret" if user else "", tls)

    @property
    def accepted(self) -> list[str]:
        """The recipients of all messages that were accepted: what was really delivered."""
        return [message.rcpt_to for message in self.received if message.accepted]

    def verbs(self, connection: int) -> list[str]:
        """What one connection (the first is 1) said, without arguments."""
        return [line.split()[0].upper() for number, line in self.commands if number == connection]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._current.add(task)
        self.connections += 1
        try:
            if len(self._current) > self.max_connections:
                writer.write(b"421 4.7.0 too many connections\r\n")
                return
            await _Dialogue(self, reader, writer, self.connections).run()
        except (_Hangup, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the dialogue is over, one way or another
        finally:
            self._current.discard(task)
            writer.close()

    def step(self, verb: str, argument: str) -> Step:
        """What the script wants now."""
        step = self._steps.get(verb)
        if isinstance(step, list):
            return step.pop(0) if step else None
        return step(argument) if callable(step) else step


class _Dialogue:
    """One connection."""

    def __init__(
        self,
        server: ScriptedServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self.server, self.reader, self.writer, self.number = server, reader, writer, number
        self.mail_from = self.rcpt_to = ""
        self.has_sender = self.secured = False

    async def run(self) -> None:
        await self.act("CONNECT")
        while True:
            line = (await self.next_line()).decode("utf-8", "replace").strip()
            self.server.commands.append((self.number, line))
            verb, _, argument = line.partition(" ")
            await self.obey(verb.upper(), argument)

    async def next_line(self) -> bytes:
        if self.server.reads_one_command:
            piece = await self.reader.read(2**16)
            if not piece:
                raise _Hangup
            return piece.split(b"\n")[0]
        return await self.reader.readuntil(b"\n")

    async def obey(self, verb: str, argument: str) -> None:
        code = await self.act(verb, self.rcpt_to if verb == "DATA" else argument)
        if verb in {"MAIL", "RSET", "EHLO"}:
            self.has_sender = verb == "MAIL" and code[:1] == "2"
            self.mail_from, self.rcpt_to = argument, ""
        elif verb == "RCPT" and code[:1] == "2":
            self.rcpt_to = argument.removeprefix("TO:").strip("<>")
        elif verb == "STARTTLS" and code == "220" and self.server.tls:
            await self.writer.start_tls(self.server.tls)
            self.secured = True
        elif verb == "DATA" and code == "354":
            await self.take_message()
        elif verb == "QUIT":
            raise _Hangup

    async def take_message(self) -> None:
        if (step := self.server.step("BODY", self.rcpt_to)) is not None:
            await self.reader.readexactly(1)
            await self.perform(step)
        data = bytearray()
        while data != b".\r\n" and not data.endswith(b"\r\n.\r\n"):
            data += await self.reader.readuntil(b".\r\n")
        body = bytes(data[:-3]).replace(b"\r\n..", b"\r\n.")
        body = body[1:] if body.startswith(b"..") else body
        step = self.server.step(".", self.rcpt_to) or _REPLIES["." if self.rcpt_to else "NOBODY"]
        answer = step.then if isinstance(step, Wait) else step
        accepted = isinstance(answer, str) and answer.startswith("2")
        self.server.received.append(
            Received(self.number, self.mail_from, self.rcpt_to, body, accepted)
        )
        self.has_sender, self.rcpt_to = False, ""
        await self.perform(step)

    async def act(self, verb: str, argument: str = "") -> str:
        """Do what the script says, or behave; returns the code that was sent."""
        step = self.server.step(verb, argument)
        if step is None:
            step = self.greeting() if verb == "EHLO" else self.reply(verb)
        return await self.perform(step)

    def reply(self, verb: str) -> str:
        if verb == "RCPT" and not self.has_sender:
            return "503 5.5.1 MAIL first"
        if verb == "DATA" and not self.rcpt_to:
            return _REPLIES["NOBODY"]
        return _REPLIES.get(verb, "502 5.5.1 what?")

    def greeting(self) -> str:
        extensions = list(self.server.extensions)
        if self.server.tls and not self.secured:
            extensions.append("STARTTLS")
        lines = ["scripted.example", *extensions]
        return "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])

    async def perform(self, step: Step) -> str:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            step = step.then
        if isinstance(step, Drop):
            if step.reset:
                self.writer.transport.abort()
            raise _Hangup
        if isinstance(step, Raw):
            await self.dribble(step)
            return step.data.strip().rpartition(b"\n")[2][:3].decode("ascii", "replace")
        if step is not None:
            self.writer.write(step.encode() + b"\r\n")
            await self.writer.drain()
            if step.startswith("421"):
                raise _Hangup
        return (step or "")[:3]

    async def dribble(self, step: Raw) -> None:
        size = step.size or len(step.data)
        for start in range(0, len(step.data), size):
            self.writer.write(step.data[start : start + size])
            await self.writer.drain()
            await asyncio.sleep(0)


@contextmanager
def nobody_listens() -> Iterator[int]:
    """A port of the loopback that refuses connections, and that nobody else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
