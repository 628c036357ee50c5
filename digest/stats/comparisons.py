"""Whether two groups differ, and how sure that is when several pairs are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, lgamma, log
from statistics import fmean

_TINY, _CLOSE, _STEPS = 1e-300, 1e-15, 10_000


def welch(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided p-value of Welch's t test (Welch 1947) of two groups of at least two values.

    1 where neither group varies: without any spread nothing can be told apart.
    """
    errors = [_variance(group) / len(group) for group in (first, second)]
    error = sum(errors)
    if not error:
        return 1.0
    t = (fmean(first) - fmean(second)) / error**0.5
    parts = zip(errors, (first, second), strict=True)
    # As shares of the error, because squares of very small errors would vanish.
    freedom = 1 / sum((part / error) ** 2 / (len(group) - 1) for part, group in parts)
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def _variance(group: Sequence[float]) -> float:
    if min(group) == max(group):  # and not what rounding leaves of it
        return 0.0
    mean = fmean(group)
    return fsum((value - mean) ** 2 for value in group) / (len(group) - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of one family, adjusted so that the chance of any false claim stays (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[at]))
        adjusted[at] = highest
    return adjusted


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b) of a, b > 0 and 0 <= x <= 1.

    By its continued fraction (Abramowitz and Stegun 26.5.8), evaluated as Lentz does, which
    converges fast below (a + 1) / (a + b + 2); above that the mirror image is used.
    """
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)
    return exp(front) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    over, under = 1.0, _safe(1 - (a + b) * x / (a + 1))
    under = 1 / under
    value = under
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            under = 1 / _safe(1 + part * under)
            over = _safe(1 + part / over)
            step = under * over
            value *= step
        if abs(step - 1) < _CLOSE:
            break
    return value


def _safe(value: float) -> float:
    """Not so small that its inverse would be infinite."""
    return value if abs(value) > _TINY else _TINY
