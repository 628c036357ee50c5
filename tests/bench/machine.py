"""What a measurement needs of the machine: a fast mail sink, processes and what they used."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SINK = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
SOURCE = shutil.which("smtp-source") or "/usr/sbin/smtp-source"

# A small process that starts the measured one and says what that and its children used: memory
# is counted from the moment of the fork, so that the one that forks must be small itself.
_LAUNCH = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024], open(sys.argv[1], "w"))
sys.exit(code)
"""


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
        asyncio.run(answers(port))
        yield port
    finally:
        process.terminate()
        process.wait()


async def answers(port: int) -> None:
    """Return when somebody listens on ``port`` of the loopback."""
    for _ in range(1000):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    sys.exit(f"nothing answers on port {port}")


def source(port: int, *, messages: int, size: int) -> float:
    """Messages a second of Postfix's own ``smtp-source`` over 16 connections."""
    began = time.perf_counter()
    subprocess.run(
        [
            *(SOURCE, "-s", "16", "-m", str(messages), "-l", str(size)),
            *("-f", "digest@site.example", "-t", "user@people.example", f"127.0.0.1:{port}"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return messages / (time.perf_counter() - began)


@dataclass(frozen=True)
class Measured:
    """A finished command with all its processes.

    Seconds from start to end, seconds of processor time of all, and the peak memory of the largest
    in MiB.
    """

    seconds: float
    cpu: float
    peak_mib: float
    out: str


def digest(folder: Path, *words: str, **environment: str) -> Measured:
    """Run the command line in ``folder`` and measure the whole of it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as used:
        command = [sys.executable, "-m", "digest", *words]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-S", "-c", _LAUNCH, used.name, *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode not in {0, 1}:
            sys.exit(f"digest {' '.join(words)} ended with {done.returncode}")
        cpu, peak = json.load(used)
    return Measured(seconds, cpu, peak, done.stdout)
