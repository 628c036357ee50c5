"""Ranks: whether two figures of the same posts go together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import atanh, sqrt, tanh
from statistics import quantiles

from digest.stats import Interval

_Tied = list[list[int]]
"""Places in ascending order of their value, those with equal values together."""


def midranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, 1 being the smallest; equal values share their mean rank."""
    return _ranks(_tied(values), [1] * len(values))


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation (1904), with mid-ranks; None where one of both never varies."""
    return _weighted(_tied(first), _tied(second), [1] * len(first))


def spearman_limits(correlation: float, pairs: int, z: float) -> Interval:
    """Where the correlation of more than three pairs lies, within ``z`` standard errors.

    By Fisher's transformation with the standard error of Bonett and Wright (2000): a quick look
    that takes no resampling.
    """
    rho = max(-1 + 1e-12, min(1 - 1e-12, correlation))
    spread = z * sqrt((1 + rho * rho / 2) / (pairs - 3))
    return Interval(tanh(atanh(rho) - spread), tanh(atanh(rho) + spread))


def spearman_interval(
    first: Sequence[float], second: Sequence[float], resamples: Iterable[Sequence[int]]
) -> Interval:
    """The 95 % percentile bootstrap interval of Spearman's correlation (Efron 1979).

    Each of at least two ``resamples`` names the places of the pairs that were drawn, with
    repetition; one in which a figure never varies shows no association and counts as 0. The
    quantiles are interpolated (type 7 of Hyndman and Fan 1996).
    """
    ascending = _tied(first), _tied(second)
    found = [_weighted(*ascending, _times_drawn(places, len(first))) or 0.0 for places in resamples]
    low, *_, high = quantiles(found, n=40, method="inclusive")
    return Interval(low, high)


def _tied(values: Sequence[float]) -> _Tied:
    places = sorted(range(len(values)), key=values.__getitem__)
    return [list(group) for _, group in groupby(places, key=values.__getitem__)]


def _times_drawn(places: Sequence[int], size: int) -> list[int]:
    drawn = [0] * size
    for place in places:
        drawn[place] += 1
    return drawn


def _ranks(ascending: _Tied, drawn: Sequence[int]) -> list[float]:
    """Mid-ranks when each place was drawn so many times, without sorting again."""
    ranks = [0.0] * len(drawn)
    below = 0
    for group in ascending:
        tied = sum([drawn[place] for place in group])
        for place in group:
            ranks[place] = below + (tied + 1) / 2
        below += tied
    return ranks


def _weighted(first: _Tied, second: _Tied, drawn: Sequence[int]) -> float | None:
    """Pearson's correlation of the mid-ranks, whose mean is known beforehand."""
    middle = (sum(drawn) + 1) / 2
    one = [rank - middle for rank in _ranks(first, drawn)]
    other = [rank - middle for rank in _ranks(second, drawn)]
    spread_one = sum([n * a * a for n, a in zip(drawn, one, strict=True)])
    spread_other = sum([n * b * b for n, b in zip(drawn, other, strict=True)])
    if not spread_one or not spread_other:
        return None
    together = sum([n * a * b for n, a, b in zip(drawn, one, other, strict=True)])
    return max(-1.0, min(1.0, together / sqrt(spread_one * spread_other)))
