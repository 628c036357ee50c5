"""The statistics of the mail: pure functions over plain numbers, one file per family.

Each docstring names its source. Guards ("only from 8 weeks on") belong to the sections; these
functions only say what they need to be defined at all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval of plausible values."""

    low: float
    high: float
