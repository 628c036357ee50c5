"""Twenty weeks of life in Fieldnotes, through the same writer as any other import.

Every person has their own random numbers, so a community of a hundred thousand begins with the
same thirty people as the small one and is made slice by slice, in little memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import NamedTuple

from digest.address import key_of
from digest.database import Database
from digest.demo.circles import GROUPS, faithful, fans, listening, spans
from digest.demo.people import NAMED, Habit, Person, person, place_among_writers
from digest.demo.rhythm import DAY, HOUR, SATURDAY, WEEK, WEEKS, days, delay, waking, weekday
from digest.demo.stories import ARABIC, Story, stories
from digest.ingest import Report, ingest_rows
from digest.ingest.rows import (
    CounterRow,
    FollowRow,
    GroupRow,
    Instant,
    MembershipRow,
    PostRow,
    ReactionRow,
    Row,
    UserRow,
    ViewRow,
)
from digest.ingest.values import stored
from digest.window import Period, last_full_week, zone

SLICE = 2000
"""People who are written at once."""

SITE = "https://fieldnotes.example"
_SMALL = 1000
_VIA = ("feed",) * 11 + ("search",) * 4 + ("profile",) * 2 + ("repost",) * 2 + ("group",)


class _Calendar(NamedTuple):
    """The weeks that are filled, in seconds since the epoch; nothing happens after ``now``."""

    week: Period
    start: int
    last: int
    now: int


class _Circle(NamedTuple):
    """Who is there to read: ``users`` people of the community and ``readers`` from outside."""

    users: int
    readers: int
    pull: float


class _Life(NamedTuple):
    """A person among the others and before their followers, each with random numbers of its own."""

    place: int
    who: Person
    circle: _Circle
    calendar: _Calendar
    random: Random
    fans: list[str]
    company: Random


class _Read(NamedTuple):
    """Somebody opened a post; ``member`` if it is one of the community."""

    at: int
    viewer: str
    member: bool


def populate(database: Database, *, users: int = 30, now: datetime, seed: int = 2026) -> Report:
    """Write a community of ``users`` people whose last week is the last full one before ``now``.

    The same seed in the same week gives the same rows, but for those that lie after ``now``.
    """
    calendar = _calendar(now)
    circle = _Circle(users, max(6000, users * 10), 45 if users <= _SMALL else 9)
    report = Report()
    for first in range(0, users, SLICE):
        members = range(first, min(first + SLICE, users))
        report.add(ingest_rows(database, _rows(members, circle, calendar, seed)))
    return report


def _calendar(now: datetime) -> _Calendar:
    # In Auckland a week is over before it is anywhere else, and in Hawaii it still goes on then.
    week = last_full_week(now, zone("Pacific/Auckland"))
    monday = datetime.combine(week.monday, time(), UTC)
    end = monday + timedelta(weeks=1, hours=12)
    first = monday - timedelta(weeks=WEEKS - 1)
    return _Calendar(week, _seconds(first), _seconds(monday), _seconds(min(now, end)))


def _rows(members: range, circle: _Circle, calendar: _Calendar, seed: int) -> Iterator[Row]:
    for id_, name in GROUPS.items():
        yield GroupRow(id_, name)
    for index in members:
        name = f"{seed} {calendar.week} {index}"
        random, company = Random(name), Random(f"{name} company")  # noqa: S311 - no secrets here
        who = person(index, circle.pull, random)
        followers = [] if who.is_new else fans(who.pull, circle.readers, company)
        yield from _all_of(_Life(index, who, circle, calendar, random, followers, company))


def _all_of(life: _Life) -> Iterator[Row]:
    """A person, their followers and groups, their posts and what became of these."""
    who, random = life.who, life.random
    email = f"{who.handle}@fieldnotes.example"
    joined = life.calendar.start - random.randrange(30 * DAY, 900 * DAY)
    yield UserRow(
        who.handle,
        who.name,
        email,
        key_of(email),
        who.handle,
        who.locale,
        who.timezone,
        _instant(joined),
    )
    most = 5 if who.is_new else 14
    for follower in sorted({_member(life) for _ in range(random.randrange(2, most))}):
        since = random.randrange(joined, life.calendar.last)
        if follower != who.handle:
            yield FollowRow(who.handle, follower, _instant(since))
    for fan, since, until in spans(life.fans, joined, life.calendar.last, life.company):
        yield FollowRow(
            who.handle, fan, _instant(since), None if until is None else _instant(until)
        )
    groups = [id_ for id_ in GROUPS if random.random() < 0.3 and not who.is_new]
    for id_ in [*groups, *listening(groups, life.company)]:
        yield MembershipRow(id_, who.handle, _instant(joined))
    yield from _posts(life, groups)


def _posts(life: _Life, groups: list[str]) -> Iterator[Row]:
    who, random = life.who, life.random
    moments = sorted(_moments(life))
    told = _told(life, len(moments))
    for number, (moment, story) in enumerate(zip(moments, told, strict=True)):
        if moment >= life.calendar.now:
            continue
        id_ = f"{who.handle}-{number + 1}"
        yield PostRow(
            id_,
            who.handle,
            _instant(moment),
            story.title,
            story.text,
            f"{SITE}/p/{_slug(story.title, id_)}",
            "post",
            who.topic,
            random.choice(groups) if groups and random.random() < 0.2 else None,
        )
        reads = _reads(life, moment, first=number == 0, last=number == len(moments) - 1)
        if who.habit is Habit.COUNTED:
            yield from _readings(id_, [read.at for read in reads], moment, life.calendar)
        else:
            yield from _seen(life, id_, moment, reads)


def _moments(life: _Life) -> Iterator[int]:
    """When somebody posts, in no order."""
    for weeks_ago, day in days(life.who, life.random):
        hour = min(max(life.random.gauss(17, 4), 6), 22.5)
        local = life.calendar.last - weeks_ago * WEEK + day * DAY + int(hour * HOUR)
        yield local - _offset(life)


def _told(life: _Life, number: int) -> list[Story]:
    taken, writers = place_among_writers(life.place)
    told = stories(life.who.topic, number, taken, writers, life.random)
    if life.who.locale is not None and life.who.locale.startswith("ar"):
        told[-len(ARABIC) :] = ARABIC[-number:]
    if life.who.habit is Habit.LEADING:
        told.sort(key=lambda story: story.title.startswith("Why our build"))
    return told


def _reads(life: _Life, moment: int, *, first: bool, last: bool) -> list[_Read]:
    """Who opened a post and when: a rush in the first hours, some days of talk, a long tail."""
    who, random, calendar = life.who, life.random, life.calendar
    offset = _offset(life)
    end = calendar.now if who.habit is not Habit.QUIET else calendar.last - 3 * WEEK
    steady = who.habit is Habit.LEADING or who.is_new
    luck = random.lognormvariate(-0.05, 0.25) if steady else random.lognormvariate(-0.25, 0.7)
    if who.habit is Habit.LEADING and last:
        luck = 2.6
    if who.is_new:
        luck *= 1.9 if first else 0.5 if weekday(moment + offset) == SATURDAY else 1
    number = round(who.pull * luck)
    times = [waking(moment + delay(random), offset, random) for _ in range(number)]
    if who.habit is Habit.ARCHIVE and first:
        found = calendar.last + int(1.4 * DAY)
        times += [waking(found + delay(random), offset, random) for _ in range(380)]
    reads: list[_Read] = []
    for at in sorted(times):
        if at >= end:
            break
        if reads and random.random() < 0.1:  # one comes back to read it again
            _, viewer, member = reads[random.randrange(len(reads))]
        elif random.random() < 0.35:
            viewer, member = _member(life), True
        else:
            anybody = f"reader-{int(life.circle.readers * random.random() ** 1.5)}"
            viewer, member = faithful(life.fans, life.company) or anybody, False
        reads.append(_Read(at, viewer, member))
    return reads


def _seen(life: _Life, id_: str, moment: int, reads: list[_Read]) -> Iterator[Row]:
    """The views of a post, the author's own look at it, and what readers did."""
    author, now, random = life.who.handle, life.calendar.now, life.random
    if moment + 90 < now:
        yield ViewRow(id_, _instant(moment + 90), author, "profile")
    for at, viewer, member in reads:
        yield ViewRow(id_, _instant(at), viewer, random.choice(_VIA))
        if viewer == author:
            continue
        luck = random.random() * (1 if member else 4)
        kind = "reply" if luck < 0.025 else "repost" if luck < 0.04 else "like"
        done = at + random.randrange(20, 900)
        if luck < 0.13 and done < now:
            yield ReactionRow(id_, _instant(done), viewer, kind)


def _readings(id_: str, times: list[int], moment: int, calendar: _Calendar) -> Iterator[Row]:
    """A platform's totals each morning; they lose ten views now and then and find them again."""
    day = moment - moment % DAY + DAY + 5 * HOUR
    seen = 0
    while day < calendar.now:
        while seen < len(times) and times[seen] < day:
            seen += 1
        lost = 10 if seen > 40 and (day // DAY) % 19 == 0 else 0
        yield CounterRow(id_, _instant(day), seen - lost, seen // 21, seen // 160, seen // 75)
        day += DAY


def _member(life: _Life) -> str:
    """Somebody of the community, from the neighbourhood where it is large."""
    users, chance = life.circle.users, life.random.random()
    near = (life.place + 1 + int(200 * chance)) % users
    place = int(users * chance) if users <= _SMALL else near
    return NAMED[place].handle if place < len(NAMED) else f"m{place:06d}"


def _slug(title: str, id_: str) -> str:
    words = re.findall(r"[a-z0-9]+", title.lower())
    return "-".join([*words, *id_.split("-")]) if words else id_


def _offset(life: _Life) -> int:
    """Seconds from UTC to the person's clock, that of the last week."""
    if life.who.timezone is None:
        return 0
    local = datetime.fromtimestamp(life.calendar.last, zone(life.who.timezone))
    return int((local.utcoffset() or timedelta()).total_seconds())


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _instant(seconds: int) -> Instant:
    return stored(datetime.fromtimestamp(seconds, UTC))
