"""When the audience is around (F9): the two best times of the week, in the author's zone.

It ranks hours by who is around in the hours after a post, never by how posts of those hours did:
of those there are a few per hour, and what they were about would decide. No gain is promised.
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.presence import PEOPLE_FROM, VISITS_FROM, WEEKS_FROM, Presence, presences
from digest.sections import Section
from digest.stats.circular import DAY, chance, met, peaks, shrunk, smoothed

LENGTH, REST = 2, 6
"""Hours: a time that is named, and what lies between two of them at least."""
CLEAR = 3.0
"""So many standard deviations above the mean hour the best time must be: the best of 168 hours that
are all alike lies below it nineteen times in twenty."""


def load(session: Session, batch: Batch) -> dict[str, Presence]:
    """When the audience of each author was around in eight weeks."""
    return batch.fact(session, presences)


def build(presence: Presence, batch: Batch) -> dict[str, Any] | None:
    """The two times; None where too little is known or all hours are alike."""
    del batch  # the hours are those of its zone already
    if presence.total < VISITS_FROM or presence.people < PEOPLE_FROM or presence.weeks < WEEKS_FROM:
        return None
    around = shrunk(smoothed(presence.visits), presence.weeks)
    people = met(around, presence.delays)
    best = peaks(people, LENGTH, REST)
    times = fmean(people[(best[0] + n) % len(people)] for n in range(LENGTH)) / fmean(people)
    if times < 1 + CLEAR * chance(presence.total, presence.delays, LENGTH):
        return None
    return {"times": [_time(start) for start in best], "clear": round(times, 2)}


def _time(start: int) -> dict[str, int]:
    return {"weekday": start // DAY, "from": start % DAY, "to": (start + LENGTH) % DAY}


def worth(said: dict[str, Any]) -> float:
    """More where the best time stands out more; the same advice is never the news of a week."""
    return float(min(0.5, 0.2 + 0.2 * (said["clear"] - 1)))


SECTION = Section("hours", 76, load, build, label="When your audience is around", worth=worth)
