"""What happened for the first time, or not for long: each is told once, in the week it happened.

Four kinds, each in a file of its own: the first views of all, the first post over a round number of
people, the best week for a long time, and weeks in a row with a post. What ended is not mentioned.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlmodel import Session

from digest.facts import Batch
from digest.sections import Section
from digest.sections.milestones import best_weeks, first_views, round_numbers, streaks

SHOWN = 3
SUBJECT_FROM = 0.6
"""What is rarer than this can be the subject of the mail."""


class Facts(NamedTuple):
    """What each kind found about one author; None: nothing."""

    seen: int | None
    record: round_numbers.Record | None
    weeks: best_weeks.Weeks | None
    streak: streaks.Row | None


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """The facts of each kind, by author."""
    seen, records = first_views.load(session, batch), round_numbers.load(session, batch)
    weeks, runs = best_weeks.load(session, batch), streaks.load(session, batch)
    return {
        user: Facts(seen.get(user), records.get(user), weeks.get(user), runs.get(user))
        for user in seen.keys() | records.keys() | weeks.keys() | runs.keys()
    }


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """Up to three, the rarest first, each with its ``rarity`` from 0 to 1."""
    told = [
        facts.seen and first_views.build(facts.seen, batch),
        facts.record and round_numbers.build(facts.record, batch),
        facts.weeks and best_weeks.build(facts.weeks, batch),
        facts.streak and streaks.build(facts.streak, batch),
    ]
    reached = sorted((one for one in told if one), key=lambda one: -one["rarity"])
    return {"reached": reached[:SHOWN]} if reached else None


def worth(said: dict[str, Any]) -> float:
    """The rarity of the rarest, which each kind states."""
    return float(said["reached"][0]["rarity"])


def news(said: dict[str, Any]) -> float:
    """The same, but what many authors reach in many weeks is no subject."""
    rarest = worth(said)
    return rarest if rarest >= SUBJECT_FROM else 0.0


SECTION = Section(
    "milestones",
    35,
    load,
    build,
    label="Milestones",
    figures=True,
    calm=False,
    worth=worth,
    repeats=False,
    news=news,
)
