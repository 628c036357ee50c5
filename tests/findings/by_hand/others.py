"""The other data sets by hand."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from math import exp, log, sqrt
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from scipy import stats

from tests.conversions import read
from tests.findings.by_hand import above_usual
from tests.findings.figures import Figures, middle, of, percent


def _xml(data: Path, name: str) -> list[dict[str, str]]:
    path = data / "stackexchange_quantumcomputing_2018" / f"{name}.xml.gz"
    with gzip.open(path) as file:
        return [dict(row.attrib) for row in ET.parse(file).getroot()]


def stackexchange(data: Path, first: date, last: date) -> dict[str, Figures]:
    posts = [p for p in _xml(data, "Posts") if p["PostTypeId"] in "12" and "OwnerUserId" in p]
    owner = {p["Id"]: p["OwnerUserId"] for p in posts}
    acts = [(p["ParentId"], p["OwnerUserId"], p["CreationDate"]) for p in posts if "ParentId" in p]
    acts += [
        (c["PostId"], c["UserId"], c["CreationDate"])
        for c in _xml(data, "Comments")
        if "UserId" in c
    ]
    acts += [
        (v["PostId"], v["UserId"], v["CreationDate"])
        for v in _xml(data, "Votes")
        if v["VoteTypeId"] in {"2", "5"} and "UserId" in v
    ]
    acts = [act for act in acts if act[0] in owner and act[1] != owner[act[0]]]
    seen_, least_ = [], []
    while first <= last:
        end = first + timedelta(days=7)
        since, until = (end - timedelta(days=28)).isoformat(), end.isoformat()
        people: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for post, actor, at in acts:
            if since <= at < until:
                people[owner[post]][actor].add(post)
        for them in people.values():
            each = Counter(len(posts_) for posts_ in them.values())
            seen, f1, f2 = each.total(), each[1], each[2]
            if seen < 10 or f1 < 5 or f2 < 2:
                continue
            more = f1 * (f1 - 1) / (2 * (f2 + 1))
            var = (
                more
                + f1 * (2 * f1 - 1) ** 2 / (4 * (f2 + 1) ** 2)
                + f1**2 * f2 * (f1 - 1) ** 2 / (4 * (f2 + 1) ** 4)
            )
            least = int(seen + more / exp(1.959964 * sqrt(log(1 + var / more**2))))
            if least > seen:
                seen_.append(seen)
                least_.append(least)
        first = end
    return {
        "estimate": {
            "“at least about N people” could be said": f"{len(seen_)}",
            "people who reacted in four weeks, median": middle(seen_),
            "N, median": middle(least_),
        }
    }


def dev_to(data: Path, first: date, last: date) -> dict[str, Figures]:
    counts: Counter[int] = Counter()
    for row in read(data / "devto_daily_views" / "daily.csv.gz"):
        counts[(date.fromisoformat(row["date"]) - first).days // 7] += int(row["views"])
    weeks = (last - first).days // 7 + 1
    verdicts: Counter[str] = Counter()
    jumps = best = 0
    for week in range(weeks):
        now, earlier = counts[week], np.array([counts[n] for n in range(week - 26, week)])
        roots = np.sqrt(earlier)
        spread = 2.66 * np.abs(np.diff(roots)).mean()
        above = now > (roots.mean() + spread) ** 2
        below = now < max(0, roots.mean() - spread) ** 2
        verdicts["above" if above else "below" if below else "within"] += 1
        jumps += week > 0 and abs(now / earlier[-1] - 1) >= 0.25
        best += _best(counts, week, week) and not any(
            _best(counts, n, week) for n in range(week - 4, week)
        )
    return {
        "usual": {
            "weeks within the usual range": of(verdicts["within"], weeks),
            "“more than usual”": of(verdicts["above"], weeks),
            "“fewer than usual”": of(verdicts["below"], weeks),
            "an author's weeks within it, median": percent(verdicts["within"] / weeks),
            "the same weeks, 25 % or more off the week before": of(jumps, weeks - 1),
        },
        "milestones": {"the best week": f"{best}"},
    }


def _best(counts: Counter[int], week: int, seen_from: int) -> bool:
    beaten: list[int] = []
    for n in range(week - 1, seen_from - 27, -1):
        if counts[n] >= counts[week]:
            break
        beaten.append(counts[n])
    enough = len(beaten) >= 8 and counts[week] >= 20
    known = [counts[n] for n in range(max(week, seen_from) - 26, week)]
    clear = enough and counts[week] >= 1.5 * float(np.median(beaten))
    return clear and above_usual(known, counts[week])


def youtube(data: Path) -> dict[str, Figures]:
    totals: dict[str, dict[date, int]] = defaultdict(dict)
    for name in ("USvideos.csv.gz", "GBvideos.csv.gz"):
        for row in read(data / "youtube_trending_2017" / name):
            day, month = row["date"].split(".")[:2]
            at, views = date(2017, int(month), int(day)), int(row["views"])
            totals[row["video_id"]][at] = max(views, totals[row["video_id"]].get(at, 0))
    gained = first = 0
    for readings in totals.values():
        days = sorted(readings)
        first += readings[days[0]]
        in_time = [readings[day] for day in days if day < date(2017, 10, 16)]
        gained += max(in_time) - in_time[0] if in_time else 0
    return {
        "headline": {
            "views gained in five weeks": f"{gained:,}",
            "views of first readings, which are no week's": f"{first:,}",
        }
    }


def page(data: Path) -> dict[str, Figures]:
    rows = list(read(data / "facebook_page_posts_2014" / "dataset_Facebook.csv", ";"))
    kinds = np.array([row["Type"] for row in rows])
    k = np.array([float(row["Engaged_Users"]) for row in rows])
    n = np.array([float(row["T_Reach"]) for row in rows])
    mean = k.sum() / n.sum()
    within = (k * (1 - k / n)).sum() / (n.sum() - len(n))
    between = (n * (k / n - mean) ** 2).sum() / (len(n) - 1)
    size = (n.sum() - (n**2).sum() / n.sum()) / (len(n) - 1)
    weight = (between + (size - 1) * within) / (between - within) - 1
    rates: Any = (k + mean * weight) / (n + weight)
    pairs = list(combinations(sorted(set(kinds)), 2))
    p = [stats.ttest_ind(rates[kinds == a], rates[kinds == b], equal_var=False) for a, b in pairs]
    order = sorted(range(len(pairs)), key=lambda at: p[at].pvalue)
    differ: set[str] = set()
    for rank, at in enumerate(order):
        if p[at].pvalue * (len(pairs) - rank) >= 0.05:
            break
        differ.add("/".join(pairs[at]))
    return {
        "kinds": {
            f"{kind}, {(kinds == kind).sum()} posts: response rate": percent(
                rates[kinds == kind].mean()
            )
            for kind in sorted(set(kinds))
        }
        | {"pairs that differ (Welch, Holm)": ", ".join(sorted(differ))}
    }


def news(data: Path) -> dict[str, Figures]:
    authors: dict[str, list[int]] = defaultdict(list)
    last: dict[str, datetime] = {}
    for row in read(data / "hacker_news_2016" / "hacker_news.csv.gz"):
        authors[row["author"]].append(int(row["num_points"]) + int(row["num_comments"]))
        at = datetime.strptime(row["created_at"], "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
        last[row["author"]] = max(at, last.get(row["author"], at))
    # What was published as the totals were read gained them in that week: that is no first reading.
    del authors[max(last, key=lambda author: last[author])]
    several = [sorted(counts)[-2:] for counts in authors.values() if len(counts) > 1]
    return {
        "so_far": {
            "authors with one post": of(len(authors) - len(several), len(authors)),
            "authors whose two best posts are level": of(
                sum(first == second for first, second in several), len(several)
            ),
        }
    }


def publications(data: Path) -> dict[str, Figures]:
    rows = list(read(data / "medium_articles_2020" / "medium_data.csv.gz"))
    last = max("-".join(reversed(row["date"].split("-"))) for row in rows)
    claps = sum(
        int(row["claps"]) + int(row["responses"])
        for row in rows
        if "-".join(reversed(row["date"].split("-"))) == last
    )
    return {"headline": {"claps and responses of the last day's posts": f"{claps:,}"}}


def mails(name: str, data: Path, first: date, last: date) -> dict[str, int]:
    """How many mails have the sections that always stand, where that is simple to count."""
    if name == "stackexchange":
        posts = [p for p in _xml(data, "Posts") if p["PostTypeId"] in "12" and "OwnerUserId" in p]
        owner = {p["Id"]: p["OwnerUserId"] for p in posts}
        acts = [(p["ParentId"], p["OwnerUserId"], p) for p in posts if "ParentId" in p]
        acts += [(c["PostId"], c.get("UserId", ""), c) for c in _xml(data, "Comments")]
        votes = [v for v in _xml(data, "Votes") if v["VoteTypeId"] in {"2", "5"}]
        acts += [(v["PostId"], v.get("UserId", ""), v) for v in votes]
        weeks = {
            (owner[post], (date.fromisoformat(row["CreationDate"][:10]) - first).days // 7)
            for post, actor, row in acts
            if post in owner and actor != owner[post]
        }
        number = (last - first).days // 7 + 1
        quiet = {(who, week + 1) for who, week in weeks} - weeks
        return {
            "headline": sum(0 <= week < number for _, week in weeks),
            "quiet": sum(0 <= week < number for _, week in quiet),
        }
    if name == "news":
        authors = {row["author"] for row in read(data / "hacker_news_2016" / "hacker_news.csv.gz")}
        return {"so_far": len(authors) - 1, "headline": 1, "usual": 0}
    alone = {
        "dev_to": {"headline": 52, "usual": 52, "quiet": 0},
        "page": {"so_far": 1, "headline": 0},
        "publications": {"headline": 6, "usual": 0},
    }
    return alone.get(name, {})
