"""How many people an audience is worth: whether few do most of it, or many a little."""

from __future__ import annotations


def simpson(total: int, pairs: int) -> float:
    """λ, the chance that two different acts, drawn at random from ``total``, are one person's.

    ``pairs`` is Σ n(n-1) over the people with n acts each; λ = Σ n(n-1) / N(N-1) (Simpson 1949).
    Unbiased: its mean is the same whether 30 acts of an audience are known or 3,000. The share of
    the first five people, or 1/Σp², would mostly tell how many acts are known.
    """
    return pairs / (total * (total - 1))


def effective_people(total: int, pairs: int) -> float | None:
    """1/λ: as varied as the acts of so many equally active people.

    The Hill number of order 2 (Hill 1973, Jost 2006). None where nobody acted twice: more than
    can be told.
    """
    chance = simpson(total, pairs)
    return 1 / chance if chance else None
