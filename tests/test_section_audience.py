"""How much of a following was reached: against counting by hand, and when nothing is said."""

from __future__ import annotations

import csv
import gzip
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest import window
from digest.compose import Snapshot
from digest.database import Database
from digest.demo import populate
from digest.facts import Batch
from digest.facts.followers import Following, Reached, followings
from digest.facts.judgements import Judged
from digest.models import Post
from digest.render import Rendered, Renderer
from digest.sections import audience
from digest.stats.overlap import independent_union, overlap
from digest.window import Period
from tests import mails
from tests.community import MONDAY, Community
from tests.conftest import Front, body
from tests.databases import examples, new_database, overheard, sqlite_only, steps
from tests.followers_by_hand import Counted, count, rows_of, store

WEEK = Period(2026, 46)
TZ = ZoneInfo("Europe/London")
START = window.week(WEEK, TZ).start
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def batch(*users: str, period: Period = WEEK, tz: ZoneInfo = TZ) -> Batch:
    return Batch(period, tz, users or ("alice", "bob"))


def found(database: Database, of: Batch) -> dict[str, Following]:
    with database.reading() as session:
        return followings(session, of)


def told(database: Database, of: Batch | None = None) -> dict[str, dict[str, Any] | None]:
    of = of or batch()
    with database.reading() as session:
        return {
            user: audience.build(facts, of) for user, facts in audience.load(session, of).items()
        }


def a_user(id_: str) -> dict[str, Any]:
    return {"id": id_, "name": id_.title(), "email": f"{id_}@p.example"}


def a_post(id_: str, at: datetime = START, author: str = "alice") -> dict[str, Any]:
    return {"id": id_, "author_id": author, "published_at": at, "title": f"The {id_} post"}


def a_view(post: str, viewer: str, at: datetime = START + HOUR) -> dict[str, Any]:
    return {"post_id": post, "viewer_id": viewer, "at": at}


def a_follow(
    follower: str, since: datetime = ALWAYS, until: datetime | None = None, of: str = "alice"
) -> dict[str, Any]:
    return {"followee_id": of, "follower_id": follower, "since": since, "until": until}


def people(number: int, kind: str = "f") -> list[str]:
    return [f"{kind}{n}" for n in range(number)]


def alone(
    database: Database,
    *posts: dict[str, Any],
    views: list[dict[str, Any]],
    follows: int | list[dict[str, Any]] = 30,
    **more: list[dict[str, Any]],
) -> dict[str, Any] | None:
    """What Alice is told, who wrote ``posts`` and has ``follows``."""
    if isinstance(follows, int):
        follows = [a_follow(one) for one in people(follows)]
    store(database, User=[a_user("alice")], Post=list(posts), View=views, Follow=follows, **more)
    return told(database).get("alice")


# --- a union against independent posts -----------------------------------------------------------


@pytest.mark.parametrize(("posts", "union"), [(2, 0.5775), (4, 0.8215)])
def test_independent_posts_of_35_percent_reach_the_golden_unions(posts: int, union: float) -> None:
    assert independent_union([0.35] * posts) == pytest.approx(union, abs=5e-5)


shares = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(shares)
def test_a_union_is_at_least_its_largest_part_and_at_most_their_sum(some: list[float]) -> None:
    union = independent_union(some)
    assert max(some) - 1e-9 <= union <= min(1, sum(some)) + 1e-9


@given(shares, st.integers(10, 5000))
def test_independent_posts_overlap_as_much_as_independent_posts(
    some: list[float], followers: int
) -> None:
    union = independent_union(some)
    met = overlap(union, some, followers)
    if union:
        assert met is not None
        assert met.index == pytest.approx(1)
        assert not met.returning
    else:
        assert met is None


@pytest.mark.parametrize(("followers", "posts"), [(10, 4), (40, 6), (300, 12)])
def test_chance_alone_does_not_make_people_return(followers: int, posts: int) -> None:
    """Everybody sees each post with the same chance; the verdict errs in one of 20 at most."""
    rng = random.Random(followers)
    wrong = sum(_returning(rng, [0.35] * followers, posts) for _ in range(400))
    assert wrong <= 20


def test_a_loyal_part_of_a_following_is_noticed() -> None:
    """A third sees nearly every post, the others hardly any; on average as many as before."""
    rng = random.Random(1)
    right = sum(_returning(rng, [0.9] * 100 + [0.075] * 200, posts=6) for _ in range(100))
    assert right >= 95


def _returning(rng: random.Random, chances: list[float], posts: int) -> bool:
    seen = [{n for n, p in enumerate(chances) if rng.random() < p} for _ in range(posts)]
    met = overlap(
        len(set().union(*seen)) / len(chances),
        [len(one) / len(chances) for one in seen],
        len(chances),
    )
    return met is not None and met.returning


# --- who was a follower, and who was reached -----------------------------------------------------


@pytest.fixture
def few_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """People are counted even where there are too few of them to be told of."""
    monkeypatch.setattr("digest.facts.followers.LEAST_PEOPLE", 0)


@pytest.mark.usefixtures("few_count")
def test_only_who_followed_when_the_post_was_published_is_a_follower_of_it(
    database: Database,
) -> None:
    follows = [
        a_follow("there", START),
        a_follow("late", START + HOUR),
        a_follow("gone", START - 9 * DAY, START),
        a_follow("leaving", START - 9 * DAY, START + HOUR),
        a_follow("again", START - 9 * DAY, START - 8 * DAY),
        a_follow("again", START - 7 * DAY),
        a_follow("twice"),
        a_follow("twice", START - 7 * DAY),
        a_follow("alice"),
        a_follow("elsewhere", of="bob"),
    ]
    views = [a_view("p", one["follower_id"]) for one in follows if one["follower_id"] != "twice"]
    views = [dict(row) for row in {tuple(row.items()): None for row in views}]
    store(
        database,
        User=[a_user("alice"), a_user("bob")],
        Post=[a_post("p")],
        View=[*views, a_view("p", "stranger")],
        Follow=follows,
    )
    following = found(database, batch())["alice"]
    assert following.reached["p"] == Reached(followers=4, ever=3, early=3)
    assert following.union == 3


@pytest.mark.usefixtures("few_count")
def test_a_follower_counts_once_however_often_they_look(database: Database) -> None:
    views = [a_view("p", "f0", START + n * HOUR) for n in (0, 1, 47.9, 48, 100)]
    views += [a_view("p", "f1", START + n * HOUR) for n in (-0.1, 48, 168)]
    store(
        database,
        User=[a_user("alice")],
        Post=[a_post("p")],
        View=views,
        Follow=[a_follow(one) for one in people(3)],
    )
    assert found(database, batch())["alice"].reached["p"] == Reached(3, ever=2, early=1)


@sqlite_only
def test_followers_are_read_once_and_not_once_for_every_post(tmp_path: Path) -> None:
    """Three times as many of both are some three times the work, where pairs would be nine."""

    def work(number: int) -> int:
        database = Database(new_database(tmp_path / f"{number}.db"))
        posts, some = [f"p{n}" for n in range(number)], people(2 * number)
        store(
            database,
            User=[a_user("alice")],
            Post=[a_post(id_, START + n * MINUTE) for n, id_ in enumerate(posts)],
            View=[a_view(id_, "f0", START + DAY) for id_ in posts],
            Follow=[a_follow(one, START + n * MINUTE / 2) for n, one in enumerate(some)],
        )
        with steps(database) as taken:
            reached = found(database, batch())["alice"].reached
        database.close()
        assert [reached[id_].followers for id_ in posts] == [2 * n + 1 for n in range(number)]
        return taken()

    few = work(200)
    assert work(600) < 5 * few


_when = st.integers(-24 * 24, 8 * 24)
_person = st.sampled_from(["alice", "bob", "carol", "dave", "erin", "frank"])
_author = st.sampled_from(["alice", "bob"])


@pytest.mark.usefixtures("few_count")
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    published=st.lists(st.tuples(_author, _when), min_size=1, max_size=6),
    viewed=st.lists(st.tuples(st.integers(0, 5), _person, _when), max_size=40, unique=True),
    followed=st.lists(
        st.tuples(_author, _person, _when, st.none() | st.integers(1, 700)),
        max_size=14,
        unique_by=lambda row: row[:3],
    ),
)
def test_a_batch_finds_what_counting_one_by_one_finds(
    published: list[tuple[str, int]],
    viewed: list[tuple[int, str, int]],
    followed: list[tuple[str, str, int, int | None]],
    tmp_path: Path,
) -> None:
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    first = START - timedelta(weeks=20)
    store(
        database,
        User=[a_user("alice"), a_user("bob")],
        # Somebody saw something of theirs before, so that silence is a true zero.
        Post=[a_post(f"old {user}", first, user) for user in ("alice", "bob")]
        + [a_post(f"{n}", START + h * HOUR, user) for n, (user, h) in enumerate(published)],
        View=[a_view(f"old {user}", "zoe", first + HOUR) for user in ("alice", "bob")]
        + [
            a_view(f"{n}", viewer, START + hours * HOUR)
            for n, viewer, hours in viewed
            if n < len(published)
        ],
        Follow=[
            a_follow(
                follower,
                START + since * HOUR,
                None if lasted is None else START + (since + lasted) * HOUR,
                of=author,
            )
            for author, follower, since, lasted in followed
        ],
    )
    agree(found(database, batch()), count(database, batch()))
    database.close()


def agree(by_query: dict[str, Following], by_hand: dict[str, Counted]) -> None:
    assert by_query.keys() == by_hand.keys()
    for author, counted in by_hand.items():
        following = by_query[author]
        reached = {id_: (r.followers, r.ever, r.early) for id_, r in following.reached.items()}
        assert reached == counted.posts
        assert following.union == counted.union
        assert following.average == pytest.approx(counted.average)
        assert following.regulars() == counted.regulars


def test_the_number_of_queries_does_not_depend_on_the_number_of_users(database: Database) -> None:
    users = people(30, "u")
    store(
        database,
        User=[a_user(user) for user in users],
        Post=[a_post(f"p-{user}", author=user) for user in users],
        View=[a_view(f"p-{user}", one) for user in users for one in people(12)],
        Follow=[a_follow(one, of=user) for user in users for one in people(12)],
    )

    def ask(*chosen: str) -> int:
        with overheard(database) as asked:
            assert len(told(database, batch(*chosen))) == len(chosen)
        return len(asked)

    assert ask(*users) == ask(users[0])


# --- what is told of a new post ------------------------------------------------------------------


def test_a_new_post_tells_what_share_of_its_followers_saw_it(database: Database) -> None:
    views = [a_view("p", one) for one in [*people(12), *people(50, "stranger")]]
    said = alone(database, a_post("p"), views=views)
    assert said is not None
    (post,) = said["posts"]
    assert (post["reached"], post["followers"], post["share"]) == (12, 30, 0.4)
    assert (said["weeks"], said["regulars"]) == (None, None)


@pytest.mark.parametrize(
    ("followers", "seen"),
    [(9, 9), (30, 9), (101, 10), (0, 0)],
    ids=["few followers", "few reached", "below a tenth", "none"],
)
def test_small_groups_and_small_shares_are_not_told(
    database: Database, followers: int, seen: int
) -> None:
    views = [a_view("p", one) for one in people(seen)]
    acts = [{"post_id": "p", "at": START + HOUR, "actor_id": "f0", "type": "like"}]
    assert alone(database, a_post("p"), views=views, follows=followers, Reaction=acts) is None


def test_a_tenth_and_ten_of_ten_are_told(database: Database) -> None:
    said = alone(database, a_post("p"), views=[a_view("p", f) for f in people(10)], follows=100)
    assert said is not None
    assert said["posts"][0]["share"] == 0.1
    assert audience._share(10, 10) == 1


def test_nothing_is_told_where_a_viewer_has_no_name(database: Database) -> None:
    """One view without a name in the first 48 hours is enough: nobody knows whose it was."""
    views = [a_view("p", one) for one in [*people(20), ""]]
    assert alone(database, a_post("p"), views=views) is None


def test_nothing_is_told_where_only_counters_are_read(database: Database) -> None:
    at = [START + DAY, START + 2 * DAY]
    read = [{"post_id": "p", "at": when, "views": 90, "views_gain": 90} for when in at]
    assert alone(database, a_post("p"), views=[], Counter=read) is None


# --- four weeks ----------------------------------------------------------------------------------


def month(*seen: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A post every five days, the last one of this week, and who saw which of them."""
    times = [START - (len(seen) - 1 - n) * 5 * DAY for n in range(len(seen))]
    posts = [a_post(f"p{n}", at) for n, at in enumerate(times)]
    views = [
        a_view(f"p{n}", one, at + HOUR)
        for n, (at, some) in enumerate(zip(times, seen, strict=True))
        for one in some
    ]
    return posts, views


def test_four_weeks_are_a_union_and_never_a_sum(database: Database) -> None:
    posts, views = month(people(12), people(16), people(15, "stranger"))
    said = alone(database, *posts, views=views)
    assert said is not None
    assert said["weeks"] == {
        "people": 16,
        "followers": 30,
        "share": 16 / 30,
        "posts": 3,
        "overlap": None,
        "returning": False,
    }


def test_the_denominator_is_the_average_of_a_list_that_changes(database: Database) -> None:
    """20 followers at the first post and 40 at the second: 15 of 30 on average."""
    posts, views = month(people(15), people(15))
    joined = [a_follow(one, ALWAYS if n < 20 else START - DAY) for n, one in enumerate(people(40))]
    said = alone(database, *posts, views=views, follows=joined)
    assert said is not None
    assert (said["weeks"]["people"], said["weeks"]["followers"]) == (15, 30)


def test_a_list_that_turned_over_has_no_share(database: Database) -> None:
    """Ten saw the first post and left, ten others saw the second: 20 of 10 is no share."""
    posts, views = month(people(10, "before"), people(10, "after"))
    follows = [a_follow(one, until=START - DAY) for one in people(10, "before")]
    follows += [a_follow(one, START - DAY) for one in people(10, "after")]
    said = alone(database, *posts, views=views, follows=follows)
    assert said is not None
    assert said["weeks"] is None
    assert said["posts"][0]["share"] == 1


def test_a_post_before_the_four_weeks_and_one_too_young_take_no_part(database: Database) -> None:
    """London's clocks went back within these weeks: the first began an hour earlier in UTC."""
    first, last = START - 21 * DAY - HOUR - 48 * HOUR, START + 7 * DAY - 48 * HOUR
    second = timedelta(seconds=1)
    at = {"old": first - second, "first": first, "last": last - second, "young": last}
    posts = [a_post(id_, instant) for id_, instant in at.items()]
    store(database, User=[a_user("alice")], Post=posts, View=[a_view("old", "f0")])
    assert {post.id for post in found(database, batch())["alice"].posts} == {"first", "last"}


def test_the_same_people_are_said_to_return_where_chance_would_reach_more(
    database: Database,
) -> None:
    posts, views = month(*[people(24)] * 5)
    said = alone(database, *posts, views=views, follows=60)
    assert said is not None
    assert said["weeks"]["overlap"] == pytest.approx(0.4 / (1 - 0.6**5))
    assert said["weeks"]["returning"]


def test_fewer_than_four_posts_show_no_habit(database: Database) -> None:
    posts, views = month(*[people(24)] * 3)
    said = alone(database, *posts, views=views, follows=60)
    assert said is not None
    assert (said["weeks"]["overlap"], said["weeks"]["returning"]) == (None, False)
    assert said["regulars"] is None


def test_regulars_saw_half_of_the_posts_or_more_and_need_not_follow(database: Database) -> None:
    half, fewer = people(11, "half"), people(15, "fewer")
    posts, views = month(half, [], [*half, *fewer], [])
    said = alone(database, *posts, views=views, follows=0)
    assert said is not None
    assert said["regulars"] == {"people": 11, "posts": 4}


def test_fewer_than_ten_regulars_are_nobodys_business(database: Database) -> None:
    posts, views = month(*[people(9)] * 4)
    assert alone(database, *posts, views=views, follows=0) is None


@pytest.mark.parametrize("late", [HOUR, 3 * DAY])
def test_one_view_without_a_name_leaves_four_weeks_unsaid(
    database: Database, late: timedelta
) -> None:
    posts, views = month(*[people(20)] * 4)
    nameless = a_view("p0", "", posts[0]["published_at"] + late)
    said = alone(database, *posts, views=[*views, nameless])
    assert said is not None
    assert (said["weeks"], said["regulars"]) == (None, None)
    assert said["posts"][0]["share"] == pytest.approx(2 / 3)


# --- posts without an answer ---------------------------------------------------------------------


def test_a_post_without_an_answer_gets_a_word(database: Database) -> None:
    said = alone(database, a_post("p"), views=[a_view("p", f) for f in people(37)], follows=0)
    assert said is not None
    (post,) = said["posts"]
    assert (post["silent"], post["reach"], post["share"]) == (True, 37, None)


@pytest.mark.parametrize("hours", [1, 47, 49, 167])
def test_who_was_answered_later_is_not_told_that_nobody_did(database: Database, hours: int) -> None:
    acts = [{"post_id": "p", "at": START + hours * HOUR, "actor_id": "f0", "type": "like"}]
    views = [a_view("p", f) for f in people(37)]
    assert alone(database, a_post("p"), views=views, follows=0, Reaction=acts) is None


def test_a_counter_that_knows_of_a_reaction_is_believed(database: Database) -> None:
    read = [{"post_id": "p", "at": START + 5 * DAY, "likes": 1, "likes_gain": None}]
    views = [a_view("p", f) for f in people(37)]
    assert alone(database, a_post("p"), views=views, follows=0, Counter=read) is None


def test_an_authors_own_reply_is_no_answer(database: Database) -> None:
    acts = [{"post_id": "p", "at": START + HOUR, "actor_id": "alice", "type": "reply"}]
    views = [a_view("p", f) for f in people(37)]
    said = alone(database, a_post("p"), views=views, follows=0, Reaction=acts)
    assert said is not None
    assert said["posts"][0]["silent"]


def test_a_post_that_few_saw_is_left_in_peace(database: Database) -> None:
    assert alone(database, a_post("p"), views=[a_view("p", f) for f in people(9)]) is None


# --- how much there is to say --------------------------------------------------------------------


def following(*posts: tuple[int, int]) -> Following:
    """New posts, each with so many followers reached of so many."""
    judged = [
        Judged(f"p{n}", START, new=True, reach=r, title="T") for n, (r, _) in enumerate(posts)
    ]
    reached = {f"p{n}": Reached(f, r, r) for n, (r, f) in enumerate(posts)}
    return Following(judged, reached)


def test_three_posts_are_listed_those_that_reached_most_of_their_followers_first() -> None:
    facts = audience.Facts(following((20, 100), (90, 100), (30, 100), (50, 100)), frozenset())
    said = audience.build(facts, batch())
    assert said is not None
    assert [post["share"] for post in said["posts"]] == [0.9, 0.5, 0.3]


@pytest.mark.parametrize(
    ("reached", "silent", "worth", "news"),
    [((45, 100), False, 0.45, 0.225), ((90, 100), False, 0.8, 0.45), ((12, 100), True, 0.5, 0.06)],
)
def test_it_weighs_what_share_it_tells(
    reached: tuple[int, int], silent: bool, worth: float, news: float
) -> None:
    facts = audience.Facts(following(reached), frozenset(["p0"] if silent else []))
    said = audience.build(facts, batch())
    assert said is not None
    assert audience.worth(said) == pytest.approx(worth)
    assert audience.news(said) == pytest.approx(news)


def test_four_weeks_weigh_less_than_a_post_and_regulars_alone_least() -> None:
    nothing: dict[str, Any] = {"posts": [], "weeks": None, "regulars": None}
    assert audience.worth(nothing | {"weeks": {"share": 0.6}}) == pytest.approx(0.42)
    assert audience.worth(nothing | {"regulars": {"people": 12, "posts": 4}}) == 0.3


# --- in the mail ---------------------------------------------------------------------------------


def talk() -> Community:
    """Alice's five posts; of her 40 followers 26 saw this week's, and nobody reacted to it."""
    there = Community()
    there.user("alice", "Alice Moreau")
    for n in range(40):
        there.rows["follows"].append({"follower_id": f"reader-{n}", "followee_id": "alice"})
        there.user(f"reader-{n}", f"Looker {n}")
    for n in range(5):
        at = MONDAY + timedelta(days=1 - 5 * n)
        there.post(f"post-{n}", "alice", at, title=f"Bridge number {n}")
        there.views(f"post-{n}", at + HOUR, 26)
        if n:
            there.reaction(f"post-{n}", "reader-1", "like", at + DAY)
    return there


def test_the_mail_tells_it_in_counts_and_names_nobody_who_only_looked(digest: Front) -> None:
    digest("import", talk().write(digest.folder / "in"), at=NEXT_MONDAY)
    assert digest("send", "--week", "2026-W46", at=NEXT_MONDAY).code == 0
    mail = digest.mail_to("alice@people.example")
    assert mail["Subject"] == "“Bridge number 0” was seen by 26 of your 40 followers"
    text = " ".join(body(mail).split())
    assert "HOW FAR YOUR POSTS WENT" in text
    assert "Bridge number 0 Seen by 26 of your 40 followers" in text
    assert "26 people saw this; no one reacted. Most readers never do." in text
    assert (
        "In the last four weeks, 26 of your roughly 40 followers saw at least one of your posts."
        " Often it is the same people who return." in text
    )
    assert "26 people saw at least half of your posts of the last four weeks." in text
    assert set(re.findall(r"Looker \d+", text)) <= {"Looker 1"}  # who reacted, in public
    page = body(mail, "html")
    assert 'aria-label="65% of your followers"' in page
    assert "width:65%" in page


def test_a_reader_who_wants_no_figures_is_told_none_of_it(digest: Front) -> None:
    digest("import", talk().write(digest.folder / "in"), at=NEXT_MONDAY)
    digest.sql("UPDATE subscriptions SET numbers = (1 = 0)")
    digest("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert "followers" not in body(digest.mail_to("alice@people.example"))


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(mails.BRAND)


def rendered(renderer: Renderer, **changes: Any) -> Rendered:
    section = {"hours": 48, "posts": [], "span": 4, "weeks": None, "regulars": None} | changes
    sections = {"headline": mails.headline(), "audience": section}
    return renderer.render(mails.snapshot(sections), mails.LINKS)


def entry(title: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "p",
        "title": title,
        "excerpt": "",
        "reach": 37,
        "reached": 0,
        "followers": 0,
        "share": None,
        "silent": True,
    } | changes


def test_where_nothing_is_known_of_followers_none_are_mentioned(renderer: Renderer) -> None:
    mail = rendered(renderer, posts=[entry("Trains I have missed")])
    for text in (mail.text, mail.html):
        assert "follower" not in text
        assert "followed" not in text
        assert "37 people saw this; no one reacted. Most readers never do." in " ".join(
            text.split()
        )


def test_a_post_without_a_title_is_no_subject_and_shows_how_it_begins(renderer: Renderer) -> None:
    post = entry("", excerpt="Eleven platforms", reached=90, followers=100, share=0.9)
    assert audience.news({"posts": [post]}) == 0
    assert (
        "Eleven platforms\n   Seen by 90 of your 100 followers"
        in rendered(renderer, posts=[post]).text
    )


def test_the_subject_is_of_the_best_post_that_has_a_title(renderer: Renderer) -> None:
    posts = [
        entry("", excerpt="E", reached=99, followers=100, share=0.99),
        entry("Silent", reached=0),
        entry("Trains", reached=70, followers=100, share=0.7),
    ]
    section = {"hours": 48, "posts": posts, "span": 4, "weeks": None, "regulars": None}
    week: Snapshot = mails.snapshot({"audience": section}, lead="audience")
    subject = renderer.render(week, mails.LINKS).subject
    assert subject == "“Trains” was seen by 70 of your 100 followers"


# --- a whole community, and real people ----------------------------------------------------------


def test_every_author_of_the_demo_is_told_what_counting_by_hand_gives(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(database, now=datetime(2026, 11, 18, 9, 0, tzinfo=UTC))
    users = tuple(sorted({post.author_id for post in rows_of(database, Post)} - {"kwame"}))
    said = {author: one for author, one in told(database, batch(*users)).items() if one}
    monkeypatch.setattr("digest.facts.followers.LEAST_PEOPLE", 0)
    of = batch(*users)
    assert said == {author: one for author, one in told(database, of).items() if one}
    by_query, by_hand = found(database, of), count(database, of)
    agree(by_query, by_hand)
    assert len(said) >= 15
    for author, one in said.items():
        for post in (post for post in one["posts"] if post["share"]):
            followers, _, early = by_hand[author].posts[post["id"]]
            assert (post["followers"], post["reached"]) == (followers, early)
        if one["weeks"]:
            assert one["weeks"]["people"] == by_hand[author].union
    assert said["alice"]["weeks"]
    assert said["alice"]["regulars"]


def test_on_a_real_graph_of_friends_every_share_is_what_counting_by_hand_gives(
    database: Database, shared_data: Path
) -> None:
    """The friends of Last.fm are real and so is how many each has; posts and views are made up."""
    friends = defaultdict(set)
    with gzip.open(shared_data / "lastfm_graph_2011" / "user_friends.dat.gz", "rt") as file:
        for line in file:
            pair = line.split()
            if len(pair) == 2 and pair[0].isdigit() and pair[1].isdigit():
                friends[pair[0]].add(pair[1])
    assert len(friends) == 1892
    assert sum(map(len, friends.values())) == 25434
    rng = random.Random(2011)
    authors = sorted(friends, key=lambda user: (-len(friends[user]), user))[:400:4]
    posts = [
        a_post(f"{author}-{n}", START - rng.uniform(-4, 22) * DAY, author)
        for author in authors
        for n in range(5)
    ]
    store(
        database,
        User=[a_user(author) for author in authors],
        Post=posts,
        View=list(_looks(rng, posts, friends)),
        Follow=[
            a_follow(friend, START - rng.uniform(0, 900) * DAY, until, of=author)
            for author in authors
            for friend in sorted(friends[author])
            for until in [None if rng.random() < 0.9 else START + rng.uniform(1, 5) * DAY]
        ],
    )
    of = batch(*authors)
    agree(found(database, of), count(database, of))
    said = [one for one in told(database, of).values() if one and one["weeks"]]
    assert len(said) > 50


def _looks(
    rng: random.Random, posts: list[dict[str, Any]], friends: dict[str, set[str]]
) -> Iterator[dict[str, Any]]:
    """Of every post somebody's friends see a part, soon or late."""
    for post in posts:
        for friend in sorted(friends[post["author_id"]]):
            if rng.random() < 0.35:
                yield a_view(post["id"], friend, post["published_at"] + rng.uniform(0, 4) * DAY)


def test_real_readers_come_back_as_often_as_the_files_say(
    database: Database, shared_data: Path
) -> None:
    """Deskdrop's ten most viewed items of four weeks, as posts of the desk, first seen when new."""
    period = Period(2016, 23)
    of = batch("desk", period=period, tz=ZoneInfo("UTC"))
    start, end = of.window.start - 21 * DAY, of.window.end
    seen = defaultdict(list)
    with gzip.open(
        shared_data / "deskdrop_events_2016" / "users_interactions.csv.gz", "rt", newline=""
    ) as file:
        for row in csv.DictReader(file):
            if row["eventType"] == "VIEW":
                at = datetime.fromtimestamp(int(row["timestamp"]), UTC)
                seen[row["contentId"]].append((at, row["personId"]))
    fresh = [item for item, events in seen.items() if start <= min(events)[0] < end - 2 * DAY]
    chosen = sorted(fresh, key=lambda item: (-len(seen[item]), item))[:10]
    store(
        database,
        User=[a_user("desk")],
        Post=[a_post(item, min(seen[item])[0], "desk") for item in chosen],
        View=[
            a_view(item, person, at) for item in chosen for at, person in sorted(set(seen[item]))
        ],
    )
    times = Counter(
        person for item in chosen for person in {who for at, who in seen[item] if at < end}
    )
    regulars = sum(1 for number in times.values() if number >= 5)
    assert regulars >= 10
    said = told(database, of)["desk"]
    assert said is not None
    assert said["regulars"] == {"people": regulars, "posts": 10}
    assert said["weeks"] is None
