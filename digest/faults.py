"""Points at which the process can be made to die, so that what a crash leaves behind is tried.

Nothing happens at a point unless the environment asked for it (``DIGEST_FAULT``, read by
:mod:`digest.config`); docs/operations.md has a row for each, and tests/test_crashes.py dies there.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from enum import StrEnum

from digest.errors import ConfigError


class Point(StrEnum):
    """Where a process can die, in the order in which a send comes by."""

    RECOVERING = "recovering"
    """The books of a dead run are closed, and that is not committed."""
    PLANNING = "planning"
    """Deliveries of one zone are opened, and nothing is committed."""
    PLANNED = "planned"
    """All deliveries are opened; no run has begun."""
    ADVANCING = "advancing"
    """The daemon opened what is due, and has not moved the subscriptions on."""
    PARENT = "parent"
    """The parent of several workers waits for their news."""
    STARTING = "starting"
    """The lock of the run is held, its row is not committed."""
    CLAIMING = "claiming"
    """A batch is claimed, and that is not committed."""
    CLAIMED = "claimed"
    """A batch is claimed; nothing is composed."""
    COMPOSING = "composing"
    """The facts of a batch are loaded."""
    KEEPING = "keeping"
    """Snapshots are written, and not committed."""
    KEPT = "kept"
    """Snapshots are committed; nothing is offered."""
    RENDERED = "rendered"
    """A mail is made; no connection was asked for."""
    BEFORE_354 = "before-354"
    """The server has the envelope; it was not asked for the go-ahead."""
    AFTER_354 = "after-354"
    """The server said "go on"; the mark is not written."""
    MARKING = "marking"
    """The mark is written, and not committed."""
    MARKED = "marked"
    """The mark is committed; no byte of the body was written."""
    IN_BODY = "in-body"
    """The body is on its way, its end is not."""
    AFTER_DOT = "after-dot"
    """The end of the message was written; no answer is here."""
    AFTER_REPLY = "after-reply"
    """The server has accepted the mail; nobody was told."""
    HANDED_OVER = "handed-over"
    """The outcome waits for its commit."""
    SETTLING = "settling"
    """The outcome is written, and not committed."""
    COMMITTED = "committed"
    """Marks and outcomes are committed; those who wait were not told."""
    CLOSING = "closing"
    """The run is closed, and that is not committed."""
    CLOSED = "closed"
    """The run is closed; its lock is still held."""


@dataclass(slots=True)
class _Fault:
    """What to do when ``point`` is reached once more after ``left`` times."""

    point: Point
    left: int
    number: signal.Signals

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


_fault: _Fault | None = None


def reach(point: Point) -> None:
    """Say that the process has come to ``point``; free of charge while nothing was asked for."""
    if _fault is not None and _fault.point is point:
        _fault.count()


def arm(order: str) -> None:
    """Die by SIGKILL where ``order`` says: ``point``, ``point:17`` (the 17th time).

    ``point:17:stop`` pauses by SIGSTOP instead; "" disarms. Anything else is a
    :class:`~digest.errors.ConfigError`.
    """
    global _fault  # noqa: PLW0603 - a process has one way to die
    _fault = _read(order) if order else None


def _read(order: str) -> _Fault:
    name, _, rest = order.partition(":")
    times, _, what = rest.partition(":")
    numbers = {"": signal.SIGKILL, "stop": signal.SIGSTOP}
    known = name in set(Point) and what in numbers and (not rest or times.isdecimal())
    if not known or times == "0":
        raise ConfigError(
            "FAULT",
            f"“{order}” is no way to die",
            hint="for tests only: a point of docs/operations.md, as in after-354:17",
        )
    return _Fault(Point(name), int(times or 1), numbers[what])
