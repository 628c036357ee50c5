"""Who keeps coming back to a brand's posts (F14): public acts, in order, and nothing more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlmodel import SQLModel

from digest import window
from digest.config import Settings
from digest.database import Database
from digest.facts import Batch
from digest.facts.reactors import Reactor
from digest.models import Follow, Post, Reaction, User, View, table
from digest.render import Renderer
from digest.sections import advocates
from digest.sections.advocates import Advocates
from digest.window import Period
from tests.community import MONDAY, village
from tests.conftest import Front
from tests.databases import examples, new_database
from tests.mails import BRAND, LINKS, snapshot

WEEK, TZ = Period(2026, 46), ZoneInfo("UTC")
START = window.week(WEEK, TZ).start
HOUR, SEVEN_DAYS = timedelta(hours=1), timedelta(weeks=1)
BATCH = Batch(WEEK, TZ, ("acme",), brands=frozenset({"acme", "other"}))


@dataclass
class Shop:
    """What happens to Acme's posts p and q; hours count from this week's Monday."""

    reactions: set[tuple[str, str, float, str]] = field(default_factory=set)
    views: set[tuple[str, str, float, str]] = field(default_factory=set)
    follows: set[tuple[str, str, float, float | None]] = field(default_factory=set)

    def react(self, actor: str, *hours: float, kind: str = "like", post: str = "p") -> None:
        self.reactions |= {(post, actor, at, kind) for at in hours}

    def store(self, database: Database) -> Database:
        people = {"acme", "other", "ana", "ben", "cem", "dee"}
        tables: dict[type[SQLModel], list[dict[str, Any]]] = {
            User: [{"id": u, "name": u.title(), "email": f"{u}@p.example"} for u in people],
            Post: [{"id": post, "author_id": "acme"} for post in "pq"],
            Reaction: [
                {"post_id": p, "actor_id": a, "at": START + at * HOUR, "type": kind}
                for p, a, at, kind in self.reactions
            ],
            View: [
                {"post_id": p, "viewer_id": v, "at": START + at * HOUR, "via": via}
                for p, v, at, via in self.views
            ],
            Follow: [
                {
                    "followee_id": followee,
                    "follower_id": follower,
                    "since": START + since * HOUR,
                    "until": None if until is None else START + until * HOUR,
                }
                for followee, follower, since, until in self.follows
            ],
        }
        with database.writing() as session:
            for model, rows in tables.items():
                if rows:
                    session.connection().execute(insert(table(model)), rows)
        return database


def loaded(database: Database, batch: Batch = BATCH) -> Advocates:
    fresh = Batch(batch.period, batch.tz, batch.users, brands=batch.brands)
    with database.reading() as session:
        return advocates.load(session, fresh)["acme"]


def told(database: Database) -> list[tuple[str, int, int, int | None]]:
    said = advocates.build(loaded(database), BATCH)
    people = said["people"] if said else []
    return [(one["name"], one["weeks"], one["posts"], one["viewers"]) for one in people]


def in_weeks(*numbers: int) -> list[float]:
    """An hour in each of these weeks, 0 being this one and 1 the one before."""
    return [10.0 - 168 * n for n in numbers]


# --- the order -----------------------------------------------------------------------------------


def test_weeks_come_first_then_posts(database: Database) -> None:
    shop = Shop()
    shop.react("ana", *in_weeks(0, 1, 2))
    shop.react("ana", 11, 12, 13, 14, 15, 16)  # often, and still three weeks
    shop.react("ben", *in_weeks(0, 3, 6, 7))
    shop.react("cem", *in_weeks(0, 1))
    shop.react("cem", *in_weeks(2), post="q")
    shop.react("dee", *in_weeks(0, 1))  # two weeks are too few
    shop.react("dee", *in_weeks(8, 9, 10))  # and these are long ago
    assert told(shop.store(database)) == [
        ("Ben", 4, 1, None),
        ("Cem", 3, 2, None),
        ("Ana", 3, 1, None),
    ]


def test_viewers_by_way_of_reposts_come_last_and_are_told_from_ten_on(database: Database) -> None:
    shop = Shop()
    for name in ("ana", "ben", "cem"):
        shop.react(name, *in_weeks(0, 1, 2))
    shop.react("cem", 20, kind="repost")
    shop.react("ben", 20, kind="repost", post="p")
    for n in range(12):
        shop.follows.add(("cem" if n < 10 else "ben", f"v{n}", -9000, None))
        shop.views |= {("p", f"v{n}", 21 + n, "repost"), ("p", f"v{n}", 50 + n, "repost")}
    assert told(shop.store(database)) == [
        ("Cem", 3, 1, 10),
        ("Ben", 3, 1, None),
        ("Ana", 3, 1, None),
    ]


def test_brands_guests_and_nobody_are_left_out(database: Database) -> None:
    shop = Shop()
    for name in ("other", "guest", "", "acme", "ana"):
        shop.react(name, *in_weeks(0, 1, 2, 3))
    assert told(shop.store(database)) == [("Ana", 4, 1, None)]


def test_at_most_five_are_told() -> None:
    many = [Reactor(f"u{n}", f"U{n}", 9, 0, 8, 9) for n in range(9)]
    said = advocates.build(Advocates(many, {"u8": 40}), BATCH)
    assert said is not None
    assert [one["name"] for one in said["people"]] == ["U8", "U0", "U1", "U2", "U3"]
    assert {*said["people"][0]} == {"name", "weeks", "posts", "viewers"}


def test_without_three_weeks_of_anybody_it_is_silent() -> None:
    one = Reactor("u", "U", 40, 40, 2, 20)
    assert advocates.build(Advocates([one], {}), BATCH) is None
    assert advocates.build(Advocates([], {}), BATCH) is None


def test_it_is_worth_more_the_more_people_there_are() -> None:
    worths = [advocates.worth({"people": [{}] * n}) for n in (1, 3, 5)]
    assert worths == sorted(worths)
    assert 0 < worths[0] < worths[-1] <= 1


# --- what reposts brought ------------------------------------------------------------------------

PEOPLE = ("ana", "ben", "cem", "acme", "")
_hours = st.integers(-3 * 24, 2 * 24).map(float)
_reposts = st.sets(
    st.tuples(st.sampled_from("pq"), st.sampled_from(PEOPLE), _hours, st.just("repost")), max_size=8
)
_views = st.sets(
    st.tuples(
        st.sampled_from("pq"),
        st.sampled_from(("v", "w", *PEOPLE)),
        _hours,
        st.sampled_from(("repost", "repost", "feed")),
    ),
    max_size=25,
)
_follows = st.sets(
    st.tuples(
        st.sampled_from(PEOPLE[:3]),
        st.sampled_from(("v", "w", "ana")),
        st.sampled_from((-900.0, 0.0)),
        st.sampled_from((None, 24.0)),
    ),
    max_size=6,
).map(lambda rows: {(row[:3]): row for row in rows}.values())


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reposts=_reposts, views=_views, follows=_follows)
def test_a_viewer_is_the_latest_followed_reposter_s_or_the_only_one_s(
    reposts: set[tuple[str, str, float, str]],
    views: set[tuple[str, str, float, str]],
    follows: Iterable[tuple[str, str, float, float | None]],
    tmp_path: Path,
) -> None:
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    shop = Shop(reposts | {("p", "dee", 40.0, "like")}, views, {*follows})
    brought: dict[str, set[str]] = defaultdict(set)
    for post, viewer, at, via in views:
        if via != "repost" or viewer in {"", "acme"}:
            continue
        before = [r for r in reposts if r[0] == post and r[2] <= at and r[1] not in {"", "acme"}]
        before = [r for r in before if r[1] != viewer]
        followed = [
            (when, reposter)
            for _, reposter, when, _ in before
            for followee, follower, since, until in shop.follows
            if (followee, follower) == (reposter, viewer)
            and since <= at
            and (until is None or at < until)
        ]
        if followed:
            latest = max(when for when, _ in followed)
            brought[min(name for when, name in followed if when == latest)].add(viewer)
        elif len({name for _, name, _, _ in before}) == 1:
            brought[before[0][1]].add(viewer)
    expected = {name: len(people) for name, people in brought.items()}
    assert dict(loaded(shop.store(database)).viewers) == expected
    database.close()


def test_only_whom_a_viewer_followed_at_that_time_brought_them(database: Database) -> None:
    """Ana was followed until then, and Cem is only since; of Ben and Dee the later one counts."""
    shop = Shop()
    for hour, name in enumerate(("ben", "dee", "ana", "cem")):
        shop.react(name, float(hour), kind="repost")
    shop.views = {("p", "v", 10.0, "repost"), ("p", "w", 10.0, "repost")}
    shop.follows = {("ana", "v", -900.0, 10.0), ("cem", "v", 11.0, None)}
    shop.follows |= {("ben", "v", -900.0, None), ("dee", "v", 10.0, None)}
    assert dict(loaded(shop.store(database)).viewers) == {"dee": 1}  # w followed nobody of four


# --- who gets it ---------------------------------------------------------------------------------


def test_ids_of_brands_stand_in_one_setting() -> None:
    assert Settings().brands == frozenset()
    assert Settings(brand_accounts="acme  4711\n-7 ").brands == {"acme", "4711", "-7"}


def test_only_accounts_that_the_operator_names_are_told(
    digest: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = village()
    for n in range(4):
        there.reaction("garden", "bob", "like", MONDAY - n * SEVEN_DAYS + 60 * HOUR)
    digest("import", there.write(tmp_path / "in"))
    preview = ("preview", "alice", "--week", "2026-W46", "--format")
    assert "advocates" not in digest(*preview, "json").json["sections"]
    monkeypatch.setenv("DIGEST_BRAND_ACCOUNTS", "quinn alice")
    (bob,) = digest(*preview, "json").json["sections"]["advocates"]["people"]
    assert (bob["name"], bob["weeks"], bob["posts"]) == ("Bob Ito", 4, 2)
    assert "bob@people.example" not in digest(*preview, "html").out


def test_the_mail_names_no_way_to_reach_them_and_reminds_of_disclosure() -> None:
    people = [
        {"name": "Noor <b>", "weeks": 7, "posts": 12, "viewers": 34},
        {"name": "Tomás", "weeks": 3, "posts": 1, "viewers": None},
    ]
    renderer = Renderer(BRAND)
    mail = renderer.render(snapshot({"advocates": {"people": people}}), LINKS)
    text = " ".join(mail.text.split())
    assert "7 weeks · 12 posts · 34 people saw your posts by way of their reposts" in text
    assert "3 weeks · 1 post " in text
    assert "nobody here has agreed to be approached" in text
    assert "have them say openly that they do" in text
    assert "Noor &lt;b&gt;" in mail.html
    card = mail.html.partition("Who keeps coming back")[2].partition("How we count")[0]
    assert "<a " not in card.partition('class="foot"')[0]
    bare = renderer.render(snapshot({"advocates": {"people": people}}, numbers=False), LINKS)
    assert "Tomás" in bare.text
    assert "12 posts" not in bare.text
