"""How many people an audience is worth: whether few do most of it, or many a little."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple


class Spread(NamedTuple):
    """How acts are spread over people: ``people`` named ones did ``acts`` in all.

    ``pairs`` and ``triples`` are Σ n(n-1) and Σ n(n-1)(n-2) over those with n acts each;
    ``unnamed`` are acts of nobody named, which are in none of the others.
    """

    acts: int
    people: int
    pairs: float
    triples: float
    unnamed: int = 0


def simpson(total: int, pairs: float) -> float:
    """λ, the chance that two different acts, drawn at random from ``total``, are one person's.

    ``pairs`` is Σ n(n-1) over the people with n acts each; λ = Σ n(n-1) / N(N-1) (Simpson 1949).
    Unbiased: its mean is the same whether 30 acts of an audience are known or 3,000. The share of
    the first five people, or 1/Σp², would mostly tell how many acts are known.
    """
    return pairs / (total * (total - 1))


def effective_people(total: int, pairs: float) -> float | None:
    """1/λ: as varied as the acts of so many equally active people.

    The Hill number of order 2 (Hill 1973, Jost 2006). None where nobody acted twice: more than
    can be told.
    """
    chance = simpson(total, pairs)
    return 1 / chance if chance else None


def deviation(of: Spread) -> float:
    """The standard deviation of :func:`simpson`, estimated from the same acts, at least three.

    With p the people's shares, [4(N-2)Σp³ + 2Σp² - 2(2N-3)(Σp²)²] / N(N-1) is its square (Simpson
    1949); Σp³ is estimated by Σ n(n-1)(n-2) / N(N-1)(N-2).
    """
    total = of.acts
    chance = simpson(total, of.pairs)
    thrice = of.triples / (total * (total - 1) * (total - 2))
    square = 4 * (total - 2) * thrice + 2 * chance - 2 * (2 * total - 3) * chance**2
    return sqrt(max(0.0, square) / (total * (total - 1)))
