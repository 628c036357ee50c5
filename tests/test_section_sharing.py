"""Posts of others worth sharing, own topics and rhythm (F11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.database import Database
from digest.facts.acts import PublicActs, public_acts
from digest.facts.judgements import Career, Judged, Priors
from digest.facts.omissions import omit
from digest.facts.regularity import WEEKS, Regularity, regularity
from digest.render import Renderer
from digest.sections import sharing
from digest.sections.sharing import pooling as pools
from digest.sections.sharing.finding import (
    PERSON_MOST,
    SITE_WEIGHT,
    Find,
    Taste,
    finds,
    score,
    taste,
)
from digest.sections.sharing.pooling import Item, Pool, is_rising, pool
from digest.sections.sharing.topics import ranked
from digest.stats.proportions import BetaPrior
from tests import databases
from tests.mails import BRAND, LINKS, snapshot
from tests.town import END, START, Town, batch

HOUR = timedelta(hours=1)
FANS = tuple(f"fan{n}" for n in range(6))
NOBODYS = Priors(None, None)


def told(database: Database, author: str = "alice") -> dict[str, Any] | None:
    """What the mail says to one author."""
    these = batch(author)
    with database.reading() as session:
        facts = sharing.load(session, these).get(author)
    return sharing.build(facts, these) if facts else None


def shown(database: Database, author: str = "alice") -> list[str]:
    """The titles that are suggested to one author."""
    return [post["id"] for post in (told(database, author) or {"posts": []})["posts"]]


def readers() -> Town:
    """Six people react to Alice, and elsewhere to posts on moss; Dana wrote about it just now."""
    there = Town()
    there.people("alice", "bob", "dana", *FANS)
    there.post("a1", "alice", 200)
    there.react("a1", FANS, 100)
    for n in range(2):
        there.post(f"b{n}", "bob", 200 + n, topics="moss")
        there.react(f"b{n}", FANS, 100)
    there.post("find", "dana", 20, topics="moss")
    return there


# --- what is suggested ---------------------------------------------------------------------------


def test_a_new_post_on_what_the_audience_likes_is_suggested(database: Database) -> None:
    readers().settle(database)
    data = told(database)
    assert data is not None
    (post,) = data["posts"]
    assert (post["id"], post["topic"], post["by"]) == ("find", "moss", "Dana")
    assert post["url"] == "https://town.example/find"


Change = Callable[[Town], object]


def _row(there: Town, **values: Any) -> None:
    next(row for row in there.rows["posts"] if row["id"] == "find").update(values)


def _closed(there: Town) -> None:
    there.rows["groups"].append({"id": "g", "name": "Closed"})
    _row(there, group_id="g")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_closed, id="in a group"),
        pytest.param(lambda t: _row(t, author_id="alice"), id="her own"),
        pytest.param(lambda t: t.react("find", ["alice"], 5, "repost"), id="shared already"),
        pytest.param(lambda t: _row(t, url=""), id="no address"),
        pytest.param(lambda t: _row(t, url="javascript:alert(1)"), id="no web address"),
        pytest.param(lambda t: _row(t, topics=""), id="no topic"),
        pytest.param(lambda t: _row(t, topics=";"), id="an empty topic"),
        pytest.param(lambda t: _row(t, topics="tides"), id="a topic they do not know"),
        pytest.param(lambda t: _row(t, published_at=END), id="after the week"),
        pytest.param(lambda t: _row(t, published_at=END - 73 * HOUR), id="too old"),
        pytest.param(lambda t: _row(t, published_at=None), id="of an unknown time"),
    ],
)
def test_a_post_is_not_suggested(change: Change, database: Database) -> None:
    there = readers()
    change(there)
    there.settle(database)
    assert shown(database) == []


@pytest.mark.parametrize(("topic", "left"), [("moss", []), ("tea", []), ("tin", ["find"])])
def test_a_topic_that_was_left_out_is_not_suggested(
    database: Database, topic: str, left: list[str]
) -> None:
    """Be it another topic of the post than the one for which it would be chosen."""
    there = readers()
    _row(there, topics="moss;tea")
    there.settle(database)
    assert shown(database) == ["find"]
    with database.writing() as session:
        omit(session, "alice", topic, END)
        omit(session, "dana", "moss", END)
    assert shown(database) == left


def test_an_author_who_left_is_not_named(database: Database) -> None:
    there = readers()
    there.leave("dana", unsubscribed_at=START)
    there.settle(database)
    data = told(database)
    assert data is not None
    assert [(post["id"], post["by"]) for post in data["posts"]] == [("find", "")]


def test_too_few_people_make_no_taste(database: Database) -> None:
    there = readers()
    there.rows["reactions"] = [
        row for row in there.rows["reactions"] if row["actor_id"] not in FANS[:2]
    ]
    there.settle(database)
    assert shown(database) == []


def test_what_they_like_of_her_own_is_no_reason(database: Database) -> None:
    there = readers()
    for row in there.rows["posts"]:
        row["topics"] = "moss" if row["author_id"] in {"alice", "dana"} else "tides"
    there.settle(database)
    assert shown(database) == []


def test_three_at_most_of_different_topics_and_authors(database: Database) -> None:
    there = readers()
    there.people("erin", "fred", "gita", "hugo")
    for n, topic in enumerate(("tea", "tin", "tow", "tea")):
        there.post(f"t{n}", "bob", 210 + n, topics=topic)
        there.react(f"t{n}", FANS, 100)
    there.post("moss-again", "erin", 21, topics="moss")
    there.post("dana-again", "dana", 19, topics="tea")
    there.post("tea", "fred", 22, topics="tea")
    there.post("tin", "gita", 30, topics="tin")
    there.post("tow", "hugo", 40, topics="tow")
    there.settle(database)
    data = told(database)
    assert data is not None
    assert [post["topic"] for post in data["posts"]] == ["tea", "moss", "tin"]
    assert len({post["by"] for post in data["posts"]}) == 3


def test_followers_who_saw_it_count_against_it(database: Database) -> None:
    there = readers()
    there.people("erin", *(f"f{n}" for n in range(10)))
    there.post("other", "erin", 20, topics="moss")
    for n in range(10):
        there.follow(f"f{n}", "alice")
    there.follow("gone", "alice", until=START)
    there.view("find", [f"f{n}" for n in range(5)])
    there.view("other", ["gone", "somebody"])
    there.settle(database)
    data = told(database)
    assert data is not None
    (post,) = data["posts"]
    assert (post["id"], post["tags"]) == ("other", ["gem"])


def test_where_no_views_are_logged_nothing_is_a_gem(database: Database) -> None:
    readers().settle(database)
    data = told(database)
    assert data is not None
    assert data["posts"][0]["tags"] == []


def test_a_repeat_in_the_same_run_asks_the_site_once(database: Database) -> None:
    readers().settle(database)
    site: dict[Any, Any] = {}
    with database.reading() as session:
        first = pool(session, batch("alice", site=site))
        assert pool(session, batch("bob", site=site)) is first
        sharing.load(session, batch("alice", site=site))
        acts = site[PublicActs]
        assert public_acts(session, batch("bob", site=site)) is acts


@pytest.mark.parametrize("gone", ["posts WHERE id = 'find'", "users WHERE id = 'dana'"])
def test_what_another_program_deleted_is_not_suggested(
    database: Database, database_url: str, gone: str
) -> None:
    """Also later in a run, whose pool was made when it was there."""
    readers().settle(database)
    site: dict[Any, Any] = {}
    with database.reading() as session:
        (one,) = sharing.load(session, batch("alice", site=site))["alice"].shown
        assert one.by == "Dana"
    databases.sql(database_url, f"DELETE FROM {gone}")
    with database.reading() as session:
        for known in (site, {}):
            facts = sharing.load(session, batch("alice", site=known)).get("alice")
            assert facts is None or facts.shown == []


def test_the_pool_is_bounded_and_keeps_many_topics(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "PER_TOPIC", 2)
    monkeypatch.setattr(pools, "POOL", 5)
    there = Town()
    there.people("dana")
    for n in range(12):
        there.post(f"x{n:02}", "dana", 10 + n, topics="common" if n < 8 else f"rare{n}")
    there.settle(database)
    with database.reading() as session:
        found = [item.id for item in pool(session, batch("alice")).items]
    assert found == ["x00", "x01", "x08", "x09", "x10"]


# --- the score -----------------------------------------------------------------------------------


def item(id_: str = "i", hours: float = 10, **more: Any) -> Item:
    return Item(id_, **{"author": id_, "topics": (id_,), **more}, published_at=END - hours * HOUR)


def test_the_score_has_the_values_that_were_worked_out_by_hand() -> None:
    liking = Taste({"moss": 0.6, "tea": 0.2}, {}, 9)
    both = item(topics=("moss", "tea"), hours=24)
    assert score(both, liking, END, 0.25) == pytest.approx(0.4 * 0.5 * 0.75)
    assert score(both, liking, END, None) == pytest.approx(0.2)
    assert score(item(topics=("tin", "tea"), hours=48), liking, END, 0) == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("acts", "lately", "sharers", "hours", "rising"),
    [
        (40, 31, 10, 24, True),  # 9 in 18 hours are 3 in six
        (12, 9, 10, 12, False),  # exactly three times
        (13, 10, 10, 12, True),
        (13, 10, 9, 12, False),
        (13, 10, 10, 11.9, False),
    ],
)
def test_a_rise_needs_an_earlier_pace_and_ten_sharers(
    acts: int, lately: int, sharers: int, hours: float, rising: bool
) -> None:
    assert is_rising(acts, lately, sharers, age=hours * HOUR) is rising


def test_the_rise_is_read_from_what_happened_before_the_end(database: Database) -> None:
    there = readers()
    there.react("find", ["early"], 19)
    there.react("find", (f"s{n}" for n in range(10)), 3, "repost")
    there.post("calm", "dana", 20, topics="moss")
    there.react("calm", (f"s{n}" for n in range(20)), -3, "repost")
    there.settle(database)
    with database.reading() as session:
        rising = {item.id: item.rising for item in pool(session, batch("alice")).items}
    assert rising == {"find": True, "calm": False}


def test_tags_are_given_by_age_and_by_how_few_have_seen_it() -> None:
    liking = Taste({str(n): 0.1 for n in range(8)}, {str(n): 3 for n in range(8)}, 9)
    items = [item(str(n), 2 + 3 * n, viewers=5) for n in range(8)]
    there = Pool(END, items)
    there.saw = {f"f{n}": [1] for n in range(2)}
    people = [f"f{n}" for n in range(100)]

    def tags(found: list[Find]) -> list[tuple[str, tuple[str, ...]]]:
        return [(find.item.id, find.tags) for find in found]

    assert tags(finds(there, "me", liking, people)) == [
        ("0", ("gem", "hot")),
        ("1", ("gem",)),
        ("2", ()),  # not in the top quarter
    ]
    there.saw["f2"] = [1]
    assert tags(finds(there, "me", liking, people))[1] == ("1", ())
    assert [tags_ for _, tags_ in tags(finds(there, "me", liking, []))] == [("hot",), (), ()]


def test_many_viewers_stand_for_those_who_are_not_kept() -> None:
    liking = Taste({"i": 1.0}, {"i": 3}, 9)
    there = Pool(END, [item(viewers=4000)])
    there.saw = {"f0": [0]}
    (find,) = finds(there, "me", liking, [f"f{n}" for n in range(10)])
    assert find.score == pytest.approx(2 ** (-10 / 24) * 0.6)


# --- the taste -----------------------------------------------------------------------------------


def acts_of(database: Database, reactions: dict[str, dict[str, int]]) -> PublicActs:
    """Everybody reacts to Alice, and so often to posts of Bob on each topic."""
    there = Town()
    there.post("a", "alice", 300)
    there.react("a", reactions, 50)
    there.people("alice", "bob")
    most = {topic: max(them.get(topic, 0) for them in reactions.values()) for topic in "xyz"}
    for topic, number in most.items():
        for n in range(number):
            there.post(f"{topic}{n}", "bob", 400 + n, topics=topic)
            there.react(f"{topic}{n}", (p for p, of in reactions.items() if of.get(topic, 0) > n))
    there.settle(database)
    with database.reading() as session:
        return public_acts(session, batch())


def test_one_person_does_not_make_a_taste(database: Database) -> None:
    """One reacts to forty posts on x, nine to one on y: 5 % at most, the rest is the site's."""
    acts = acts_of(database, {"p0": {"x": 40}} | {f"p{n}": {"y": 1} for n in range(1, 10)})
    liking = taste(acts, "alice")
    assert liking is not None
    each = 1 / (SITE_WEIGHT + 49)
    left = 1 - PERSON_MOST - 9 * each
    site_x = 40 / 49
    assert liking.weights["x"] == pytest.approx(PERSON_MOST + left * site_x)
    assert liking.weights["y"] == pytest.approx(9 * each + left * (1 - site_x))
    assert sum(liking.weights.values()) == pytest.approx(1)
    assert (liking.fans["x"], liking.fans["y"], liking.people) == (1, 9, 10)


def test_four_people_are_no_audience(database: Database) -> None:
    assert taste(acts_of(database, {f"p{n}": {"x": 3} for n in range(4)}), "alice") is None


# --- own topics ----------------------------------------------------------------------------------


def judged(id_: str, engagers: int | None, audience: int | None) -> Judged:
    return Judged(id_, START, new=False, audience=audience, engagers=engagers)


def test_topics_are_ranked_by_engagers_beyond_expectation_shrunk() -> None:
    """With a mean of 10 % and a weight of 100: (k - n · 0.1) · n / (n + 100)."""
    site = Priors(BetaPrior(0.1, 1 / 101, 100.0), None)
    posts = [judged(f"m{n}", 20, 100) for n in range(3)] + [
        judged(f"t{n}", 5, 100) for n in range(3)
    ]
    written = [(post.id, "moss" if post.id[0] == "m" else "tea;all") for post in posts]
    found = ranked([*written, ("new", "moss"), ("x", "rare")], Career(posts), site)
    assert [(topic.name, topic.posts) for topic in found] == [("moss", 4), ("all", 3), ("tea", 3)]
    assert [topic.beyond for topic in found] == pytest.approx([15.0, -7.5, -7.5])


def test_where_nobody_knows_who_saw_it_the_mean_is_what_is_expected() -> None:
    posts = [judged(f"m{n}", 9, None) for n in range(3)] + [
        judged(f"t{n}", 1, None) for n in range(3)
    ]
    written = [(post.id, "tea" if post.id[0] == "t" else "moss") for post in posts]
    moss, tea = ranked(written, Career(posts), NOBODYS)
    assert (moss.name, tea.name) == ("moss", "tea")
    assert 0 < moss.beyond <= 12
    assert tea.beyond == pytest.approx(-moss.beyond)


def test_own_topics_are_told(database: Database) -> None:
    there = Town()
    there.people("alice")
    for n in range(7):
        there.post(f"a{n}", "alice", 100 + 24 * n, topics="moss" if n % 2 else "tea;moss")
    there.post("old", "alice", 24 * 7 * 13, topics="tide")
    there.settle(database)
    data = told(database)
    assert data is not None
    assert data["topics"] == ["moss", "tea"]
    assert data["posts"] == []
    with database.writing() as session:
        omit(session, "alice", "moss", END)
        facts = sharing.load(session, batch("alice"))["alice"]
    assert [topic.name for topic in facts.topics] == ["tea"]


def test_a_single_topic_alone_is_no_news(database: Database) -> None:
    there = Town()
    there.people("alice")
    for n in range(4):
        there.post(f"a{n}", "alice", 100 + 24 * n, topics="moss")
    there.settle(database)
    assert told(database) is None


# --- rhythm --------------------------------------------------------------------------------------


def rhythm(*weeks: int) -> dict[str, Any] | None:
    found = sharing.build(
        sharing.Facts([], Regularity((*[0] * (WEEKS - len(weeks)), *weeks))), batch()
    )
    return found and found["rhythm"]


def test_four_weeks_in_a_row_are_told_alone() -> None:
    assert rhythm(1, 1, 1) is None
    assert rhythm(1, 1, 2, 1) == {"streak": 4, "longer": False, "posts": None, "usual": None}
    assert rhythm(*[1] * WEEKS) == {"streak": 26, "longer": True, "posts": None, "usual": None}


def test_a_broken_row_and_a_smaller_week_are_not_mentioned() -> None:
    assert rhythm(1, 1, 1, 1, 1, 0) is None
    assert rhythm(5, 5, 5, 5, 5, 1) == {"streak": 6, "longer": False, "posts": None, "usual": None}


def test_more_posts_than_usual_are_told_beside_the_usual() -> None:
    assert rhythm(1, 2, 1, 1, 2, 4) == {"streak": 6, "longer": False, "posts": 4, "usual": 1.5}
    assert rhythm(1, 2, 1, 1, 4) == {"streak": 5, "longer": False, "posts": None, "usual": None}


@given(st.lists(st.integers(0, 3), min_size=WEEKS, max_size=WEEKS))
def test_what_is_said_of_the_rhythm_is_never_less_than_usual(weeks: list[int]) -> None:
    found = rhythm(*weeks)
    if found and found["posts"]:
        assert found["posts"] > found["usual"]
    if found and found["streak"]:
        assert all(weeks[-found["streak"] :])


def test_posts_are_counted_by_the_weeks_of_the_author(database: Database) -> None:
    there = Town()
    there.people("alice")
    for n, before in enumerate((0.001, 167, 168, 169, 168 * 26, 168 * 26 + 0.001, -1)):
        there.post(f"a{n}", "alice", before)
    there.settle(database)
    with database.reading() as session:
        weeks = regularity(session, batch("alice"))["alice"].weeks
    assert (weeks[-1], weeks[-2], weeks[0], sum(weeks)) == (3, 1, 1, 5)


@cache
def renderer() -> Renderer:
    return Renderer(BRAND)


# --- words ---------------------------------------------------------------------------------------


def suggestion(title: str, **more: Any) -> dict[str, Any]:
    post = {"id": "p", "title": title, "excerpt": "", "url": "https://town.example/p", "by": "Dana"}
    return post | {"topic": "moss", "tags": [], "published": "2026-11-15"} | more


def mail(data: dict[str, Any], **more: Any) -> Any:
    return renderer().render(snapshot({"sharing": data}, **more), LINKS)


def test_suggestions_are_said_in_both_parts() -> None:
    posts = [
        suggestion("On <moss>", tags=["rising", "hot"], excerpt="Green & soft."),
        suggestion("tin", by="", topic="tin", tags=["gem"]),
    ]
    both = {"streak": 5, "longer": False, "posts": 3, "usual": 1.5}
    links = replace(LINKS, preferences="https://town.example/p/token")
    data = {"posts": posts, "topics": ["moss", "tea"], "rhythm": both}
    found = renderer().render(snapshot({"sharing": data}), links)
    for said in (
        "On the rise",
        "Dana · moss",
        "Hidden gem",
        "tin",
        "add a sentence of your own",
        "Your topics of the last twelve weeks: moss and tea.",
        "Not your topics? Leave some out https://town.example/p/token/topics",
        "You have posted 5 weeks in a row. 3 posts this week; your usual week has 1.5.",
    ):
        assert said in " ".join(found.text.split())
    assert "&lt;moss&gt;" in found.html
    assert "Hot" not in found.text
    assert "Green &amp; soft." in found.html


def test_without_numbers_the_rhythm_is_said_in_words() -> None:
    both = {"streak": 5, "longer": False, "posts": 3, "usual": 1.0}
    found = mail({"posts": [], "topics": [], "rhythm": both}, numbers=False)
    assert "You have posted every week lately." in found.text
    assert "3 posts" not in found.text
    whole = mail({"posts": [], "topics": [], "rhythm": both | {"streak": 26, "longer": True}})
    assert "You have posted in each of the last 26 weeks." in whole.text


def test_something_to_share_is_worth_more_than_a_rhythm() -> None:
    nothing = {"posts": [], "topics": ["moss"], "rhythm": None}
    plain, tagged = (nothing | {"posts": [suggestion("x", tags=tags)]} for tags in ([], ["hot"]))
    assert 0 < sharing.worth(nothing) < sharing.worth(plain) < sharing.worth(tagged) < 1
