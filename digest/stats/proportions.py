"""Rates: how sure a proportion is, and what an author's posts say about each other's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from digest.stats import Interval

Z95 = 1.959963984540054


def wilson(successes: int, trials: int, z: float = Z95) -> Interval:
    """The score interval of a proportion (Wilson 1927); ``trials`` must be positive."""
    p = successes / trials
    spread = z * sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    centre, scale = p + z * z / (2 * trials), 1 + z * z / trials
    return Interval(max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


@dataclass(frozen=True, slots=True)
class BetaPrior:
    """What an author's posts have in common: mean ``mean`` and weight ``weight`` (in people)."""

    mean: float
    correlation: float
    weight: float

    def shrink(self, successes: float, trials: float) -> float:
        """The posterior mean rate of one post."""
        return (successes + self.mean * self.weight) / (trials + self.weight)


def beta_prior(posts: Sequence[tuple[int, int]]) -> BetaPrior | None:
    """The beta-binomial prior of ``posts``, each (successes, trials > 0), by analysis of variance.

    Empirical Bayes after Robinson (2015) and Casella (1985). None where it is not defined: fewer
    than two posts, or no more people than posts.
    """
    count = len(posts)
    total = sum(n for _, n in posts)
    if count < 2 or total <= count:
        return None
    mean = sum(k for k, _ in posts) / total
    within = sum(k * (1 - k / n) for k, n in posts) / (total - count)
    between = sum(n * (k / n - mean) ** 2 for k, n in posts) / (count - 1)
    size = (total - sum(n * n for _, n in posts) / total) / (count - 1)
    scale = between + (size - 1) * within
    correlation = (between - within) / scale if scale else 0.0
    correlation = min(0.5, max(0.001, correlation))
    return BetaPrior(mean, correlation, (1 - correlation) / correlation)


@dataclass(frozen=True, slots=True)
class GammaPrior:
    """Reactions per view of an author's posts: a gamma of this shape over this many views."""

    shape: float
    views: float

    def shrink(self, reactions: float, views: float) -> float:
        """The posterior mean of reactions per view of one post."""
        return (reactions + self.shape) / (views + self.views)


def gamma_prior(posts: Sequence[tuple[int, int]]) -> GammaPrior | None:
    """The gamma prior of ``posts``, each (reactions, views > 0), by the method of moments.

    For counters, where a person may react more than once and no proportion exists (negative
    binomial; Robbins 1956, Efron and Morris 1973). The spread between posts is what is left of the
    variance of the rates when the Poisson part, mean x mean(1/views), is taken off; with nothing
    left the prior is worth all the views there are. None below two posts or without a reaction.
    """
    views = sum(n for _, n in posts)
    reactions = sum(k for k, _ in posts)
    if len(posts) < 2 or not reactions:
        return None
    mean = reactions / views
    spread = sum(n * (k / n - mean) ** 2 for k, n in posts) / views
    extra = spread - mean * len(posts) / views
    weight = min(mean / extra, float(views)) if extra > 0 else float(views)
    return GammaPrior(mean * weight, weight)
