"""The other data sets: few figures each, of what the set can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import fmean

from sqlalchemy import func, select
from sqlmodel import Session

from digest.facts import Batch, counters
from digest.sections import estimate
from digest.stats.comparisons import holm, welch
from digest.stats.proportions import beta_prior
from tests.conversions import read
from tests.findings.figures import Figures, middle, of, percent
from tests.findings.told.deskdrop import milestones, usual
from tests.findings.weeks import Town


@dataclass
class Least:
    """What is said of people who follow along, before the mail's room is shared out."""

    said: list[Mapping[str, int]] = field(default_factory=list)

    def __call__(self, session: Session, batch: Batch) -> None:
        found = estimate.load(session, batch)
        built = filter(None, (estimate.build(facts, batch) for facts in found.values()))
        self.said += [one["people"] for one in built if one["people"]]


def stackexchange(look: Least) -> dict[str, Figures]:
    return {
        "estimate": {
            "“at least about N people” could be said": f"{len(look.said)}",
            "people who reacted in four weeks, median": middle([one["seen"] for one in look.said]),
            "N, median": middle([one["least"] for one in look.said]),
        }
    }


def dev_to(town: Town) -> dict[str, Figures]:
    best = {"the best week": milestones(town)["the best week"]}
    return {"usual": usual(town), "milestones": best}


def youtube(town: Town) -> dict[str, Figures]:
    with town.database.reading() as session:
        first = session.scalar(select(func.sum(counters.c.views)).where(_FIRST))
    return {
        "headline": {
            "views gained in five weeks": f"{sum(s['views'] for _, s in town.said('headline')):,}",
            "views of first readings, which are no week's": f"{first:,}",
        }
    }


_FIRST = counters.c.views_gain.is_(None) & counters.c.views.is_not(None)


def page(data: Path) -> dict[str, Figures]:
    """By the page's own four types, with the statistics of the section: lifetime figures."""
    rows = read(data / "facebook_page_posts_2014" / "dataset_Facebook.csv", ";")
    posts = [(row["Type"], int(row["Engaged_Users"]), int(row["T_Reach"])) for row in rows]
    prior = beta_prior([(engaged, reach) for _, engaged, reach in posts])
    assert prior
    rates: dict[str, list[float]] = {}
    for kind, engaged, reach in posts:
        rates.setdefault(kind, []).append(prior.shrink(engaged, reach))
    pairs = list(combinations(sorted(rates), 2))
    sure = holm([welch(rates[a], rates[b]) for a, b in pairs])
    differ = [f"{a}/{b}" for (a, b), p in zip(pairs, sure, strict=True) if p < 0.05]
    return {
        "kinds": {
            f"{kind}, {len(rates[kind])} posts: response rate": percent(fmean(rates[kind]))
            for kind in sorted(rates)
        }
        | {"pairs that differ (Welch, Holm)": ", ".join(differ)}
    }


def news(town: Town) -> dict[str, Figures]:
    said = [s for _, s in town.said("so_far")]
    several = [s["posts"] for s in said if s["number"] > 1]
    tied = sum(first["reactions"] == second["reactions"] for first, second, *_ in several)
    return {
        "so_far": {
            "authors with one post": of(sum(s["number"] == 1 for s in said), len(said)),
            "authors whose two best posts are level": of(tied, len(several)),
        }
    }


def publications(town: Town) -> dict[str, Figures]:
    claps = [s["reactions"] for _, s in town.said("headline")]
    return {"headline": {"claps and responses of the last day's posts": f"{sum(claps):,}"}}
