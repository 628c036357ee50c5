"""Who the audience is: broad or focused (F12). Both are fine.

The measure is the number of effective people: as varied as the reactions of so many people who
react equally often. The share of the first few people is not told: of few reactions it is high
whatever the audience is like. Views and what the author gives are measured alike, and told where
that says something of its own; of those who only looked nobody is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Any

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.attention import ACTS_FROM, giving, tells, viewing
from digest.facts.history import latest_weeks
from digest.facts.reactors import LEADING, Reactors, all_reactors
from digest.facts.weeks import NAMED
from digest.sections import Section
from digest.stats.diversity import Spread, deviation, effective_people, simpson

FOCUSED_BELOW, BROAD_ABOVE = 6, 20
"""Effective people."""
VIEWERS_FROM = 10
"""Nothing is said of how fewer people look: the author may know them."""
SURE, TIMES = 2.0, 1.5
"""Views and reactions are spread differently if λ lies so many standard deviations apart, and the
effective people of one are so many times those of the other.
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Who reacted to an author's posts, who looked at them, and to whom the author reacted."""

    reactors: Reactors
    viewed: Spread | None = None
    given: Spread | None = None


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """Who reacted to each author's posts; of those of whom that can be told, the rest as well."""
    found = batch.fact(session, all_reactors)
    told = [author for author, reactors in found.items() if tells(reactors.spread)]
    if not told:
        return {author: Facts(reactors) for author, reactors in found.items()}
    weeks = batch.fact(session, latest_weeks)
    seen = [a for a in told if sum(week.views or 0 for week in weeks[a]) >= ACTS_FROM]
    viewed, given = viewing(session, batch, seen), giving(session, batch)
    return {
        author: Facts(reactors, viewed.get(author), given.get(author))
        for author, reactors in found.items()
    }


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """Whether the reactions come from few or many; None where they are too few to tell."""
    del batch  # eight weeks are eight weeks
    reactors = facts.reactors
    if not tells(reactors.spread):
        return None
    return {
        "word": _word(_effective(reactors.spread)),
        "effective": _told(reactors.spread),
        "reactions": reactors.reactions,
        "people": reactors.people,
        "names": [one.name for one in reactors.most if one.name and one.reactions > 1][:NAMED],
        "kept": _kept(reactors),
        "viewed": _viewed(facts.viewed, reactors.spread),
        "given": _given(facts.given),
    }


def _effective(spread: Spread) -> float | None:
    return effective_people(spread.acts, spread.pairs)


def _told(spread: Spread) -> int | None:
    """The number of effective people that may be told.

    An audience is larger than what was seen of it: no sentence about these people carries that.
    """
    effective = _effective(spread)
    return round(effective) if effective and effective <= spread.people else None


def _word(effective: float | None) -> str:
    if effective is None or effective > BROAD_ABOVE:
        return "broad"
    return "focused" if effective < FOCUSED_BELOW else "mixed"


def _viewed(viewed: Spread | None, reacted: Spread) -> dict[str, Any] | None:
    """How views are spread, where that differs from reactions by more than chance."""
    if viewed is None or not tells(viewed) or viewed.people < VIEWERS_FROM:
        return None
    looking, reacting = (simpson(spread.acts, spread.pairs) for spread in (viewed, reacted))
    unsure = hypot(deviation(viewed), deviation(reacted))
    if abs(looking - reacting) <= SURE * unsure:
        return None
    less, more = sorted((looking, reacting))
    if more < TIMES * less:
        return None
    return {"wider": looking < reacting, "effective": _told(viewed)}


def _given(given: Spread | None) -> dict[str, Any] | None:
    """To how many the author's own reactions go; None for neither few nor many."""
    if given is None or not tells(given):
        return None
    word = _word(_effective(given))
    if word == "mixed":
        return None
    return {"word": word, "effective": _told(given), "reactions": given.acts}


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
