"""A reader's weeks as the bars of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.facts.weeks import Metric
from digest.snapshots import PastWeek

BARS = 26
HEIGHT = 84
_STEP, _WIDTH = 20, 14
_METRICS: tuple[Metric, ...] = ("reach", "views", "reactions")


@dataclass(frozen=True, slots=True)
class Bar:
    """One week: its place and size in the picture; ``kind`` is best, other, none or unknown."""

    x: int
    y: int
    height: int
    kind: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Up to half a year of one figure, the oldest week first; ``most`` is the highest."""

    metric: Metric
    bars: tuple[Bar, ...]
    first: str
    last: str
    most: int
    best: str
    width: int
    height: int = HEIGHT
    bar: int = _WIDTH


def chart(weeks: Sequence[PastWeek]) -> Chart | None:
    """The picture of the latest weeks, oldest first; None where there is too little to see."""
    shown = weeks[-BARS:]
    metric = max(_METRICS, key=lambda name: sum(bool(getattr(week, name)) for week in shown))
    counts: list[int | None] = [getattr(week, metric) for week in shown]
    most = max((count or 0 for count in counts), default=0)
    if len(shown) < 2 or not most:
        return None
    best = counts.index(most)
    return Chart(
        metric,
        tuple(_bar(n, count, most, best=n == best) for n, count in enumerate(counts)),
        shown[0].period,
        shown[-1].period,
        most,
        shown[best].period,
        width=len(shown) * _STEP - (_STEP - _WIDTH),
    )


def _bar(place: int, count: int | None, most: int, *, best: bool) -> Bar:
    height = max(3, round(count / most * HEIGHT)) if count else 2
    kind = "best" if best else "other" if count else "none" if count == 0 else "unknown"
    return Bar(place * _STEP, HEIGHT - height, height, kind)
