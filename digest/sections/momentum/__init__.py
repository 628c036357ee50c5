"""How the author's posts travelled (F8): through whom, for how long, and how it began.

Four parts, each in a file of its own and each silent where its guards forbid: people who came
through others, a post that picked up again, one that is still growing, and what an early response
went with. All say what happened one after the other, and none says why.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlmodel import Session

from digest.facts import Batch
from digest.sections import Section
from digest.sections.momentum import carrying, early, growing, winds


class Facts(NamedTuple):
    """What each part found about one author; None: nothing."""

    carried: carrying.Carried | None
    wind: winds.Wind | None
    grown: list[growing.Growth] | None
    starts: list[early.Start] | None


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """The parts' facts, by author."""
    carried, wind = carrying.load(session, batch), winds.load(session, batch)
    grown, starts = growing.load(session, batch), early.load(session, batch)
    return {
        user: Facts(carried.get(user), wind.get(user), grown.get(user), starts.get(user))
        for user in carried.keys() | wind.keys() | grown.keys() | starts.keys()
    }


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """What each part has to say; None where none has."""
    told = {
        "carried": facts.carried and carrying.build(facts.carried, batch),
        "picked_up": facts.wind and winds.build(facts.wind, batch),
        "growing": facts.grown and growing.build(facts.grown, batch),
        "early": facts.starts and early.build(facts.starts, batch),
    }
    return told if any(told.values()) else None


def worth(said: dict[str, Any]) -> float:
    """By the part that says most: what happened to one post before what holds in general.

    A second wind 0.75, a post that grows 0.65, an early response 0.55; people who came through
    others from 0.3 to 0.6 with their share, 0.1 more where somebody is named.
    """
    worths = [0.0]
    worths += [0.75] if said["picked_up"] else []
    worths += [0.65] if said["growing"] else []
    worths += [0.55] if said["early"] else []
    carried = said["carried"]
    if carried:
        share = carried["people"] / carried["of"]
        worths.append(0.3 + 0.3 * share + (0.1 if carried["reposter"] else 0.0))
    return max(worths)


def news(said: dict[str, Any]) -> float:
    """Only what happened to one post can be a subject: 0.6 if it picked up, 0.5 if it grows."""
    return 0.6 if said["picked_up"] else 0.5 if said["growing"] else 0.0


SECTION = Section(
    "momentum",
    45,
    load,
    build,
    label="How your posts travelled",
    figures=True,
    calm=False,
    worth=worth,
    news=news,
)
