"""Who from outside follows somebody, and which groups there are.

These have random numbers of their own: what people write, and when it is read, does not depend on
who follows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

GROUPS = {
    "makers": "Makers' table",
    "greenhouse": "Greenhouse",
    "night-shift": "Night shift",
}
_FAITHFUL = 0.25
"""How many of the reads from outside are by followers."""
_LISTENING = 0.4


def fans(pull: float, readers: int, random: Random) -> list[str]:
    """Followers from outside of somebody with this ``pull``, the most faithful first."""
    chosen = (int(readers * random.random() ** 1.5) for _ in range(int(pull * 0.5)))
    return [f"reader-{n}" for n in dict.fromkeys(chosen)]


def spans(
    of: list[str], joined: int, last: int, random: Random
) -> Iterator[tuple[str, int, int | None]]:
    """Since when each of them follows, and until when; few leave. In seconds since the epoch."""
    for fan in of:
        since = random.randrange(joined, last)
        until = since + random.randrange(20 * (last - joined))
        yield fan, since, until if until < last else None


def faithful(of: list[str], random: Random) -> str | None:
    """The follower who is the next to read, if it is one."""
    if not of or random.random() > _FAITHFUL:
        return None
    return of[int(len(of) * random.random() ** 1.5)]


def listening(groups: list[str], random: Random) -> list[str]:
    """The groups in which somebody reads, and does not write."""
    return [id_ for id_ in GROUPS if id_ not in groups and random.random() < _LISTENING]
