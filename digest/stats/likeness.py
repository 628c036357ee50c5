"""How alike two people are by what they did and by who comes to them, and ranks among many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from math import log, sqrt

SIMILAR_DAMPING, SHARED_DAMPING = 3.0, 10.0
"""Added below the line, so that two people with few acts are not taken for twins."""


def rarity(reactors: int) -> float:
    """How much a post says about two people who both reacted to it: 1 / ln(1 + reactors).

    The fewer others did, the more (Adamic and Adar 2003); ``reactors`` is at least 1.
    """
    return 1 / log(1 + reactors)


def similarity(both: float, mine: float, theirs: float) -> float:
    """The weight of posts that both reacted to, against the weights of all that each did.

    A cosine with a damped norm: both / (sqrt(mine · theirs) + 3). Between 0 and 1.
    """
    return both / (sqrt(mine * theirs) + SIMILAR_DAMPING)


def shared_audience(both: int, mine: int, theirs: int) -> float:
    """People who come to both, against how many come to each: both / (sqrt(mine · theirs) + 10).

    Who has an audience in common is followed more often than who acts alike (Brzozowski and Romero
    2011).
    """
    return both / (sqrt(mine * theirs) + SHARED_DAMPING)


def percentile_ranks(values: Sequence[float]) -> list[float]:
    """The share of the values that each is above, equal ones counted half; between 0 and 1."""
    among = Counter(values)
    ordered = sorted(among)
    before = dict(zip(ordered, accumulate((among[v] for v in ordered), initial=0), strict=False))
    return [(before[value] + among[value] / 2) / len(values) for value in values]
