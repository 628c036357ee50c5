"""Deskdrop by hand: sets and loops over the file's lines."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import exp, log, sqrt
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from tests.findings.by_hand import above_usual
from tests.findings.figures import Figures, middle, of, percent
from tests.findings.towns import DESKS, desk_events

HOUR, DAY, WEEK = 3600, 86400, 604800
START = int(datetime(2016, 3, 14, tzinfo=UTC).timestamp())
"""The Monday of 2016-W11."""


class Event(NamedTuple):
    at: int
    item: str
    person: str


class Desks:
    """The file's events without exact repeats, by item, and items by desk in order of time."""

    def __init__(self, data: Path) -> None:
        events = [
            (int(at.timestamp()), kind, item, person)
            for at, kind, item, person in desk_events(data)
        ]
        self.born: dict[str, int] = {}
        for at, _, item, _ in events:
            self.born.setdefault(item, at)
        self.desk = {item: n % DESKS for n, item in enumerate(self.born)}
        self.seen: dict[str, set[Event]] = defaultdict(set)
        self.acts: dict[str, set[tuple[int, str, str, str]]] = defaultdict(set)
        for at, kind, item, person in events:
            if kind == "VIEW":
                self.seen[item].add(Event(at, item, person))
            elif kind in {"LIKE", "COMMENT CREATED"}:
                self.acts[item].add((at, item, person, kind))
        self.items: list[list[str]] = [[] for _ in range(DESKS)]
        for item in sorted(self.born, key=lambda item: (-self.born[item], item)):
            self.items[self.desk[item]].append(item)
        self.views = [sorted(v for i in items for v in self.seen[i]) for items in self.items]
        self.reactions = [sorted(a for i in items for a in self.acts[i]) for items in self.items]
        self.at_two_days = {item: self._at_two_days(item) for item in self.born}

    def _at_two_days(self, item: str) -> tuple[int | None, int, int]:
        """People, engagers, and both together; people None where nothing says that views count."""
        born = self.born[item]
        saw = {v.person for v in self.seen[item] if born <= v.at < born + 2 * DAY}
        acted = {a[2] for a in self.acts[item] if born <= a[0] < born + 2 * DAY}
        if not saw:
            views = self.views[self.desk[item]]
            if not (views and views[0].at < born):
                return None, len(acted), 0
        return len(saw), len(acted), len(saw | acted)

    def reach(self, item: str) -> int | None:
        return self.at_two_days[item][0]


def figures(data: Path, weeks: int) -> dict[str, Figures]:
    """By section, for so many weeks."""
    desks = Desks(data)
    return {
        "usual": usual(desks, weeks),
        "top_posts": {
            "the first post's share of the week's views, median": percent(
                float(np.median(_first_shares(desks, weeks)))
            )
        },
        "new_posts": new_posts(desks, weeks),
        "focus": focus(desks, weeks),
        "hours": hours(desks, weeks),
        "audience": audience(desks, weeks),
        "estimate": estimate(desks, weeks),
        "milestones": milestones(desks, weeks),
        **all_posts(desks),
    }


def people_by_week(desks: Desks, desk: int) -> list[int]:
    """How many people saw something of a desk, week by week from its first event on (else -1)."""
    people: dict[int, set[str]] = defaultdict(set)
    for at, _, person in desks.views[desk]:
        people[(at - START) // WEEK].add(person)
    acts = {(a[0] - START) // WEEK for a in desks.reactions[desk]}
    first = min(people.keys() | acts)
    return [len(people[n]) if n >= first else -1 for n in range(60)]


def whole(count: list[int]) -> list[int]:
    """The same without the week in the middle of which it begins."""
    first = next(n for n, people in enumerate(count) if people >= 0)
    return [-1 if n == first else people for n, people in enumerate(count)]


def usual(desks: Desks, weeks: int) -> Figures:
    verdicts: Counter[str] = Counter()
    within, jumps, pairs = [], 0, 0
    for desk in range(DESKS):
        count, mine = whole(people_by_week(desks, desk)), []
        for week in range(weeks):
            earlier = [n for n in count[max(0, week - 26) : week] if n >= 0]
            if len(earlier) < 8 or not count[week]:
                continue
            roots = np.sqrt(earlier)
            spread = 2.66 * np.abs(np.diff(roots)).mean()
            low, high = max(0, roots.mean() - spread) ** 2, (roots.mean() + spread) ** 2
            mine.append(low <= count[week] <= high)
            verdicts["above" if count[week] > high else "below" if count[week] < low else ""] += 1
            if earlier[-1]:
                pairs += 1
                jumps += abs(count[week] / earlier[-1] - 1) >= 0.25
        within.append(np.mean(mine))
    total = verdicts.total()
    return {
        "weeks within the usual range": of(verdicts[""], total),
        "“more than usual”": of(verdicts["above"], total),
        "“fewer than usual”": of(verdicts["below"], total),
        "an author's weeks within it, median": percent(float(np.median(within))),
        "the same weeks, 25 % or more off the week before": of(jumps, pairs),
    }


def _first_shares(desks: Desks, weeks: int) -> list[float]:
    shares = []
    for desk in range(DESKS):
        by_week: dict[int, Counter[str]] = defaultdict(Counter)
        for at, item, _ in desks.views[desk]:
            by_week[(at - START) // WEEK][item] += 1
        for week in range(weeks):
            if by_week[week]:
                shares.append(max(by_week[week].values()) / by_week[week].total())
            elif acts := Counter(
                a[1] for a in desks.reactions[desk] if (a[0] - START) // WEEK == week
            ):
                shares.append(max(acts.values()) / acts.total())
    return shares


def _judged_in(desks: Desks, desk: int, week: int) -> tuple[list[str], list[str]]:
    """The posts that completed two days in a week, newest first, and all judged by then."""
    end = START + (week + 1) * WEEK - 2 * DAY
    old = [item for item in desks.items[desk] if desks.born[item] < end]
    return [item for item in old if desks.born[item] >= end - WEEK], old


def new_posts(desks: Desks, weeks: int) -> Figures:
    told = comparable = 0
    for desk in range(DESKS):
        for week in range(weeks):
            new, old = _judged_in(desks, desk, week)
            for item in new:
                mine = desks.reach(item)
                before = old[old.index(item) + 1 : 50]
                earlier = [n for one in before if (n := desks.reach(one)) is not None][:20]
                if mine is not None and len(earlier) >= 8 and np.median(earlier) >= 10:
                    comparable += 1
                    told += int(mine >= 1.5 * np.median(earlier))
    return {"posts at 1.5 times their author's usual or more": of(told, comparable)}


def focus(desks: Desks, weeks: int) -> Figures:
    words: Counter[str] = Counter()
    effective = []
    for desk in range(DESKS):
        for week in range(weeks):
            first, end = START + (week - 7) * WEEK, START + (week + 1) * WEEK
            acts = [a for a in desks.reactions[desk] if first <= a[0] < end]
            if not any(end - WEEK <= v.at < end for v in desks.views[desk]) and not any(
                a[0] >= end - WEEK for a in acts
            ):
                continue
            each = np.array(list(Counter(a[2] for a in acts).values()))
            total = len(acts)
            if total < 30 or len(each) < 5:
                continue
            pairs = int((each * (each - 1)).sum())
            people = total * (total - 1) / pairs if pairs else np.inf
            words["focused" if people < 6 else "broad" if people > 20 else "mixed"] += 1
            if people <= len(each):
                effective.append(round(people))
    total = words.total()
    return {f"“{word}”": of(words[word], total) for word in ("focused", "mixed", "broad")} | {
        "effective people, median": middle(effective)
    }


def hours(desks: Desks, weeks: int) -> Figures:
    found = [_best_time(desks, desk, week) for desk in range(DESKS) for week in range(weeks)]
    best = [hour for hour in found if hour is not None]
    office = sum(hour // 24 < 5 and 11 <= hour % 24 < 21 for hour in best)
    return {"the best time is on a weekday, 8–18 o'clock in Brazil": of(office, len(best))}


def _best_time(desks: Desks, desk: int, week: int) -> int | None:
    first, end = START + (week - 7) * WEEK, START + (week + 1) * WEEK
    seen = [(v.at, v.person) for v in desks.views[desk] if first <= v.at < end]
    acts = [a for a in desks.reactions[desk] if first <= a[0] < end]
    seen += [(a[0], a[2]) for a in acts]
    if len(seen) < 200 or max(at for at, _ in seen) < end - WEEK:
        return None
    visits = {((at - first) // HOUR, person) for at, person in seen}
    came = {hour // 168 for hour, _ in visits}
    if len(visits) < 200 or len({person for _, person in visits}) < 20 or len(came) < 4:
        return None
    cells = np.bincount([hour % 168 for hour, _ in visits], minlength=168).astype(float)
    smooth = (np.roll(cells, 1) + np.roll(cells, -1)) / 4 + cells / 2
    days = smooth.reshape(7, 24)
    means = np.vstack([np.tile(days[:5].mean(0), (5, 1)), np.tile(days[5:].mean(0), (2, 1))])
    around = ((days + 4 * means / len(came)) / (len(came) + 4)).ravel()
    delays = _delays(desks, acts)
    if delays is None:
        delays = _site_delays(desks, week)
    met = np.array([around[(t + np.arange(len(delays))) % 168] @ delays for t in range(168)])
    spans = met + np.roll(met, -1)
    best = int(np.argmax(np.round(spans, 12)))
    weights = np.convolve(np.convolve([0.25, 0.5, 0.25], delays), [0.5, 0.5])
    chance = sqrt(168 * (weights**2).sum() / len(visits))
    return best if spans[best] / 2 / met.mean() >= 1 + 3 * chance else None


def _delays(desks: Desks, acts: Sequence[tuple[int, str, str, str]]) -> Any:
    late = [(a[0] - desks.born[a[1]]) // HOUR for a in acts]
    late = [hour for hour in late if 0 <= hour < 24]
    return np.bincount(late, minlength=24) / len(late) if len(late) >= 30 else None


def _site_delays(desks: Desks, week: int) -> Any:
    before = START + week * WEEK - DAY
    old = sorted((item for item in desks.born if desks.born[item] < before),
                 key=lambda item: (-desks.born[item], item))  # fmt: skip
    found = _delays(desks, [a for item in old[:2000] for a in desks.acts[item]])
    return np.array([1.0]) if found is None else found


def audience(desks: Desks, weeks: int) -> Figures:
    regulars = silent = looked_at = 0
    for desk in range(DESKS):
        for week in range(weeks):
            end = START + (week + 1) * WEEK
            new, old = _judged_in(desks, desk, week)
            for item in new:
                if (desks.reach(item) or 0) >= 10:
                    looked_at += 1
                    silent += not any(a[0] < end for a in desks.acts[item])
            lately = [i for i in old[:50] if desks.born[i] >= end - 4 * WEEK - 2 * DAY]
            if len(lately) >= 4 and all(desks.reach(i) is not None for i in lately):
                times = Counter(
                    person
                    for item in lately
                    for person in {v.person for v in desks.seen[item] if v.at < end}
                )
                regulars += sum(2 * n >= len(lately) for n in times.values()) >= 10
    return {
        "weeks with ten regulars or more": f"{regulars}",
        "posts that ten people saw and nobody reacted to": of(silent, looked_at),
    }


def estimate(desks: Desks, weeks: int) -> Figures:
    held, point, shares = 0, 0, []
    for desk in range(DESKS):
        for week in range(weeks):
            end = START + (week + 1) * WEEK
            acts = {(a[1], a[2]) for a in desks.reactions[desk] if end - 28 * DAY <= a[0] < end}
            each = Counter(Counter(person for _, person in acts).values())
            seen, f1, f2 = each.total(), each[1], each[2]
            if seen < 10 or f1 < 5 or f2 < 2:
                continue
            more = f1 * (f1 - 1) / (2 * (f2 + 1))
            var = (
                more
                + f1 * (2 * f1 - 1) ** 2 / (4 * (f2 + 1) ** 2)
                + f1**2 * f2 * (f1 - 1) ** 2 / (4 * (f2 + 1) ** 4)
            )
            spread = exp(stats.norm.ppf(0.975) * sqrt(log(1 + var / more**2)))
            least = int(seen + more / spread)
            if least <= seen:
                continue
            known = {v.person for v in desks.views[desk] if end - 28 * DAY <= v.at < end}
            known |= {person for _, person in acts}
            held += least <= len(known)
            point += seen + more <= len(known)
            shares.append(least / len(known))
    return {
        "“at least about N”: N is not above the people known": of(held, len(shares)),
        "the same of the estimate itself": of(point, len(shares)),
        "N ÷ people known, median": percent(float(np.median(shares))),
    }


def milestones(desks: Desks, weeks: int) -> Figures:
    told: Counter[str] = Counter()
    oldest = sorted(desks.born, key=lambda item: (desks.born[item], item))[:1000]
    logged = min(v.at for item in oldest for v in desks.seen[item])
    for desk in range(DESKS):
        count = people_by_week(desks, desk)
        first_view = (desks.views[desk][0].at - START) // WEEK
        first_post = desks.born[desks.items[desk][-1]]
        started = next(n for n, people in enumerate(count) if people >= 0)
        later = whole(count)
        posted = {(desks.born[item] - START) // WEEK for item in desks.items[desk]}
        for week in range(weeks):
            told["first"] += week == first_view and week - started < 4 and first_post >= logged
            told["round"] += _first_over_a_round_number(desks, desk, week)
            told["best"] += _is_best(later, week) and not any(
                _is_best(later, n, week) for n in range(max(0, week - 4), week) if later[n] >= 0
            )
            row = 0
            while week - row in posted:
                row += 1
            told["streak"] += row in {3, 5, 10, 25, 50, 100}
    return {
        "the first views": f"{told['first']}",
        "a round number": f"{told['round']}",
        "the best week": f"{told['best']}",
        "weeks in a row": f"{told['streak']}",
    }


def _is_best(count: list[int], week: int, seen_from: int | None = None) -> bool:
    """Whether a week beats eight or more before it clearly, as known in it or in a later one."""
    since = max(0, (week if seen_from is None else seen_from) - 26)
    beaten: list[int] = []
    for n in range(week - 1, since - 1, -1):
        if count[n] < 0 or count[n] >= count[week]:
            break
        beaten.append(count[n])
    known = [n for n in count[max(since, week - 26) : week] if n >= 0]
    return (
        len(beaten) >= 8
        and count[week] >= 20
        and count[week] >= 1.5 * float(np.median(beaten[:26]))
        and above_usual(known, count[week])
    )


def _first_over_a_round_number(desks: Desks, desk: int, week: int) -> bool:
    new, old = _judged_in(desks, desk, week)
    highest = max((desks.reach(item) or 0 for item in new), default=0)
    steps = [n * 10**k // 10 for k in range(1, 7) for n in (10, 25, 50)]
    step = max((step for step in steps if step <= highest), default=0)
    before = [desks.reach(item) for item in old[:50] if item not in new]
    known = [n for n in before if n is not None]
    if not step or any(n >= step for n in known):
        return False
    return len(known) == len(old) - len(new) or len(known) >= 8


def all_posts(desks: Desks) -> dict[str, Figures]:
    order = sorted(desks.born, key=lambda item: (desks.born[item], item))
    order = [item for item in order if desks.reach(item) is not None]
    two_days = [desks.at_two_days[item] for item in order]
    reach = np.array([people or 0 for people, _, _ in two_days])
    acted = np.array([engagers for _, engagers, _ in two_days])
    whole = np.array([both for _, _, both in two_days])
    first, gained = [], []
    for item in order:
        born = desks.born[item]
        first.append(len({a[2] for a in desks.acts[item] if a[0] < born + 2 * HOUR}))
        at_first = {v.person for v in desks.seen[item] if v.at < born + 2 * HOUR}
        gained.append((desks.reach(item) or 0) - len(at_first))
    early, later = np.array(first), np.array(gained)
    return {
        "posts": {
            "posts judged at 48 hours": f"{len(order):,}",
            "people in 48 hours, median": middle(list(reach)),
        }
        | _prior(acted[whole > 0], whole[whole > 0]),
        "momentum": {
            "early responses and people gained, Spearman": (
                f"{stats.spearmanr(early, later).statistic:.3f}"
            ),
            "its 95 % interval": _bootstrap(early, later),
            "people gained, with an early response, median": middle(list(later[early > 0])),
            "people gained, without, median": middle(list(later[early == 0])),
        },
        "ranges": _ranges(reach, acted),
    }


def _bootstrap(early: Any, later: Any) -> str:
    draw, found = Random(2016), []
    for _ in range(200):
        places = draw.choices(range(len(early)), k=len(early))
        ranks = stats.rankdata(early[places]), stats.rankdata(later[places])
        found.append(np.corrcoef(*ranks)[0, 1])
    low, high = np.quantile(found, [0.025, 0.975])
    return f"{low:.3f} – {high:.3f}"


def _prior(k: Any, n: Any) -> Figures:
    """One-way analysis of variance of zeros and ones, one group per post."""
    mean = k.sum() / n.sum()
    within = (k * (1 - k / n)).sum() / (n.sum() - len(n))
    between = (n * (k / n - mean) ** 2).sum() / (len(n) - 1)
    size = (n.sum() - (n**2).sum() / n.sum()) / (len(n) - 1)
    rho = min(0.5, max(0.001, (between - within) / (between + (size - 1) * within)))
    return {
        "response rate of all": percent(mean),
        "weight of the prior, in people": f"{1 / rho - 1:.1f}",
    }


def _ranges(reach: Any, acted: Any) -> Figures:
    older = int(0.7 * len(reach))
    edges = [0, 1, 2, 5, 10, np.inf]
    said: Figures = {}
    held, squared = 0, 0.0
    for low, high in pairwise(edges):
        learnt = reach[:older][(acted[:older] >= low) & (acted[:older] < high)]
        tried = reach[older:][(acted[older:] >= low) & (acted[older:] < high)]
        assert len(learnt) >= 30, "the buckets of this sample need no merging"
        least, middle_, most = np.quantile(learnt, [0.05, 0.5, 0.95], method="weibull")
        held += int(((tried >= least) & (tried <= most)).sum())
        squared += float(((np.log1p(tried) - np.log1p(middle_)) ** 2).sum())
        name = f"{low}" if high == low + 1 else f"{low}–{high - 1}" if high < np.inf else ""
        label = (
            f"range of people, {name} reacted" if name else "range of people, 10 or more reacted"
        )
        said[label] = f"{least:.1f} – {most:.1f}"
    logs = np.log1p(reach[older:])
    r2 = 1 - squared / float(((logs - logs.mean()) ** 2).sum())
    return said | {
        "later posts within their 90 % range": of(held, len(reach) - older),
        "R² of ln(1 + people)": f"{r2:.2f}",
    }


def mails(data: Path, weeks: int) -> tuple[dict[str, int], dict[str, int]]:
    """How many mails have the sections that always stand, and how many could have others."""
    desks = Desks(data)
    told: Counter[str] = Counter()
    could: Counter[str] = Counter()
    for desk in range(DESKS):
        people = people_by_week(desks, desk)
        active = {(v.at - START) // WEEK for v in desks.views[desk]}
        active |= {(a[0] - START) // WEEK for a in desks.reactions[desk]}
        for week in range(weeks):
            earlier = sum(n >= 0 for n in whole(people)[:week])
            told["headline"] += week in active
            told["top_posts"] += week in active
            told["quiet"] += week not in active and week - 1 in active
            told["usual"] += people[week] > 0 and earlier >= 4
            if week not in active:
                continue
            new, _ = _judged_in(desks, desk, week)
            could["new_posts"] += any(any(desks.at_two_days[item][:2]) for item in new)
            end = START + (week + 1) * WEEK
            could["audience"] += any(
                (desks.reach(item) or 0) >= 10 and not any(a[0] < end for a in desks.acts[item])
                for item in new
            )
    return dict(told), dict(could)
