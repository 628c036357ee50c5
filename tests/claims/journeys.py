"""What a mail may say of how posts travelled: who came by whom, what picked up, what grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from scipy.stats import spearmanr

from tests.claims.counting import AGE, Ground
from tests.claims.sentences import LEAST, PERSON, POST, N, Rule, number
from tests.claims.writing import Mail

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Row = Mapping[str, Any]


def first_views(mail: Mail) -> list[Row]:
    """By which view each named person came this week; of two at once the one by a repost."""
    span = mail.ground.span(mail.user, mail.snapshot.period)
    rows = [
        r for p in mail.ground.by[mail.user] for r in mail.ground.within(mail.ground.views[p], span)
    ]
    rows.sort(key=lambda row: (row["at"], row["via"] != "repost", row["post_id"]))
    found: dict[str, Row] = {}
    for row in rows:
        if row["viewer_id"]:
            found.setdefault(row["viewer_id"], row)
    return list(found.values())


def follows(ground: Ground, who: str, whom: str, at: datetime) -> bool:
    return any(
        row["follower_id"] == who
        and row["since"] <= at
        and (row["until"] is None or row["until"] > at)
        for row in ground.follows[whom]
    )


def carried(mail: Mail, of: str, part: str, how: str) -> bool:
    """Strangers count only where ten followers are known, or everybody would be one."""
    came = first_views(mail)
    known = len({row["follower_id"] for row in mail.ground.follows[mail.user]}) >= LEAST
    reposted = [row for row in came if row["via"] == "repost"]
    strangers = [
        row
        for row in came
        if known and not follows(mail.ground, row["viewer_id"], mail.user, row["at"])
    ]
    through = {row["viewer_id"] for row in [*reposted, *strangers]}
    ways = ["came by a repost"] * bool(reposted) + ["do not follow you"] * known
    how = how.replace(
        "came from beyond your followers or by a repost", "came by a repost or do not follow you"
    )
    right = (number(of), number(part)) == (len(came), len(through)) and how == " or ".join(ways)
    return right and LEAST <= len(through) < len(came)


def bringers(mail: Mail, *, stranger_only: bool) -> Counter[str]:
    """How many people each reposter brought, as far as it is known whose repost it was."""
    ground = mail.ground
    found: Counter[str] = Counter()
    for row in first_views(mail):
        if row["via"] == "repost":
            found[source(ground, mail.user, row, stranger_only=stranger_only)] += 1
    return found


def source(ground: Ground, author: str, view: Row, *, stranger_only: bool) -> str:
    before = [
        row
        for row in ground.acts[view["post_id"]]
        if row["type"] == "repost"
        and row["at"] <= view["at"]
        and row["actor_id"] not in {author, view["viewer_id"]}
    ]
    before.sort(key=lambda row: row["actor_id"])
    before.sort(key=lambda row: row["at"], reverse=True)
    for row in before:
        if follows(ground, view["viewer_id"], row["actor_id"], view["at"]):
            return str(row["actor_id"])
    only = {row["actor_id"] for row in before}
    one = only.pop() if len(only) == 1 else ""
    return "" if stranger_only and ground.follows[one] else one


def reposter(mail: Mail, name: str, people: str) -> bool:
    """Who reposted is public; who came is a group, and so never a small one."""
    found = bringers(mail, stranger_only=True)
    most = max((n for who, n in found.items() if who in mail.ground.users), default=0)
    return found[name] == number(people) == most >= LEAST


def seen_from(mail: Mail, post: str, begin: datetime, hours: float) -> int:
    rows = mail.ground.within(mail.ground.views[post], (begin, begin + hours * HOUR))
    return sum(row["count"] for row in rows)


def picked_up(mail: Mail, post: str, after: str, *by: str | None) -> bool:
    """Three times the six hours before, more than the same hours yesterday, after a fresh act."""
    born, end = mail.ground.posts[post]["published_at"], mail.snapshot.end
    name, act, before = by
    kind = "reply" if act == "replied" else "repost"
    acts = [row for row in mail.ground.acts[post] if row["type"] == kind]
    told = (number(after), number(before or "0"))
    for row in acts:
        at = row["at"]
        fresh = not any(at - 6 * HOUR < other["at"] < at for other in acts)
        counts = (seen_from(mail, post, at, 6), seen_from(mail, post, at - 6 * HOUR, 6))
        lately = mail.snapshot.start <= at < end - 6 * HOUR
        if row["actor_id"] == name and fresh and lately and counts == told:
            surge = counts[0] >= 10 and counts[0] >= 3 * counts[1]
            yesterday = seen_from(mail, post, at - DAY, 6)
            return surge and counts[0] > yesterday and at - DAY >= born and end - born >= AGE
    return False


def growing(mail: Mail, post: str, views: str, ratio: str | None, days: str | None) -> bool:
    """Twice what eight posts had at that age, from twenty views on, of 2 to 28 days."""
    ground, end = mail.ground, mail.snapshot.end
    born = ground.posts[post]["published_at"]
    age = -((born - end) // DAY) - 1
    older = [
        p for p in ground.by[mail.user] if (at := ground.posts[p]["published_at"]) and at < born
    ]
    older.sort(key=lambda p: ground.posts[p]["published_at"], reverse=True)
    begun = min(ground.begun["view"][p] for p in ground.by[mail.user] if p in ground.begun["view"])
    from_ = [ground.posts[p]["published_at"] + (age - 1) * DAY for p in older[:20]]
    then = [seen_from(mail, p, at, 24) for p, at in zip(older, from_, strict=False) if at >= begun]
    now = seen_from(mail, post, end - DAY, 24)
    if number(views) != now or now < 20 or len(then) < 8 or not 2 <= age <= 28:
        return False
    usual = median(then)
    if ratio is None:
        return usual < 1 and number(days or "0") == age
    close = 0.06 if now / usual < 3 else 0.51
    return now >= 2 * usual and abs(float(ratio.replace(",", "")) - now / usual) <= close


def early(mail: Mail, over: str | None, reached: str, others: str | None, posts: str) -> bool:
    """By what was known at two hours, and whom they reached from then on: thirty posts."""
    starts = list(_starts(mail))
    if len(starts) < 30 or number(posts) != len(starts):
        return False
    middle = int(median(engagers for engagers, _ in starts))
    quick = [gained for engagers, gained in starts if engagers > middle]
    slow = [gained for engagers, gained in starts if engagers <= middle]
    if min(len(quick), len(slow)) < 5 or number(over or "0") != middle:
        return False
    halves = int(median(quick)), int(median(slow))
    rho, chance = spearmanr(*zip(*starts, strict=True))
    right = halves == (number(reached), number(others or "0"))
    return right and halves[0] > halves[1] and halves[0] >= LEAST and rho > 0 and chance < 0.1


def _starts(mail: Mail) -> Iterator[tuple[int, int]]:
    """Of each of the latest fifty posts (this week's besides) that are wholly known."""
    ground, end = mail.ground, mail.snapshot.end
    judged = ground.judged(mail.user, end)
    new = [p for p in judged if ground.posts[p]["published_at"] + AGE >= mail.snapshot.start]
    for post in sorted({*judged[-50:], *new}):
        born = ground.posts[post]["published_at"]
        week = ground.early(post)
        at_once = ground.total([post], (born, born + 2 * HOUR))
        anonymous = any(
            not row["actor_id"] for row in ground.within(ground.acts[post], (born, born + AGE))
        )
        if born < end - timedelta(weeks=26) or anonymous or ground.reach(post) is None:
            continue
        yield len(at_once.actors), len(week.people) - len(at_once.people)


def faithful(mail: Mail, name: str, weeks: str, posts: str, viewers: str | None) -> bool:
    """Only brands read it; three weeks of eight, public acts, and no small group of viewers."""
    ground = mail.ground
    spans = [ground.span(mail.user, mail.snapshot.period, ago) for ago in range(8)]
    met = {
        (n, post)
        for post in ground.by[mail.user]
        for n, span in enumerate(spans)
        for row in ground.within(ground.acts[post], span)
        if row["actor_id"] == name
    }
    told = len({n for n, _ in met}), len({post for _, post in met})
    right = told == (number(weeks), number(posts)) and told[0] >= 3
    brought = {
        row["viewer_id"]
        for post in ground.by[mail.user]
        for row in ground.within(ground.views[post], (spans[7][0], spans[0][1]))
        if row["via"] == "repost"
        and row["viewer_id"]
        and source(ground, mail.user, row, stranger_only=False) == name
    }
    few = viewers is None or number(viewers) == len(brought) >= LEAST
    return mail.user == "brand" and right and few


MORE = r"on the last day of the week[,;]"
RULES = [
    Rule(
        "carried",
        rf"Of the {N} people who saw your posts, {N} "
        r"(came by a repost(?: or do not follow you)?|do not follow you"
        r"|came from beyond your followers or by a repost)\.",
        carried,
    ),
    Rule("reposter", rf"The repost by {PERSON} brought most: {N} (?:people|person)", reposter),
    Rule(
        "second wind",
        rf"Picked up again {POST} {N} views? in the 6 hours after {PERSON} (reposted it|replied)"
        rf"(?: · {N} in the 6 hours before)?",
        picked_up,
    ),
    Rule(
        "still growing",
        rf"Still growing {POST} {N} views? {MORE} (?:([\d.,]+)× what your posts usually get"
        rf"|at {N} days, most of your posts have come to rest)",
        growing,
    ),
    Rule(
        "early response",
        rf"Posts of yours that (?:somebody|more than {N} (?:people|person)) responded to within"
        rf" 2 hours went on to reach more\. Half of them reached {N} people or more after that"
        rf"(?:, half of the others {N} or more)? \(your last {N} posts\)",
        early,
    ),
    Rule(
        "advocate",
        rf"\d\. {PERSON} {N} weeks? · {N} posts?"
        rf"(?: · {N} (?:people|person) saw your posts by way of their reposts)?",
        faithful,
    ),
]
