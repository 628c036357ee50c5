"""What a process that sends does to itself: how it uses memory, and how it is told to stop."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TypeVar

import uvloop

_T = TypeVar("_T")
_M_ARENA_MAX = -8


def tune_memory() -> None:
    """Let the garbage collector look less often, and the C library keep one heap for all threads.

    A process that sends makes many short-lived objects and few cycles, and what stays until the end
    need not be looked at: it saves a mail in twenty. A heap for each thread (glibc's way) keeps to
    itself what a batch needed once: it costs 5 MiB, and Python's threads allocate in turns anyway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(30_000, 20, 20)
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def until_stopped(
    main: Callable[[asyncio.Event], Coroutine[None, None, _T]],
    signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
    *,
    again: Callable[[], object] | None = None,
) -> tuple[_T, bool]:
    """Run ``main`` with an event that the first of ``signals`` sets, and say if one came.

    Whatever comes after it calls ``again``; without that, a second signal ends the process as it
    would have without us.
    """

    async def guarded() -> tuple[_T, bool]:
        loop, stop, came = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        def let_go() -> None:
            for number in signals:
                loop.remove_signal_handler(number)

        def on_signal() -> None:
            if came.is_set() and again is not None:
                again()
            stop.set()
            came.set()
            if again is None:
                let_go()

        for number in signals:
            loop.add_signal_handler(number, on_signal)
        try:
            return await main(stop), came.is_set()
        finally:
            let_go()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(guarded())
