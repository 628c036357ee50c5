"""How fast, how many at once, and which recipient domains have to wait.

Plain arithmetic: ``now`` is seconds of any steady clock, and nothing here waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

GROWTH = 50
"""Messages accepted before one more connection is used."""
STRIKES = 3
"""Deferrals in a row before a domain that had no trouble is paused."""
PROBE_SECONDS = 60.0
"""How long others wait for the one message that asks a paused domain again."""
KEPT = 10_000
"""Domains to remember; those at rest are forgotten when there are more."""
_MINUTE = 60.0


@dataclass(slots=True)
class Rate:
    """Evenly spaced turns: at most ``per_second``, 0 for no limit.

    In any span of s seconds at most ``per_second`` × s + 1 turns begin.
    """

    per_second: float
    _next: float = 0

    def turn(self, now: float) -> float:
        """Take the next turn: the seconds until it begins."""
        if not self.per_second:
            return 0
        begins = max(now, self._next)
        self._next = begins + 1 / self.per_second
        return begins - now


@dataclass(slots=True)
class Width:
    """How many connections to use: halved when the server has enough, and grown by successes."""

    most: int
    now: int = field(init=False)
    _accepted: int = 0
    _old: int = 0

    def __post_init__(self) -> None:
        self.now = self.most

    def narrow(self, busy: int) -> None:
        """The server throttles us; that all those ``busy`` now may say so counts once."""
        if self._old > 0:
            self._old -= 1
            return
        self.now, self._accepted, self._old = max(1, self.now // 2), 0, busy - 1

    def limit(self, connections: int) -> None:
        """The server takes no more than so many."""
        self.now, self._accepted = max(1, min(self.now, connections)), 0

    def widen(self) -> None:
        """A message was accepted; every :data:`GROWTH` of them are worth a connection."""
        self._old = max(0, self._old - 1)
        if self.now < self.most:
            self._accepted += 1
            if self._accepted >= GROWTH:
                self.now, self._accepted = self.now + 1, 0


@dataclass(slots=True)
class Standing:
    """How things stand with one recipient domain: its pauses, and what went to it lately.

    It is paused until ``until``, the ``level``-th time, and may be being asked again; ``strikes``
    deferrals came in a row; ``waiting`` messages were told to come later than those of ``recent``,
    the times of the last minute's.
    """

    until: float = 0
    level: int = 0
    is_asked: bool = False
    strikes: int = 0
    waiting: int = 0
    recent: deque[float] = field(default_factory=deque)

    def is_restful(self, now: float) -> bool:
        """Whether nothing of it matters any more."""
        late = self.recent and self.recent[-1] > now - _MINUTE
        return not (self.level or self.strikes or late)

    @property
    def pause(self) -> tuple[float, int, bool, int]:
        """All but the messages."""
        return self.until, self.level, self.is_asked, self.strikes

    def share(self, n: int, of: int) -> Standing:
        """The ``n``-th of so many parts: the pause is everybody's, and each message one's."""
        waiting = (self.waiting + n) // of
        return replace(self, waiting=waiting, recent=deque(list(self.recent)[n::of]))


_UNKNOWN = Standing()


def _together(pairs: Sequence[tuple[Standing, Standing]]) -> Standing:
    """What processes know of one domain: the longest pause, and the messages of all."""
    met = [now for before, now in pairs if now.pause != before.pause] or [now for _, now in pairs]
    return Standing(
        max(one.until for one in met),
        max(one.level for one in met),
        any(one.is_asked for one in met),
        max(one.strikes for one in met),
        sum(now.waiting for _, now in pairs),
        deque(sorted(at for _, now in pairs for at in now.recent)),
    )


class Domains:
    """Recipient domains: those that defer wait longer and longer, and none gets more than its rate.

    A domain is paused by :data:`STRIKES` deferrals in a row, for ``base`` seconds, twice as long
    each time up to ``cap``. One message asks after each pause; answers to those that were under
    way when it began add nothing to it. A success takes one doubling back, and until all are taken
    back a single deferral pauses again. ``per_minute`` messages may go to a domain in any span of
    60 seconds, 0 for no limit. ``jitter`` gives a number in [0, 1).
    """

    def __init__(
        self, *, per_minute: int, base: float, cap: float, jitter: Callable[[], float]
    ) -> None:
        self._per_minute = per_minute
        self._base = base
        self._cap = cap
        self._jitter = jitter
        self._known: dict[str, Standing] = {}

    def hold(self, name: str, now: float) -> float:
        """Seconds that a message to this domain has to wait; 0: it goes, and is counted."""
        known = self._known.get(name)
        if known is None:
            if not self._per_minute:
                return 0
            known = self._remember(name, now)
        if now < known.until:
            return min(self._cap, (known.until - now) * (1 + self._jitter() / 4))
        if wait := self._full(known, now):
            return wait
        if known.level:
            known.until = now + PROBE_SECONDS  # for the others; its answer sets it anew
            known.is_asked = True
        return 0

    def trouble(self, name: str, now: float) -> float:
        """A message was deferred for what may be the domain's trouble: seconds of pause, or 0."""
        known = self._known.get(name) or self._remember(name, now)
        if now < known.until and not known.is_asked:
            return 0
        known.strikes += 1
        if known.strikes < STRIKES and not known.level:
            return 0
        known.strikes, known.is_asked = 0, False
        pause = min(self._cap, self._base * 2.0 ** min(known.level, 30))
        known.level += 1
        known.until = now + pause
        return pause

    def success(self, name: str) -> None:
        """The domain answered as it should."""
        if (known := self._known.get(name)) is not None:
            known.strikes, known.until, known.is_asked = 0, 0, False
            known.level = max(0, known.level - 1)

    def dealt(self, processes: int, now: float) -> list[dict[str, Standing]]:
        """What matters of it, for each of so many processes that do the rest side by side."""
        mattering = {n: one for n, one in self._known.items() if not one.is_restful(now)}
        return [
            {name: one.share(n, processes) for name, one in mattering.items()}
            for n in range(processes)
        ]

    def take(self, dealt: Mapping[str, Standing]) -> None:
        """Know what was dealt to this process, and nothing else."""
        self._known = deepcopy(dict(dealt))

    def known(self) -> Mapping[str, Standing]:
        """What this process knows by now, for whoever dealt."""
        return self._known

    def learn(
        self, each: Sequence[tuple[Mapping[str, Standing], Mapping[str, Standing]]], now: float
    ) -> None:
        """Know what these processes know: what was dealt to each, and what became of it.

        Of a domain's pause only those tell who met the domain.
        """
        self._known = {}
        for name in {name for dealt, known in each for name in {*dealt, *known}}:
            pairs = [
                (dealt.get(name, _UNKNOWN), known.get(name, _UNKNOWN)) for dealt, known in each
            ]
            one = _together(pairs)
            if not one.is_restful(now):
                self._known[name] = one

    def _full(self, known: Standing, now: float) -> float:
        if not self._per_minute:
            return 0
        while known.recent and known.recent[0] <= now - _MINUTE:
            known.recent.popleft()
        if len(known.recent) < self._per_minute:
            known.recent.append(now)
            known.waiting = max(0, known.waiting - 1)
            return 0
        # Whoever comes later waits longer, so that they do not all come back in one minute.
        minutes = known.waiting // self._per_minute
        known.waiting += 1
        return known.recent[0] + _MINUTE * (1 + minutes + self._jitter() / 4) - now

    def _remember(self, name: str, now: float) -> Standing:
        if len(self._known) >= KEPT:
            self._known = {n: one for n, one in self._known.items() if not one.is_restful(now)}
        return self._known.setdefault(name, Standing())
