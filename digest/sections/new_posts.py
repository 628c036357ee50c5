"""New posts at equal age (F2) against the author's usual (F3).

Three boards: most seen, best received (shrunk, never a raw rate) and started most talk. A post is
listed once, with every board it leads; a lone new post leads nothing, it is only compared with
earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.judgements import (
    HOURS,
    OUTSTANDING,
    Career,
    Judged,
    Priors,
    careers,
    priors,
    site_priors,
)
from digest.facts.weeks import AuthorWeek, author_weeks
from digest.sections import Section
from digest.sections.top_posts import EXCERPT
from digest.stats.proportions import wilson
from digest.text import clean

SHOWN = 3
OWN_PRIOR_FROM = 8
"""Fewer posts than this say too little about an author: the site's then speak for them."""
RATED_FROM = 20
"""Of fewer people (or views, where they are all that is known) no rate is called the best."""
TALK_FROM = 2
"""So many people must have replied: one alone is no talk."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One author's judged posts, the site's habits, and which posts the mail shows already."""

    career: Career
    site: Priors
    shown: frozenset[str]


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """The authors of whom a post completed the age of comparison this week."""
    found = {user: c for user, c in batch.fact(session, careers).items() if c.new}
    if not found:
        return {}
    site = site_priors(session, batch)
    weeks = batch.fact(session, author_weeks)
    return {
        user: Facts(career, site, frozenset(p.id for p in weeks.get(user, AuthorWeek()).top))
        for user, career in found.items()
    }


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """Up to three new posts with their boards; None where nobody is known to have seen any."""
    career = facts.career
    new = sorted((post for post in career.new if post.views or post.reactions), key=_seen)
    if not new:
        return None
    rate = _rates(facts)
    leaders = _leaders(new, rate)
    listed = sorted(new, key=lambda post: (post.id not in leaders, _seen(post)))[:SHOWN]
    listed.sort(key=_seen)
    entries = [_entry(post, facts, batch, leaders.get(post.id, []), rate) for post in listed]
    told = [one for one in entries if not one["shown"] or one["boards"] or one["rank"]]
    return {
        "hours": HOURS,
        "posts": told or entries,
        "number": len(new),
        "waiting": career.waiting,
        "adds": bool(told),
    }


def _seen(post: Judged) -> tuple[Any, ...]:
    """Most seen first: by reach, or views where people are unknown; ties: engagers, newer, id."""
    acts = post.reactions if post.engagers is None else post.engagers
    return (-_count(post), -acts, -post.published_at.timestamp(), post.id)


def _count(post: Judged) -> int:
    return (post.views if post.reach is None else post.reach) or 0


def _seen_by(post: Judged) -> int:
    """People, or views where the rate is one per view."""
    return (post.views if post.engagers is None else post.audience) or 0


_Rate = Callable[[Judged], float | None]


def _rates(facts: Facts) -> _Rate:
    """How well a post was received, shrunk towards the author's usual, or the site's."""
    judged = facts.career.judged
    own = priors(judged)
    # So many as each prior is made of: see priors.
    known = sum(1 for post in judged if post.audience and post.engagers is not None)
    viewed = sum(1 for post in judged if post.views)
    response = own.response if known >= OWN_PRIOR_FROM else facts.site.response
    per_view = own.per_view if viewed >= OWN_PRIOR_FROM else facts.site.per_view

    def rate(post: Judged) -> float | None:
        if post.audience and post.engagers is not None:
            if response is not None:
                return response.shrink(post.engagers, post.audience)
            if post.audience >= RATED_FROM:
                return wilson(post.engagers, post.audience).low
            return None
        if post.views and post.reactions and per_view is not None:
            return per_view.shrink(post.reactions, post.views)
        return None

    return rate


def _leaders(new: list[Judged], rate: _Rate) -> dict[str, list[str]]:
    """Which post leads which board; a board needs somebody to be ahead of."""
    if len(new) < 2:
        return {}
    leaders: dict[str, list[str]] = {new[0].id: ["most_seen"]} if _count(new[0]) else {}
    # A rate among viewers and a rate per view are different things: one board compares one kind.
    people = [post for post in new if post.audience and post.engagers is not None]
    among_people = {post.id for post in people}
    counted = [post for post in new if post.id not in among_people]
    rivals = [post for post in (people if len(people) >= len(counted) else counted) if rate(post)]
    responded = [post for post in rivals if post.reactions and _seen_by(post) >= RATED_FROM]
    if len(rivals) > 1 and responded:
        best = min(responded, key=lambda post: (-(rate(post) or 0.0), _seen(post)))
        leaders.setdefault(best.id, []).append("best_received")
    talked = min(new, key=lambda post: (-post.talkers, _seen(post)))
    if talked.talkers >= TALK_FROM:
        leaders.setdefault(talked.id, []).append("most_talk")
    return leaders


def _entry(
    post: Judged, facts: Facts, batch: Batch, boards: list[str], rate: _Rate
) -> dict[str, Any]:
    received = rate(post) if post.reactions else None
    proportion = bool(post.audience) and post.engagers is not None
    rank = facts.career.rank(post.id)
    return {
        "id": post.id,
        "title": post.title,
        "excerpt": clean(post.text, EXCERPT),
        "url": post.url,
        "published": batch.day(post.published_at),
        "shown": post.id in facts.shown,
        "boards": boards,
        "reach": post.reach,
        "views": post.views,
        "engagers": post.engagers,
        "reactions": post.reactions,
        "rate": received if proportion else None,
        "per_hundred": None if proportion or received is None else 100 * received,
        "talkers": post.talkers,
        "times": facts.career.times_usual(post.id),
        "rank": rank and {"place": rank, "of": 10},
    }


def worth(s: dict[str, Any]) -> float:
    """Each new post enters one digest only; one that stands out must not be missed.

    Nothing where all it could say is that posts of the main list are new.
    """
    if not s.get("adds", True):
        return 0.0
    return 0.9 if any((post["times"] or 0) >= OUTSTANDING for post in s["posts"]) else 0.7


SECTION = Section(
    "new_posts",
    40,
    load,
    build,
    label="New posts in their first 48 hours",
    figures=True,
    calm=False,
    worth=worth,
    repeats=False,
)
