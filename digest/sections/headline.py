"""How many people saw the author's posts this week (F1), and the shape of the week."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.weeks import AuthorWeek, author_weeks
from digest.sections import Section


def load(session: Session, batch: Batch) -> dict[str, AuthorWeek]:
    """Each author's week."""
    return batch.fact(session, author_weeks)


def build(week: AuthorWeek, batch: Batch) -> dict[str, Any] | None:
    """The week's totals; None for a week without views and reactions."""
    if not week.known:
        return None
    new = week.new_people
    return {
        "metric": week.metric,
        "reach": week.reach,
        "views": week.views,
        "reactions": week.reactions,
        "reactors": week.reactors,
        "new_people": new if new and week.reach and new < week.reach else None,
        "posts": week.active,
        "days": week.days
        and [
            {"date": (batch.period.monday + timedelta(days=n)).isoformat(), "count": count}
            for n, count in enumerate(week.days)
        ],
    }


SECTION = Section(
    "headline", 10, load, build, label="How many people saw your posts", figures=True, calm=False
)
