"""The connections to one server: who may use one, and when one is opened, replaced or given up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from digest.errors import StopRun, TryLater
from digest.smtp.connection import Connection
from digest.smtp.pacing import Width

LOGIN_PAUSE = 60.0
"""Seconds before another login where the last was refused for now (454): never a storm."""


class Pool:
    """At most ``width`` connections, made by ``make`` when there is something to send.

    Each is used for ``messages`` messages or ``max_age`` seconds, and not again after ``max_idle``
    seconds without work. Whoever has a turn (:meth:`turn`, then :meth:`leave`) may take one
    (:meth:`take`, then :meth:`give_back`).
    """

    def __init__(
        self,
        make: Callable[[], Connection],
        *,
        width: Width,
        messages: int,
        max_age: float,
        max_idle: float,
    ) -> None:
        self.width = width
        self._make = make
        self._messages = messages
        self._max_age = max_age
        self._max_idle = max_idle
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._first = asyncio.Lock()
        self._failures = 0
        self._no_login_before = 0.0
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []

    @property
    def busy(self) -> int:
        """How many have a turn."""
        return self._busy

    async def turn(self) -> None:
        """Wait for a turn; whoever came first has it first."""
        if self._busy < self.width.now and not self._waiting:
            self._busy += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.leave()  # it was this one's turn already
            raise

    def leave(self) -> None:
        """Hand the turn on."""
        self._busy -= 1
        while self._waiting and self._busy < self.width.now:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._busy += 1
                waiter.set_result(None)

    async def take(self) -> Connection | None:
        """A connection that can take a message; None: there is none just now, ask for a turn again.

        Raises TryLater and StopRun as :meth:`Connection.open` does.
        """
        while self._idle:
            connection = self._idle.pop()
            try:
                if not self._is_worn(connection) and await connection.reset():
                    return connection
                self._open.discard(connection)
                await connection.quit()
            except BaseException:  # cancelled too: it is in no list any more that would close it
                self._open.discard(connection)
                connection.abort()
                raise
        return await self._connect()

    def give_back(self, connection: Connection) -> None:
        """It was used, for good or ill."""
        if connection.is_open:
            self._idle.append(connection)
        else:
            self._open.discard(connection)

    def do_not_pipeline(self) -> None:
        """Send commands one by one, on connections that are open too."""
        for connection in self._open:
            connection.pipelining = False

    async def close(self) -> None:
        """Say goodbye on those at rest, and abandon those in use."""
        idle, self._idle = self._idle, []
        for connection in self._open.difference(idle):
            connection.abort()  # its message was abandoned by its caller
        await asyncio.gather(*(connection.quit() for connection in idle))
        self._open.clear()

    async def _connect(self) -> Connection | None:
        # The first connection is opened alone: a server that is down is asked once at a time, and
        # one that takes a single connection does not turn that one away.
        if not self._open:
            failures = self._failures
            async with self._first:
                if failures != self._failures:
                    return None  # asked for all who waited here
                if not self._open:
                    return await self._open_one()
        return await self._open_one()

    async def _open_one(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        if self._open and now < self._no_login_before:
            self.width.limit(len(self._open))
            return None
        connection = self._make()
        try:
            await connection.open()
        except StopRun:
            self._failures += 1  # those who wait are not refused in their turn
            raise
        except TryLater as error:
            if error.phase == "auth":
                self._no_login_before = now + LOGIN_PAUSE
            if not self._open:
                self._failures += 1
                raise
            self.width.limit(len(self._open))
            return None
        self._open.add(connection)
        return connection

    def _is_worn(self, connection: Connection) -> bool:
        now = asyncio.get_running_loop().time()
        return (
            connection.messages >= self._messages
            or now - connection.opened_at >= self._max_age
            or now - connection.used_at >= self._max_idle
        )
