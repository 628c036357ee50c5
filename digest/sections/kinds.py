"""Which kinds of posts were responded to (F7): over eight weeks, by rates of whole posts.

A kind's rate is the mean of its posts' shrunk rates, and kinds are compared by Welch's t test on
those rates: pooling the viewers of several posts would see a difference in a quarter to half of
all cases in which there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from statistics import fmean, median
from typing import Any, Literal

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.estimates import FOLLOWERS_FROM
from digest.facts.following import INSTANTS, followers_at
from digest.facts.history import told_lately
from digest.facts.judgements import HOURS, Career, Judged, Priors, careers, priors, site_priors
from digest.facts.sorting import Sorted, sort
from digest.kinds import Kind, Traits, traits
from digest.sections import Section
from digest.sections.new_posts import OWN_PRIOR_FROM
from digest.stats.comparisons import holm, welch

WEEKS = 8
SHOWN_FROM, COMPARED_FROM = 3, 5
"""A kind is shown with so many posts, and compared with others with so many."""
KINDS_FROM = 2
"""One kind alone is no answer to which."""
SURE = 0.05
TRAIT_FROM = 2
"""A tip needs so many posts with its trait."""
HASHTAGS = 3
REACH_FROM = 10
"""A typical reach of fewer people is not told."""
LEAST_SHOWN = 0.05
"""Of a hundred; a rate below this would be written as zero."""

Unit = Literal["people", "views"]


@dataclass(frozen=True, slots=True)
class Rated:
    """A post of the eight weeks: its rate, reach, the author's followers, and what it is."""

    rate: float
    reach: int | None
    followers: int | None
    kind: Kind
    guessed: bool
    traits: Traits


@dataclass(frozen=True, slots=True)
class Facts:
    """One author's rated posts, newest first; rates are per person reached or per view.

    ``again``: an earlier mail told of some of the same weeks.
    """

    unit: Unit
    posts: tuple[Rated, ...]
    again: bool = False


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """Authors with enough judged posts to show two kinds."""
    since = batch.window.end - timedelta(weeks=WEEKS, hours=HOURS)
    chosen = {
        user: (unit, posts)
        for user, career in batch.fact(session, careers).items()
        for unit, posts in [_of_one_unit(career, since)]
        if len(posts) >= KINDS_FROM * SHOWN_FROM
    }
    if not chosen:
        return {}
    authors, ids = list(chosen), [post.id for _, posts in chosen.values() for post in posts]
    words = sort(session, authors, ids)
    authors = [user for user in authors if _tells([words[p.id].kind for p in chosen[user][1]])]
    if not authors:
        return {}
    site = site_priors(session, batch)
    weeks = [since + timedelta(weeks=n) for n in range(INSTANTS)]
    followers = followers_at(session, authors, weeks)
    judged = batch.fact(session, careers)
    again = told_lately(session, batch, SECTION.name, WEEKS - 1)
    return {
        user: Facts(
            unit,
            _rated(posts, _rates(unit, judged[user], site), words, followers.get(user), since),
            user in again,
        )
        for user in authors
        for unit, posts in [chosen[user]]
    }


def _tells(found: list[Kind]) -> bool:
    """Whether there are enough kinds of which there are enough posts."""
    return sum(number >= SHOWN_FROM for number in Counter(found).values()) >= KINDS_FROM


def _of_one_unit(career: Career, since: datetime) -> tuple[Unit, list[Judged]]:
    """The posts of the eight weeks that have a rate, of the kind of rate that most of them have."""
    late = [post for post in career.judged if post.published_at >= since]
    people = [post for post in late if post.audience and post.engagers is not None]
    counted = [post for post in late if post.views and post.reach is None and post not in people]
    return ("people", people) if len(people) >= len(counted) else ("views", counted)


_Rate = Callable[[Judged], float | None]


def _rates(unit: Unit, career: Career, site: Priors) -> _Rate:
    """A post's rate, drawn to the author's usual, or the site's; None where no prior can be had."""
    having = [
        post
        for post in career.judged
        if (post.audience and post.engagers is not None if unit == "people" else post.views)
    ]
    prior = priors(career.judged) if len(having) >= OWN_PRIOR_FROM else site

    def rate(post: Judged) -> float | None:
        if unit == "people":
            if prior.response is None or post.engagers is None or not post.audience:
                return None
            return prior.response.shrink(post.engagers, post.audience)
        if prior.per_view is None or not post.views:
            return None
        return prior.per_view.shrink(post.reactions, post.views)

    return rate


def _rated(
    posts: list[Judged],
    rate: _Rate,
    words: Mapping[str, Sorted],
    followers: list[int] | None,
    since: datetime,
) -> tuple[Rated, ...]:
    """The posts with their rates; followers are those of the week in which each was published."""
    rated = []
    for post in posts:
        rating, said = rate(post), words[post.id]
        if rating is None:
            continue
        week = (post.published_at - since) // timedelta(weeks=1)
        rated.append(
            Rated(
                rating,
                post.reach,
                followers[min(week, INSTANTS - 1)] if followers else None,
                said.kind,
                said.chosen is None and said.told is None,
                traits(said.title, said.text),
            )
        )
    return tuple(rated)


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """The kinds with enough posts, the surest difference between two, and at most one tip."""
    del batch  # eight weeks are eight weeks
    by_kind: dict[Kind, list[Rated]] = {}
    for post in facts.posts:
        by_kind.setdefault(post.kind, []).append(post)
    shown = {
        kind: posts
        for kind in Kind
        if len(posts := by_kind.get(kind, [])) >= SHOWN_FROM
        and 100 * fmean(post.rate for post in posts) >= LEAST_SHOWN
    }
    if len(shown) < KINDS_FROM:
        return None
    rows = [_row(kind, posts) for kind, posts in shown.items()]
    return {
        "weeks": WEEKS,
        "unit": facts.unit,
        "kinds": sorted(rows, key=lambda row: -row["posts"]),
        "compared": sum(len(posts) >= COMPARED_FROM for posts in shown.values()) >= KINDS_FROM,
        "better": _better(shown),
        "guessed": any(post.guessed for posts in shown.values() for post in posts),
        "tip": _tip([post.traits for post in facts.posts]),
        "again": facts.again,
    }


def _row(kind: Kind, posts: list[Rated]) -> dict[str, Any]:
    """A kind's figures; reach, or its share of followers, where enough posts have it."""
    reach = [post.reach for post in posts if post.reach is not None]
    shares = [
        post.reach / post.followers
        for post in posts
        if post.reach is not None and post.followers and post.followers >= FOLLOWERS_FROM
    ]
    typical = round(median(reach)) if len(reach) >= SHOWN_FROM else 0
    told = typical >= REACH_FROM
    return {
        "kind": kind.value,
        "posts": len(posts),
        "per_hundred": 100 * fmean(post.rate for post in posts),
        "reach": typical if told else None,
        "share": median(shares) if told and len(shares) >= SHOWN_FROM else None,
    }


def _better(shown: Mapping[Kind, list[Rated]]) -> dict[str, str] | None:
    """The surest of the differences that hold when all pairs are looked at; mostly none."""
    rates = {
        kind: [post.rate for post in posts]
        for kind, posts in shown.items()
        if len(posts) >= COMPARED_FROM
    }
    pairs = list(combinations(rates, 2))
    adjusted = holm([welch(rates[a], rates[b]) for a, b in pairs])
    p, first, second = min(
        ((p, a, b) for p, (a, b) in zip(adjusted, pairs, strict=True)),
        default=(1.0, Kind.THOUGHT, Kind.THOUGHT),
        key=lambda found: found[0],
    )
    if p >= SURE:
        return None
    if fmean(rates[first]) < fmean(rates[second]):
        first, second = second, first
    return {"kind": first.value, "than": second.value}


def _tip(found: list[Traits]) -> str | None:
    """The trait that most posts have; of equals the first."""
    seen: dict[str, int] = {}
    for post in found:
        for link in post.links:
            seen[link] = seen.get(link, 0) + 1
    having = {
        "contribute": sum(post.bare for post in found),
        "syntax": sum(post.hashtags >= HASHTAGS for post in found),
        "old-news": sum(any(seen[link] > 1 for link in post.links) for post in found),
    }
    trait = max(having, key=having.__getitem__)
    return trait if having[trait] >= TRAIT_FROM else None


def worth(data: dict[str, Any]) -> float:
    """Much where a difference is sure, some for a tip; a bare list of rates says little."""
    return 0.6 if data["better"] else 0.3 if data["tip"] else 0.2


def news(data: dict[str, Any]) -> float:
    """A sure difference, where no mail told one of the same weeks: it would be much the same."""
    return 0.4 if data["better"] and not data["again"] else 0.0


SECTION = Section(
    "kinds",
    46,
    load,
    build,
    label="Which kinds of posts were responded to",
    figures=True,
    calm=False,
    worth=worth,
    news=news,
)
