"""What a mail may call the first, the best, in a row or usual, and what is a total so far."""

from __future__ import annotations

from calendar import day_name, month_name
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from statistics import median
from typing import Any

from digest.window import Period
from tests.claims.counting import AGE, Span, usual_range
from tests.claims.sentences import POST, UNITS, N, Rule, number, week
from tests.claims.writing import Mail

SERIES = {step * 10**n // 10 for n in range(1, 9) for step in (10, 25, 50)}
ROWS = (3, 5, 10, 25, 50, 100)
METRICS = {"people": "reach", "views": "views", "reactions": "reactions"}
DAYS = list(day_name)


def first_over(mail: Mail, of: str | None, step: str, unit: str, post: str) -> bool:
    """Of all before it, or of so many whose figure is known; once, and within four weeks."""
    ground, born = mail.ground, mail.ground.posts[post]["published_at"]
    figure = ground.reach if unit.startswith("pe") else ground.seen_early
    older = [
        p for p in ground.by[mail.user] if not (at := ground.posts[p]["published_at"]) or at < born
    ]
    known = [n for p in older if (n := figure(p)) is not None]
    least, now = number(step), figure(post)
    if of is None:
        enough = len(known) == len(older)
    else:  # of an author of very many posts not all are at hand
        enough = number(of) - 1 == min(len(known), max(number(of) - 1, 50)) >= 8
    late = mail.snapshot.end - timedelta(weeks=4) <= born + AGE < mail.snapshot.end
    key = (mail.user, figure.__name__, least)
    fresh = ground.told.setdefault(key, mail.snapshot.period) == mail.snapshot.period
    reached = now is not None and now >= least > max(known, default=0)
    return least in SERIES and reached and enough and late and fresh


def best_week(
    mail: Mail, month: str | None, weeks: str | None, count: str | None, unit: str | None
) -> bool:
    """More than any known week since, half as much again as usual, above the range; not again.

    Under the headline its figure is not repeated.
    """
    metric = mail.snapshot.sections["headline"]["metric"] if unit is None else METRICS[unit]
    known = mail.ground.weeks_before(mail.user, mail.snapshot.period, metric)
    counts = {"reach": len(week(mail).people), "views": week(mail).views or 0}
    now = counts.get(metric, week(mail).reactions)
    told = now if count is None else number(count)
    if told != now or now < 20 or not _stands_out([n for _, n in known], now):
        return False
    for place in range(max(0, len(known) - 4), len(known)):
        if _stands_out([n for _, n in known[:place]], known[place][1]):
            return False
    as_good = [ago for ago, n in known if n >= now]
    if not as_good:
        return number(weeks or "0") == len(known) + 1
    monday = Period.parse(mail.snapshot.period).shift(-min(as_good)).monday
    return month == month_name[monday.month]


def _stands_out(counts: list[float], now: float) -> bool:
    worse = [n for place, n in enumerate(counts) if max(counts[place:]) < now]
    if len(worse) < 8 or now < 20 or now < 1.5 * median(worse):
        return False
    return now > usual_range(counts)[1]


def _posts_by_week(mail: Mail, weeks: int = 104) -> list[int]:
    """How many posts each week had, this one first."""
    ground = mail.ground
    times = [at for p in ground.by[mail.user] if (at := ground.posts[p]["published_at"])]
    found = []
    for ago in range(weeks):
        begin, end = ground.span(mail.user, mail.snapshot.period, ago)
        found.append(sum(begin <= at < end for at in times))
    return found


def _row(mail: Mail) -> int:
    return next((n for n, posts in enumerate(_posts_by_week(mail)) if not posts), 104)


def in_a_row(mail: Mail, weeks: str) -> bool:
    """As many as there are, or a number of those that was passed while no mail came."""
    row, told = _row(mail), number(weeks)
    last = mail.ground.mailed.get(mail.user)
    apart = Period.parse(mail.snapshot.period).weeks_since(Period.parse(last)) if last else 1
    return row == told >= 3 or (told in ROWS and row - apart < told < row)


def half_a_year(mail: Mail, weeks: str) -> bool:
    return _row(mail) >= number(weeks) == 26


def every_week(mail: Mail) -> bool:
    return _row(mail) >= 3


def rhythm(mail: Mail, posts: str, usual: str) -> bool:
    """Against the whole weeks since the first post, of half a year; four of them at least."""
    now, *before = _posts_by_week(mail, 26)
    while before and not before[-1]:
        before.pop()
    before = before[:-1]
    if len(before) < 4 or number(posts) != now or now <= median(before):
        return False
    return abs(float(usual.replace(",", "")) - median(before)) <= 0.51


def first_seen(mail: Mail, views: str) -> bool:
    """Others' posts had been seen before the author wrote any, and none of theirs before."""
    ground, start = mail.ground, mail.snapshot.start
    born = [ground.posts[p]["published_at"] for p in ground.by[mail.user]]
    if None in born or any(ground.readings[p] for p in ground.by[mail.user]):
        return False
    seen = any(row["at"] < start for p in ground.by[mail.user] for row in ground.views[p])
    logged = any(at <= min(born) for at in ground.begun["view"].values())
    return number(views) == week(mail).views and not seen and logged


def hours(mail: Mail, *told: str | None) -> bool:
    """The times that are named lie six hours apart, and more people than usual came after them:
    as soon as the author's readers react or, where that is unknown, the site's. Two hours are
    named, and one more on either side smoothes them.
    """
    span = mail.ground.span(mail.user, mail.snapshot.period, 7)[0], mail.snapshot.end
    own = [(post, span) for post in mail.ground.by[mail.user]]
    site = sorted(
        (at, post) for post, row in mail.ground.posts.items() if (at := row["published_at"])
    )
    before = mail.snapshot.start - timedelta(hours=24)
    latest = [(post, (at, at + AGE)) for at, post in site if at < before][-2000:]
    delays = _delays(mail, own) or _delays(mail, latest) or Counter({0: 1})
    visits = _visits(mail, span)
    each = [sum(visits[(hour + d) % 168] * n for d, n in delays.items()) for hour in range(168)]
    after = [sum(each[(hour + n) % 168] for n in range(-1, 3)) for hour in range(168)]
    slots = [_slot(*told[:4]), _slot(*told[4:])]
    gap = abs(slots[0] - slots[1])
    return 6 <= gap <= 162 and all(after[slot] > median(after) for slot in slots)


def _delays(mail: Mail, posts: Iterable[tuple[str, Span]]) -> Counter[int]:
    """After how many hours, within a day, reactions come; from thirty of them on."""
    found: Counter[int] = Counter()
    for post, span in posts:
        born = mail.ground.posts[post]["published_at"]
        for row in mail.ground.within(mail.ground.acts[post], span):
            if born and timedelta(0) <= row["at"] - born < timedelta(hours=24):
                found[(row["at"] - born) // timedelta(hours=1)] += 1
    return found if found.total() >= 30 else Counter()


def _visits(mail: Mail, span: Span) -> Counter[int]:
    """Visits by hour of the local week, each person once in an hour."""
    zone, ground = span[0].tzinfo, mail.ground
    met = {
        (local.date(), local.hour, who)
        for post in ground.by[mail.user]
        for rows in (ground.views[post], ground.acts[post])
        for row in ground.within(rows, span)
        if (who := row.get("viewer_id") or row.get("actor_id"))
        and (local := row["at"].astimezone(zone))
    }
    return Counter(day.weekday() * 24 + hour for day, hour, _ in met)


def _slot(day: str | None, first: str | None, half: str | None, last_half: str | None) -> int:
    """The hour of the week at which a span of two hours begins."""
    afternoon = (half or last_half) == "pm"
    return DAYS.index(day or "") * 24 + int(first or 0) % 12 + 12 * afternoon


def so_far(mail: Mail, total: str, unit: str, posts: str) -> bool:
    """Nothing is known of the week, and all was read for the first time."""
    ground, end = mail.ground, mail.snapshot.end
    read = {p: ground.readings[p] for p in ground.by[mail.user] if ground.readings[p]}
    before = any(row["at"] < mail.snapshot.start for rows in read.values() for row in rows)
    totals = [_highest([row for row in rows if row["at"] < end]) for rows in read.values()]
    told = sum(seen if unit.startswith("v") else acts for seen, acts in totals)
    nothing = not week(mail).views and not week(mail).reactions
    here = sum(any(both) for both in totals)
    return not before and nothing and (number(total), number(posts)) == (told, here)


def _highest(readings: list[Mapping[str, Any]]) -> tuple[int, int]:
    """Views, and all reactions, of one post."""
    views, *acts = (
        max((row[kind] or 0 for row in readings), default=0)
        for kind in ("views", "likes", "reposts", "replies")
    )
    return views, sum(acts)


SLOT = r"(\w+day), (\d+)(?: ([ap]m))? ?– ?\d+ ([ap]m)"
RULES = [
    Rule(
        "round number",
        rf"(?:Your first post|The first of {N} posts) (?:seen by|with) {N} "
        rf"(people|views) in 48 hours: {POST}",
        first_over,
    ),
    Rule(
        "best week",
        rf"Your best week (?:since (\w+)|of the {N} on record)(?:: {N} {UNITS})?",
        best_week,
    ),
    Rule("weeks in a row", rf"You have posted {N} weeks? in a row", in_a_row),
    Rule("half a year", rf"You have posted in each of the last {N} weeks", half_a_year),
    Rule("every week", r"You have posted every week lately", every_week),
    Rule("rhythm", rf"{N} posts? this week; your usual week has ([\d.,]+\d|\d)", rhythm),
    Rule("first views", rf"Your posts were seen for the first time: {N} views?", first_seen),
    Rule("times of hours", rf"in the hours after {SLOT}, or {SLOT}, than after", hours),
    Rule(
        "so far",
        rf"your posts have had {N} (views?|reactions?)\.? That is everything so far, on {N} posts?",
        so_far,
    ),
]
