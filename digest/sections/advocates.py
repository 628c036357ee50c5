"""Who keeps coming back to a brand's posts (F14); for the accounts that ``BRAND_ACCOUNTS`` names.

Ranked by what people did in public, week after week: no score, no number of followers. It names
nobody's address and leads to nobody: that they react says nothing of wanting to be approached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from digest import window
from digest.database import fetch, once
from digest.facts import Batch, posts, reactions, span, views, within
from digest.facts.history import LATELY
from digest.facts.reactors import Reactor, all_reactors
from digest.facts.reposts import sources
from digest.models import NOBODY
from digest.sections import Section
from digest.window import Window

SHOWN = 5
WEEKS_FROM = 3
"""In so many of the eight weeks somebody must have reacted."""
VIEWERS_FROM = 10
"""Fewer people than this are not told of: of so few one could guess who."""


@dataclass(frozen=True, slots=True)
class Advocates:
    """A brand's most faithful reactors, and how many viewers the reposts of each brought."""

    faithful: list[Reactor]
    viewers: Mapping[str, int]


def load(session: Session, batch: Batch) -> dict[str, Advocates]:
    """Of the brands of the batch only; no query where there is none."""
    brands = batch.brands & {*batch.users}
    if not brands:
        return {}
    found = batch.fact(session, all_reactors)
    asked = [brand for brand in batch.users if brand in brands and brand in found]
    first = window.week(batch.period.shift(1 - LATELY), batch.tz).start
    lately = Window(first, batch.window.end)
    brought: dict[str, dict[str, int]] = defaultdict(dict)
    for brand, reposter, viewers in fetch(session, _BROUGHT, users=asked, **span(lately)):
        if reposter is not None:
            brought[brand][reposter] = viewers
    return {brand: Advocates(found[brand].faithful, brought[brand]) for brand in asked}


def build(advocates: Advocates, batch: Batch) -> dict[str, Any] | None:
    """Up to five people, the most faithful first; None where nobody came in three weeks."""
    viewers = advocates.viewers
    people = [
        one
        for one in advocates.faithful
        if one.name and one.weeks >= WEEKS_FROM and one.id not in batch.brands
    ]
    people.sort(key=lambda one: (-one.weeks, -one.posts, -viewers.get(one.id, 0), one.id))
    if not people:
        return None
    return {"people": [_told(one, viewers.get(one.id, 0)) for one in people[:SHOWN]]}


def _told(one: Reactor, viewers: int) -> dict[str, Any]:
    return {
        "name": one.name,
        "weeks": one.weeks,
        "posts": one.posts,
        "viewers": viewers if viewers >= VIEWERS_FROM else None,
    }


# --- viewers by way of reposts -------------------------------------------------------------------

_CAME = once(
    within(views, views.c.post_id, views.c.viewer_id, views.c.at).where(
        views.c.via == "repost",
        views.c.viewer_id != NOBODY,
        views.c.viewer_id != posts.c.author_id,
    ),
    "came",
)
_SOURCES = sources(_CAME, reactions.c.actor_id != NOBODY)
_VIA = select(
    _SOURCES.c.author_id,
    _SOURCES.c.viewer_id,
    func.coalesce(_SOURCES.c.followed, _SOURCES.c.only).label("reposter"),
).subquery()
_BROUGHT = select(
    _VIA.c.author_id, _VIA.c.reposter, func.count(_VIA.c.viewer_id.distinct())
).group_by(_VIA.c.author_id, _VIA.c.reposter)
"""A view by way of a repost is the latest reposter's whom the viewer follows or, where they follow
none of them, the only reposter's there was; else nobody's."""


def worth(said: dict[str, Any]) -> float:
    """The more people there are, up to five: whoever runs a brand's account asked for them."""
    return float(0.3 + 0.06 * len(said["people"]))


SECTION = Section(
    "advocates", 66, load, build, label="Who keeps coming back to your posts", worth=worth
)
