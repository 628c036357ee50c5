"""What happened for the first time, or not for long: told once, and only where it is known."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from sqlalchemy import insert
from sqlmodel import SQLModel

from digest.database import Database
from digest.facts import Batch, judgements
from digest.facts.history import History, Week
from digest.facts.judgements import careers
from digest.facts.weeks import AuthorWeek
from digest.models import Counter, Delivery, Judgement, Post, Snapshot, State, User, View, table
from digest.render import Renderer
from digest.sections import milestones, usual
from digest.sections.milestones import best_weeks, first_views, round_numbers, streaks
from digest.sections.milestones.best_weeks import Weeks
from digest.sections.milestones.round_numbers import round_number
from digest.sections.usual import even
from digest.window import Period
from tests.databases import overheard
from tests.mails import BRAND, LINKS, headline, snapshot

WEEK = Period(2026, 46)
ZONE = ZoneInfo("UTC")
BATCH = Batch(WEEK, ZONE, ("alice",))
START, END = BATCH.window.start, BATCH.window.end
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Author:
    """Rows of Alice's, written at once."""

    def __init__(self, name: str = "alice") -> None:
        self.name = name
        self.rows: dict[type[SQLModel], list[dict[str, Any]]] = {}
        self.add(User, id=name, name=name.title(), email=f"{name}@p.example")

    def add(self, model: type[SQLModel], **row: Any) -> None:
        self.rows.setdefault(model, []).append(row)

    def post(self, id_: str, at: datetime | None, people: int = 0, views: int = 0) -> None:
        """A post, seen by so many people in its first hour, and so often by nobody known."""
        self.add(Post, id=id_, author_id=self.name, published_at=at, title=f"The {id_}")
        for n in range(people):
            self.view(id_, (at or START) + timedelta(minutes=n / 60 + 1), f"v{n}")
        if views:
            self.view(id_, (at or START) + HOUR, "", views)

    def mailed(self, ago: int, state: State = State.SENT) -> None:
        """A mail of so many weeks ago, or what became of it."""
        row = {"user_id": self.name, "period": str(WEEK.shift(-ago)), "state": state}
        self.add(Delivery, **row, timezone="UTC", created_at=START, updated_at=START)

    def view(self, post: str, at: datetime, viewer: str = "", count: int = 1) -> None:
        self.add(View, post_id=post, at=at, viewer_id=viewer, via="", count=count)

    def settle(self, database: Database) -> None:
        order: tuple[type[SQLModel], ...] = (
            User,
            Post,
            View,
            Counter,
            Judgement,
            Snapshot,
            Delivery,
        )
        with database.writing() as session:
            for model in order:
                if self.rows.get(model):
                    session.connection().execute(insert(table(model)), self.rows[model])


@pytest.fixture
def alice() -> Author:
    return Author()


def told(
    author: Author, database: Database, week: Period = WEEK, zone: ZoneInfo = ZONE
) -> dict[str, Any]:
    """What is said of one author, by kind."""
    author.settle(database)
    return said(database, author.name, week, zone)


def said(
    database: Database, user: str = "alice", week: Period = WEEK, zone: ZoneInfo = ZONE
) -> dict[str, Any]:
    batch = Batch(week, zone, (user,))
    with database.reading() as session:
        found = milestones.load(session, batch).get(user)
    built = found and milestones.build(found, batch)
    return {one["kind"]: one for one in built["reached"]} if built else {}


# --- round numbers -------------------------------------------------------------------------------


@given(st.integers(0, 10**12))
def test_a_round_number_is_the_highest_of_its_series_that_was_reached(count: int) -> None:
    series = [step * 10**n for n in range(1, 13) for step in (1, 2.5, 5)]
    assert round_number(count) == max((s for s in series if s <= count), default=None)


def test_the_first_post_over_a_round_number_is_told(alice: Author, database: Database) -> None:
    alice.post("old", START - 20 * DAY, 24)
    alice.post("new", START, 31)
    one = told(alice, database)["round_number"]
    assert (one["step"], one["metric"], one["of"], one["hours"]) == (25, "reach", None, 48)
    assert (one["post"]["title"], one["post"]["published"]) == ("The new", "2026-11-09")


def test_a_post_that_only_repeats_what_another_reached_is_not_told(
    alice: Author, database: Database
) -> None:
    alice.post("old", START - 20 * DAY, 25)
    alice.post("new", START, 49)
    assert "round_number" not in told(alice, database)


def test_it_is_told_in_the_week_in_which_the_post_is_judged_and_in_no_other(
    alice: Author, database: Database
) -> None:
    alice.post("old", START - 20 * DAY, 3)
    alice.post("new", START + 6 * DAY, 31)
    alice.settle(database)
    weeks = [WEEK.shift(n) for n in (-1, 0, 1, 2, 3)]
    assert ["round_number" in said(database, week=week) for week in weeks] == [
        *(False, False, True, False, False)
    ]


def test_of_several_new_posts_the_first_that_reached_the_number_is_told(
    alice: Author, database: Database
) -> None:
    alice.post("small", START, 12)
    alice.post("first", START + HOUR, 51)
    alice.post("second", START + 2 * HOUR, 90)
    one = told(alice, database)["round_number"]
    assert (one["step"], one["post"]["id"]) == (50, "first")


def test_a_post_of_the_same_week_with_an_unknown_figure_may_have_been_the_first(
    alice: Author, database: Database
) -> None:
    """Nobody knows whether views were logged when the first of them was published."""
    alice.post("unknown", START)
    alice.post("new", START + HOUR, 31)
    assert "round_number" not in told(alice, database)


def test_posts_of_the_same_week_count_among_those_before(alice: Author, database: Database) -> None:
    alice.post("undated", None)
    for n in range(6):
        alice.post(f"old{n}", START - (20 + n) * DAY, 3)
    alice.post("one", START, 4)
    alice.post("two", START + HOUR, 4)
    alice.post("new", START + 2 * HOUR, 31)
    assert told(alice, database)["round_number"]["of"] == 9


def test_a_post_of_the_same_week_that_people_saw_as_often_was_the_first(
    alice: Author, database: Database
) -> None:
    """Of the first the people are known, of the second the views only: both have the views."""
    alice.post("known", START)
    for n in range(9):
        alice.view("known", START + HOUR, f"v{n}", count=9)
    alice.post("views", START + HOUR, views=70)
    assert "round_number" not in told(alice, database)


def test_where_people_are_unknown_views_are_counted(alice: Author, database: Database) -> None:
    alice.post("old", START - 20 * DAY, views=99)
    alice.post("new", START, views=100)
    one = told(alice, database)["round_number"]
    assert (one["step"], one["metric"]) == (100, "views")


@pytest.mark.parametrize(("known", "of"), [(7, "silent"), (8, 9)])
def test_of_posts_that_are_not_all_known_it_is_the_first_of_so_many(
    alice: Author, database: Database, known: int, of: int | str
) -> None:
    """A post of an unknown time is never judged."""
    for n in range(known):
        alice.post(f"old{n}", START - (20 + n) * DAY, 3)
    alice.post("undated", None, 1)
    alice.post("new", START, 12)
    assert told(alice, database).get("round_number", {"of": "silent"})["of"] == of


def test_a_post_that_did_better_long_ago_counts_by_its_stored_judgement(
    alice: Author, database: Database
) -> None:
    """Beyond the latest fifty posts only what was stored is known; here its facts are gone."""
    alice.post("best", START - 400 * DAY)
    alice.add(Judgement, post_id="best", views=500, reach=500, audience=500, engagers=0)
    for n in range(60):
        alice.post(f"old{n}", START - (5 + n) * DAY, 1)
    alice.post("new", START, 60)
    assert "round_number" not in told(alice, database)


def test_what_is_told_before_judgements_are_stored_is_told_after(
    alice: Author, database: Database
) -> None:
    for n in range(12):
        alice.post(f"old{n}", START - (5 + n) * DAY, 3)
    alice.post("new", START, 12)
    before = told(alice, database)["round_number"]
    with database.writing() as session:
        judgements.keep(session, careers(session, BATCH).values())
    assert said(database)["round_number"] == before
    assert before["of"] is None


def test_fewer_than_ten_people_are_no_round_number(alice: Author, database: Database) -> None:
    alice.post("new", START, 9)
    assert "round_number" not in told(alice, database)


@pytest.mark.parametrize(
    ("judged", "mail", "is_said"),
    [(1, 2, True), (1, 1, False), (2, 2, False), (3, 4, True), (3, 20, True), (4, 20, False)],
)
def test_a_number_that_was_passed_without_a_mail_is_told_in_the_next_one(
    alice: Author, database: Database, judged: int, mail: int, is_said: bool
) -> None:
    """``judged`` weeks ago; ``mail`` weeks ago was the last, and four weeks are the most."""
    alice.post("old", START - 90 * DAY, 24)
    alice.post("new", START - judged * 7 * DAY, 31)
    alice.post("late", START + HOUR, 27)
    alice.mailed(mail)
    one = told(alice, database).get("round_number")
    assert (one and (one["step"], one["post"]["title"])) == ((25, "The new") if is_said else None)


@pytest.mark.parametrize(
    ("state", "is_said"),
    [
        (State.SENT, False),
        (State.UNKNOWN, False),
        (State.FAILED, True),
        (State.SKIPPED, True),
        (State.SUPPRESSED, True),
        (State.DEFERRED, True),
    ],
)
def test_only_a_mail_that_may_have_arrived_has_told_it(
    alice: Author, database: Database, state: State, is_said: bool
) -> None:
    """Of a mail that was refused there is a snapshot too."""
    alice.post("new", START - 7 * DAY, 31)
    alice.mailed(2)
    alice.mailed(1, state)
    alice.add(Snapshot, user_id="alice", period="2026-W45", told="milestones", created_at=START)
    assert ("round_number" in told(alice, database)) == is_said


def test_after_a_break_the_highest_number_is_told_and_posts_before_the_break_count(
    alice: Author, database: Database
) -> None:
    alice.post("before", START - 21 * DAY - 2 * DAY - HOUR, 30)
    alice.post("ten", START - 14 * DAY, 12)
    alice.post("fifty", START - 7 * DAY, 60)
    alice.post("again", START + HOUR, 55)
    alice.mailed(3)
    one = told(alice, database)["round_number"]
    assert (one["step"], one["post"]["id"], one["of"]) == (50, "fifty", None)
    alice.rows = {}
    alice.mailed(1)
    assert "round_number" not in told(alice, database)


def test_an_author_of_very_many_posts_is_told_of_the_weeks_that_are_at_hand(
    alice: Author, database: Database
) -> None:
    """Of the weeks beyond the latest fifty posts it is unknown which was the first."""
    for n in range(60):
        alice.post(f"few{n}", START - 7 * DAY + n * HOUR, 1)
    alice.post("hidden", START - 8 * DAY, 31)
    alice.post("new", START, 12)
    alice.mailed(3)
    alice.add(Judgement, post_id="hidden", views=31, reach=31, audience=31, engagers=0)
    assert "round_number" not in told(alice, database)


def test_every_number_is_told_once_in_the_first_mail_within_four_weeks(database: Database) -> None:
    """Forty authors with mails and posts by the dice, held against a count of what they had."""
    dice = random.Random(7)
    weeks = range(11, -1, -1)
    posted: dict[str, list[list[int]]] = {}
    mailed: dict[str, set[int]] = {}
    for n in range(40):
        one = Author(f"u{n}")
        often = dice.choice((0.2, 0.5, 0.9))
        mailed[one.name] = {ago for ago in weeks if ago and dice.random() < often} | {12}
        sizes = [3, 8, 11, 20, 26, 30, 52, 60][: 2 + n % 7]
        posted[one.name] = [dice.choices(sizes, k=dice.randrange(3)) for _ in weeks]
        for ago, counts in zip(weeks, posted[one.name], strict=True):
            for m, count in enumerate(counts):
                one.post(f"{one.name}-{ago}-{m}", START - ago * 7 * DAY + m * HOUR, count)
        for ago in mailed[one.name]:
            one.mailed(ago)
        one.settle(database)
    late, heard = 0, []
    for ago in weeks:
        for user, found in _numbers(database, tuple(posted), WEEK.shift(-ago)).items():
            last = min(n for n in mailed[user] if n > ago)
            first = max(0, 11 - min(last - 1, ago + 3))
            best = max([0, *(n for week in posted[user][:first] for n in week)])
            since = [n for week in posted[user][first : 12 - ago] for n in week]
            step = round_number(max(since, default=0))
            assert found == (step if step and step > best else None), (user, ago)
            heard += [(user, found)] * (found is not None and ago in mailed[user])
            late += found is not None and found not in map(round_number, posted[user][11 - ago])
    assert len(set(heard)) == len(heard) > 20
    assert late > 20


def _numbers(database: Database, users: tuple[str, ...], week: Period) -> dict[str, int | None]:
    """What all of them would be told in a mail of this week."""
    batch = Batch(week, ZONE, users)
    with database.reading() as session:
        records = round_numbers.load(session, batch)
    told_ = {user: round_numbers.build(one, batch) for user, one in records.items()}
    return {user: one["step"] if (one := told_.get(user)) else None for user in users}


# --- the best week -------------------------------------------------------------------------------


def weeks(now: int, *earlier: int) -> dict[str, Any] | None:
    periods = [str(WEEK.shift(n - len(earlier))) for n in range(len(earlier))]
    return best_weeks.build(Weeks("reach", now, list(zip(periods, earlier, strict=True))), BATCH)


def test_a_week_that_beats_all_on_record_clearly_is_told() -> None:
    found = weeks(60, *[20, 25, 22, 19, 30, 28, 24, 21])
    assert found is not None
    assert (found["count"], found["since"], found["weeks"]) == (60, None, 9)


def test_since_names_the_last_week_that_was_as_good() -> None:
    found = weeks(60, 10, 60, *[20] * 12)
    assert found is not None
    assert found["since"] == WEEK.shift(-13).monday.isoformat()
    rarer = weeks(60, 60, *[20] * 25)
    assert rarer is not None
    assert rarer["rarity"] > found["rarity"]


@pytest.mark.parametrize(
    ("now", "earlier"),
    [
        (60, [20] * 7),
        (60, [60, *[20] * 7]),
        (19, [2] * 20),
        (60, [41] * 20),
        (60, [*[20] * 19, 61]),
    ],
    ids=["7 weeks", "7 since as good a one", "small", "not clearly more", "after a better one"],
)
def test_a_best_week_that_may_be_luck_is_not_told(now: int, earlier: list[int]) -> None:
    assert weeks(now, *earlier) is None


def test_a_better_week_soon_after_a_best_one_is_no_news() -> None:
    base = [20] * 12
    for pause in range(4):
        assert weeks(90, *base, 60, *[25] * pause) is None
    assert weeks(90, *base, 60, *[25] * 4) is not None


def test_the_best_week_is_above_the_usual_range_or_is_not_told() -> None:
    """A mail must not say “within your usual range” and “your best week” of the same week."""
    wild = [20, 80, 15, 90, 25, 70, 10, 85, 20, 75]
    assert weeks(105, *wild) is None
    assert weeks(150, *[90, 10] * 5) is None
    calm = [40, 45, 38, 42, 50, 41, 39, 44, 40, 43]
    assert weeks(105, *calm) is not None


def test_a_week_that_was_no_best_week_silences_no_other() -> None:
    calm = [20] * 26
    assert weeks(200, 90, 10, 90, 10, 90, 10, 90, 10, 95, *calm[:1]) is None
    assert weeks(400, 30, 60, 30, 60, 30, 60, 30, 60, 30, 75) is not None


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60))
def test_no_mail_says_best_week_and_within_the_usual_range(counts: list[int]) -> None:
    *earlier, now = counts
    if weeks(now, *earlier) is None:
        return
    past = [
        Week(str(WEEK.shift(n - len(earlier))), None, count, None)
        for n, count in enumerate(earlier)
    ]
    said = usual.build((AuthorWeek(reach=now, views=now), History(past[-26:])), BATCH)
    assert said is None or said["metric"] != "reach" or said["verdict"] == "above"


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60))
def test_what_is_told_of_a_best_week_is_so(counts: list[int]) -> None:
    """Read off the figures themselves: above every week since, and as many of them as needed."""
    *earlier, now = counts
    found = weeks(now, *earlier)
    if found is None:
        return
    if found["since"] is None:
        beaten = earlier
    else:
        periods = [WEEK.shift(n - len(earlier)).monday.isoformat() for n in range(len(earlier))]
        place = periods.index(found["since"])
        assert earlier[place] >= now
        beaten = earlier[place + 1 :]
    assert len(beaten) >= 8
    assert max(beaten) < now
    assert now >= 20


def test_weeks_of_unequal_length_are_compared_per_168_hours() -> None:
    """In the week of 25 October 2026 London has 169 hours: 101 views are fewer than 101 now."""
    london = Batch(WEEK, ZoneInfo("Europe/London"), ("alice",))
    earlier = [(str(WEEK.shift(n)), 101 if n == -3 else 20) for n in range(-12, 0)]
    assert even(101, str(WEEK.shift(-3)), london) < 101
    found = best_weeks.build(Weeks("reach", 101, earlier), london)
    assert found is None  # three weeks ago was a best week; but it was not as good:
    assert best_weeks._beaten([(p, even(n, p, london)) for p, n in earlier], 101)[-3] < 101


def test_nine_of_ten_steady_authors_hear_of_no_best_week_by_luck() -> None:
    """The last of twenty weeks from one distribution, as spread as views are."""
    chance = random.Random(1)
    told_ = 0
    for _ in range(400):
        counts = [int(chance.gammavariate(10, 6)) for _ in range(20)]
        told_ += weeks(counts[-1], *counts[:-1]) is not None
    assert told_ <= 40


def seen_weekly(author: Author, counts: list[int], *, last: int) -> None:
    """A post that is seen by so many people in the weeks before this one, and ``last`` in it."""
    author.post("p", START - 300 * DAY)
    for ago, count in zip(range(len(counts), -1, -1), [*counts, last], strict=True):
        for n in range(count):
            author.view("p", START - ago * 7 * DAY + HOUR + n * timedelta(seconds=1), f"v{n}")


def test_the_weeks_come_from_the_history(alice: Author, database: Database) -> None:
    seen_weekly(alice, [5, 14, *[6] * 8], last=21)  # the first is but a part of a week
    one = told(alice, database)["best_week"]
    assert (one["metric"], one["count"], one["since"], one["weeks"]) == ("reach", 21, None, 10)


def test_older_facts_that_were_never_looked_at_are_not_called_worse(
    alice: Author, database: Database
) -> None:
    """The week of a year ago was better, and no mail knows of it."""
    seen_weekly(alice, [90, *[6] * 40], last=21)
    one = told(alice, database)["best_week"]
    assert date.fromisoformat(one["since"]) == WEEK.shift(-26).monday


def test_weeks_of_more_than_half_a_year_ago_count_as_they_were_stored(
    alice: Author, database: Database
) -> None:
    seen_weekly(alice, [6] * 26, last=21)
    for ago, reach in ((30, 9), (35, 400), (40, 7), (45, None)):
        period, at = str(WEEK.shift(-ago)), datetime(2026, 1, 1, tzinfo=UTC)
        row = {"user_id": "alice", "period": period, "views": reach, "reach": reach}
        alice.add(Snapshot, **row, reactions=0, created_at=at)
    one = told(alice, database)["best_week"]
    assert date.fromisoformat(one["since"]) == WEEK.shift(-35).monday


# --- weeks in a row ------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [1, 2, 3, 4, 5, 6, 10, 25, 26, 27, 50, 100, 103])
def test_weeks_in_a_row_are_told_when_they_make_a_round_number(
    alice: Author, database: Database, row: int
) -> None:
    for n in range(row):
        alice.post(f"p{n}", START - n * 7 * DAY + HOUR)
    alice.post("before", START - (row + 1) * 7 * DAY)
    found = told(alice, database).get("streak")
    assert (found and found["weeks"]) == (row if row in streaks.RARITY else None)


@pytest.mark.parametrize(
    ("row", "mail", "said"),
    [(6, 2, True), (6, 1, False), (12, 8, True), (12, 3, True), (12, 2, False), (2, 5, False)],
)
def test_a_number_that_was_reached_without_a_mail_is_told_in_the_next(
    alice: Author, database: Database, row: int, mail: int, said: bool
) -> None:
    """``mail`` weeks ago was the last; what is said is how long the row is now."""
    for n in range(row):
        alice.post(f"p{n}", START - n * 7 * DAY + HOUR)
    alice.post("old", START - 30 * 7 * DAY, people=1)
    for ago in (mail, 20):
        alice.mailed(ago)
    found = told(alice, database).get("streak")
    assert (found and found["weeks"]) == (row if said else None)


@pytest.mark.parametrize(("row", "said"), [(100, True), (104, True), (105, False), (140, False)])
def test_a_hundred_weeks_are_told_once_however_long_the_row_goes_on(
    alice: Author, database: Database, row: int, said: bool
) -> None:
    for n in range(row):
        alice.post(f"p{n}", START - n * 7 * DAY + HOUR)
    alice.mailed(5)
    found = told(alice, database).get("streak")
    assert (found and found["weeks"]) == (row if said else None)


def test_a_broken_row_is_not_mentioned(alice: Author, database: Database) -> None:
    for n in range(1, 11):
        alice.post(f"p{n}", START - n * 7 * DAY + HOUR)
    assert told(alice, database) == {}


def test_weeks_are_the_author_s_own(alice: Author, database: Database) -> None:
    """Sunday evening in London is Monday in Auckland: there the row has a gap."""
    for n in range(3):
        alice.post(f"p{n}", START - n * 7 * DAY - 3 * HOUR + (7 * DAY))
    alice.settle(database)
    assert said(database)["streak"]["weeks"] == 3
    auckland = ZoneInfo("Pacific/Auckland")
    assert "streak" not in said(database, zone=auckland)
    assert said(database, week=WEEK.shift(1), zone=auckland)["streak"]["weeks"] == 3


# --- the first views -----------------------------------------------------------------------------


@pytest.fixture
def logged(database: Database) -> Database:
    """Somebody else's post was seen long ago: views were logged then."""
    bob = Author("bob")
    bob.post("bobs", START - 90 * DAY, 2)
    bob.settle(database)
    return database


def test_the_first_views_of_all_are_told(alice: Author, logged: Database) -> None:
    alice.post("p", START - 8 * DAY)
    alice.view("p", START - 8 * DAY, "alice")  # her own look is no view
    alice.view("p", START + HOUR, "v")
    alice.view("p", START + DAY, "", 3)
    assert told(alice, logged)["first_views"]["views"] == 4
    assert "first_views" not in said(logged, week=WEEK.shift(1))


def test_where_views_were_not_logged_yet_nobody_knows_which_were_the_first(
    alice: Author, database: Database
) -> None:
    alice.post("p", START - 8 * DAY)
    alice.view("p", START + HOUR, "v")
    assert "first_views" not in told(alice, database)


@pytest.mark.parametrize("case", ["seen before", "undated", "counted", "earlier than the log"])
def test_first_views_are_not_told_where_there_may_have_been_others(
    alice: Author, logged: Database, case: str
) -> None:
    alice.post("p", START - 8 * DAY)
    alice.view("p", START + HOUR, "v")
    if case == "seen before":
        alice.view("p", START - HOUR, "v")
    elif case == "undated":
        alice.post("q", None)
    elif case == "counted":
        alice.add(Counter, post_id="p", at=START, views=7)
    else:
        alice.post("q", START - 91 * DAY)
    assert "first_views" not in told(alice, logged)


def test_what_the_headline_calls_first_is_not_said_twice(alice: Author, logged: Database) -> None:
    """From four known weeks on the comparison with the usual says it."""
    alice.post("p", START - 40 * DAY)
    for weeks_, again in ((4, True), (3, False)):
        with logged.writing() as session:
            session.connection().exec_driver_sql("DELETE FROM views WHERE post_id = 'p'")
        rows = Author.__new__(Author)
        rows.name, rows.rows = "alice", {}
        rows.view("p", START - weeks_ * 7 * DAY, "alice")
        rows.view("p", START + HOUR, "v")
        if again:
            alice.settle(logged)
        rows.settle(logged)
        assert ("first_views" in said(logged)) != again


def test_when_logging_began_is_asked_once_for_a_whole_run(alice: Author, logged: Database) -> None:
    alice.post("p", START - 8 * DAY)
    alice.view("p", START + HOUR, "v")
    alice.settle(logged)
    batch = Batch(WEEK, ZONE, ("alice",))
    with overheard(logged) as asked, logged.reading() as session:
        first = first_views.load(session, batch)
        again = first_views.load(session, Batch(WEEK, ZONE, ("alice",), site=batch.site))
    assert first == again == {"alice": 1}
    assert sum("LIMIT" in statement for statement in asked) == 1


# --- the section ---------------------------------------------------------------------------------

POST = {"id": "p", "title": "On moss", "excerpt": "", "url": "https://site.example/moss"}
ROUND: dict[str, Any] = {
    "kind": "round_number",
    "rarity": 0.7,
    "metric": "reach",
    "step": 100,
    "hours": 48,
    "of": None,
    "post": POST,
}
BEST = {"kind": "best_week", "rarity": 0.8, "metric": "reach", "count": 1284, "weeks": 26}
SINCE, EVER = BEST | {"since": "2026-03-02"}, BEST | {"since": None}
STREAK = {"kind": "streak", "rarity": 0.5, "weeks": 10}
FIRST = {"kind": "first_views", "rarity": 0.9, "views": 12}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(BRAND)


@pytest.mark.parametrize(
    ("one", "sentence", "subject"),
    [
        (
            ROUND,
            "Your first post seen by 100 people in 48 hours:",
            "A post of yours was seen by 100 people for the first time",
        ),
        (
            ROUND | {"of": 51},
            "The first of 51 posts seen by 100 people in 48 hours:",
            "A post of yours reached 100 people",
        ),
        (
            ROUND | {"metric": "views", "step": 2500},
            "Your first post with 2,500 views in 48 hours:",
            "A post of yours had 2,500 views for the first time",
        ),
        (
            ROUND | {"metric": "views", "of": 51},
            "The first of 51 posts with 100 views in 48 hours:",
            "A post of yours reached 100 views",
        ),
        (SINCE, "Your best week since March.", "Your best week since March"),
        (
            EVER | {"metric": "reactions"},
            "Your best week of the 26 on record.",
            "Your best week on record",
        ),
        (STREAK, "You have posted 10 weeks in a row.", "You have posted 10 weeks in a row"),
        (
            FIRST,
            "Your posts were seen for the first time: 12 views.",
            "Your posts were seen for the first time",
        ),
    ],
)
def test_every_kind_is_said_in_text_in_html_and_in_the_subject(
    renderer: Renderer, one: dict[str, Any], sentence: str, subject: str
) -> None:
    sections = {"headline": headline(), "milestones": {"reached": [one]}}
    mail = renderer.render(snapshot(sections, lead="milestones"), LINKS)
    page = str(html.document_fromstring(mail.html).text_content())
    assert f"A MILESTONE\n\n{sentence}" in mail.text
    assert sentence in " ".join(page.split())
    assert mail.subject == subject
    assert ("https://site.example/moss" in mail.text) == (one["kind"] == "round_number")


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (SINCE, "Your best week since March: 1,284 people."),
        (EVER, "Your best week of the 26 on record: 1,284 people."),
    ],
)
def test_the_figure_of_a_best_week_stands_where_the_headline_is_switched_off(
    renderer: Renderer, one: dict[str, Any], sentence: str
) -> None:
    mail = renderer.render(snapshot({"milestones": {"reached": [one]}}), LINKS)
    page = str(html.document_fromstring(mail.html).text_content())
    assert f"A MILESTONE\n\n{sentence}" in mail.text
    assert sentence in " ".join(page.split())


def test_several_stand_under_one_heading_and_their_words_stay_words(renderer: Renderer) -> None:
    evil = {"title": "<b onclick=x>", "url": "javascript:x"}
    reached = [ROUND | {"post": POST | evil}, SINCE, STREAK]
    sections = {"headline": headline(), "milestones": {"reached": reached}}
    mail = renderer.render(snapshot(sections), LINKS)
    assert "MILESTONES\n" in mail.text
    assert "10 weeks" in mail.text
    assert "<b onclick" not in mail.html
    assert "javascript:" not in mail.html + mail.text


def test_the_rarest_comes_first_and_three_are_enough() -> None:
    facts = milestones.Facts(
        12,
        round_numbers.Record(
            judgements.Judged("p", START, new=True, reach=12), "reach", 10, 0, 0, 0
        ),
        Weeks("reach", 60, [(str(WEEK.shift(n)), 20) for n in range(-9, 0)]),
        streaks.Row(3),
    )
    built = milestones.build(facts, BATCH)
    assert built is not None
    assert [one["kind"] for one in built["reached"]] == [
        *("first_views", "best_week", "round_number")
    ]
    assert milestones.worth(built) == milestones.news(built) == 0.9
    streak = milestones.build(milestones.Facts(None, None, None, streaks.Row(3)), BATCH)
    assert streak is not None
    assert milestones.worth(streak) == 0.3
    assert milestones.news(streak) == 0
    assert milestones.build(milestones.Facts(None, None, None, streaks.Row(4)), BATCH) is None


def test_the_number_of_queries_does_not_depend_on_the_number_of_users(logged: Database) -> None:
    users = [f"u{n}" for n in range(12)]
    for user in users:
        one = Author(user)
        one.post(f"{user}-p", START + HOUR, 12)
        one.settle(logged)

    def queries(*chosen: str) -> int:
        with overheard(logged) as asked, logged.reading() as session:
            found = milestones.load(session, Batch(WEEK, ZONE, chosen))
            assert all(found[user].seen and found[user].record for user in chosen)
        return len(asked)

    assert queries(*users) == queries(users[0])
