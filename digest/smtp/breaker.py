"""When a server as a whole is in trouble: pause, ask again with one message, go on by itself.

Plain arithmetic: ``now`` is seconds of any steady clock, and nothing here waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TROUBLES = 5
"""Messages in a row that met what may be the server's own trouble, before it is believed."""
REFUSALS = 20
"""Refusals in a row that are aimed at us rather than at a recipient, before they are believed."""


@dataclass(slots=True)
class Breaker:
    """Closed while all is well; open for a pause, then half open: one message asks.

    Pauses begin at ``first`` seconds and double up to ``cap``. Trouble that would last longer than
    ``patience`` seconds in all, from the first pause to the end of the next, is no longer waited
    for. What one message meets is not the server's trouble: it takes :data:`TROUBLES` in a row
    without a success between them, or :data:`REFUSALS`.
    """

    first: float = 30
    cap: float = 900
    patience: float = 4500
    since: float | None = None
    _pause: float = 0
    _until: float = 0
    _asking: bool = False
    _troubles: int = field(default=0, repr=False)
    _refusals: int = field(default=0, repr=False)

    @property
    def is_closed(self) -> bool:
        """Whether there is no pause, and none that ended without a success since."""
        return self.since is None

    def hold(self, now: float) -> float | None:
        """Seconds until a message may go, 0 for at once; None: when the one that asks is back."""
        if self.since is None:
            return 0
        if now < self._until:
            return self._until - now
        if self._asking:
            return None
        self._asking = True
        return 0

    def is_trouble(self, *, refusal: bool = False) -> bool:
        """Count a message that met trouble; whether that is now the server's."""
        if refusal:
            self._refusals += 1
        else:
            self._troubles += 1
        return not self.is_closed or self._troubles >= TROUBLES or self._refusals >= REFUSALS

    def trip(self, now: float, *, at_least: float = 0) -> float:
        """Begin a pause: its seconds. 0 where one is on: what was under way does not add to it."""
        if self.since is not None and now < self._until:
            return 0
        self._asking = False
        self._pause = max(at_least, min(self.cap, self._pause * 2 or self.first))
        self.since = now if self.since is None else self.since
        self._until = now + self._pause
        return self._pause

    @property
    def is_hopeless(self) -> bool:
        """Whether the pause that is on would end after ``patience``."""
        return self.since is not None and self._until - self.since > self.patience

    def close(self) -> None:
        """A message was accepted: all is well."""
        self._refusals = 0
        self.answered()

    def answered(self) -> None:
        """The server refused a single message for its own sake, and so it is there."""
        self.since = None
        self._pause = self._until = 0
        self._asking = False
        self._troubles = 0

    def leave(self) -> bool:
        """A message that may have been the one to ask is back; whether now another should ask."""
        asked, self._asking = self._asking, False
        return asked
