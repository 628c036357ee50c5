"""What is usual: process-behaviour limits of a series."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean

from digest.stats import Interval

XMR_FACTOR = 2.66
"""Mean moving range to three standard deviations (Wheeler, Understanding Variation)."""
DECIMALS = 6
"""Limits of counts are given to so many: exact for counts up to a thousand million."""


def xmr(values: Sequence[float]) -> Interval:
    """The natural process limits of a series of at least two values (Wheeler's XmR chart)."""
    mean = fmean(values)
    moving_range = fmean(abs(later - earlier) for earlier, later in pairwise(values))
    return Interval(mean - XMR_FACTOR * moving_range, mean + XMR_FACTOR * moving_range)


def usual_range(counts: Sequence[float]) -> Interval:
    """XmR limits of counts: taken on square roots (which steadies the variance), then squared."""
    limits = xmr([sqrt(count) for count in counts])
    # A root that was squared misses the count it came from by a trace: 2 would lie above 1.99….
    low, high = (round(max(0.0, root) ** 2, DECIMALS) for root in (limits.low, limits.high))
    return Interval(low, high)
