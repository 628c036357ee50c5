"""What each sentence of a mail must rest on: its figures counted anew, and the guards of its claim.

A rule is a pattern that finds the sentence in the English plain text, and a test of what it says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from math import ceil, exp, floor, log, sqrt
from statistics import median
from typing import NamedTuple

from tests.claims.counting import AGE, Span, Week, usual_range
from tests.claims.place import MARK
from tests.claims.writing import Mail, joined

N = r"([\d,]+)"
POST = rf"{MARK}(p[\w-]+)(?: {MARK}\S+)*"
"""A title, and the beginning of a text; the id of the post is caught."""
STUDY = "In a 2013 Facebook study the typical person guessed about 27 % of the true audience."
LEAST = 10
"""Nobody describes a smaller group of people."""


def number(text: str) -> int:
    return int(text.replace(",", ""))


def week(mail: Mail, ago: int = 0) -> Week:
    return mail.ground.week(mail.user, mail.snapshot.period, ago)


def seen(mail: Mail, people: str) -> bool:
    return number(people) == len(week(mail).people)


def views(mail: Mail, count: str) -> bool:
    return number(count) == week(mail).views


def reactions(mail: Mail, count: str) -> bool:
    return number(count) == week(mail).reactions


def spread(mail: Mail, count: str, posts: str) -> bool:
    now = week(mail)
    return (number(count), number(posts)) == (now.reactions, now.active)


def newcomers(mail: Mail, people: str) -> bool:
    end = mail.snapshot.start
    before = mail.ground.total(mail.ground.by[mail.user], (end - timedelta(days=28), end))
    return number(people) == len(week(mail).people - before.people) >= LEAST


def ranged(mail: Mail, verdict: str, low: str | None, high: str, unit: str) -> bool:
    metric = {"people": "reach", "person": "reach"}.get(unit, unit)
    earlier = mail.ground.earlier(mail.user, mail.snapshot.period, metric)
    now = {"reach": len(week(mail).people), "views": week(mail).views}.get(
        metric, week(mail).reactions
    )
    hours = mail.ground.hours(mail.user, mail.snapshot.period)
    least, most = usual_range(earlier, hours)
    right = "more than" if (now or 0) > most else "fewer than" if (now or 0) < least else "within"
    said = (number(low) if low else 0, number(high))
    return len(earlier) >= 8 and said == (least, most) and verdict == right


def middle(mail: Mail, count: str, unit: str) -> bool:
    metric = {"people": "reach", "person": "reach"}.get(unit, unit.rstrip("s") + "s")
    earlier = mail.ground.earlier(mail.user, mail.snapshot.period, metric)
    return 4 <= len(earlier) < 8 and abs(number(count) - median(earlier)) <= 1


def risen(mail: Mail, percent: str) -> bool:
    now, before = _changes(mail)
    return (
        now >= 20
        and before >= 20
        and _is_outside(mail)
        and (number(percent) == round(100 * (now - before) / before) <= 300)
    )


def multiplied(mail: Mail, times: str) -> bool:
    now, before = _changes(mail)
    return min(now, before) >= 20 and _is_outside(mail) and number(times) == round(now / before) > 3


def _changes(mail: Mail) -> tuple[int, int]:
    metric = mail.snapshot.sections["headline"]["metric"]
    both = (week(mail), week(mail, 1))
    found = [{"reach": len(w.people), "views": w.views or 0}.get(metric, w.reactions) for w in both]
    return found[0], found[1]


def _is_outside(mail: Mail) -> bool:
    return not re.search(r"within your usual range", joined(mail.text))


def card(mail: Mail, post: str, count: str, people: str) -> bool:
    now = mail.ground.total([post], _span(mail))
    return (number(count), number(people)) == (now.views, len(now.people)) and not now.anonymous


def _span(mail: Mail) -> Span:
    return mail.ground.span(mail.user, mail.snapshot.period)


def early(mail: Mail, post: str, people: str) -> bool:
    return number(people) == len(mail.ground.early(post).people)


def times(mail: Mail, post: str, ratio: str) -> bool:
    """At least 8 earlier posts, a median of 10, and 1.5 times; at the same age."""
    ground = mail.ground
    mine = ground.judged(mail.user, mail.snapshot.end)
    if ground.readings[post]:  # a counter tells nothing of the hour: only how many posts there are
        return mine.index(post) >= 8 and float(ratio.replace(",", "")) >= 1.5
    now = ground.early(post)
    before = [ground.early(one) for one in mine[: mine.index(post)]]
    count, unit = now.reactions, "reactions"
    if now.people and not now.anonymous:
        count, unit = len(now.people), "reach"
    elif now.views:
        count, unit = now.views, "views"
    # A post that only its author saw is a zero; of one without any view nothing is known.
    for known in ([one for one in before if one.views is not None], before):
        figures = [
            {"reach": len(one.people), "views": one.views or 0}.get(unit, one.reactions)
            for one in known
            if unit != "reach" or not one.anonymous
        ][-20:]
        found = count / max(median(figures or [0]), 1)
        close = abs(float(ratio.replace(",", "")) - found) <= (0.06 if found < 3 else 0.51)
        if len(figures) >= 8 and median(figures) >= 10 and found >= 1.45 and close:
            return True
    return False


def rank(mail: Mail, post: str, place: str) -> bool:
    mine = mail.ground.judged(mail.user, mail.snapshot.end)
    return post in mine and len(mine) >= 10 and number(place) <= 5


def followed(mail: Mail, post: str, reached: str, of: str) -> bool:
    born = mail.ground.posts[post]["published_at"]
    following = mail.ground.following(mail.user, born)
    saw = following & mail.ground.early(post).people
    return (number(reached), number(of)) == (len(saw), len(following)) and len(saw) >= LEAST


def silent(mail: Mail, post: str, people: str) -> bool:
    born = mail.ground.posts[post]["published_at"]
    acts = mail.ground.total([post], (born - timedelta(weeks=200), mail.snapshot.end)).reactions
    return early(mail, post, people) and number(people) >= LEAST and not acts


def union(mail: Mail, people: str, followers: str) -> bool:
    """Each person once over all posts: a union, never a sum."""
    saw: set[str] = set()
    ground, end = mail.ground, mail.snapshot.end
    sizes = []
    for post in _four_weeks(mail):
        following = ground.following(mail.user, ground.posts[post]["published_at"])
        sizes.append(len(following))
        everybody = {row["viewer_id"] for row in ground.views[post] if row["at"] < end}
        saw |= everybody & following
    average = sum(sizes) / len(sizes)
    return number(people) == len(saw) >= LEAST and abs(number(followers) - average) <= 1


def _four_weeks(mail: Mail) -> list[str]:
    old = mail.ground.judged(mail.user, mail.snapshot.end)
    begin = mail.ground.span(mail.user, mail.snapshot.period, 3)[0]
    return [p for p in old if mail.ground.posts[p]["published_at"] + AGE >= begin]


def regulars(mail: Mail, people: str) -> bool:
    met: Counter[str] = Counter()
    posts = _four_weeks(mail)
    for post in posts:
        rows = [row for row in mail.ground.views[post] if row["at"] < mail.snapshot.end]
        met.update({row["viewer_id"] for row in rows if row["viewer_id"]})
    often = sum(2 * n >= len(posts) for n in met.values())
    return len(posts) >= 4 and number(people) == often >= LEAST


def members(mail: Mail, post: str, reached: str, of: str) -> bool:
    ground, said = mail.ground, mail.ground.posts[post]
    born = said["published_at"]
    there = {
        row["user_id"]
        for row in ground.members[said["group_id"]]
        if row["user_id"] != mail.user and (row["since"] is None or row["since"] <= born)
    }
    saw = there & ground.early(post).people
    return (number(reached), number(of)) == (len(saw), len(there)) and len(there) >= LEAST


def kind(mail: Mail, posts: str) -> bool:
    return number(posts) >= 3 and len(mail.ground.judged(mail.user, mail.snapshot.end)) >= 6


def compared(mail: Mail) -> bool:
    late = [
        mail.ground.posts[p]["kind"]
        for p in mail.ground.judged(mail.user, mail.snapshot.end)
        if mail.ground.posts[p]["published_at"] >= mail.snapshot.end - timedelta(weeks=8) - AGE
    ]
    return sum(n >= 5 for n in Counter(late).values()) >= 2


def around(mail: Mail) -> bool:
    """200 visits (a person in an hour of a week) by 20 people in 4 weeks, of the last eight."""
    begin = mail.ground.span(mail.user, mail.snapshot.period, 7)[0]
    visits = set()
    for post in mail.ground.by[mail.user]:
        for row in [*mail.ground.views[post], *mail.ground.acts[post]]:
            who = row.get("viewer_id") or row.get("actor_id")
            if who and begin <= row["at"] < mail.snapshot.end:
                visits.add((who, (row["at"] - begin) // timedelta(hours=1)))
    weeks = {hour // 168 for _, hour in visits}
    return len(visits) >= 200 and len({who for who, _ in visits}) >= 20 and len(weeks) >= 4


def along(mail: Mail, least: str, reacted: str) -> bool:
    """Chao's lower end, of people who reacted on one post only and on two."""
    met: Counter[str] = Counter()
    for post in mail.ground.by[mail.user]:
        span = (mail.snapshot.end - timedelta(days=28), mail.snapshot.end)
        acts = mail.ground.within(mail.ground.acts[post], span)
        met.update({row["actor_id"] for row in acts if row["actor_id"]})
    s, f = len(met), Counter(met.values())
    more = f[1] * (f[1] - 1) / (2 * (f[2] + 1))
    spread = more + f[1] * (2 * f[1] - 1) ** 2 / (4 * (f[2] + 1) ** 2)
    spread += f[1] ** 2 * f[2] * (f[1] - 1) ** 2 / (4 * (f[2] + 1) ** 4)
    low = s + more / exp(1.96 * sqrt(log(1 + spread / more**2))) if more else s
    right = f[1] >= 5 and f[2] >= 2 and s >= LEAST
    return right and number(reacted) == s and number(least) in {floor(low), ceil(low)}


def likely(mail: Mail, low: str, high: str) -> bool:
    """Thirty posts to learn from, and the author's own views unknown."""
    others = [p for p in mail.ground.views if mail.ground.views[p]]
    own = any(mail.ground.views[p] for p in mail.ground.by[mail.user])
    return number(low) < number(high) and len(others) >= 90 and not own


def varied(mail: Mail, acts: str) -> bool:
    begin = mail.ground.span(mail.user, mail.snapshot.period, 7)[0]
    met = mail.ground.actors(mail.user, begin, mail.snapshot.end)
    return number(acts) >= 30 and len(met) >= 5 and number(acts) == sum(met.values())


def answer(mail: Mail, people: str, post: str) -> bool:
    return early(mail, post, people)


def record(mail: Mail, guesses: str, percent: str) -> bool:
    """The median of the ratios, of posts that reached five, from three on."""
    mine = [
        value / len(mail.ground.early(post).people)
        for user, post, value in mail.ground.guesses
        if user == mail.user
        and len(mail.ground.early(post).people) >= 5
        and mail.ground.posts[post]["published_at"] + AGE < mail.snapshot.end
    ]
    told = (number(guesses), number(percent))
    return len(mine) >= 3 and told == (len(mine), round(100 * median(mine)))


def everybody(mail: Mail, percent: str) -> bool:
    return len({user for user, _, _ in mail.ground.guesses}) >= 20 and number(percent) > 0


class Rule(NamedTuple):
    """A claim: how it is worded, and whether it may be made."""

    name: str
    pattern: str
    holds: Callable[..., bool]


UNITS = r"(people|person|views?|reactions?)"
PERSON = rf"{MARK}([\w-]+) {MARK}because"
"""A name, of which the person's id is caught; before it may stand other words of users."""
RULES = [
    Rule("reach", rf"posts were seen by {N} (?:people|person)", seen),
    Rule("views", rf"posts had {N} views? (?!this|in)", views),
    Rule("views in all", rf"{N} views? in all\.", views),
    Rule("reactions", rf"posts got {N} reactions? (?!this|in)", reactions),
    Rule("on posts", rf"{N} reactions? on {N} posts?\.", spread),
    Rule("newcomers", rf"{N} people had not seen your posts in the four", newcomers),
    Rule(
        "range",
        rf"That is (more than|fewer than|within) your usual range \((?:up to |{N}–){N} (\w+)\)",
        ranged,
    ),
    Rule("median", rf"Your median week: {N} {UNITS}", middle),
    Rule("percent", rf"It is {N}% more than the week before", risen),
    Rule("multiple", rf"It is {N}× the week before", multiplied),
    Rule("card", rf"{POST} {N} views? by {N} (?:people|person)", card),
    Rule("first 48 hours", rf"{POST} Seen by {N} (?:people|person)(?! of)", early),
    Rule("times", rf"{POST} [^{MARK}]*?([\d.]+)× your usual", times),
    Rule("rank", rf"{POST} [^{MARK}]*?(\d+)(?:st|nd|rd|th) of your last 10", rank),
    Rule("followers", rf"{POST} Seen by {N} of your {N} followers", followed),
    Rule("silent", rf"{POST} (?:Seen by [^{MARK}]*? )?{N} people saw this; no one reacted", silent),
    Rule("four weeks", rf"four weeks, {N} of your roughly {N} followers saw", union),
    Rule("regulars", rf"{N} (?:people|person) saw at least half of your posts", regulars),
    Rule("group", rf"{POST} Seen by {N} of {N} other members", members),
    Rule("kind", rf"{N} posts? · (?:responded to by about|about [\d.]+ reactions per)", kind),
    Rule("kinds compared", r"by more than chance alone would make likely", compared),
    Rule("hours", r"More of your readers are around in the hours after", around),
    Rule("along", rf"At least about {N} people follow along\. {N} people reacted", along),
    Rule("estimate", rf"Probably seen by {N}–{N} people", likely),
    Rule("focus", rf"The {N} reactions of the last eight weeks are", varied),
    Rule("answer", rf"{N} (?:people|person) saw “{POST}”", answer),
    Rule("own guesses", rf"Over your last {N} guess(?:es)? you guess about {N}%", record),
    Rule("others' guesses", rf"the typical person guesses about {N}% of the real", everybody),
]
