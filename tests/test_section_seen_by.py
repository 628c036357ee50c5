"""How many of a group saw a post: counts against counting by hand, and when nothing is said."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest import window
from digest.database import Database
from digest.demo import populate
from digest.facts import Batch
from digest.facts.judgements import Judged
from digest.models import Membership, Post, View
from digest.render import Renderer
from digest.sections import seen_by
from digest.sections.seen_by import Placed
from digest.window import Period
from tests import mails
from tests.community import MONDAY, Community
from tests.conftest import Front, body
from tests.databases import examples, new_database, overheard
from tests.followers_by_hand import TWO_DAYS, rows_of, store

WEEK = Period(2026, 46)
TZ = ZoneInfo("Europe/London")
START = window.week(WEEK, TZ).start
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)
LONG_AGO = START - timedelta(weeks=50)


def batch() -> Batch:
    """A new one each time, as it keeps what it was told."""
    return Batch(WEEK, TZ, ("alice", "bob"))


def placed(
    database: Database, of: Batch | None = None
) -> dict[str, dict[str, tuple[str, int, int]]]:
    """What is found, by author and post: the group, how many saw it, of how many."""
    with database.reading() as session:
        found = seen_by.load(session, of or batch())
    return {
        author: {one.post.id: (one.group, one.seen, one.members) for one in several}
        for author, several in found.items()
        if several
    }


def a_user(id_: str) -> dict[str, Any]:
    return {"id": id_, "name": id_.title(), "email": f"{id_}@p.example"}


def a_post(id_: str, group: str | None = "g", author: str = "alice") -> dict[str, Any]:
    post = {"id": id_, "author_id": author, "published_at": START, "group_id": group}
    return post | {"title": f"The {id_} post"}


def a_view(post: str, viewer: str, hours: float = 1) -> dict[str, Any]:
    return {"post_id": post, "viewer_id": viewer, "at": START + hours * HOUR}


def joined(user: str, since: datetime | None = LONG_AGO, group: str = "g") -> dict[str, Any]:
    return {"group_id": group, "user_id": user, "since": since}


def people(number: int) -> list[str]:
    return [f"m{n}" for n in range(number)]


def group(
    database: Database,
    members: list[dict[str, Any]],
    views: list[dict[str, Any]],
    *posts: dict[str, Any],
) -> dict[str, tuple[str, int, int]]:
    """What is found of Alice's posts in the group ``g``."""
    everybody = {row["user_id"] for row in members} | {"alice", "bob"}
    store(
        database,
        User=[a_user(user) for user in sorted(everybody)],
        Group=[{"id": "g", "name": "Greenhouse"}],
        Membership=members,
        Post=list(posts) or [a_post("p")],
        View=views,
    )
    return placed(database).get("alice", {})


# --- who is counted ------------------------------------------------------------------------------


def test_fourteen_of_twenty_three_members_saw_it(database: Database) -> None:
    """The author, who is the 24th, is in neither figure; strangers are in neither."""
    members = [joined("alice"), *map(joined, people(23))]
    views = [a_view("p", one) for one in [*people(14), "alice", "stranger", "bob"]]
    assert group(database, members, views) == {"p": ("Greenhouse", 14, 23)}


def test_an_author_who_is_no_member_is_not_taken_off(database: Database) -> None:
    members = [joined("alice", START + HOUR), *map(joined, people(12))]
    assert group(database, members, [a_view("p", "m0")]) == {"p": ("Greenhouse", 1, 12)}


def test_only_who_was_a_member_when_the_post_was_published_counts(database: Database) -> None:
    members = [
        joined("m0", START),
        joined("m1", START + timedelta(microseconds=1)),
        joined("m2", None),  # nobody knows since when: as long as anybody remembers
        joined("m3", START - HOUR),
    ]
    views = [a_view("p", one) for one in people(4)]
    assert group(database, members, views) == {"p": ("Greenhouse", 3, 3)}


def test_members_count_once_and_in_the_first_48_hours(database: Database) -> None:
    views = [a_view("p", "m0", hours) for hours in (0, 1, 40)]
    views += [a_view("p", "m1", hours) for hours in (-0.1, 48)]
    assert group(database, list(map(joined, people(5))), views) == {"p": ("Greenhouse", 1, 5)}


def test_a_post_outside_any_group_or_with_nameless_viewers_is_not_counted(
    database: Database,
) -> None:
    views = [a_view(post, "m0") for post in ("outside", "nameless", "p")]
    views.append(a_view("nameless", ""))
    posts = [a_post("outside", None), a_post("nameless"), a_post("p")]
    assert group(database, list(map(joined, people(12))), views, *posts).keys() == {"p"}


_when = st.integers(-200, 200)
_person = st.sampled_from(["alice", "bob", "carol", "dave", "erin"])


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(
        st.tuples(st.sampled_from(["alice", "bob"]), _when, st.sampled_from(["g", "h", None])),
        min_size=1,
        max_size=5,
    ),
    viewed=st.lists(st.tuples(st.integers(0, 4), _person, _when), max_size=30, unique=True),
    members=st.dictionaries(
        st.tuples(st.sampled_from(["g", "h"]), _person), st.none() | _when, max_size=10
    ),
)
def test_a_batch_finds_what_counting_one_by_one_finds(
    written: list[tuple[str, int, str | None]],
    viewed: list[tuple[int, str, int]],
    members: dict[tuple[str, str], int | None],
    tmp_path: Path,
) -> None:
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    store(
        database,
        User=[a_user(user) for user in ("alice", "bob", "carol", "dave", "erin")],
        Group=[{"id": id_, "name": id_.upper()} for id_ in "gh"],
        Membership=[
            joined(user, None if since is None else START + since * HOUR, id_)
            for (id_, user), since in members.items()
        ],
        Post=[
            a_post(f"{n}", id_, author) | {"published_at": START + hours * HOUR}
            for n, (author, hours, id_) in enumerate(written)
        ],
        View=[a_view(f"{n}", viewer, at) for n, viewer, at in viewed if n < len(written)],
    )
    assert placed(database) == by_hand(database, batch())
    database.close()


def by_hand(database: Database, of: Batch) -> dict[str, dict[str, tuple[str, int, int]]]:
    """Every new post in a group that somebody else saw in time, counted one row at a time."""
    names = {"g": "G", "h": "H", "makers": "Makers' table"}
    names |= {"greenhouse": "Greenhouse", "night-shift": "Night shift"}
    views, members = rows_of(database, View), rows_of(database, Membership)
    found: dict[str, dict[str, tuple[str, int, int]]] = defaultdict(dict)
    for post in rows_of(database, Post):
        at, author = post.published_at, post.author_id
        if author not in of.users or not post.group_id or at + TWO_DAYS not in of.window:
            continue
        early = {v.viewer_id for v in views if v.post_id == post.id and at <= v.at < at + TWO_DAYS}
        early -= {author}
        inside = {
            m.user_id
            for m in members
            if m.group_id == post.group_id and (m.since is None or m.since <= at)
        } - {author}
        if early and "" not in early:
            found[author][post.id] = (names[post.group_id], len(early & inside), len(inside))
    return dict(found)


def test_every_author_of_the_demo_is_told_what_counting_by_hand_gives(database: Database) -> None:
    populate(database, users=20, now=datetime(2026, 11, 18, 9, 0, tzinfo=UTC))
    users = tuple(sorted({post.author_id for post in rows_of(database, Post)}))
    of = Batch(WEEK, ZoneInfo("UTC"), users)
    found = placed(database, of)
    assert found == by_hand(database, of)
    assert any(members >= 10 for told in found.values() for _, _, members in told.values())


def test_the_number_of_queries_does_not_depend_on_the_number_of_users(database: Database) -> None:
    users = people(30)
    store(
        database,
        User=[a_user(user) for user in users],
        Group=[{"id": f"g-{user}", "name": user} for user in users],
        Membership=[joined(one, group=f"g-{user}") for user in users for one in users],
        Post=[a_post(f"p-{user}", f"g-{user}", user) for user in users],
        View=[a_view(f"p-{user}", one) for user in users for one in users],
    )

    def queries(*chosen: str) -> int:
        with overheard(database) as asked:
            found = placed(database, Batch(WEEK, TZ, chosen))
        assert {one for told in found.values() for one in told.values()} == {
            (user, 29, 29) for user in chosen
        }
        return len(asked)

    assert queries(*users) == queries(users[0])


def test_to_count_a_group_at_an_instant_costs_no_look_at_everybody_who_joined() -> None:
    looked = 0

    class Instant(datetime):
        def __lt__(self, other: date) -> bool:
            nonlocal looked
            looked += 1
            return super().__lt__(cast(datetime, other))

        __le__ = __ge__ = __gt__ = __lt__

    there = seen_by._Members({None: 5} | {START + n * HOUR: 2 for n in range(1000)})
    at = Instant.fromisoformat((START + 700 * HOUR).isoformat())
    assert there.at(at) == 5 + 2 * 701
    assert looked < 20


def test_a_group_is_counted_once_for_all_batches_of_a_week(database: Database) -> None:
    """And anew for another week, in which others are members of it."""
    views = [a_view("p", one) for one in people(3)]
    group(database, [joined("m0"), joined("m1"), joined("m2", START + HOUR)], views)
    site: dict[Any, Any] = {}

    def asked(period: Period) -> tuple[dict[str, tuple[str, int, int]], int]:
        with overheard(database) as statements:
            found = placed(database, Batch(period, TZ, ("alice",), site)).get("alice", {})
        return found, sum("GROUP BY memberships.group_id" in one for one in statements)

    assert asked(WEEK) == ({"p": ("Greenhouse", 2, 2)}, 1)
    assert asked(WEEK) == ({"p": ("Greenhouse", 2, 2)}, 0)
    late = a_post("later") | {"published_at": START + timedelta(weeks=1)}
    store(database, Post=[late], View=[{**a_view("later", "m2"), "at": START + 8 * DAY}])
    assert asked(WEEK.shift(1)) == ({"later": ("Greenhouse", 1, 3)}, 1)


# --- what is told --------------------------------------------------------------------------------


def told(*counts: tuple[int, int], title: str = "T") -> dict[str, Any] | None:
    """What is said of posts of which so many of so many members saw each."""
    posts = [Judged(f"p{n}", START, new=True, title=title) for n in range(len(counts))]
    return seen_by.build(
        [Placed(post, "G", m, seen) for post, (seen, m) in zip(posts, counts, strict=True)], batch()
    )


@pytest.mark.parametrize("count", [(9, 9), (0, 23), (2, 21), (20, 1000)])
def test_small_groups_and_small_shares_are_not_told(count: tuple[int, int]) -> None:
    assert told(count) is None


@pytest.mark.parametrize("count", [(1, 10), (10, 10), (14, 23), (100, 1000)])
def test_ten_members_of_whom_a_tenth_saw_it_are_told(count: tuple[int, int]) -> None:
    said = told(count)
    assert said is not None
    assert (said["posts"][0]["seen"], said["posts"][0]["members"]) == count


def test_three_posts_are_listed_those_that_most_of_a_group_saw_first() -> None:
    said = told((3, 20), (20, 20), (14, 20), (30, 300), (10, 20))
    assert said is not None
    assert [post["seen"] for post in said["posts"]] == [20, 14, 10]


def test_it_weighs_what_share_it_tells() -> None:
    said, all_, untitled = told((8, 20), (5, 20)), told((20, 20)), told((20, 20), title="")
    assert said
    assert all_
    assert untitled
    assert (seen_by.worth(said), seen_by.news(said)) == (0.4, 0.2)
    assert (seen_by.worth(all_), seen_by.news(all_)) == (0.8, 0.5)
    assert seen_by.news(untitled) == 0


# --- in the mail ---------------------------------------------------------------------------------


def test_the_mail_gives_counts_and_no_names(digest: Front) -> None:
    there = Community()
    there.user("alice", "Alice Moreau")
    there.rows["groups"].append({"id": "g", "name": "Green & <b>house</b>"})
    for n in range(23):
        there.user(f"reader-{n}", f"Looker {n}")
        there.rows["memberships"].append({"group_id": "g", "user_id": f"reader-{n}"})
    there.post("bridge", "alice", MONDAY + HOUR, title="Why bridges hum", group_id="g")
    there.views("bridge", MONDAY + 2 * HOUR, 14)
    digest("import", there.write(digest.folder / "in"), at=NEXT_MONDAY)
    assert digest("send", "--week", "2026-W46", at=NEXT_MONDAY).code == 0
    mail = digest.mail_to("alice@people.example")
    text = " ".join(body(mail).split())
    assert "SEEN IN YOUR GROUPS" in text
    assert "Why bridges hum Seen by 14 of 23 other members of Green &" in text
    assert "Looker" not in text + body(mail, "html")
    assert 'aria-label="61% of the group"' in body(mail, "html")
    assert "<b>house</b>" not in body(mail, "html")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(mails.BRAND)


def test_the_subject_is_of_the_post_that_most_of_its_group_saw(renderer: Renderer) -> None:
    said = told((14, 23), (22, 23), title="Why bridges hum")
    assert said is not None
    week = mails.snapshot({"seen_by": said}, lead="seen_by")
    subject = renderer.render(week, mails.LINKS).subject
    assert subject == "22 of 23 other members saw “Why bridges hum”"


def test_a_group_without_a_name_is_just_the_others(renderer: Renderer) -> None:
    said = told((14, 23))
    assert said is not None
    said["posts"][0]["group"] = ""
    mail = renderer.render(mails.snapshot({"seen_by": said}), mails.LINKS)
    assert "Seen by 14 of 23 other members\n" in mail.text
