"""Waiting for a database that is in trouble which may pass: said once, and not for ever."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic, sleep
from typing import TypeVar

from digest.errors import DatabaseUnavailable

log = logging.getLogger(__name__)
_T = TypeVar("_T")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two attempts; each pause is twice the one before."""
GRACE_SECONDS = 10.0
"""How long somebody who is in a hurry still waits: what is known should not be forgotten."""


class Patience:
    """How many seconds a piece of work is tried again, and what was said of the trouble."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._waiting = 0
        self._since: float | None = None

    def keep(self, work: Callable[[], _T], hurried: Callable[[], bool]) -> _T:
        """What ``work`` gives; tried again while it raises :class:`DatabaseUnavailable`.

        Once ``hurried`` says yes there are some seconds left. Then, or when patience is at an end,
        the last error is raised.
        """
        try:
            found = work()
        except DatabaseUnavailable as error:
            self._say_trouble(error)
            try:
                found = self._again(work, hurried)
            finally:
                with self._lock:
                    self._waiting -= 1
        if self._since is not None:
            self._say_back()
        return found

    def _again(self, work: Callable[[], _T], hurried: Callable[[], bool]) -> _T:
        end, pause, hurrying = monotonic() + self._seconds, FIRST_PAUSE, False
        while True:
            sleep(max(0.0, min(pause, end - monotonic())))
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                return work()
            except DatabaseUnavailable as error:
                if hurried() and not hurrying:
                    hurrying, end = True, min(end, monotonic() + GRACE_SECONDS)
                if monotonic() >= end:
                    waited = f"{error.message} (waited up to {self._seconds:g} s)"
                    raise DatabaseUnavailable(waited, hint=error.hint) from error

    def _say_trouble(self, error: DatabaseUnavailable) -> None:
        """Once, however many wait and however often they gave up meanwhile."""
        with self._lock:
            self._waiting += 1
            known, self._since = self._since is not None, self._since or monotonic()
        if not known:
            hint = error.hint or "it may pass"
            meanwhile = "Nothing is sent meanwhile; trying again for"
            log.warning("%s (%s). %s %g s", error.message, hint, meanwhile, self._seconds)

    def _say_back(self) -> None:
        with self._lock:
            if self._waiting or self._since is None:
                return
            since, self._since = self._since, None
        log.warning("the database is back after %.1f s; going on", monotonic() - since)
