"""The facts of a week, as counted by queries for a batch, against counting by hand."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlmodel import SQLModel

from digest import window
from digest.database import Database
from digest.facts import Batch, Since
from digest.facts.history import History, Week, histories
from digest.facts.judgements import careers
from digest.facts.weeks import AuthorWeek, PostWeek, author_weeks, leading
from digest.models import Counter, Post, Reaction, User, View, table
from digest.sections import usual
from digest.sections.milestones import best_weeks
from digest.window import Period
from tests.databases import examples, new_database, overheard

WEEK = Period(2026, 46)
TZ = ZoneInfo("Europe/London")
START = window.week(WEEK, TZ).start
HOUR = timedelta(hours=1)
AUTHORS = ("alice", "bob")
PEOPLE = ("alice", "bob", "carol", "dave", "")


def fill(database: Database, **rows: list[dict[str, object]]) -> None:
    models: dict[str, type[SQLModel]] = {
        "posts": Post,
        "views": View,
        "reactions": Reaction,
        "counters": Counter,
    }
    with database.writing() as session:
        users = [{"id": u, "name": u.title(), "email": f"{u}@p.example"} for u in PEOPLE if u]
        session.connection().execute(insert(table(User)), users)
        for name, model in models.items():
            if rows.get(name):
                session.connection().execute(insert(table(model)), rows[name])


def weeks(database: Database, *users: str) -> dict[str, AuthorWeek]:
    with database.reading() as session:
        return author_weeks(session, Batch(WEEK, TZ, users or AUTHORS))


def a_post(
    id_: str, author: str = "alice", published: datetime | None = START
) -> dict[str, object]:
    return {"id": id_, "author_id": author, "published_at": published, "title": id_}


def a_view(post: str, hours: float, viewer: str = "", count: int = 1) -> dict[str, object]:
    at = START + timedelta(hours=hours)
    return {"post_id": post, "at": at, "viewer_id": viewer, "via": "", "count": count}


def a_reaction(post: str, hours: float, actor: str, kind: str = "like") -> dict[str, object]:
    at = START + timedelta(hours=hours)
    return {"post_id": post, "at": at, "actor_id": actor, "type": kind, "count": 1}


def test_the_window_is_half_open(database: Database) -> None:
    views = [a_view("p", hours, f"v{hours}") for hours in (-0.001, 0, 167.999, 168)]
    fill(database, posts=[a_post("p")], views=views)
    assert weeks(database)["alice"].views == 2


def test_an_authors_own_views_and_reactions_never_count(database: Database) -> None:
    fill(
        database,
        posts=[a_post("p")],
        views=[a_view("p", 1, "alice"), a_view("p", 2, "bob")],
        reactions=[a_reaction("p", 1, "alice"), a_reaction("p", 2, "bob")],
    )
    found = weeks(database)["alice"]
    assert (found.views, found.reach, found.reactions, found.reactors) == (1, 1, 1, 1)


def test_with_anonymous_reactions_the_number_of_people_is_unknown(database: Database) -> None:
    fill(
        database,
        posts=[a_post("p"), a_post("q", "bob")],
        reactions=[a_reaction("p", 1, ""), a_reaction("p", 2, "bob"), a_reaction("q", 2, "dave")],
    )
    found = weeks(database)
    assert (found["alice"].reactions, found["alice"].reactors) == (2, None)
    assert found["bob"].reactors == 1


def test_reach_is_the_union_over_posts_and_never_a_sum(database: Database) -> None:
    views = [a_view(post, 1, viewer) for post in ("p", "q") for viewer in ("bob", "carol")]
    fill(database, posts=[a_post("p"), a_post("q")], views=views)
    found = weeks(database)["alice"]
    assert (found.views, found.reach) == (4, 2)
    assert [post.reach for post in found.top] == [2, 2]


def test_people_are_new_only_if_they_were_not_there_for_28_days(database: Database) -> None:
    views = [
        a_view("p", 1, "bob"),
        a_view("p", -24 * 27, "bob"),
        a_view("p", 1, "carol"),
        a_view("p", -24 * 29, "carol"),
        a_view("p", 1, "dave"),
    ]
    fill(database, posts=[a_post("p")], views=views)
    assert weeks(database)["alice"].new_people == 2


def test_without_earlier_viewers_nobody_is_called_new(database: Database) -> None:
    fill(database, posts=[a_post("p")], views=[a_view("p", 1, "bob")])
    assert weeks(database)["alice"].new_people is None


def test_events_and_counters_of_one_post_and_week_are_never_added(database: Database) -> None:
    reading = {"post_id": "p", "at": START + HOUR, "views": 500, "views_gain": 400}
    fill(
        database,
        posts=[a_post("p"), a_post("q")],
        views=[a_view("p", 1, "bob"), a_view("p", 1, "carol")],
        counters=[reading, reading | {"post_id": "q", "views_gain": 30}],
    )
    found = weeks(database)["alice"]
    assert {post.id: post.views for post in found.top} == {"p": 2, "q": 30}
    assert found.views == 32


def test_a_first_reading_is_a_baseline_and_no_zero(database: Database) -> None:
    reading = {"post_id": "p", "at": START + HOUR, "views": 500, "views_gain": None}
    fill(database, posts=[a_post("p")], counters=[reading])
    found = weeks(database)["alice"]
    assert (found.views, found.first_read, found.quiet) == (None, True, False)


def test_counted_weeks_without_a_reaction_are_known_to_have_had_none(database: Database) -> None:
    at = [START - timedelta(weeks=n, hours=-9) for n in (4, 3, 2, 1)]
    gains = zip(at, (None, 0, 10, 0), strict=True)
    read: list[dict[str, object]] = [
        {"post_id": "p", "at": when, "likes": 50, "likes_gain": gain} for when, gain in gains
    ]
    fill(database, posts=[a_post("p")], counters=read)
    with database.reading() as session:
        past = histories(session, Batch(WEEK, TZ, AUTHORS))["alice"]
    assert [week.reactions for week in past.weeks] == [None, 0, 10, 0]


def test_of_a_week_without_a_reading_nothing_is_known(database: Database) -> None:
    at = [START - timedelta(weeks=n, hours=-9) for n in (4, 3, 1)]
    gains = zip(at, (None, 10, 0), strict=True)
    read: list[dict[str, object]] = [
        {"post_id": "p", "at": when, "views": 500, "views_gain": g} for when, g in gains
    ]
    fill(database, posts=[a_post("p")], counters=read)
    with database.reading() as session:
        past = histories(session, Batch(WEEK, TZ, AUTHORS))["alice"]
    assert [week.views for week in past.weeks] == [None, 10, None, 0]


def test_days_follow_the_readers_own_midnights(database: Database) -> None:
    views = [a_view("p", hours, "bob") for hours in (23.9, 24, 47.9, 48)]
    fill(database, posts=[a_post("p")], views=views)
    assert weeks(database)["alice"].days == [1, 2, 1, 0, 0, 0, 0]


def test_counters_give_days_only_if_every_day_was_read(database: Database) -> None:
    daily = [
        {"post_id": "p", "at": START + timedelta(days=n, hours=9), "views": n, "views_gain": n + 1}
        for n in range(7)
    ]
    fill(database, posts=[a_post("p"), a_post("q", "bob")], counters=daily)
    assert weeks(database)["alice"].days == [1, 2, 3, 4, 5, 6, 7]
    with database.writing() as session:
        rows = [row | {"post_id": "q"} for row in daily[:6]]
        session.connection().execute(insert(table(Counter)), rows)
    assert weeks(database)["bob"].days is None
    assert weeks(database)["bob"].views == 21


def test_without_any_views_reactions_make_the_list(database: Database) -> None:
    acts = [a_reaction("p", 1, "bob"), a_reaction("q", 2, "bob"), a_reaction("q", 30, "carol")]
    fill(database, posts=[a_post("p"), a_post("q")], reactions=acts)
    found = weeks(database)["alice"]
    assert found.views is None
    assert [post.id for post in found.top] == ["q", "p"]
    assert found.days == [2, 1, 0, 0, 0, 0, 0]


def test_repliers_are_named_first_and_viewers_never(database: Database) -> None:
    fill(
        database,
        posts=[a_post("p")],
        views=[a_view("p", 1, "dave")],
        reactions=[a_reaction("p", 1, "bob"), a_reaction("p", 2, "carol", "reply")],
    )
    post = weeks(database)["alice"].top[0]
    assert (post.people, post.replied, post.reactors) == (["Carol"], True, 1)
    assert post.reactions == 2


def test_who_is_no_member_is_counted_with_the_others_and_not_named(database: Database) -> None:
    """So that “Carol and 2 others replied” is all who did; nobody counts a nameless act as one."""
    replies = [a_reaction("p", n, who, "reply") for n, who in enumerate(["x", "y", "carol", ""], 1)]
    likes = [a_reaction("q", 1, "stranger"), a_reaction("q", 2, "bob")]
    likes.append(a_reaction("q", 3, "stranger", "reply"))
    fill(
        database,
        posts=[a_post("p"), a_post("q")],
        views=[a_view("p", 2, "dave"), a_view("q", 1, "dave")],
        reactions=[*replies, *likes],
    )
    first, second = weeks(database)["alice"].top
    assert (first.people, first.replied, first.reactors) == (["Carol"], True, 3)
    assert (second.people, second.replied, second.reactors) == (["Bob"], False, 2)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"views": 9}, {"views": 8, "reach": 8}),
        ({"views": 9, "reach": 5}, {"views": 9, "reach": 4}),
        ({"views": 9, "reactions": 2}, {"views": 9, "reactions": 1}),
        ({"views": 9, "published_at": START}, {"views": 9, "published_at": START - HOUR}),
        ({"views": 9, "published_at": START}, {"views": 9}),
    ],
)
def test_ties_are_broken_by_reach_then_reactions_then_age(
    left: dict[str, object], right: dict[str, object]
) -> None:
    first, second = PostWeek("z", **left), PostWeek("a", **right)  # type: ignore[arg-type]
    assert leading([second, first], by_views=True) == [first, second]


def test_the_last_tie_is_broken_by_id_and_posts_without_views_are_not_listed() -> None:
    posts = [PostWeek(id_, 3) for id_ in "fbdaec"] + [PostWeek("zero", 0), PostWeek("unknown")]
    assert [post.id for post in leading(posts, by_views=True)] == list("abcde")


def test_a_single_view_is_listed_where_there_is_nothing_more_or_somebody_reacted() -> None:
    once, answered, more = PostWeek("once", 1), PostWeek("met", 1, reactions=1), PostWeek("more", 2)
    assert leading([once, answered, more], by_views=True) == [more, answered]
    assert leading([once, PostWeek("alone", 1)], by_views=True) == [PostWeek("alone", 1), once]
    assert leading([PostWeek("liked", None, reactions=1)], by_views=False)


_when = st.integers(-40 * 24, 9 * 24)
_views = st.lists(
    st.tuples(st.sampled_from("pqr"), _when, st.sampled_from(PEOPLE), st.integers(1, 3)),
    max_size=40,
    unique_by=lambda row: row[:3],
)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_views)
def test_a_batch_counts_what_counting_one_by_one_counts(
    rows: list[tuple[str, int, str, int]], tmp_path: Path
) -> None:
    """The oracle reads every row in Python; the product asks one question per fact."""
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    owner = {"p": "alice", "q": "alice", "r": "bob"}
    fill(
        database,
        posts=[a_post(id_, author, START - timedelta(days=90)) for id_, author in owner.items()],
        views=[a_view(post, hours, viewer, count) for post, hours, viewer, count in rows],
    )
    found = weeks(database)
    seen: dict[str, set[str]] = defaultdict(set)
    total: dict[str, int] = defaultdict(int)
    for post, hours, viewer, count in rows:
        if 0 <= hours < 168 and viewer != owner[post]:
            total[owner[post]] += count
            seen[owner[post]].update({viewer} - {""})
    assert {user: week.views for user, week in found.items()} == dict(total)
    for user, week in found.items():
        assert (week.reach or 0) == len(seen[user])
        assert sum(week.days or []) == week.views
    with database.reading() as session:
        past = histories(session, Batch(WEEK, TZ, AUTHORS))
    for user, one in past.items():
        for week_ in one.weeks:
            span = window.week(Period.parse(week_.period), TZ)
            counted = sum(
                count
                for post, hours, viewer, count in rows
                if owner[post] == user != viewer and START + hours * HOUR in span
            )
            assert week_.views == counted
    database.close()


@pytest.mark.parametrize(("minutes", "whole"), [(0, 9), (-1, 9), (1, 8), (60 * 156, 8)])
def test_the_part_of_a_week_in_which_logging_began_is_compared_with_nothing(
    database: Database, minutes: int, whole: int
) -> None:
    """Nine weeks are known; the first counts as one only if logging began with it, or before."""
    first = window.week(WEEK.shift(-9), TZ).start - START
    began = (first + timedelta(minutes=minutes)) / HOUR
    rest = [a_view("p", -168 * n + hour, f"v{n}") for n in range(9) for hour in (1, 2)]
    posts = [a_post("p", "alice", START - timedelta(days=400))]
    fill(
        database,
        posts=posts,
        views=[*rest, a_view("p", began, "x"), a_view("p", first / HOUR + 160, "y")],
    )
    batch = Batch(WEEK, TZ, AUTHORS)
    with database.reading() as session:
        past = histories(session, batch)["alice"]
        said = usual.build(usual.load(session, batch)["alice"], batch)
    stored = len(past.weeks)
    assert (stored, past.weeks[-9].views) == (9 + (minutes < 0), 1 + (minutes >= 0))
    assert [len(past.whole(metric, TZ)) for metric in ("reach", "views")] == [whole, whole]
    assert said is not None
    assert said["weeks"] == whole


def test_a_best_week_is_that_of_all_on_record_where_even_the_part_before_was_not_as_good() -> None:
    batch = Batch(WEEK, TZ, AUTHORS)
    names = [str(WEEK.shift(n - 9)) for n in range(9)]
    since = Since(window.week(WEEK.shift(-9), TZ).start + HOUR, None)
    for part, on_record in ((5, True), (59, True), (60, False), (90, False)):
        counts = [part, *[20, 22] * 4]
        rows = [Week(name, n, n, 0) for name, n in zip(names, counts, strict=True)]
        past = History(rows, [], since)
        week = best_weeks._weeks(AuthorWeek(views=60, reach=60), past, batch)
        found = best_weeks.build(
            week._replace(whole=best_weeks._is_whole(week, past, batch)), batch
        )
        assert found is not None
        first = None if on_record else WEEK.shift(-8).monday.isoformat()
        assert (found["since"], found["weeks"]) == (first, 9)


@pytest.mark.parametrize(
    ("published", "began", "site", "known"),
    [
        (-400, -28, None, True),
        (-400, -27.9, None, False),  # logging may have begun after who came before
        (-400, -20, -28, True),
        (-400, -20, -27, False),
        (-10, -9, -10, True),  # nothing of a young author's was missed
        (-10, -9, -9.9, False),
        (None, -9, -10, False),
    ],
)
def test_people_are_new_only_where_views_were_logged_before(
    database: Database, published: float | None, began: float, site: float | None, known: bool
) -> None:
    """Days from Monday on: of the first post, of its first view, and of the site's first view."""
    at = None if published is None else START + timedelta(days=published)
    posts = [a_post("p", "alice", at), a_post("old", "bob", START - timedelta(days=500))]
    seen = [a_view("p", 24 * began, "carol"), *(a_view("p", 24 * n, "carol") for n in (-3, 1))]
    new = [a_view("p", 24, "dave")]
    others = [] if site is None else [a_view("old", 24 * site, "dave")]
    fill(database, posts=posts, views=[*seen, *new, *others])
    assert weeks(database, "alice")["alice"].new_people == (1 if known else None)


def test_the_number_of_queries_does_not_depend_on_the_number_of_users(database: Database) -> None:
    users = [f"u{n}" for n in range(40)]
    with database.writing() as session:
        rows = [{"id": u, "name": u, "email": f"{u}@p.example"} for u in users]
        session.connection().execute(insert(table(User)), rows)
        posts = [a_post(f"p-{u}", u, START - HOUR) for u in users]
        session.connection().execute(insert(table(Post)), posts)
        views = [a_view(f"p-{u}", 3, "reader") for u in users]
        session.connection().execute(insert(table(View)), views)

    def queries(*chosen: str) -> int:
        with overheard(database) as asked, database.reading() as session:
            batch = Batch(WEEK, TZ, chosen)
            for fact in (author_weeks, histories, careers):
                assert len(batch.fact(session, fact)) == len(chosen)  # type: ignore[arg-type]
        return len(asked)

    assert queries(*users) == queries(users[0])


# --- judged at equal age -------------------------------------------------------------------------


def test_a_post_enters_exactly_one_digest_the_one_in_whose_week_it_turns_48_hours(
    database: Database,
) -> None:
    """A post of Sunday evening is judged a week later, with the same two days as any other."""
    ages = {"early": -48, "late": -48.5, "sunday": 119.9, "monday": 120.1}
    posts = [a_post(id_, "alice", START + timedelta(hours=h)) for id_, h in ages.items()]
    fill(database, posts=posts, views=[a_view(id_, h + 1, "bob") for id_, h in ages.items()])
    with database.reading() as session:
        this = careers(session, Batch(WEEK, TZ, AUTHORS))["alice"]
        then = careers(session, Batch(WEEK.shift(1), TZ, AUTHORS))["alice"]
    assert {post.id for post in this.new} == {"early", "sunday"}
    assert this.waiting == 1
    assert {post.id for post in then.new} == {"monday"}


def test_only_the_first_48_hours_count(database: Database) -> None:
    at = [-0.5, 0, 47.99, 48]
    fill(database, posts=[a_post("p")], views=[a_view("p", h, f"v{h}") for h in at])
    with database.reading() as session:
        (post,) = careers(session, Batch(WEEK, TZ, AUTHORS))["alice"].judged
    assert (post.views, post.reach) == (2, 2)


def test_a_reaction_without_a_logged_view_counts_as_a_view_in_the_rate(database: Database) -> None:
    fill(
        database,
        posts=[a_post("p")],
        views=[a_view("p", 1, "bob"), a_view("p", 2, "carol")],
        reactions=[a_reaction("p", 3, "bob"), a_reaction("p", 3, "dave", "reply")],
    )
    with database.reading() as session:
        (post,) = careers(session, Batch(WEEK, TZ, AUTHORS))["alice"].judged
    assert (post.reach, post.audience, post.engagers, post.talkers) == (2, 3, 2, 1)


def test_unknown_is_not_zero_for_a_post_older_than_the_data(database: Database) -> None:
    """Nothing is known of what was seen before anything was logged; afterwards silence is zero."""
    fill(
        database,
        posts=[a_post("before"), a_post("after", "alice", START + timedelta(hours=70))],
        views=[a_view("before", 60, "bob")],
    )
    with database.reading() as session:
        found = {p.id: p for p in careers(session, Batch(WEEK, TZ, AUTHORS))["alice"].judged}
    assert found["before"].reach is None
    assert found["after"].reach == 0


def test_a_post_whose_time_of_publication_is_unknown_is_never_judged(database: Database) -> None:
    fill(database, posts=[a_post("p", "alice", None)], views=[a_view("p", 1, "bob")])
    with database.reading() as session:
        assert "alice" not in careers(session, Batch(WEEK, TZ, AUTHORS))


def test_instants_are_kept_in_utc_whatever_the_zone(database: Database) -> None:
    fill(database, posts=[a_post("p", "alice", START.astimezone(ZoneInfo("Asia/Tokyo")))])
    with database.reading() as session:
        (post,) = careers(session, Batch(WEEK, TZ, AUTHORS))["alice"].judged
    assert post.published_at == START.astimezone(UTC)
