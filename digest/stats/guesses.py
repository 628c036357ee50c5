"""Guesses of an audience: how far off they were, and what somebody's guesses have in common."""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from statistics import median


def ratio(guess: int, actual: int) -> float:
    """How much of the real number was guessed; below 1 is too low (Bernstein et al., CHI 2013)."""
    return guess / actual


def log_error(guess: int, actual: int) -> float:
    """|ln(guess / actual)|: half and twice are equally far off, and 0 is exact.

    Both must be positive.
    """
    return abs(log(guess / actual))


def typical(pairs: Iterable[tuple[int, int]]) -> float:
    """The median ratio of (guess, actual) pairs, of which there is at least one.

    A median, because a single wild guess would move a mean, and of ratios, because the ratio of
    the sums would be that of the largest posts.
    """
    return median(ratio(guess, actual) for guess, actual in pairs)
