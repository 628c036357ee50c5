"""What a measurement needs of the machine: a fast mail sink, processes with their peak memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SINK = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Postfix's ``smtp-sink`` on a free port of the loopback; it takes everything, fast."""
    if not Path(SINK).exists():
        sys.exit("the bench needs smtp-sink; on Debian: apt install postfix")
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [SINK, *user, "-c", f"127.0.0.1:{port}", "1000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(_answers(port))
        yield port
    finally:
        process.terminate()
        process.wait()


async def _answers(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    sys.exit(f"smtp-sink does not answer on port {port}")


@dataclass(frozen=True)
class Measured:
    """A finished process: seconds from start to end, and its peak memory in MiB."""

    seconds: float
    peak_mib: float
    out: str


def digest(folder: Path, *words: str, **environment: str) -> Measured:
    """Run the command line in ``folder`` and measure the whole process."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "digest", *words],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode not in {0, 1}:
        sys.exit(f"digest {' '.join(words)} ended with {process.returncode}")
    return Measured(seconds, usage.ru_maxrss / 1024, out)
