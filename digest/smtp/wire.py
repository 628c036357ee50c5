"""Commands out, replies in: the two directions of a connection that is open.

Measured against aiosmtplib's ``execute_command`` this halves the work of an envelope: it takes a
lock, a task's timeout and a future per command, and reads one reply at a time, so that commands
cannot be sent in a group (RFC 2920).
"""

from __future__ import annotations

import asyncio
import re
from collections import deque

MAX_REPLY = 32 * 1024
"""Bytes of one reply, over all its lines; a longer one is not a reply."""

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class Wire(asyncio.Protocol):
    """Takes over an open transport and keeps count of the replies that are due.

    Whatever is no reply, or a reply that nobody waits for, breaks it for good: no answer is ever
    taken for that of another command. Methods raise ``ConnectionError`` where it is broken and
    ``TimeoutError`` where nothing came in time; after either it must be aborted.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._replies: deque[tuple[int, str]] = deque()
        self._due = 0
        self._paused = False
        self._broken = ""
        self._waiter: asyncio.Future[None] | None = None
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=0)  # so that "not paused" means: all is gone

    @property
    def is_open(self) -> bool:
        """Whether another command can be written, as far as this side knows."""
        return not (self._broken or self._due or self._transport.is_closing())

    def write(self, data: bytes, replies: int) -> None:
        """Send ``data``, to which the server owes so many replies."""
        if self._broken:
            raise ConnectionError(self._broken)
        self._due += replies
        self._transport.write(data)

    async def read(self, seconds: float) -> tuple[int, str]:
        """The next reply: its code and its text, lines joined by line feeds."""
        if not self._replies:
            until = self._loop.time() + seconds
            while not self._replies:
                await self._news(until)
        self._due -= 1
        return self._replies.popleft()

    async def drained(self, seconds: float) -> bool:
        """Wait until all that was written has left; False: a reply came before it had.

        Until it has, whatever was written last has not reached the server.
        """
        until = self._loop.time() + seconds if self._paused else 0
        while self._paused:
            if self._replies:
                return False
            await self._news(until)
        return True

    def close(self) -> None:
        """Close in good order."""
        self._break("closed")
        self._transport.close()

    def abort(self) -> None:
        """Close at once, without what is still in the buffer."""
        self._break("closed")
        self._transport.abort()

    async def _news(self, until: float) -> None:
        """Wait for a reply, for room to write, or for the end."""
        if self._broken:
            raise ConnectionError(self._broken)
        self._waiter = waiter = self._loop.create_future()
        timer = self._loop.call_at(until, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, why: str) -> None:
        self._broken = self._broken or why
        self._wake()

    # --- what the transport calls ---

    def data_received(self, data: bytes) -> None:
        """Take replies out of what has come so far."""
        if self._broken:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line.removesuffix(b"\r"))
        if self._size + len(self._rest) > MAX_REPLY:
            self._break("a reply without an end")
        if self._replies:
            self._wake()

    def _take(self, line: bytes) -> None:
        if self._broken:
            return
        found = _LINE.fullmatch(line)
        if found is None:
            self._break("what came is not a reply of SMTP")
            return
        self._lines.append(found[3] or b"")
        self._size += len(line)
        if self._size > MAX_REPLY:
            self._break("a reply without an end")
        elif found[2] != b"-":
            self._complete(int(found[1]))

    def _complete(self, code: int) -> None:
        text = b"\n".join(self._lines).decode("utf-8", "surrogateescape")
        self._lines, self._size = [], 0
        if len(self._replies) < self._due:
            self._replies.append((code, text))
        else:
            self._break(f"the server said something unasked: {code}")

    def pause_writing(self) -> None:
        """The transport could not send everything at once."""
        self._paused = True

    def resume_writing(self) -> None:
        """Now it has."""
        self._paused = False
        self._wake()

    def eof_received(self) -> bool:
        """The server will say no more; False closes the transport."""
        self._break("the server closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._break(str(exc) if exc else "the server closed the connection")


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no answer in time"))
