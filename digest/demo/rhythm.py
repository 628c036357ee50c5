"""On which days people post, and how soon and at which hours they are read."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from digest.demo.people import Habit, Person

WEEKS = 20
HOUR, DAY, WEEK = 3600, 86_400, 604_800
SATURDAY = 5
_WEEKDAYS = (0.9, 1.0, 1.0, 0.95, 0.8, 0.6, 0.75)
"""How readily people read on each day, Monday first."""
_BEGINNING = ((2, 0), (2, 2), (2, 3), (1, 0), (1, 1), (1, 2), (1, 5), (0, 0), (0, 1), (0, 5))
"""The posts of somebody who began two weeks ago. That of Saturday is too young to be judged as the
week is over, and enough others are read for the mail to ask about it.
"""


def days(who: Person, random: Random) -> Iterator[tuple[int, int]]:
    """How many weeks ago each post is, and on which day of that week.

    Nearly everybody posts this week and last, and now and then before.
    """
    if who.habit is Habit.BEGINNING:
        yield from _BEGINNING
        return
    recent = 9 if who.habit is Habit.QUIET else 2
    # People have their rhythm: evenly spread, give or take a week, so that there is a usual.
    step = (WEEKS - recent) / max(who.posts, 1)
    weeks = [min(WEEKS - 1, int(recent + step * (n + random.random()))) for n in range(who.posts)]
    if who.habit is Habit.LEADING:
        weeks = [n % WEEKS for n in range(who.posts)]
    elif who.habit is not Habit.QUIET:
        weeks[:2] = [0, 0 if random.random() < 0.3 else 1]
    if who.habit is Habit.ARCHIVE:
        weeks[-1] = WEEKS + 14
    for weeks_ago in weeks:
        likely = (0, 1, 2, 3) if weeks_ago == 0 else (0, 1, 2, 3, 4, 5, 6, 6)
        yield weeks_ago, random.choice((0, 1, 2) if who.habit is Habit.LEADING else likely)


def delay(random: Random) -> int:
    """How long after a post somebody opens it, in seconds: a rush, days of talk, a long tail."""
    luck = random.random()
    mean = 8 * HOUR if luck < 0.6 else 50 * HOUR if luck < 0.87 else 30 * DAY
    return int(random.expovariate(1 / mean)) + 30


def waking(at: int, offset: int, random: Random) -> int:
    """Move a moment out of the night, and now and then out of the weekend."""
    local = at + offset
    if random.random() > _WEEKDAYS[weekday(local)]:
        at += int(1.5 * DAY * random.random())
        local = at + offset
    if (local // HOUR) % 24 < 6 and random.random() < 0.85:
        at += 7 * HOUR
    return at


def weekday(local: int) -> int:
    """0 is Monday; of seconds by the clock of a place."""
    return (local // DAY + 3) % 7
