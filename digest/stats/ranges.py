"""Ranges of reach where it is not known, learnt from posts of which it is.

Posts are put into buckets by how many people reacted; a bucket's range is what nine of ten posts
in it reached, as a share of the author's followers. Whether it really holds is tried on posts that
it was not learnt from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p
from statistics import fmean, quantiles

from digest.stats import Interval

FLOORS = (0, 1, 2, 5, 10)
"""The buckets begin at so many people who reacted: 0, 1, 2-4, 5-9, 10 and more."""
LEAST = 30
"""Posts that a bucket needs, or it is merged with its neighbour."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A post whose reach is known: people who reacted, people reached, followers (at least one)."""

    engagers: int
    reach: int
    followers: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Reach as a share of followers: what 90 % of its posts lie within, and the middle."""

    floor: int
    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Ranges:
    """The buckets, by rising ``floor``; the first begins at 0."""

    buckets: tuple[Bucket, ...]

    def bucket(self, engagers: int) -> Bucket:
        """That of a post on which so many people reacted."""
        floors = [bucket.floor for bucket in self.buckets]
        return self.buckets[bisect_right(floors, engagers) - 1]

    def people(self, engagers: int, followers: int) -> Interval:
        """How many people saw such a post in nine of ten cases."""
        bucket = self.bucket(engagers)
        # What is left of a share that was divided is no part of a person: 4 people are not 3.99….
        low, high = (round(share * followers, 9) for share in (bucket.low, bucket.high))
        return Interval(low, high)


def learn(posts: Sequence[Logged], least: int = LEAST) -> Ranges | None:
    """The ranges of ``posts``; None where there are fewer than ``least`` in all.

    The ends are the 5th and 95th percentile at the ranks 0.05 (n + 1) and 0.95 (n + 1) of n posts,
    so that a further post of the kind lies between them in 90 % of cases whatever the
    distribution (split-conformal prediction: Vovk, Gammerman and Shafer 2005).
    """
    groups = _merged([_of(posts, number) for number in range(len(FLOORS))], least)
    buckets = []
    for floor, shares in groups:
        cuts = quantiles(shares, n=20, method="exclusive")
        buckets.append(Bucket(floor, cuts[0], cuts[9], cuts[18]))
    return Ranges(tuple(buckets)) if buckets else None


def coverage(ranges: Ranges, posts: Sequence[Logged]) -> float:
    """The share of ``posts`` (at least one) whose reach lies within its range."""
    within = 0
    for post in posts:
        people = ranges.people(post.engagers, post.followers)
        within += people.low <= post.reach <= people.high
    return within / len(posts)


def explained(ranges: Ranges, posts: Sequence[Logged]) -> float | None:
    """R² of ln(1 + reach), each post foretold by the middle of its bucket.

    Below 0 the mean of ``posts`` would foretell better; None where all have the same reach.
    """
    reached = [log1p(post.reach) for post in posts]
    if min(reached) == max(reached):
        return None
    mean = fmean(reached)
    total = sum((value - mean) ** 2 for value in reached)
    told = (log1p(ranges.bucket(post.engagers).middle * post.followers) for post in posts)
    return 1 - sum((a - b) ** 2 for a, b in zip(reached, told, strict=True)) / total


def _of(posts: Sequence[Logged], number: int) -> tuple[int, list[float]]:
    """A bucket's floor and the shares of its posts."""
    above = FLOORS[number + 1] if number + 1 < len(FLOORS) else None
    shares = [
        post.reach / post.followers
        for post in posts
        if post.engagers >= FLOORS[number] and (above is None or post.engagers < above)
    ]
    return FLOORS[number], shares


def _merged(groups: list[tuple[int, list[float]]], least: int) -> list[tuple[int, list[float]]]:
    """Groups of at least ``least``: one that is too small is taken together with the next above.

    What is left over at the top goes to the one below it.
    """
    merged: list[tuple[int, list[float]]] = []
    floor, gathered = 0, list[float]()
    for begins, shares in groups:
        floor = floor if gathered else begins
        gathered = gathered + shares
        if len(gathered) >= least:
            merged.append((floor, gathered))
            gathered = []
    if merged and gathered:
        merged[-1] = (merged[-1][0], merged[-1][1] + gathered)
    if merged:
        merged[0] = (0, merged[0][1])
    return merged
