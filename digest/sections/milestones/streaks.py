"""Weeks in a row with at least one post, told when they make a round number.

Where no mail went out in that week the next one tells it, if the row goes on. Nothing is
said of one that ended, nor of how long it has to go on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.mailed import weeks_since_mail
from digest.facts.regularity import WEEKS, posted, regularity

RARITY = {3: 0.3, 5: 0.4, 10: 0.5, 25: 0.7, 50: 0.8, 100: 0.9}
"""The numbers of weeks that are told."""


class Row(NamedTuple):
    """So many weeks in a row, this one the last; ``since`` weeks ago was the author's last mail."""

    weeks: int
    since: int = 1


def load(session: Session, batch: Batch) -> dict[str, Row]:
    """How many weeks in a row, this one the last, each author posted in."""
    lately = batch.fact(session, regularity)
    weeks = {user: own.streak for user, own in lately.items() if own.this_week}
    # Half a year further than the highest: who has not had a mail for as long has had none.
    for before in range(WEEKS, max(RARITY) + WEEKS, WEEKS):
        unbroken = [user for user, row in weeks.items() if row == before]
        if not unbroken:
            break
        for user, own in posted(session, batch, unbroken, before).items():
            weeks[user] += own.streak
    since = batch.fact(session, weeks_since_mail) if weeks else {}
    return {user: Row(row, since.get(user, 1)) for user, row in weeks.items()}


def build(row: Row, batch: Batch) -> dict[str, Any] | None:
    """The row, if it reached one of the told numbers since the last mail."""
    del batch  # the same in any week
    reached = [weeks for weeks in RARITY if row.weeks - row.since < weeks <= row.weeks]
    if not reached:
        return None
    return {"kind": "streak", "rarity": RARITY[reached[-1]], "weeks": row.weeks}
