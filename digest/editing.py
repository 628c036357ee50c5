"""Which parts make one mail: the few that have most to say, and whose fact is its subject. Pure.

A mail with everything would be a wall. What every mail is built on always stands: the headline and
the posts first, one thing to do last. The other sections compete for what room is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from digest.facts.judgements import OUTSTANDING
from digest.sections import Section

ROOM = 5
"""Sections of one mail, the headline and the posts among them."""
UNCOUNTED = frozenset({"usual", "next"})
"""A sentence of the headline's, and the step that closes every mail."""
LEAST = 0.2
"""What says less than this is left out even where there is room."""

Told = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A section that had something to say and no fixed place.

    ``worth`` is how much it has to say, ``weeks`` how long ago it was last shown (None: not in the
    weeks that are remembered), ``score`` what it competed with.
    """

    worth: float
    weeks: int | None
    score: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Edited:
    """What stands in the mail, in its order; what competed; whose fact is the subject, if any's."""

    told: Told
    candidates: dict[str, Candidate]
    lead: str


def edit(told: Told, sections: Iterable[Section], shown: Mapping[str, int]) -> Edited:
    """Choose among what the sections told; ``shown`` is how many weeks ago each was last shown."""
    rivals = [section for section in sections if section.worth and section.name in told]
    if not rivals:
        return Edited(told, {}, "")
    scores = {section.name: _score(section, told, shown) for section in rivals}
    standing = told.keys() - scores.keys() - UNCOUNTED
    # At equal scores the one that comes first in the mail wins.
    ranked = sorted(scores, key=lambda name: -scores[name][1])
    chosen = {name for name in ranked if scores[name][1] >= LEAST}
    chosen &= set(ranked[: max(0, ROOM - len(standing))])
    candidates = {
        name: Candidate(worth, shown.get(name), score, name in chosen)
        for name, (worth, score) in scores.items()
    }
    kept = {name: s for name, s in told.items() if name not in scores or name in chosen}
    return Edited(kept, candidates, _lead(kept, rivals))


def _score(section: Section, told: Told, shown: Mapping[str, int]) -> tuple[float, float]:
    """What a section has to say, and what is left of that after having been shown lately."""
    assert section.worth is not None
    worth = min(1.0, max(0.0, section.worth(told[section.name])))
    weeks = shown.get(section.name)
    fresh = 1.0 if weeks is None or not section.repeats else 1 - 0.5**weeks
    return worth, worth * fresh


def _lead(kept: Told, rivals: Sequence[Section]) -> str:
    """The section with the strongest fact, if that is stronger than what every mail has to tell."""
    usual = _plain_news(kept)
    news = {s.name: s.news(kept[s.name]) for s in rivals if s.news and s.name in kept}
    best = max(news, key=lambda name: news[name], default="")
    return best if best and news[best] > usual else ""


def _plain_news(kept: Told) -> float:
    """How strong the week's own news are: a post far above its author's usual, or the totals."""
    if "quiet" in kept or "so_far" in kept:
        return 1.0
    posts = [p for name in ("top_posts", "new_posts") for p in kept.get(name, {}).get("posts", ())]
    times = max((post["times"] or 0 for post in posts if post["title"]), default=0)
    return min(0.9, 0.4 + times / 10) if times >= OUTSTANDING else 0.3
