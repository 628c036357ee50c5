"""The facts of a community once more, read from its tables and counted in plain Python."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from math import ceil, floor, sqrt
from statistics import fmean
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select

from digest.database import Database
from digest.models import (
    Counter as Reading,
)
from digest.models import (
    Follow,
    Group,
    Membership,
    Post,
    Reaction,
    User,
    View,
    table,
)
from digest.window import Period

AGE = timedelta(hours=48)
Span = tuple[datetime, datetime]


class Week(NamedTuple):
    """All that an author's posts had in a span: None is unknown. ``people`` are named viewers."""

    views: int | None
    people: frozenset[str]
    anonymous: int
    reactions: int
    actors: frozenset[str]
    active: int

    @property
    def metric(self) -> str:
        if self.people and 2 * self.anonymous <= (self.views or 0):
            return "reach"
        return "views" if self.views else "reactions"


class Ground:
    """The rows, and what can be counted of them."""

    def __init__(self, database: Database) -> None:
        models = (User, Post, View, Reaction, Reading, Follow, Group, Membership)
        with database.reading() as session:
            rows = {
                m: [dict(row) for row in session.execute(select(table(m))).mappings()]
                for m in models
            }
        self.users = {row["id"]: row for row in rows[User]}
        self.posts = {row["id"]: row for row in rows[Post]}
        self.groups = {row["id"]: row for row in rows[Group]}
        self.begun = {
            name: {row["post_id"]: row["at"] for row in sorted(of, key=lambda r: r["at"])[::-1]}
            for name, of in (("view", rows[View]), ("act", rows[Reaction]), ("read", rows[Reading]))
        }
        self.views, self.acts, self.readings = (
            self._by_post(rows[model]) for model in (View, Reaction, Reading)
        )
        self.by: dict[str, list[str]] = defaultdict(list)
        for post in self.posts.values():
            self.by[post["author_id"]].append(post["id"])
        self.follows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows[Follow]:
            self.follows[row["followee_id"]].append(row)
        self.members: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows[Membership]:
            self.members[row["group_id"]].append(row)
        self.guesses: list[tuple[str, str, int]] = []
        self.told: dict[tuple[str, str, int], str] = {}
        self.mailed: dict[str, str] = {}
        self._weeks: dict[tuple[str, str], Week] = {}

    def _by_post(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            who = row.get("viewer_id") or row.get("actor_id") or ""
            if who != self.posts[row["post_id"]]["author_id"]:
                found[row["post_id"]].append(row)
        for of in found.values():
            of.sort(key=lambda row: row["at"])
        return found

    def by_zone(self, users: Sequence[str] = ()) -> dict[str, list[str]]:
        zones: dict[str, list[str]] = defaultdict(list)
        for id_, row in sorted(self.users.items()):
            if self.by[id_] and (not users or id_ in users):
                zones[row["timezone"] or "UTC"].append(id_)
        return zones

    # --- weeks ----------------------------------------------------------------------------------

    def span(self, user: str, period: str, ago: int = 0) -> Span:
        zone = ZoneInfo(self.users[user]["timezone"] or "UTC")
        first = Period.parse(period).monday - timedelta(weeks=ago)
        begin = datetime.combine(first, time(), zone)
        return begin, datetime.combine(first + timedelta(weeks=1), time(), zone)

    def week(self, user: str, period: str, ago: int = 0) -> Week:
        key = (user, str(Period.parse(period).shift(-ago)))
        if key not in self._weeks:
            self._weeks[key] = self.total(self.by[user], self.span(user, period, ago))
        return self._weeks[key]

    def total(self, posts: Iterable[str], of: Span) -> Week:
        views: list[int] = []
        people: set[str] = set()
        actors: set[str] = set()
        anonymous = reactions = active = 0
        for post in posts:
            seen, acts = self.within(self.views[post], of), self.within(self.acts[post], of)
            gained = self.gained(post, "views", of) if not seen else None
            if seen:
                views.append(sum(row["count"] for row in seen))
                people |= {row["viewer_id"] for row in seen if row["viewer_id"]}
                anonymous += sum(row["count"] for row in seen if not row["viewer_id"])
            elif gained is not None:
                views.append(gained)
                anonymous += gained
            number = sum(row["count"] for row in acts)
            if not acts:
                kinds = ("likes", "reposts", "replies")
                number = sum(self.gained(post, kind, of) or 0 for kind in kinds)
            reactions += number
            actors |= {row["actor_id"] for row in acts if row["actor_id"]}
            active += bool(seen or gained or number)
        known = sum(views) if views else None
        return Week(known, frozenset(people), anonymous, reactions, frozenset(actors), active)

    @staticmethod
    def within(rows: list[Mapping[str, Any]], of: Span) -> list[Mapping[str, Any]]:
        first, last = (bisect_left(rows, instant, key=lambda row: row["at"]) for instant in of)
        return rows[first:last]

    def gained(self, post: str, column: str, of: Span) -> int | None:
        """What a counter rose by in a span, above its highest total before."""
        published, highest, risen = self.posts[post]["published_at"], None, None
        readings = self.readings[post]
        for n, row in enumerate(readings):
            if row[column] is None:
                continue
            if highest is None:
                fresh = published is not None and n == 0 and self._is_new(published)
                gain = row[column] if fresh else None
            else:
                gain = max(0, row[column] - highest)
            highest = max(highest or 0, row[column])
            if of[0] <= row["at"] < of[1] and gain is not None:
                risen = (risen or 0) + gain
        return risen

    def _is_new(self, published: datetime) -> bool:
        """Published after the data began, so that its first total is all since then."""
        return self.dawn is not None and published >= self.dawn

    @cached_property
    def dawn(self) -> datetime | None:
        return min((row["at"] for of in self.readings.values() for row in of), default=None)

    def earlier(self, user: str, period: str, metric: str) -> list[float]:
        """The known weeks before, up to 26, oldest first."""
        return [count for _, count in self.weeks_before(user, period, metric)]

    def weeks_before(self, user: str, period: str, metric: str) -> list[tuple[int, float]]:
        """How many weeks ago, and the count; from the first fact of the kind, whole weeks only.

        Per 168 hours, where clocks changed.
        """
        kinds = {"reactions": ("act", "read"), "reach": ("view",)}.get(metric, ("view", "read"))
        facts = [
            self.begun[kind][post]
            for kind in kinds
            for post in self.by[user]
            if post in self.begun[kind]
        ]
        found = []
        for ago in range(26, 0, -1):
            begin, end = self.span(user, period, ago)
            if not facts or min(facts) > begin:
                continue
            week = self.week(user, period, ago)
            metered = any(self.readings[post] for post in self.by[user])
            if metered and not any(
                self.within(self.readings[post], (begin, end)) for post in self.by[user]
            ):
                continue
            if metric == "reach" and week.views and not week.people:
                continue  # nobody knows how many people they were
            count = {"reach": len(week.people), "views": week.views or 0}
            hours = self.hours(user, period, ago)
            found.append((ago, count.get(metric, week.reactions) * 168 / hours))
        return found

    def hours(self, user: str, period: str, ago: int = 0) -> float:
        """That a week has: another number where clocks change."""
        begin, end = self.span(user, period, ago)
        return (end.astimezone(UTC) - begin.astimezone(UTC)) / timedelta(hours=1)

    # --- posts ----------------------------------------------------------------------------------

    def early(self, post: str) -> Week:
        """What a post had at the age of 48 hours, from any time before."""
        born = self.posts[post]["published_at"]
        return self.total([post], (born, born + AGE))

    def seen_early(self, post: str) -> int | None:
        """Views of a post at the age of 48 hours; None is unknown."""
        born = self.posts[post]["published_at"]
        if born is None:
            return None
        known = self.early(post).views
        return self._or_zero(post, born) if known is None else known

    def reach(self, post: str) -> int | None:
        """People who had seen a post at that age; None where somebody is unknown."""
        born = self.posts[post]["published_at"]
        if born is None:
            return None
        early = self.early(post)
        if early.views:
            return None if early.anonymous else len(early.people)
        return self._or_zero(post, born)

    def _or_zero(self, post: str, born: datetime) -> int | None:
        """Nobody came only where something of the author's had been seen before."""
        author = self.posts[post]["author_id"]
        before = [self.begun["view"].get(one, born) for one in self.by[author]]
        return 0 if min(before) < born else None

    def judged(self, user: str, end: datetime) -> list[str]:
        """Posts that were 48 hours old by then, oldest first."""
        old = [p for p in self.by[user] if (b := self.posts[p]["published_at"]) and b + AGE < end]
        return sorted(old, key=lambda p: (self.posts[p]["published_at"], p))

    def following(self, user: str, at: datetime) -> set[str]:
        return {
            row["follower_id"]
            for row in self.follows[user]
            if row["since"] <= at
            and (row["until"] is None or row["until"] > at)
            and row["follower_id"] != user
        }

    def actors(self, user: str, since: datetime, end: datetime) -> Counter[str]:
        """How often each named person reacted to an author's posts."""
        found: Counter[str] = Counter()
        for post in self.by[user]:
            for row in self.within(self.acts[post], (since, end)):
                if row["actor_id"]:
                    found[row["actor_id"]] += row["count"]
        return found


def usual_range(counts: Sequence[float], hours: float = 168) -> tuple[int, int]:
    """Wheeler's limits on square roots, as whole numbers that lie within them.

    Of a week of so many hours; the counts are per 168.
    """
    roots = [sqrt(count) for count in counts]
    spread = 2.66 * fmean(abs(b - a) for a, b in pairwise(roots))
    ends = max(0.0, fmean(roots) - spread) ** 2, (fmean(roots) + spread) ** 2
    low, high = (round(end * hours / 168, 6) for end in ends)
    return min(ceil(low), floor(high)), max(ceil(low), floor(high))
