"""Figures as the page writes them: a label and a short text, the same whoever worked them out."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TypeAlias

Figures: TypeAlias = dict[str, str]


def of(part: int, whole: int) -> str:
    """``12 of 48 (25 %)``."""
    return f"{part:,} of {whole:,} ({100 * part / whole:.1f} %)"


def middle(values: Sequence[float], digits: int = 0) -> str:
    """Their median."""
    return f"{median(values):,.{digits}f}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
