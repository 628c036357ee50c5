"""Deskdrop: half a year of views and reactions by person, at thirty made-up desks."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import median
from typing import Any

from sqlalchemy import func, select, union
from sqlmodel import Session

from digest.database import fetch
from digest.facts import Batch, posts, reactions, views, within
from digest.facts.estimates import PEOPLE_DAYS, reactors
from digest.facts.followers import followings
from digest.facts.judgements import Career, careers, judged, priors
from digest.facts.presence import presences
from digest.sections import audience, estimate, focus, hours
from digest.sections.momentum import early
from digest.stats.ranges import Logged, coverage, explained, learn
from digest.stats.ranks import spearman, spearman_interval
from digest.stats.unseen import chao1
from tests.findings.figures import Figures, middle, of, percent
from tests.findings.weeks import Town

LEARNT = 0.7
RESAMPLES = 200
_PEOPLE = (
    within(views, views.c.viewer_id.label("person")),
    within(reactions, reactions.c.actor_id.label("person")),
)
_both = union(*_PEOPLE).subquery()
_KNOWN = select(_both.c.author_id, func.count(_both.c.person.distinct())).group_by(
    _both.c.author_id
)
_PUBLISHED = select(posts.c.id, posts.c.published_at)


@dataclass
class Look:
    """What each week's facts say before the mail's room is shared out."""

    focus: list[dict[str, Any]] = field(default_factory=list)
    hours: list[dict[str, Any]] = field(default_factory=list)
    regulars: list[int] = field(default_factory=list)
    silent: int = 0
    looked_at: int = 0
    times: list[float] = field(default_factory=list)
    comparable: int = 0
    least: list[tuple[int, float, int]] = field(default_factory=list)

    def __call__(self, session: Session, batch: Batch) -> None:
        found = focus.load(session, batch)
        self.focus += filter(None, (focus.build(one, batch) for one in found.values()))
        around = batch.fact(session, presences)
        self.hours += filter(None, (hours.build(one, batch) for one in around.values()))
        for following in batch.fact(session, followings).values():
            said = audience._regulars(following)
            self.regulars += [said["people"]] if said else []
        facts = audience.load(session, batch)
        for user, career in batch.fact(session, careers).items():
            self._judge(career)
            self.silent += sum(post.id in facts[user].silent for post in career.new)
        self._estimate(session, batch)

    def _judge(self, career: Career) -> None:
        for post in career.new:
            self.looked_at += (post.reach or 0) >= 10
            _, earlier = career._against_earlier(post.id, 20)
            self.comparable += len(earlier) >= 8 and median(earlier) >= 10
            times = career.times_usual(post.id)
            self.times += [times] if times else []

    def _estimate(self, session: Session, batch: Batch) -> None:
        end = batch.window.end
        span = {"start": end - timedelta(days=PEOPLE_DAYS), "end": end}
        known = dict(fetch(session, _KNOWN, users=batch.users, **span))
        for user, seen in reactors(session, batch.users, end).items():
            said = estimate._people(*seen)
            if said:
                self.least.append((said["least"], chao1(*seen).estimate, known[user]))


def figures(town: Town, look: Look) -> dict[str, Figures]:
    """By section."""
    return {
        "usual": usual(town),
        "top_posts": {
            "the first post's share of the week's views, median": percent(
                median(s["posts"][0]["share"] for _, s in town.said("top_posts"))
            )
        },
        **_each_week(look),
        "milestones": milestones(town),
        **_all_posts(town),
    }


def usual(town: Town) -> Figures:
    """Verdicts, and what a bare percentage would have called a change."""
    verdicts: Counter[str] = Counter()
    by_user: dict[str, list[bool]] = defaultdict(list)
    counts = {(m.user, m.period): s[s["metric"]] for m, s in town.said("headline") if s["metric"]}
    jumps, pairs = 0, 0
    for mail, said in town.said("usual"):
        if not said["verdict"]:
            continue
        verdicts[said["verdict"]] += 1
        by_user[mail.user].append(said["verdict"] == "within")
        before = counts.get((mail.user, _before(mail.start)))
        if before:
            pairs += 1
            now = counts[mail.user, mail.period]
            jumps += abs(now - before) >= 0.25 * before
    total = verdicts.total()
    return {
        "weeks within the usual range": of(verdicts["within"], total),
        "“more than usual”": of(verdicts["above"], total),
        "“fewer than usual”": of(verdicts["below"], total),
        "an author's weeks within it, median": percent(
            median(sum(them) / len(them) for them in by_user.values())
        ),
        "the same weeks, 25 % or more off the week before": of(jumps, pairs),
    }


def _before(start: datetime) -> str:
    year, week, _ = (start - timedelta(days=3)).isocalendar()
    return f"{year}-W{week:02}"


def _each_week(look: Look) -> dict[str, Figures]:
    words = Counter(said["word"] for said in look.focus)
    effective = [said["effective"] for said in look.focus if said["effective"]]
    best = [said["times"][0] for said in look.hours]
    office = sum(time["weekday"] < 5 and 11 <= time["from"] < 21 for time in best)
    held = sum(least <= known for least, _, known in look.least)
    point = sum(guess <= known for _, guess, known in look.least)
    return {
        "new_posts": {
            "posts at 1.5 times their author's usual or more": of(len(look.times), look.comparable)
        },
        "focus": {
            f"“{word}”": of(words[word], len(look.focus)) for word in ("focused", "mixed", "broad")
        }
        | {"effective people, median": middle(effective)},
        "hours": {"the best time is on a weekday, 8–18 o'clock in Brazil": of(office, len(best))},
        "audience": {
            "weeks with ten regulars or more": f"{len(look.regulars)}",
            "posts that ten people saw and nobody reacted to": of(look.silent, look.looked_at),
        },
        "estimate": {
            "“at least about N”: N is not above the people known": of(held, len(look.least)),
            "the same of the estimate itself": of(point, len(look.least)),
            "N ÷ people known, median": percent(
                median(least / known for least, _, known in look.least)
            ),
        },
    }


def milestones(town: Town) -> Figures:
    """How often each kind is told."""
    kinds = Counter(one["kind"] for _, s in town.said("milestones") for one in s["reached"])
    named = {
        "first_views": "the first views",
        "round_number": "a round number",
        "best_week": "the best week",
        "streak": "weeks in a row",
    }
    return {label: f"{kinds[kind]}" for kind, label in named.items()}


def _all_posts(town: Town) -> dict[str, Figures]:
    """Every post of the year at 48 hours, whoever its author: what holds of the site."""
    with town.database.reading() as session:
        published = dict(fetch(session, _PUBLISHED))
        all_ = judged(session, published)
        viewers = dict(fetch(session, early._VIEWERS, posts=list(published)))
        engagers = dict(fetch(session, early._ENGAGERS, posts=list(published)))
        people = session.scalar(select(func.count(views.c.viewer_id.distinct())))
    all_ = [post for post in all_ if post.reach is not None and post.engagers is not None]
    all_.sort(key=lambda post: (post.published_at, post.id))
    first = [engagers.get(post.id, 0) for post in all_]
    gained = [(post.reach or 0) - viewers.get(post.id, 0) for post in all_]
    draw = Random(2016)
    resamples = [draw.choices(range(len(all_)), k=len(all_)) for _ in range(RESAMPLES)]
    limits = spearman_interval(first, gained, resamples)
    prior = priors(all_).response
    assert prior
    assert people
    sample = [Logged(post.engagers or 0, post.reach or 0, people) for post in all_]
    older, newer = sample[: int(LEARNT * len(sample))], sample[int(LEARNT * len(sample)) :]
    ranges = learn(older)
    assert ranges
    r2 = explained(ranges, newer)
    buckets = {
        f"range of people, {_reactors(bucket.floor, following)}": (
            f"{bucket.low * people:.1f} – {bucket.high * people:.1f}"
        )
        for bucket, following in pairwise([*ranges.buckets, None])
        if bucket
    }
    return {
        "posts": {
            "posts judged at 48 hours": f"{len(all_):,}",
            "people in 48 hours, median": middle([post.reach or 0 for post in all_]),
            "response rate of all": percent(prior.mean),
            "weight of the prior, in people": f"{prior.weight:.1f}",
        },
        "momentum": {
            "early responses and people gained, Spearman": f"{spearman(first, gained):.3f}",
            "its 95 % interval": f"{limits.low:.3f} – {limits.high:.3f}",
            "people gained, with an early response, median": middle(
                [n for n, k in zip(gained, first, strict=True) if k]
            ),
            "people gained, without, median": middle(
                [n for n, k in zip(gained, first, strict=True) if not k]
            ),
        },
        "ranges": buckets
        | {
            "later posts within their 90 % range": of(
                round(coverage(ranges, newer) * len(newer)), len(newer)
            ),
            "R² of ln(1 + people)": f"{r2:.2f}",
        },
    }


def _reactors(floor: int, following: Any) -> str:
    if following is None:
        return f"{floor} or more reacted"
    last = following.floor - 1
    return f"{floor} reacted" if last == floor else f"{floor}–{last} reacted"
