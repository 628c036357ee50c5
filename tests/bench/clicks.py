"""One-click POSTs a second (RFC 8058) against ``digest web``, beside a page that does nothing."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from digest.config import Settings
from digest.links import Links
from tests.bench import machine

CONNECTIONS = 32
BODY = b"List-Unsubscribe=One-Click"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Answered:
    """How fast a server answered: requests a second, and its processor milliseconds for each."""

    rate: float
    each: float


def links(folder: Path, users: Sequence[str]) -> list[str]:
    """The paths of the unsubscribe links of ``users``, signed with the key of ``folder``."""
    settings = Settings(var=folder / "var")
    signed = Links(settings.base_url, settings.signing_keys())
    return [urlsplit(signed.unsubscribe(user)).path for user in users]


@contextmanager
def serving(folder: Path, *command: str) -> Iterator[tuple[int, int]]:
    """A server of our own in a process of its own: its port and process id."""
    port = machine.free_port()
    process = subprocess.Popen(
        [sys.executable, *command, str(port)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(machine.answers(port))
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def press(port: int, process: int, paths: Sequence[str]) -> Answered:
    """POST to every path once, over connections that are kept, as fast as answers come."""
    used, began = _processor_seconds(process), time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_press_all(port, paths))
    spent = time.perf_counter() - began
    each = (_processor_seconds(process) - used) * 1000 / len(paths)
    return Answered(len(paths) / spent, each)


async def _press_all(port: int, paths: Sequence[str]) -> None:
    waiting = iter(paths)
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Presser(waiting), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(presser.done for _, presser in opened))


class _Presser(asyncio.Protocol):
    """One connection: sends the next request when the last is answered."""

    def __init__(self, waiting: Iterator[str]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._waiting, self._answer = waiting, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not end or (length and len(body) < int(length[1])):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self.done.set_exception(RuntimeError(head.partition(b"\r\n")[0].decode()))
            return
        self._answer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError())

    def _next(self) -> None:
        path = next(self._waiting, None)
        if path is None:
            self.done.set_result(None)
            self._transport.close()
            return
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(BODY)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        self._transport.write(head.encode() + BODY)


def _processor_seconds(process: int) -> float:
    """What a process has used so far, its threads included (proc(5): utime and stime)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
