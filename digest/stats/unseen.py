"""Who was never seen: how many people there are at least, from those who showed themselves."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

from digest.stats import Interval
from digest.stats.proportions import Z95


@dataclass(frozen=True, slots=True)
class Unseen:
    """How many people there are in all: the estimate, and its 95 % interval."""

    estimate: float
    interval: Interval


def chao1(seen: int, once: int, twice: int) -> Unseen:
    """How many people there are, of whom ``seen`` were, ``once`` exactly one time each.

    The bias-corrected estimator of Chao (1984), which is a lower bound where people differ in how
    readily they show themselves, with the log-normal interval of Chao (1987). What is said of it
    is the lower end: the estimate itself is too high in up to a fifth of all cases. Without at
    least two people seen once there is nothing to add: the interval is the number seen.
    """
    pairs = once * (once - 1)
    unseen = pairs / (2 * (twice + 1))
    if not unseen:
        return Unseen(float(seen), Interval(float(seen), float(seen)))
    variance = (
        unseen
        + once * (2 * once - 1) ** 2 / (4 * (twice + 1) ** 2)
        + once**2 * twice * (once - 1) ** 2 / (4 * (twice + 1) ** 4)
    )
    spread = exp(Z95 * sqrt(log(1 + variance / unseen**2)))
    return Unseen(seen + unseen, Interval(seen + unseen / spread, seen + unseen * spread))
