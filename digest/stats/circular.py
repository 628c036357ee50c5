"""A week as a circle of 168 hours: when people are around, and where the best hours lie."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from operator import mul
from statistics import fmean

DAY, WEEK = 24, 168
"""Hours. The week begins with Monday, 00:00."""
KAPPA = 4.0
"""How many weeks the hours of similar days weigh against an hour's own."""
_KINDS_OF_DAY = (range(5), range(5, 7))


_KERNEL = (0.25, 0.5, 0.25)


def smoothed(counts: Sequence[float]) -> list[float]:
    """Each hour with half of itself and a quarter of both its neighbours; Sunday meets Monday."""
    side, own, _ = _KERNEL
    after = [*counts[1:], counts[0]]
    before = [counts[-1], *counts[:-1]]
    return [side * (b + a) + own * n for b, n, a in zip(before, counts, after, strict=True)]


def shrunk(counts: Sequence[float], weeks: int, kappa: float = KAPPA) -> list[float]:
    """People per hour of the week, from what 168 hours counted in so many ``weeks``.

    (x + κ·m) / (w + κ): drawn towards m, the mean rate of the same hour over the five weekdays, or
    over the two days of the weekend, because eight weeks say little about a single hour.
    """
    rates = [0.0] * WEEK
    for days in _KINDS_OF_DAY:
        for hour in range(DAY):
            cells = [day * DAY + hour for day in days]
            mean = fmean(counts[cell] for cell in cells) / weeks
            for cell in cells:
                rates[cell] = (counts[cell] + kappa * mean) / (weeks + kappa)
    return rates


def met(around: Sequence[float], delays: Sequence[float]) -> list[float]:
    """For each hour t of a post: Σ A[t + d]·D(d), those who are around when it is looked at.

    ``delays`` is the share D(d) of looks that come d hours after a post.
    """
    twice = [*around, *around]
    reach = len(delays)
    return [sum(map(mul, twice[t : t + reach], delays)) for t in range(len(around))]


def peaks(values: Sequence[float], length: int, rest: int) -> tuple[int, int]:
    """Where the two best spans of so many hours begin, the better one first.

    Between them lie at least ``rest`` hours, both ways round the week. Ties: the earlier one.
    """
    hours = len(values)
    twice = [*values, *values]
    spans = [sum(twice[t : t + length]) for t in range(hours)]
    first = max(range(hours), key=lambda t: (spans[t], -t))
    apart = range(length + rest, hours - length - rest + 1)
    second = max(((first + gap) % hours for gap in apart), key=lambda t: (spans[t], -t))
    return first, second


def chance(total: int, delays: Sequence[float], length: int) -> float:
    """How far, as a share of the mean, a span's value strays if all hours are alike.

    The standard deviation of the mean of ``length`` values of :func:`met`, for ``total`` visits
    that fall on the hours independently (Poisson), before shrinkage.
    """
    weights = _convolved(_convolved(_KERNEL, delays), [1 / length] * length)
    return sqrt(WEEK * sum(weight * weight for weight in weights) / total)


def _convolved(left: Sequence[float], right: Sequence[float]) -> list[float]:
    made = [0.0] * (len(left) + len(right) - 1)
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            made[i + j] += one * other
    return made
