"""Who the audience is: broad or focused (F12). Both are fine.

The measure is the number of effective people: as varied as the reactions of so many people who
react equally often. The share of the first few people is not told: of few reactions it is high
whatever the audience is like.
"""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.reactors import LEADING, REACTIONS_FROM, Reactors, all_reactors
from digest.facts.weeks import NAMED
from digest.sections import Section
from digest.stats.diversity import effective_people

PEOPLE_FROM = 5
FOCUSED_BELOW, BROAD_ABOVE = 6, 20
"""Effective people."""
UNNAMED_MOST = 0.1
"""The share of reactions by nobody named that leaves the picture what it is."""


def load(session: Session, batch: Batch) -> dict[str, Reactors]:
    """Who reacted to each author's posts."""
    return batch.fact(session, all_reactors)


def build(reactors: Reactors, batch: Batch) -> dict[str, Any] | None:
    """Whether the reactions come from few or many; None where they are too few to tell."""
    del batch  # eight weeks are eight weeks
    total, people = reactors.reactions, reactors.people
    if total < REACTIONS_FROM or people < PEOPLE_FROM:
        return None
    if reactors.unnamed > UNNAMED_MOST * (total + reactors.unnamed):
        return None
    effective = effective_people(total, reactors.pairs)
    # An audience is larger than what was seen of it: no sentence about these people carries that.
    told = effective is not None and effective <= people
    return {
        "word": _word(effective),
        "effective": round(effective) if effective and told else None,
        "reactions": total,
        "people": people,
        "names": [one.name for one in reactors.most if one.name and one.reactions > 1][:NAMED],
        "kept": _kept(reactors),
    }


def _word(effective: float | None) -> str:
    if effective is None or effective > BROAD_ABOVE:
        return "broad"
    return "focused" if effective < FOCUSED_BELOW else "mixed"


def _kept(reactors: Reactors) -> int | None:
    """How many of the ten who reacted most were among those ten in the eight weeks before.

    None where there are no such ten: somebody else reacted just as often as the last of them.
    """
    now = _leading([(one.id, one.reactions) for one in reactors.most])
    before = _leading([(one.id, one.before) for one in reactors.most_before])
    return len(now & before) if now and before else None


def _leading(ranked: list[tuple[str, int]]) -> set[str]:
    counts = [count for _, count in ranked] + [0]
    if len(ranked) < LEADING or counts[LEADING - 1] == counts[LEADING]:
        return set()
    return {id_ for id_, _ in ranked[:LEADING]}


def worth(said: dict[str, Any]) -> float:
    """More where those who lead are others than before: that is news, the measure hardly ever."""
    changed = 0 if said["kept"] is None else 1 - said["kept"] / LEADING
    return float(0.3 + 0.2 * changed)


SECTION = Section("focus", 64, load, build, label="Who your audience is", worth=worth)
