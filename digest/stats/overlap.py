"""Whether several posts reach the same people: a union against that of independent ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod, sqrt


def independent_union(shares: Iterable[float]) -> float:
    """The share that at least one post would reach if each reached people regardless of the others.

    1 - Π(1 - p), the complement rule for independent events; ``shares`` are proportions.
    """
    return 1 - prod(1 - share for share in shares)


@dataclass(frozen=True, slots=True)
class Overlap:
    """A union over what independence gives: below 1 the same people return.

    ``spread`` is one standard deviation of ``index`` under independence.
    """

    index: float
    spread: float

    @property
    def returning(self) -> bool:
        """The same people return, and by more than chance (two standard deviations) would do."""
        return self.index < 1 - 2 * self.spread


def overlap(union: float, shares: Iterable[float], people: float) -> Overlap | None:
    """How much the audiences of posts with these ``shares`` of ``people`` overlap.

    ``union`` is the share that saw at least one. Under independence each person is in the union
    with the same chance q, so that its share has the variance q(1 - q) / people (binomial); posts
    of a given size vary less, which makes ``returning`` the more careful. None where nobody was
    reached.
    """
    expected = independent_union(shares)
    if not expected:
        return None
    return Overlap(union / expected, sqrt((1 - expected) / (expected * people)))
