"""How posts travelled: each part against counting by hand, and above all when it stays silent."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html
from scipy import stats as scipy_stats
from sqlalchemy import insert
from sqlmodel import SQLModel

from digest.database import Database
from digest.facts import Batch
from digest.facts.weeks import author_weeks
from digest.models import Follow, Post, Reaction, User, View, table
from digest.render import Rendered, Renderer
from digest.sections import advocates, momentum
from digest.sections.momentum import carrying, early, winds
from digest.sections.momentum.early import Start
from digest.window import Period
from tests.conversions import read
from tests.databases import examples, new_database, overheard, sqlite_only, steps
from tests.mails import BRAND, LINKS, headline, snapshot

BATCH_ZONE = ZoneInfo("UTC")
WEEK = Period(2026, 46)
BATCH = Batch(WEEK, BATCH_ZONE, ("alice",))
START, END = BATCH.window.start, BATCH.window.end
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALWAYS = START - timedelta(days=900)


class Town:
    """Rows by table, written at once; Alice is the author, and everybody else has a name."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self.reactions: list[dict[str, Any]] = []
        self.follows: list[dict[str, Any]] = []

    def post(self, id_: str, at: datetime | None, author: str = "alice") -> None:
        row = {"id": id_, "author_id": author, "published_at": at, "title": f"The {id_}"}
        self.posts.append(row | {"url": f"https://site.example/{id_}"})

    def view(
        self, post: str, at: datetime, viewer: str = "", via: str = "", count: int = 1
    ) -> None:
        row = {"post_id": post, "at": at, "viewer_id": viewer, "via": via, "count": count}
        self.views.append(row)

    def seen(self, post: str, at: datetime, number: int, via: str = "", by: str = "v") -> None:
        """One view each by ``number`` people, a second apart."""
        for n in range(number):
            self.view(post, at + n * timedelta(seconds=1), f"{by}{n}", via)

    def act(self, post: str, at: datetime, actor: str, kind: str = "repost") -> None:
        self.reactions.append(
            {"post_id": post, "at": at, "actor_id": actor, "type": kind, "count": 1}
        )

    def follow(
        self, who: str, by: Iterable[str], since: datetime = ALWAYS, until: datetime | None = None
    ) -> None:
        row = {"followee_id": who, "since": since, "until": until}
        self.follows += [row | {"follower_id": one} for one in by]

    def settle(self, database: Database) -> None:
        named = {row["author_id"] for row in self.posts} | {r["actor_id"] for r in self.reactions}
        people = [
            {"id": one, "name": one.title(), "email": f"{one}@p.example"} for one in named if one
        ]
        tables: list[tuple[list[dict[str, Any]], type[SQLModel]]] = [
            (people, User),
            (self.posts, Post),
            (self.views, View),
            (self.reactions, Reaction),
            (self.follows, Follow),
        ]
        with database.writing() as session:
            for rows, model in tables:
                if rows:
                    session.connection().execute(insert(table(model)), rows)


@pytest.fixture
def town() -> Town:
    return Town()


def facts(town: Town, database: Database, *users: str) -> dict[str, momentum.Facts]:
    town.settle(database)
    with database.reading() as session:
        return momentum.load(session, Batch(WEEK, BATCH_ZONE, users or ("alice",)))


def told(town: Town, database: Database) -> dict[str, Any]:
    found = facts(town, database).get("alice")
    return (found and momentum.build(found, BATCH)) or {}


def of(prefix: str, number: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(number)]


# --- carried by others ---------------------------------------------------------------------------


def test_people_who_came_by_a_repost_are_counted_and_the_reposter_is_named(
    town: Town, database: Database
) -> None:
    town.post("p", START)
    town.follow("noor", of("n", 12))
    town.act("p", START + HOUR, "noor")
    town.seen("p", START + 2 * HOUR, 12, "repost", by="n")
    town.seen("p", START + 3 * HOUR, 30, "feed")
    assert told(town, database)["carried"] == {
        "people": 12,
        "of": 42,
        "reposts": 12,
        "follows": False,
        "reposter": {"name": "Noor", "people": 12},
    }


def test_who_does_not_follow_came_through_others_where_followers_are_known(
    town: Town, database: Database
) -> None:
    """Whoever left before, or came after, did not follow when they saw the post."""
    town.post("p", START)
    town.follow("alice", of("v", 20))
    town.follow("alice", of("gone", 6), until=START)
    town.follow("alice", of("late", 6), since=START + 5 * HOUR)
    for group, number in (("v", 20), ("gone", 6), ("late", 6), ("stranger", 3)):
        town.seen("p", START + HOUR, number, "feed", by=group)
    carried = told(town, database)["carried"]
    assert (carried["people"], carried["of"], carried["follows"]) == (15, 35, True)
    assert carried["reposter"] is None


def test_with_few_known_followers_strangers_are_not_told_from_followers(
    town: Town, database: Database
) -> None:
    town.post("p", START)
    town.follow("alice", of("v", 9))
    town.seen("p", START + HOUR, 40, "feed")
    assert told(town, database) == {}


def test_a_person_came_the_way_of_their_first_view_of_the_week(
    town: Town, database: Database
) -> None:
    town.post("p", START - 9 * DAY)
    town.seen("p", START - DAY, 30, "feed")  # before the week: another time
    town.seen("p", START + HOUR, 20, "repost")
    town.seen("p", START + 2 * HOUR, 30, "feed")
    town.seen("p", START + 3 * HOUR, 30, "repost")
    carried = told(town, database)["carried"]
    assert (carried["people"], carried["of"]) == (20, 30)


@pytest.mark.parametrize(("people", "others"), [(9, 30), (12, 0)])
def test_few_people_and_only_strangers_are_not_told(
    town: Town, database: Database, people: int, others: int
) -> None:
    town.post("p", START)
    town.seen("p", START + HOUR, people, "repost", by="r")
    town.seen("p", START + HOUR, others, "feed")
    assert told(town, database) == {}


def test_a_viewer_belongs_to_the_latest_reposter_whom_they_follow(
    town: Town, database: Database
) -> None:
    town.post("p", START)
    for hours, who in ((1, "noor"), (2, "mei"), (3, "omar"), (9, "zoe")):
        town.act("p", START + hours * HOUR, who)
    town.follow("noor", of("v", 20))
    town.follow("mei", of("v", 12))
    town.follow("omar", of("v", 20), until=START)
    town.follow("zoe", of("v", 20))
    town.seen("p", START + 4 * HOUR, 20, "repost")
    town.seen("p", START + 4 * HOUR, 9, "feed", by="w")
    assert told(town, database)["carried"]["reposter"] == {"name": "Mei", "people": 12}


@pytest.mark.parametrize(
    ("second", "followers", "named"),
    [(False, False, True), (True, False, False), (False, True, False)],
)
def test_where_follows_are_unknown_only_a_lone_reposter_is_named(
    town: Town, database: Database, *, second: bool, followers: bool, named: bool
) -> None:
    town.post("p", START)
    town.act("p", START + HOUR, "noor")
    if second:
        town.act("p", START + HOUR, "mei")
    if followers:
        town.follow("noor", ["somebody-else"])
    town.seen("p", START + 2 * HOUR, 12, "repost")
    town.seen("p", START + 2 * HOUR, 9, "feed", by="w")
    reposter = told(town, database)["carried"]["reposter"]
    assert reposter == ({"name": "Noor", "people": 12} if named else None)


def test_neither_authors_nor_nobody_nor_who_brought_few_is_named(
    town: Town, database: Database
) -> None:
    for number, who in enumerate(("alice", "")):
        town.post(f"p{number}", START)
        town.act(f"p{number}", START + HOUR, who)
        town.seen(f"p{number}", START + 2 * HOUR, 9, "repost", by=f"v{number}-")
    town.post("q", START)
    town.act("q", START + HOUR, "noor")
    town.seen("q", START + 2 * HOUR, 4, "repost", by="w")
    town.seen("q", START + 2 * HOUR, 4, "feed", by="x")
    assert told(town, database)["carried"]["reposter"] is None


def test_with_mostly_nameless_viewers_nothing_is_said_of_people(
    town: Town, database: Database
) -> None:
    town.post("p", START)
    town.seen("p", START + HOUR, 20, "repost")
    town.seen("p", START + HOUR, 9, "feed", by="w")
    town.view("p", START + HOUR, "", "feed", count=60)
    assert told(town, database) == {}


def follows(town: Town, who: str, by: str, at: datetime) -> bool:
    return any(
        (row["followee_id"], row["follower_id"]) == (who, by)
        and row["since"] <= at
        and (row["until"] is None or row["until"] > at)
        for row in town.follows
    )


def whose_repost(town: Town, view: dict[str, Any]) -> str:
    """Whom the definition counts a view by a repost with."""
    latest: dict[str, datetime] = {}
    for act in sorted(town.reactions, key=lambda act: act["at"]):
        if act["post_id"] == view["post_id"] and act["at"] <= view["at"]:
            latest[act["actor_id"]] = act["at"]
    followed = [who for who in latest if follows(town, who, view["viewer_id"], view["at"])]
    if followed:
        return max(sorted(followed), key=lambda who: latest[who])
    known = {row["followee_id"] for row in town.follows}
    return min(latest) if len(latest) == 1 and not latest.keys() & known else ""


def by_hand(town: Town) -> dict[str, Any]:
    """The definition, one row after the other."""
    first: dict[str, dict[str, Any]] = {}
    order = sorted(town.views, key=lambda v: (v["at"], v["via"] != "repost", v["post_id"]))
    for view in order:
        if START <= view["at"] < END:
            first.setdefault(view["viewer_id"], view)
    known = len({f["follower_id"] for f in town.follows if f["followee_id"] == "alice"}) >= 10
    reposted = [view for view in first.values() if view["via"] == "repost"]
    others = [view for view in first.values() if view["via"] != "repost"]
    strange = [v for v in others if not follows(town, "alice", v["viewer_id"], v["at"])]
    brought = Counter(whose_repost(town, view) for view in reposted)
    del brought[""]
    most = max(brought.values(), default=0)
    best = min((who for who in brought if brought[who] == most), default="")
    return {
        "people": len(reposted) + len(strange) * known,
        "of": len(first),
        "reposter": {"name": best.title(), "people": most} if most >= 10 else None,
    }


@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_any_week_gives_what_counting_one_by_one_gives(seed: int, tmp_path: Path) -> None:
    chance, town = random.Random(seed), Town()
    for post in ("p", "q"):
        town.post(post, START - DAY)
    reposters = ["noor", "mei", "zoe"][: chance.randint(1, 3)]
    for one in {(chance.choice("pq"), chance.randrange(-9, 60), who) for who in reposters * 2}:
        town.act(one[0], START + one[1] * HOUR, one[2])
    crowd = of("w", chance.choice((0, 40, 40)))  # so many are looked at in another way
    for who in crowd:
        town.act("p", START + chance.randrange(-9, 60) * HOUR, who)
    for who in ("alice", *reposters, *crowd[:3]):
        for viewer in chance.sample(of("v", 60), chance.choice((0, 10, 50))):
            until = chance.choice((None, START + chance.randrange(60) * HOUR))
            town.follow(who, [viewer], START - chance.randrange(-50, 50) * HOUR, until)
    drawn = {
        (chance.choice("pppq"), chance.randrange(-5, 70), chance.choice(of("v", 60)))
        for _ in range(150)
    }
    for post, hours, viewer in sorted(drawn):
        town.view(post, START + hours * HOUR, viewer, chance.choice(("repost", "repost", "feed")))
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    found = facts(town, database).get("alice")
    database.close()
    assert found is not None
    assert found.carried is not None
    hand = by_hand(town)
    reposter = {"name": found.carried.reposter, "people": found.carried.brought}
    assert (found.carried.people, found.carried.of) == (hand["people"], hand["of"])
    assert (reposter if found.carried.reposter else None) == hand["reposter"]


def looked_up(town: Town, file: Path) -> int:
    """The work of finding out by whose reposts people came."""
    database = Database(new_database(file))
    town.settle(database)
    batch = Batch(WEEK, BATCH_ZONE, ("alice",), brands=frozenset({"alice"}))
    with steps(database) as taken, database.reading() as session:
        carrying.load(session, batch)
        advocates.load(session, batch)
    database.close()
    return taken()


@sqlite_only
@pytest.mark.parametrize("known", [0, 1])
def test_a_popular_post_costs_its_viewers_and_reposts_and_not_each_of_each(
    known: int, tmp_path: Path
) -> None:
    """Four times as many of both are four times the work, where pairs would be sixteen times."""

    def work(number: int) -> int:
        town, file = Town(), tmp_path / f"{number}.db"
        town.post("p", START - DAY)
        for n, who in enumerate(of("r", number)):
            town.act("p", START + timedelta(seconds=n), who)
        town.seen("p", START + HOUR, number, "repost")
        town.follow("r0", of("v", number * known))
        return looked_up(town, file)

    few = work(100)
    assert work(400) < 8 * few


@sqlite_only
def test_what_people_repost_elsewhere_costs_nothing(tmp_path: Path) -> None:
    def work(elsewhere: int) -> int:
        town, file = Town(), tmp_path / f"{elsewhere}.db"
        for post, author in (("p", "alice"), ("q", "bob")):
            town.post(post, START - DAY, author)
        for n in range(20):
            town.act("p", START, f"r{n}")
        for n in range(elsewhere):
            town.act("q", START, f"r{n}")
        town.seen("p", START + HOUR, 40, "repost")
        return looked_up(town, file)

    assert work(20_000) < 1.5 * work(20)


@sqlite_only
def test_whom_else_viewers_follow_costs_nothing_where_reposts_are_few(tmp_path: Path) -> None:
    """In a community in which everybody follows many, and many repost."""

    def work(follows: int) -> int:
        town, file = Town(), tmp_path / f"{follows}.db"
        for n in range(40):
            town.post(f"p{n}", START - DAY)
            town.act(f"p{n}", START, f"r{n}")
            town.seen(f"p{n}", START + HOUR, 20, "repost", by=f"{n}-")
        for n in range(40):
            for seen in range(n, n + follows):
                town.follow(f"r{n}", [f"{seen % 40}-{viewer}" for viewer in range(20)])
        return looked_up(town, file)

    one = work(1)
    assert work(20) < 1.5 * one


# --- a second wind -------------------------------------------------------------------------------

ACT = START + 2 * DAY + 12 * HOUR


def windy(town: Town, *, after: int = 30, before: int = 10, day_before: int = 20) -> None:
    """A post of three days, with so many views in six hours from the act, before it, and a day
    earlier.
    """
    town.post("p", START - DAY)
    for number, at in ((after, ACT), (before, ACT - 6 * HOUR), (day_before, ACT - DAY)):
        if number:
            town.view("p", at, count=number)


def test_a_post_picked_up_after_somebody_reposted_it(town: Town, database: Database) -> None:
    windy(town)
    town.act("p", ACT, "noor")
    said = told(town, database)["picked_up"]
    assert (said["title"], said["name"], said["act"]) == ("The p", "Noor", "repost")
    assert (said["hours"], said["views"], said["before"]) == (6, 30, 10)


@pytest.mark.parametrize(
    "numbers",
    [
        {"after": 29},
        {"after": 9, "before": 0, "day_before": 0},
        {"day_before": 30},
    ],
    ids=["less than three times", "fewer than ten views", "as many as the day before"],
)
def test_it_takes_three_times_ten_views_and_more_than_the_day_before(
    town: Town, database: Database, numbers: dict[str, int]
) -> None:
    windy(town, **numbers)
    town.act("p", ACT, "noor")
    assert told(town, database) == {}


def test_the_hours_are_half_open(town: Town, database: Database) -> None:
    windy(town, after=0, before=0, day_before=0)
    second = timedelta(seconds=1)
    inside = {ACT: 15, ACT + 6 * HOUR - second: 15, ACT - second: 5, ACT - 6 * HOUR: 5}
    a_day_before = {ACT - DAY: 10, ACT - 18 * HOUR - second: 10}
    outside = (ACT + 6 * HOUR, ACT - 6 * HOUR - second, ACT - 18 * HOUR, ACT - DAY - second)
    for at, count in (inside | a_day_before | dict.fromkeys(outside, 500)).items():
        town.view("p", at, count=count)
    town.act("p", ACT, "noor")
    said = told(town, database)["picked_up"]
    assert (said["views"], said["before"]) == (30, 10)


def test_views_of_the_author_and_acts_of_the_author_or_of_nobody_do_not_count(
    town: Town, database: Database
) -> None:
    windy(town, after=0)
    town.view("p", ACT, "alice", count=30)
    town.act("p", ACT, "noor")
    town.post("q", START - DAY)
    town.view("q", ACT + HOUR, count=30)
    town.act("q", ACT + HOUR, "alice")
    town.act("q", ACT + HOUR, "")
    town.act("q", ACT + HOUR, "mei", "like")
    assert told(town, database) == {}


def test_only_an_act_after_six_hours_without_its_kind_is_a_beginning(
    town: Town, database: Database
) -> None:
    windy(town)
    town.view("p", ACT - 8 * HOUR, count=2)  # before the first of both, not before the second
    town.act("p", ACT - 5 * HOUR, "mei", "reply")
    town.act("p", ACT, "noor", "reply")
    assert told(town, database) == {}


@pytest.mark.parametrize(("hours", "tells"), [(5, False), (6, True), (7, True)])
def test_six_hours_without_an_act_reach_back_into_the_week_before(
    town: Town, database: Database, hours: int, tells: bool
) -> None:
    town.post("p", START - 5 * DAY)
    town.view("p", START + 2 * HOUR, count=30)
    town.act("p", START + HOUR - hours * HOUR, "mei")
    town.act("p", START + HOUR, "noor")
    assert ("picked_up" in told(town, database)) == tells


def test_of_a_repost_and_a_reply_at_once_the_repost_is_told(town: Town, database: Database) -> None:
    windy(town)
    town.act("p", ACT, "mei", "reply")
    town.act("p", ACT, "noor")
    assert told(town, database)["picked_up"]["name"] == "Noor"


def test_a_first_day_is_no_second_wind_and_hours_after_the_week_are_not_known_yet(
    town: Town, database: Database
) -> None:
    town.post("young", ACT - 23 * HOUR)
    town.view("young", ACT, count=30)
    town.act("young", ACT, "noor")
    town.post("late", START)
    town.view("late", END - 5 * HOUR, count=30)
    town.view("late", END + HOUR - timedelta(minutes=1), count=30)
    town.act("late", END - 5 * HOUR, "noor")
    assert told(town, database) == {}


@pytest.mark.parametrize(("age", "tells"), [(48 * HOUR, True), (47 * HOUR, False)])
def test_nothing_is_told_of_a_post_that_the_mail_may_ask_about(
    town: Town, database: Database, age: timedelta, tells: bool
) -> None:
    town.post("p", END - age)
    town.view("p", END - 8 * HOUR, count=30)
    town.act("p", END - 9 * HOUR, "noor")
    assert ("picked_up" in told(town, database)) == tells


# --- still growing -------------------------------------------------------------------------------


def grown(
    town: Town, *, last: int = 40, usual: int = 10, earlier: int = 9, age: timedelta = 4 * DAY
) -> None:
    """A post whose last day had ``last`` views; each of the ``earlier`` ones had ``usual``."""
    published = END - age - HOUR
    town.post("p", published)
    town.view("p", END - HOUR, count=last)
    town.view("p", END, count=1000)  # after the week
    for n in range(1, earlier + 1):
        at = published - n * 8 * DAY
        town.post(f"e{n}", at)
        town.view(f"e{n}", at + timedelta(minutes=1), count=70)
        if usual:
            town.view(f"e{n}", at + 3 * DAY + HOUR, count=usual)
        town.view(f"e{n}", at + 4 * DAY, count=90)


def test_a_post_that_gets_more_than_is_usual_at_its_age_still_grows(
    town: Town, database: Database
) -> None:
    grown(town)
    said = told(town, database)["growing"]
    assert (said["title"], said["days"], said["views"], said["times"]) == ("The p", 4, 40, 4)


@pytest.mark.parametrize(
    "case",
    [
        {"last": 19, "usual": 5},
        {"last": 39, "usual": 20},
        {"earlier": 8},  # the first of them was published before the author's first view
        {"age": DAY},
        {"age": 29 * DAY},
    ],
    ids=["few views", "less than twice", "seven earlier posts", "too young", "too old"],
)
def test_a_post_that_grows_as_usual_is_not_told(
    town: Town, database: Database, case: dict[str, Any]
) -> None:
    grown(town, **case)
    if case == {"earlier": 8}:
        town.views = [v for v in town.views if v["post_id"] != "e8"]
    assert told(town, database).get("growing") is None


def test_where_posts_have_come_to_rest_no_multiple_is_told(town: Town, database: Database) -> None:
    grown(town, usual=0)
    said = told(town, database)["growing"]
    assert (said["views"], said["times"]) == (40, None)


@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_the_usual_at_that_age_is_what_counting_by_hand_gives(seed: int, tmp_path: Path) -> None:
    chance, town = random.Random(seed), Town()
    ages = chance.sample(range(29 * 24, 200 * 24), 25)
    published = {f"e{n}": END - age * HOUR for n, age in enumerate(ages)}
    published["p"] = END - timedelta(hours=chance.randrange(60, 600), minutes=7)
    for id_, at in published.items():
        town.post(id_, at)
        for hours in {chance.randrange(0, 650) for _ in range(40)}:
            town.view(id_, at + timedelta(hours=hours, minutes=30), count=chance.randint(1, 9))
    town.view("p", END - HOUR, count=900)
    town.view("e0", END - 300 * DAY, count=1)  # logged all the time
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    found = facts(town, database)["alice"].grown
    database.close()
    assert found is not None
    (one,) = found
    age = (END - published["p"]) // DAY
    latest = sorted((at, id_) for id_, at in published.items() if id_ != "p")[-20:]
    usual = [
        sum(
            view["count"]
            for view in town.views
            if view["post_id"] == id_ and at + (age - 1) * DAY <= view["at"] < at + age * DAY
        )
        for at, id_ in latest
    ]
    assert one.days == age
    assert sorted(one.usual) == sorted(usual)


# --- what an early response went with ------------------------------------------------------------


def prolific(town: Town, posts: int = 36) -> list[Start]:
    """Every third post gets a response in time and goes on to be seen by more."""
    starts = []
    for n in range(posts):
        at = END - 3 * DAY - n * 4 * DAY
        responded = n % 3 == 0
        gained = (40 if responded else 12) + n % 7
        town.post(f"p{n}", at)
        town.seen(f"p{n}", at + HOUR, 5)
        town.seen(f"p{n}", at + 3 * HOUR, 5)  # the same people again
        town.seen(f"p{n}", at + 4 * HOUR, gained, by="later")
        town.seen(f"p{n}", at + 48 * HOUR, 50, by="after")
        town.view(f"p{n}", at, "alice")
        town.act(f"p{n}", at + 2 * HOUR, "mei", "like")  # no longer early
        town.act(f"p{n}", at + HOUR, "alice", "like")
        if responded:
            town.act(f"p{n}", at + HOUR, "noor", "reply")
            town.act(f"p{n}", at + HOUR, "noor", "like")  # still one person
        starts.append(Start(int(responded), gained))
    return starts


def test_posts_with_an_early_response_went_on_to_reach_more(town: Town, database: Database) -> None:
    starts = prolific(town)
    found = facts(town, database)["alice"]
    assert sorted(found.starts or []) == sorted(starts)
    said = momentum.build(found, BATCH)
    assert said is not None
    responded = [start.gained for start in starts if start.engagers]
    others = [start.gained for start in starts if not start.engagers]
    assert said["early"] == {
        "posts": 36,
        "hours": 2,
        "over": 0,
        "early": int(median(responded)),
        "others": int(median(others)),
    }


def test_fewer_than_thirty_posts_or_no_new_one_say_nothing(town: Town, database: Database) -> None:
    prolific(town, 36)
    town.settle(database)
    with database.reading() as session:
        for weeks, some in ((0, True), (-3, True), (-4, False), (4, False)):
            batch = Batch(WEEK.shift(weeks), BATCH_ZONE, ("alice",))
            assert bool(early.load(session, batch)) == some


def test_posts_whose_viewers_or_responders_are_nameless_are_left_out(
    town: Town, database: Database
) -> None:
    prolific(town, 33)
    town.view("p1", END - 7 * DAY + 5 * HOUR)
    town.act("p2", END - 11 * DAY + 5 * HOUR, "", "like")
    starts = facts(town, database)["alice"].starts
    assert len(starts or []) == 31


def starts(size: int, effect: float, seed: int, most: int = 4, *, base: float = 30) -> list[Start]:
    chance = random.Random(seed)
    engagers = [chance.randint(0, most) for _ in range(size)]
    return [
        Start(n, int(chance.lognormvariate(0, 0.6) * base * (1 + effect * n))) for n in engagers
    ]


@pytest.mark.parametrize("seed", range(2))
def test_the_verdict_is_that_of_the_bootstrap(seed: int) -> None:
    """The product's own resamples, ranked anew by scipy."""
    for effect in (0.0, 0.15, 0.6):
        drawn = starts(40, effect, seed)
        first, second = [s.engagers for s in drawn], [s.gained for s in drawn]
        found = [
            scipy_stats.spearmanr([first[n] for n in places], [second[n] for n in places]).statistic
            for places in early._resamples(40)[:600]
        ]
        low = scipy_stats.mstats.mquantiles(found, [0.025], alphap=1, betap=1)[0]
        assert early._go_together(first, second) == (low > 0)


def test_without_any_association_it_is_rarely_said() -> None:
    said = sum(early.build(starts(40, 0.0, seed), BATCH) is not None for seed in range(150))
    assert said <= 8


@pytest.mark.parametrize(
    "drawn",
    [
        [Start(0, n) for n in range(40)],
        [Start(int(n > 35), n) for n in range(40)],
        [Start(int(n > 20), n // 5) for n in range(40)],
        [Start(int(n > 20), 100 - n) for n in range(40)],
    ],
    ids=["no response", "four posts with one", "few people", "the other way round"],
)
def test_too_little_on_a_side_and_too_few_people_say_nothing(drawn: list[Start]) -> None:
    assert early.build(drawn, BATCH) is None


def test_where_every_post_gets_a_response_the_many_are_told_from_the_few() -> None:
    said = early.build([Start(2 + n % 5, 30 + 20 * (n % 5)) for n in range(40)], BATCH)
    assert said is not None
    assert (said["over"], said["early"], said["others"]) == (4, 100, 50)


# --- real people ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_town(shared_data: Path) -> Town:
    """Some months of a real company's posts, as if Alice had published all, at their first event.

    Nothing is known of titles and authors there; who read and replied when is what it was.
    """
    made, seen = Town(), dict[str, datetime]()
    kinds = {"LIKE": "like", "COMMENT CREATED": "reply"}
    rows = read(shared_data / "deskdrop_events_2016" / "users_interactions.csv.gz")
    for row in sorted(rows, key=lambda row: int(row["timestamp"])):
        at, post = datetime.fromtimestamp(int(row["timestamp"]), UTC), row["contentId"]
        if at >= datetime(2016, 7, 1, tzinfo=UTC):
            break
        if post not in seen:
            seen[post] = at
            made.post(post, at)
        if row["eventType"] == "VIEW":
            made.view(post, at, row["personId"])
        elif row["eventType"] in kinds:
            made.act(post, at, row["personId"], kinds[row["eventType"]])
    made.views = list({(v["post_id"], v["at"], v["viewer_id"]): v for v in made.views}.values())
    acts = {(a["post_id"], a["at"], a["actor_id"], a["type"]): a for a in made.reactions}
    made.reactions = list(acts.values())
    return made


def starts_by_hand(town: Town, end: datetime) -> list[Start]:
    until, new = end - 2 * DAY, end - 9 * DAY
    newest = sorted((p["published_at"], p["id"]) for p in town.posts if p["published_at"] < until)
    newest.sort(key=lambda post: (-post[0].timestamp(), post[1]))
    judged = [p for n, p in enumerate(newest) if n < 50 or p[0] >= new][:100]
    chosen = {id_ for _, id_ in judged}
    views = [view for view in town.views if view["post_id"] in chosen]
    found = []
    for at, id_ in judged:
        mine = [v for v in views if v["post_id"] == id_ and v["at"] < at + 2 * DAY]
        first = {v["viewer_id"] for v in mine if v["at"] < at + 2 * HOUR}
        acts = [a for a in town.reactions if a["post_id"] == id_ and a["at"] < at + 2 * HOUR]
        found.append(
            Start(
                len({a["actor_id"] for a in acts}), len({v["viewer_id"] for v in mine}) - len(first)
            )
        )
    return found


def test_real_posts_give_what_counting_by_hand_gives(real_town: Town, database: Database) -> None:
    real_town.settle(database)
    for week in (Period(2016, 16), Period(2016, 24)):
        batch = Batch(week, BATCH_ZONE, ("alice",))
        with database.reading() as session:
            found = early.load(session, batch)["alice"]
        assert sorted(found) == sorted(starts_by_hand(real_town, batch.window.end))


def wind_by_hand(town: Town, post: str, start: datetime, end: datetime) -> tuple[int, int] | None:
    """Views after and before the act after which a post picked up most."""
    (published,) = (p["published_at"] for p in town.posts if p["id"] == post)
    times = [v["at"] for v in town.views if v["post_id"] == post]
    acts = sorted(
        a["at"]
        for a in town.reactions
        if a["post_id"] == post and a["type"] == "reply" and start <= a["at"] < end - 6 * HOUR
    )

    def between(first: datetime, hours: int) -> int:
        return sum(first <= at < first + hours * HOUR for at in times)

    found = []
    for n, at in enumerate(acts):
        alone = n == 0 or at >= acts[n - 1] + 6 * HOUR
        after, before = between(at, 6), between(at - 6 * HOUR, 6)
        if alone and at - DAY >= published and after >= max(10, 3 * before):
            found += [(after, before)] if after > between(at - DAY, 6) else []
    return max(found, default=None)


def test_real_second_winds_are_those_found_by_hand(real_town: Town, database: Database) -> None:
    real_town.settle(database)
    seen = 0
    for n in range(14, 24):
        batch = Batch(Period(2016, n), BATCH_ZONE, ("alice",))
        with database.reading() as session:
            told_ = winds.load(session, batch).get("alice")
            top = [
                post.id
                for post in batch.fact(session, author_weeks)["alice"].top
                if post.published_at and post.published_at <= batch.window.end - 48 * HOUR
            ]
        span = batch.window.start, batch.window.end
        by_hand_ = [wind for id_ in top if (wind := wind_by_hand(real_town, id_, *span))]
        assert (told_ and told_.views) == max((after for after, _ in by_hand_), default=None)
        seen += told_ is not None
    assert seen


# --- the section ---------------------------------------------------------------------------------

POST = {"id": "p", "title": "On moss", "excerpt": "", "url": "https://site.example/moss"}
CARRIED = {"people": 84, "of": 120, "reposts": 31, "follows": True, "reposter": None}
PICKED_UP = POST | {"name": "Noor", "act": "repost", "hours": 6, "views": 77, "before": 18}
GROWING = POST | {"days": 4, "views": 96, "times": 3.2}
EARLY = {"posts": 41, "hours": 2, "over": 0, "early": 64, "others": 31}
NOTHING: dict[str, Any] = {"carried": None, "picked_up": None, "growing": None, "early": None}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(BRAND)


def mail(renderer: Renderer, lead: str = "", **parts: Any) -> Rendered:
    sections = {"headline": headline(), "momentum": NOTHING | parts}
    return renderer.render(snapshot(sections, lead=lead), LINKS)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            {"carried": CARRIED},
            "120 people who saw your posts, 84 came from beyond your followers or by a repost.",
        ),
        (
            {"carried": CARRIED | {"reposts": 0}},
            "Of the 120 people who saw your posts, 84 do not follow you.",
        ),
        (
            {"carried": CARRIED | {"follows": False, "reposter": {"name": "Noor", "people": 31}}},
            "84 came by a repost. The repost by Noor brought most: 31 people.",
        ),
        (
            {"picked_up": PICKED_UP},
            "77 views in the 6 hours after Noor reposted it · 18 in the 6 hours before",
        ),
        (
            {"picked_up": PICKED_UP | {"act": "reply", "before": 0}},
            "77 views in the 6 hours after Noor replied https",
        ),
        (
            {"growing": GROWING},
            "96 views on the last day of the week, 3× what your posts usually get at that age",
        ),
        (
            {"growing": GROWING | {"times": None}},
            "on the last day of the week; at 4 days, most of your posts have come to rest",
        ),
        (
            {"early": EARLY},
            "went on to reach more. Half of them reached 64 people or more after that, half of",
        ),
        (
            {"early": EARLY | {"over": 1, "others": 0}},
            "that more than 1 person responded to within 2 hours went on to reach more. Half of",
        ),
    ],
)
def test_every_part_is_said_in_text_and_in_html(
    renderer: Renderer, parts: dict[str, Any], sentence: str
) -> None:
    made = mail(renderer, **parts)
    assert sentence in " ".join(made.text.split())
    if "https" not in sentence:
        assert sentence in words_of(made)
    assert "because" not in made.text.split("HOW YOUR POSTS TRAVELLED")[1].split("--")[0]


def test_a_rule_parts_the_early_response_from_what_stands_above_it_only(
    renderer: Renderer,
) -> None:
    rules = []
    for parts in ({"early": EARLY}, {"carried": CARRIED, "early": EARLY}):
        page = html.document_fromstring(mail(renderer, **parts).html)
        (said,) = page.xpath("//p[contains(., 'went on to reach more')]")
        rules.append("border-top" in said.get("style"))
    assert rules == [False, True]


def words_of(made: Rendered) -> str:
    return " ".join(str(html.document_fromstring(made.html).text_content()).split())


@pytest.mark.parametrize(
    ("parts", "subject"),
    [
        ({"picked_up": PICKED_UP, "growing": GROWING}, "“On moss” picked up again"),
        ({"picked_up": PICKED_UP | {"title": ""}}, "A post of yours picked up again"),
        ({"growing": GROWING}, "“On moss” is still growing"),
        ({"growing": GROWING | {"title": ""}}, "A post of yours is still growing"),
    ],
)
def test_what_happened_to_a_post_can_be_the_subject(
    renderer: Renderer, parts: dict[str, Any], subject: str
) -> None:
    assert mail(renderer, "momentum", **parts).subject == subject
    long = {name: part | {"title": part["title"] and "w" * 300} for name, part in parts.items()}
    assert len(mail(renderer, "momentum", **long).subject) <= 78


def test_nothing_that_people_wrote_becomes_markup(renderer: Renderer) -> None:
    evil = "<b onclick=x>\u202eNoor"
    reposter = {"name": evil, "people": 31}
    made = mail(
        renderer,
        carried=CARRIED | {"reposter": reposter},
        picked_up=PICKED_UP | {"title": evil, "name": evil, "url": "javascript:x"},
        growing=GROWING | {"title": evil},
    )
    assert "<b onclick" not in made.html
    assert "javascript:" not in made.html + made.text
    assert "\u202e" not in made.html + made.text


def test_worth_and_news_follow_the_part_that_says_most() -> None:
    few = CARRIED | {"people": 12}
    one_each = ("picked_up", PICKED_UP), ("growing", GROWING), ("early", EARLY), ("carried", few)
    ranked: list[dict[str, Any]] = [{name: part} for name, part in one_each]
    worths = [momentum.worth(NOTHING | parts) for parts in ranked]
    assert worths == sorted(worths, reverse=True)
    assert all(0.2 <= worth <= 1 for worth in worths)
    named = few | {"reposter": {"name": "Noor", "people": 9}}
    assert momentum.worth(NOTHING | {"carried": named}) > worths[-1]
    assert [momentum.news(NOTHING | parts) for parts in ranked] == [0.6, 0.5, 0, 0]


def test_the_number_of_queries_does_not_depend_on_the_number_of_users(
    town: Town, database: Database
) -> None:
    users = of("u", 12)
    for user in users:
        town.follow(user, of("v", 12))
        for n in range(31):
            at = END - (3 + 5 * n) * DAY - 2 * HOUR
            town.post(f"{user}-{n}", at, user)
            town.seen(f"{user}-{n}", at + HOUR, 3)
        town.view(f"{user}-0", END - HOUR, count=20)
        town.act(f"{user}-0", END - 8 * HOUR, "noor")
        town.seen(f"{user}-0", END - 7 * HOUR, 40, "repost")
    town.settle(database)

    def queries(*chosen: str) -> int:
        with overheard(database) as asked, database.reading() as session:
            found = momentum.load(session, Batch(WEEK, BATCH_ZONE, chosen))
            assert all(None not in found[user] for user in chosen)
        return len(asked)

    assert queries(*users) == queries(users[0])
