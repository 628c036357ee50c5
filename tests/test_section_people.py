"""People an author may like to know (F10): for public reasons, and never whom nobody may name."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cache
from math import log, sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import deciding
from digest.config import Settings
from digest.database import Database
from digest.facts import acts as public
from digest.facts.acts import PublicActs, public_acts
from digest.render import Renderer
from digest.sections import people
from digest.sections.people.companions import candidates
from digest.stats.likeness import percentile_ranks, rarity, shared_audience, similarity
from tests import databases
from tests.findings import page as findings
from tests.mails import BRAND, LINKS, snapshot
from tests.office import open_office
from tests.town import START, WEEK, Town, batch

READERS = tuple(f"reader{n:02}" for n in range(12))


def suggested(database: Database, author: str = "alice", **more: Any) -> list[dict[str, Any]]:
    """What the mail says to one author."""
    these = batch(author, suggest_people=True, **more)
    with database.reading() as session:
        facts = people.load(session, these).get(author)
    data = people.build(facts, these) if facts else None
    return data["people"] if data else []


def names(database: Database, author: str = "alice") -> list[str]:
    return [person["name"] for person in suggested(database, author)]


def alike(number: int = 3) -> Town:
    """Alice and Bob both reacted to some posts of Carol."""
    there = Town()
    there.people("alice", "bob", "carol")
    for n in range(number):
        there.post(f"c{n}", "carol", 72 + n)
        there.react(f"c{n}", ["alice", "bob"])
    return there


# --- the statistics ------------------------------------------------------------------------------


def test_likeness_has_the_values_that_were_worked_out_by_hand() -> None:
    assert rarity(1) == pytest.approx(1.442695, abs=1e-6)
    assert rarity(100) == pytest.approx(0.216679, abs=1e-6)
    assert similarity(2.0, 9.0, 4.0) == pytest.approx(2 / 9)
    assert shared_audience(30, 100, 400) == pytest.approx(1 / 7)


def test_ranks_share_ties() -> None:
    assert percentile_ranks([10, 20, 20, 30]) == [0.125, 0.5, 0.5, 0.875]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_a_rank_is_the_share_of_values_below_and_half_of_those_equal(values: list[int]) -> None:
    for value, rank in zip(values, percentile_ranks(values), strict=True):
        below = sum(other < value for other in values) + values.count(value) / 2
        assert rank == pytest.approx(below / len(values))


# --- who is suggested, and why -------------------------------------------------------------------


def test_three_posts_in_common_make_a_suggestion_with_the_reason(database: Database) -> None:
    there = alike()
    there.post("b1", "bob", 30)
    there.react("c0", READERS)  # many others reacted to it, so it is not the one that is shown
    there.settle(database)
    (bob,) = suggested(database)
    assert (bob["name"], bob["reason"], bob["count"]) == ("Bob", "both", 3)
    assert bob["post"]["title"] == "On c1"
    assert bob["latest"]["url"] == "https://town.example/b1"


def test_of_somebody_who_reacts_to_everything_no_reason_may_be_left(database: Database) -> None:
    """Only the latest hundred of a person's acts are looked at: without one nobody is suggested."""
    there = alike()
    for n in range(public.LOOKED_AT - 1):
        there.post(f"later{n}", "carol", 40 + n / 10)
        there.react(f"later{n}", ["bob"])
    there.settle(database)
    assert suggested(database) == []


def test_two_posts_in_common_are_chance(database: Database) -> None:
    alike(2).settle(database)
    assert suggested(database) == []


def test_nobody_is_suggested_unless_the_platform_says_that_members_agreed(
    database: Database,
) -> None:
    alike().settle(database)
    with database.reading() as session:
        assert people.load(session, batch("alice")) == {}
        assert people.load(session, batch("alice", suggest_people=True))


def test_the_setting_is_off_and_reaches_the_snapshot(tmp_path: Path) -> None:
    assert Settings().suggest_people is False
    for on in (False, True):
        with open_office(tmp_path / str(on), suggest_people=on) as office:
            there = alike()
            there.post("a1", "alice")
            there.settle(office.database)
            with office.database.reading() as session:
                decided = deciding.decide(session, office.shop, str(WEEK), "UTC", ["alice"])
        assert ("people" in decided.composed["alice"].snapshot.sections) is on


def test_who_shares_an_audience_is_suggested(database: Database) -> None:
    there = Town()
    there.people("alice", "bob", *READERS)
    there.post("a1", "alice")
    there.post("b1", "bob")
    there.react("a1", READERS[:5])
    there.react("b1", READERS[2:])
    there.settle(database)
    (bob,) = suggested(database)
    assert (bob["reason"], bob["count"]) == ("shared", 3)


def test_who_replied_to_two_posts_is_suggested(database: Database) -> None:
    there = Town()
    there.people("alice", "bob", "carol")
    for n in range(2):
        there.post(f"a{n}", "alice")
        there.react(f"a{n}", ["bob"], kind="reply")
        there.react(f"a{n}", ["carol"])
    there.settle(database)
    (bob,) = suggested(database)
    assert (bob["name"], bob["reason"], bob["count"]) == ("Bob", "replied", 2)


def test_three_are_shown_at_most_the_most_alike_first(database: Database) -> None:
    there = Town()
    there.people("alice", "bob", "dave", "erin", "fred", "carol")
    for n in range(8):
        there.post(f"c{n}", "carol")
        fans = [
            name
            for name, least in (("bob", 0), ("dave", 2), ("erin", 4), ("fred", 5))
            if n >= least
        ]
        there.react(f"c{n}", ["alice", *fans])
    there.settle(database)
    assert names(database) == ["Bob", "Dave", "Erin"]


def test_it_is_the_same_whoever_else_is_in_the_batch_and_whatever_their_zone(
    database: Database,
) -> None:
    alike().settle(database)
    site: dict[Any, Any] = {}
    with database.reading() as session:
        alone = people.load(session, batch("alice", suggest_people=True))
        both = people.load(session, batch("alice", "bob", suggest_people=True, site=site))
        kept = public_acts(session, batch("bob", site=site))
    assert people.build(both["alice"], batch()) == people.build(alone["alice"], batch())
    assert site[PublicActs] is kept


# --- who is not ----------------------------------------------------------------------------------

Change = Callable[[Town], object]


def _same_mailbox(there: Town) -> None:
    next(row for row in there.rows["users"] if row["id"] == "bob")["email_key"] = "alice@p.example"


def _no_name(there: Town) -> None:
    next(row for row in there.rows["users"] if row["id"] == "bob")["name"] = ""


def _no_account(there: Town) -> None:
    there.rows["users"] = [row for row in there.rows["users"] if row["id"] != "bob"]


def _earlier(there: Town) -> None:
    for row in there.rows["reactions"] + there.rows["posts"]:
        key = "at" if "at" in row else "published_at"
        row[key] -= timedelta(days=29)


def _later(there: Town) -> None:
    for row in there.rows["reactions"]:
        row["at"] += timedelta(days=3)


def _in_a_group(there: Town) -> None:
    there.rows["groups"].append({"id": "g", "name": "Closed"})
    there.rows["posts"][0]["group_id"] = "g"


def _own_post(there: Town) -> None:
    there.rows["posts"][0]["author_id"] = "bob"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t.follow("alice", "bob"), id="already followed"),
        pytest.param(lambda t: t.follow("alice", "bob", until=START), id="followed once"),
        pytest.param(lambda t: t.follow("bob", "alice", until=START), id="turned away"),
        pytest.param(lambda t: t.leave("bob", unsubscribed_at=START), id="unsubscribed"),
        pytest.param(lambda t: t.leave("bob", erased_at=START), id="erased"),
        pytest.param(lambda t: t.suppress("bob"), id="suppressed"),
        pytest.param(_same_mailbox, id="a second account"),
        pytest.param(_no_name, id="no name"),
        pytest.param(_no_account, id="no account"),
        pytest.param(_earlier, id="not active lately"),
        pytest.param(_later, id="after the week"),
        pytest.param(_in_a_group, id="not in public"),
        pytest.param(_own_post, id="own posts are no posts in common"),
    ],
)
def test_somebody_is_never_suggested(change: Change, database: Database) -> None:
    there = alike()
    change(there)
    there.settle(database)
    assert "Bob" not in names(database)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t.follow("bob", "alice"), id="follows the author"),
        pytest.param(lambda t: t.follow("alice", "carol"), id="somebody else is followed"),
        pytest.param(lambda t: t.leave("bob"), id="subscribed"),
        pytest.param(lambda t: t.leave("carol", unsubscribed_at=START), id="somebody else left"),
    ],
)
def test_somebody_still_is(change: Change, database: Database) -> None:
    there = alike()
    change(there)
    there.settle(database)
    assert names(database) == ["Bob"]


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ("posts WHERE author_id = 'carol'", ["Bob"]),
        ("users WHERE id = 'alice'", ["Bob"]),
        ("users WHERE id = 'bob'", []),
    ],
)
def test_what_another_program_deleted_in_the_middle_of_a_run_stops_nobody(
    database: Database, database_url: str, gone: str, left: list[str]
) -> None:
    """What people did in public is known from when it was there."""
    alike().settle(database)
    site: dict[Any, Any] = {}
    assert [one["name"] for one in suggested(database, site=site)] == ["Bob"]
    databases.sql(database_url, f"DELETE FROM {gone}")
    assert [one["name"] for one in suggested(database, site=site)] == left


def test_views_change_nothing(database: Database) -> None:
    there = alike(2)
    there.people("dave")
    there.post("c9", "carol")
    there.react("c9", ["alice"])
    for post in ("c0", "c1", "c9"):
        there.view(post, ["alice", "bob", "dave"])
    there.settle(database)
    assert suggested(database) == []


# --- independent, bounded, real ------------------------------------------------------------------


def test_the_measures_are_those_of_a_plain_recomputation(database: Database) -> None:
    """Sets and sums over the rows themselves, for a town in which chance decides everything."""
    dice = random.Random(7)
    them = [f"p{n}" for n in range(14)]
    there = Town()
    there.people(*them)
    for n in range(40):
        author = dice.choice(them)
        there.post(f"x{n:02}", author, dice.uniform(101, 400), topics=dice.choice("abc"))
        for person in them:
            if person != author and dice.random() < 0.3:
                kind = dice.choice(["like", "reply", "repost"])
                there.react(f"x{n:02}", [person], dice.uniform(15, 100), kind)
    there.settle(database)
    authors = {row["id"]: row["author_id"] for row in there.rows["posts"]}
    did = {(row["actor_id"], row["post_id"]) for row in there.rows["reactions"]}
    fans = Counter(post for _, post in did)
    with database.reading() as session:
        acts = public_acts(session, batch())
    compared = 0

    def weigh(found: set[str]) -> float:
        return sum(1 / log(1 + fans[post]) for post in found)

    for me in them:
        for one in candidates(acts, me):
            mine, theirs = ({p for who, p in did if who == person} for person in (me, one.id))
            alike_ = weigh(mine & theirs) / (sqrt(weigh(mine) * weigh(theirs)) + 3)
            crowd, other = (
                {who for who, p in did if authors[p] == person} for person in (me, one.id)
            )
            shared = len(crowd & other) / (sqrt(len(crowd) * len(other)) + 10)
            assert one.similarity == pytest.approx(alike_ if len(mine & theirs) >= 3 else 0)
            assert one.audience == pytest.approx(shared)
            assert 0 < one.answering < 1
            compared += 1
    assert compared > 50


def test_a_post_that_thousands_reacted_to_costs_no_more_than_any_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public, "REACTORS", 50)
    there = Town()
    there.people("alice")
    there.post("hit", "alice")
    there.react("hit", (f"fan{n:04}" for n in range(3000)))
    there.settle(database)
    with database.reading() as session:
        (post,) = public_acts(session, batch()).posts
    assert len(post.reactors) == 50
    assert post.reactors[:2] == ("fan0000", "fan0001")
    assert post.weight == pytest.approx(1 / log(3001))


def pairs_of(folder: Path, name: str, header: int) -> Iterable[tuple[int, ...]]:
    with gzip.open(folder / "lastfm_graph_2011" / f"{name}.dat.gz", "rt") as file:
        for line in list(file)[header:]:
            yield tuple(map(int, line.split()))


def listeners(shared_data: Path) -> tuple[Town, set[tuple[str, str]]]:
    """Who listens to an artist reacts to a post about it; half of the friendships are hidden.

    Of the others each is known as a follow and a reaction, both ways. Who a hidden friend is must
    be found by what both listen to, and by the friends they have in common.
    """
    there, dice = Town(), random.Random(2011)
    friends = sorted(pair for pair in pairs_of(shared_data, "user_friends", 2) if pair[0] < pair[1])
    there.people("label", *(f"u{n}" for n in sorted({n for pair in friends for n in pair})))
    known = {row["id"] for row in there.rows["users"]}
    heard: dict[int, list[str]] = {}
    for person, artist, _ in pairs_of(shared_data, "user_artists", 2):
        if f"u{person}" in known:
            heard.setdefault(artist, []).append(f"u{person}")
    for artist, them in sorted(heard.items()):
        if len(them) > 2:
            there.post(f"artist{artist}", "label", 1200)
            there.react(f"artist{artist}", them, 20)
    for person in sorted(known - {"label"}):
        there.post(f"by-{person}", person, 1000)
    hidden = set()
    for a, b in friends:
        one, other = f"u{a}", f"u{b}"
        if dice.random() < 0.5:
            hidden |= {(one, other), (other, one)}
            continue
        for x, y in ((one, other), (other, one)):
            there.follow(x, y)
            there.react(f"by-{y}", [x], 15 + dice.random())
    return there, hidden


def test_hidden_friends_are_found_more_often_than_by_popularity(
    database: Database, shared_data: Path
) -> None:
    there, hidden = listeners(shared_data)
    there.settle(database)
    follows = {(row["follower_id"], row["followee_id"]) for row in there.rows["follows"]}
    popular = [who for who, _ in Counter(followee for _, followee in follows).most_common(60)]
    authors = sorted({one for one, _ in hidden})[::4]
    with database.reading() as session:
        found = people.load(session, batch(*authors, suggest_people=True))
    ours = {a: [one.companion.id for one in found.get(a, [])] for a in authors}
    usual = {a: [p for p in popular if p != a and (a, p) not in follows][:3] for a in authors}
    hits, base = (
        sum(any((a, one) in hidden for one in chosen[a]) for a in authors) / len(authors)
        for chosen in (ours, usual)
    )
    page = [row[-1] for row in findings.table("lastfm")]
    assert page == [f"{100 * share:.1f} %" for share in (hits, base)]
    assert hits > 2.5 * base
    assert hits > 0.2


@cache
def renderer() -> Renderer:
    return Renderer(BRAND)


# --- words ---------------------------------------------------------------------------------------


def person(name: str, reason: str, count: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "reason": reason, "count": count, "post": None, "latest": None} | more


A_POST = {"title": "The <last> ferry", "excerpt": "", "url": "https://town.example/ferry"}


def test_each_reason_is_said_in_both_parts() -> None:
    data = {
        "people": [
            person("Noor <b>", "both", 4, post=A_POST, latest=A_POST),
            person("Tomás", "shared", 12),
            person("Bob", "replied", 2, latest={"title": "", "excerpt": "Hm", "url": ""}),
        ]
    }
    mail = renderer().render(snapshot({"people": data}), LINKS)
    for said in (
        "You both reacted to “The <last> ferry” and 3 other posts.",
        "12 people reacted to posts of both of you.",
        "Replied to 2 of your posts.",
        "Their latest post: The <last> ferry",
    ):
        assert said in mail.text
    assert "Noor &lt;b&gt;" in mail.html
    assert "<b>" not in mail.html.replace("Noor", "")
    assert mail.html.count("https://town.example/ferry") == 1


def test_more_people_are_worth_a_little_more() -> None:
    one, three = ({"people": [person("x", "shared", 3)] * n} for n in (1, 3))
    assert 0 < people.worth(one) < people.worth(three) < 0.5
