"""The audience where views are not logged: ranges that were tried, and a lower end."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from digest import deciding
from digest.facts import Batch, estimates
from digest.facts.estimates import reactors, site_ranges, tried
from digest.facts.following import followers_when_posted
from digest.facts.judgements import Judged
from digest.models import Follow, Post, Reaction, User, View, table
from digest.render import Renderer
from digest.sections import estimate
from digest.sections.estimate import Facts
from digest.stats.ranges import FLOORS, Bucket, Logged, Ranges, coverage, explained, learn
from digest.stats.unseen import chao1
from digest.window import Period
from tests import mails
from tests.office import MONDAY, NOW, WEEK, Office, open_office
from tests.test_sections import BATCH, UTC_ZONE

HOUR = timedelta(hours=1)


# --- how many people there are at least (Chao 1984) ----------------------------------------------


def test_the_golden_example_of_chao() -> None:
    found = chao1(25, 14, 6)
    assert found.estimate == pytest.approx(38.0)
    assert found.interval.low == pytest.approx(28.7, abs=0.05)
    assert found.interval.high == pytest.approx(70.6, abs=0.05)


def test_where_nobody_was_seen_once_there_is_nothing_to_add() -> None:
    for once in (0, 1):
        found = chao1(12, once, 4)
        assert (found.estimate, found.interval.low, found.interval.high) == (12, 12, 12)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_those_who_were_seen_and_the_estimate(
    once: int, twice: int, more: int
) -> None:
    seen = once + twice + more
    found = chao1(seen, once, twice)
    assert seen <= found.interval.low <= found.estimate <= found.interval.high
    assert math.isfinite(found.interval.high)


def test_the_lower_end_is_not_above_the_truth_in_nearly_all_runs() -> None:
    """400 people who react more or less readily (gamma), in 500 made-up months of each spread."""
    random = np.random.default_rng(20261109)
    for shape in (0.5, 1.0, 3.0):
        too_high = told = 0
        for _ in range(500):
            acts = random.poisson(random.gamma(shape, 0.5 / shape, 400))
            seen, once, twice = ((acts > 0).sum(), (acts == 1).sum(), (acts == 2).sum())
            people = estimate._people(int(seen), int(once), int(twice))
            if people is not None:
                told += 1
                too_high += people["least"] > 400
        assert told > 400
        assert too_high <= 0.05 * told


# --- ranges by how many reacted ------------------------------------------------------------------


def logged(number: int, engagers: int, seed: int = 1, spread: float = 0.5) -> list[Logged]:
    """Posts of authors with 200 followers, whose reach varies log-normally."""
    random = Random(f"{engagers} {seed}")
    middle = 20 * (1 + engagers)
    return [
        Logged(engagers, round(middle * random.lognormvariate(0, spread)), 200)
        for _ in range(number)
    ]


def floors(ranges: Ranges | None) -> list[int]:
    assert ranges is not None
    return [bucket.floor for bucket in ranges.buckets]


def test_a_bucket_of_thirty_posts_stands_alone_and_a_smaller_one_is_merged() -> None:
    full = {n: logged(30, n) for n in FLOORS}
    assert floors(learn([p for posts in full.values() for p in posts])) == [0, 1, 2, 5, 10]
    few = full | {2: full[2][:29]}  # taken together with 5-9
    assert floors(learn([p for posts in few.values() for p in posts])) == [0, 1, 2, 10]
    few = full | {10: full[10][:29]}  # nothing above it
    assert floors(learn([p for posts in few.values() for p in posts])) == [0, 1, 2, 5]
    assert floors(learn(full[10])) == [0]
    assert learn(full[0][:29]) is None
    assert learn([]) is None


def test_the_ends_are_percentiles_at_the_ranks_of_a_further_post() -> None:
    """Weibull's positions, as scipy works them out."""
    posts = logged(57, 3)
    ranges = learn(posts)
    assert ranges is not None
    shares = [post.reach / post.followers for post in posts]
    low, middle, high = stats.mstats.mquantiles(shares, [0.05, 0.5, 0.95], alphap=0, betap=0)
    bucket = ranges.bucket(3)
    assert (bucket.low, bucket.middle, bucket.high) == pytest.approx((low, middle, high))
    assert ranges.people(3, 1000).high == pytest.approx(1000 * high)


@given(st.integers(1, 5000), st.integers(1, 100_000))
def test_a_range_that_begins_or_ends_at_a_post_holds_it(reach: int, followers: int) -> None:
    """A share that is multiplied again must not miss the whole number that it came from."""
    posts = [Logged(0, reach, followers)] * 40
    ranges = learn(posts)
    assert ranges is not None
    people = ranges.people(0, followers)
    assert (people.low, people.high) == (reach, reach)
    assert coverage(ranges, posts) == 1


def test_coverage_and_what_is_explained_are_worked_out_as_by_hand() -> None:
    posts = [p for n in FLOORS for p in logged(40, n)]
    ranges = learn(posts)
    assert ranges is not None
    inside = [
        ranges.people(p.engagers, p.followers).low
        <= p.reach
        <= ranges.people(p.engagers, p.followers).high
        for p in posts
    ]
    assert coverage(ranges, posts) == fmean(inside)
    told = np.log1p([ranges.bucket(p.engagers).middle * p.followers for p in posts])
    real = np.log1p([p.reach for p in posts])
    by_hand = 1 - ((real - told) ** 2).sum() / ((real - real.mean()) ** 2).sum()
    assert explained(ranges, posts) == pytest.approx(by_hand)
    assert explained(ranges, [Logged(0, 5, 10)] * 3) is None


def mixed(number: int, seed: int, spread: float = 0.5) -> list[Logged]:
    random = Random(seed)
    return [
        logged(1, random.choice((0, 0, 1, 3, 7, 12)), seed + n, spread)[0] for n in range(number)
    ]


def test_ranges_are_told_only_where_they_hold_for_newer_posts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    steady = mixed(1000, 7)
    with caplog.at_level(logging.INFO, "digest.facts.estimates"):
        assert tried(steady) is not None
    assert "700 posts" in caplog.text
    assert "R²" in caplog.text
    half = [Logged(p.engagers, p.reach // 2, p.followers) for p in steady[700:]]
    assert tried(steady[:700] + half) is None  # the site has changed
    still = [Logged(p.engagers, 20 * (1 + p.engagers), p.followers) for p in steady[700:]]
    assert tried(steady[:700] + still) is None  # far too wide is wrong as well
    assert tried(steady[:190]) is None  # 57 to try it on
    assert tried([]) is None


def test_ranges_hold_for_nine_of_ten_further_posts() -> None:
    held = []
    for seed in range(60):
        ranges = learn(logged(30, 3, seed))
        assert ranges is not None
        held.append(coverage(ranges, logged(60, 3, seed + 1000)))
    assert fmean(held) == pytest.approx(0.9, abs=0.02)


# --- what is said --------------------------------------------------------------------------------


def ranges_of(low: float, high: float) -> Ranges:
    return Ranges((Bucket(0, low, (low + high) / 2, high),))


def judged(id_: str = "p", engagers: int = 0) -> Judged:
    post = Judged(id_, MONDAY, new=True, engagers=engagers)
    post.title = id_
    return post


def said(low: float, high: float, engagers: int = 0, followers: int = 100) -> object:
    found = estimate.build(
        Facts((judged(engagers=engagers),), (followers,), ranges_of(low, high)), BATCH
    )
    return found and [(post["low"], post["high"]) for post in found["posts"]]


def test_a_post_gets_a_range_with_two_digits_away_from_the_middle() -> None:
    assert said(0.321, 1.234) == [(32, 130)]
    assert said(0.0, 0.38) == [(0, 38)]
    assert said(3.214, 12.345) == [(320, 1300)]


def test_who_reacted_has_seen_it() -> None:
    assert said(0.01, 0.9, engagers=7) == [(7, 90)]


@pytest.mark.parametrize(
    ("low", "high", "engagers", "followers"),
    [(0.3, 1.2, 0, 9), (0.0, 0.09, 0, 100), (0.1, 0.2, 20, 100), (0.5, 0.5, 0, 100)],
    ids=["few followers", "few people", "everybody reacted", "a point"],
)
def test_what_is_no_range_of_people_is_not_said(
    low: float, high: float, engagers: int, followers: int
) -> None:
    assert said(low, high, engagers, followers) is None


def test_three_posts_at_most_the_most_answered_first() -> None:
    posts = tuple(judged(f"p{n}", n) for n in range(5))
    found = estimate.build(Facts(posts, (100,) * 5, ranges_of(0.1, 0.9)), BATCH)
    assert found is not None
    assert [post["id"] for post in found["posts"]] == ["p4", "p3", "p2"]


def test_people_are_a_lower_end_with_its_guards() -> None:
    def least(*numbers: int) -> object:
        found = estimate.build(Facts(reactors=numbers), BATCH)  # type: ignore[arg-type]
        return found and found["people"]

    assert least(25, 14, 6) == {"seen": 25, "least": 28, "days": 28}
    assert least(25, 4, 6) is None
    assert least(25, 14, 1) is None
    assert least(9, 6, 2) is None
    assert least(200, 5, 100) is None  # nobody more than those who were seen


# --- from the database ---------------------------------------------------------------------------


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A site of 300 logged posts by Lou, and Una, whose views nobody logs."""
    with open_office(tmp_path) as office:
        office.enrol("lou", "una")
        people = [
            {"id": name, "name": name, "email": f"{name}@p.example"} for name in ("ada", "ben")
        ]
        random, before = Random(3), MONDAY - timedelta(hours=60)
        posts, views, acts = [], [], []
        for n in range(300):
            at = before - timedelta(hours=5 * n)
            posts.append({"id": f"l{n}", "author_id": "lou", "published_at": at})
            reach = random.randrange(10, 60)
            views += [a_view(f"l{n}", at, f"v{v}") for v in range(reach)]
            acts += [an_act(f"l{n}", at, f"v{v}") for v in range(random.randrange(0, 4))]
        posts += [
            {"id": f"u{n}", "author_id": "una", "published_at": MONDAY + n * HOUR, "title": f"U{n}"}
            for n in range(4)
        ]
        acts += [an_act("u1", MONDAY + HOUR, f"w{n}") for n in range(3)]
        follows = [a_follow("lou", f"v{n}") for n in range(50)]
        follows += [a_follow("una", f"w{n}") for n in range(40)]
        with office.database.writing() as session:
            run = session.connection().execute
            run(table(View).delete().where(table(View).c.post_id == "p-una"))
            run(table(User).insert(), people)
            run(table(Post).insert(), posts)
            run(table(Follow).insert(), follows)
            run(table(View).insert(), views)
            run(table(Reaction).insert(), acts)
        yield office


def a_view(post: str, at: object, viewer: str) -> dict[str, object]:
    return {"post_id": post, "at": at, "viewer_id": viewer, "via": "", "count": 1}


def an_act(post: str, at: object, actor: str, kind: str = "like") -> dict[str, object]:
    return {"post_id": post, "at": at, "actor_id": actor, "type": kind, "count": 1}


def a_follow(followee: str, follower: str, **more: object) -> dict[str, object]:
    since = MONDAY - timedelta(weeks=40)
    return {"followee_id": followee, "follower_id": follower, "since": since, "until": None} | more


def batch(*users: str) -> Batch:
    return Batch(Period(2026, 46), UTC_ZONE, users or ("lou", "una"))


def test_a_range_is_learnt_from_the_site_and_told_to_who_is_not_logged(office: Office) -> None:
    with office.database.reading() as session:
        found = estimate.load(session, batch())
        built = estimate.build(found["una"], batch())
    assert set(found) == {"una"}
    assert built is not None
    first = built["posts"][0]
    assert first["id"] == "u1"
    # Reach is spread evenly over 10-59 of 50 followers; Una has 40.
    assert 8 <= first["low"] <= 14
    assert 40 <= first["high"] <= 49
    assert first["engagers"] == 3


def mail_to(office: Office, user: str) -> tuple[str, str]:
    """The plain text and the HTML of somebody's mail of the week, each as one long line."""
    with office.database.reading() as session:
        decision = deciding.decide(session, office.shop, WEEK, "UTC", [user]).decisions[user]
    assert decision.composed is not None
    rendered = office.shop.mailer.mail(decision.author, decision.composed.snapshot, NOW).rendered
    return " ".join(rendered.text.split()), " ".join(rendered.html.split())


def test_it_is_in_the_mail_in_words_and_in_nobody_elses(office: Office) -> None:
    text, html = mail_to(office, "una")
    for mail in (text, html):
        assert "who probably saw you" in mail.lower()
        assert "Probably seen by" in mail
    assert "people · 3 people reacted" in text
    assert "probably" not in mail_to(office, "lou")[0].lower()


def test_the_site_is_learnt_once_per_run_and_never_where_everything_is_logged(
    office: Office,
) -> None:
    site: dict[object, object] = {}
    with office.database.reading() as session:
        estimate.load(session, Batch(Period(2026, 46), UTC_ZONE, ("lou",), site))
        assert ("ranges", Period(2026, 46)) not in site
        estimate.load(session, Batch(Period(2026, 46), UTC_ZONE, ("una",), site))
        learnt = site["ranges", Period(2026, 46)]
        office_batch = Batch(Period(2026, 46), UTC_ZONE, ("una",), site)
        assert site_ranges(session, office_batch) is learnt


def test_only_the_newest_posts_are_learnt_from(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt: list[int] = []
    monkeypatch.setattr(estimates, "tried", lambda sample: learnt.append(len(sample)))
    with office.database.reading() as session:
        site_ranges(session, batch())
    assert learnt == [300]
    assert "LIMIT" in str(estimates._SAMPLE)


def test_followers_are_those_of_the_moment(office: Office) -> None:
    at = MONDAY + HOUR
    with office.database.writing() as session:
        rows = [
            a_follow("una", "gone", until=at),
            a_follow("una", "new", since=at),
            a_follow("una", "later", since=at + HOUR),
            a_follow("una", "una"),
        ]
        session.connection().execute(table(Follow).insert(), rows)
    with office.database.reading() as session:
        found = followers_when_posted(session, ["u0", "u1", "u2", "p-lou"])
    assert found == {"u0": 41, "u1": 41, "u2": 42, "p-lou": 50}


def test_people_are_counted_by_posts_in_four_weeks(office: Office) -> None:
    end = MONDAY + timedelta(weeks=1)
    with office.database.writing() as session:
        rows = [
            *(an_act("u0", MONDAY + HOUR, f"w{n}") for n in range(2)),
            an_act("u1", MONDAY + 2 * HOUR, "w2", "reply"),  # the same post again
            an_act("u2", MONDAY + HOUR, "w0"),
            an_act("u2", MONDAY + HOUR, "una"),  # herself
            an_act("u2", MONDAY + HOUR, ""),  # nobody named
            an_act("u2", end, "late"),
            an_act("u2", end - timedelta(days=28, seconds=1), "early"),
            an_act("u2", end - timedelta(days=28), "just"),
        ]
        session.connection().execute(table(Reaction).insert(), rows)
    with office.database.reading() as session:
        assert reactors(session, ["una"], end) == {"una": (4, 2, 1)}


def test_the_lower_end_alone_is_told_where_the_site_logs_nothing(office: Office) -> None:
    rows = [an_act("u0", MONDAY + HOUR, f"n{n}") for n in range(14)]
    rows += [an_act(post, MONDAY + HOUR, f"t{n}") for n in range(6) for post in ("u0", "u1")]
    with office.database.writing() as session:
        session.connection().execute(table(View).delete())
        session.connection().execute(table(Reaction).insert(), rows)
    with office.database.reading() as session:
        built = estimate.build(estimate.load(session, batch())["una"], batch())
    assert built is not None
    assert built["posts"] == []
    assert built["people"]["least"] >= 27
    assert estimate.worth(built) < estimate.worth(built | {"posts": [1]})


def test_who_has_one_logged_view_is_told_nothing(office: Office) -> None:
    """However long ago that was."""
    with office.database.writing() as session:
        seen = [a_view("p-una", MONDAY - timedelta(weeks=9), "w1")]
        session.connection().execute(table(View).insert(), seen)
    with office.database.reading() as session:
        assert "una" not in estimate.load(session, batch())


# --- as the subject ------------------------------------------------------------------------------


def subject(**section: object) -> str:
    said = {"hours": 48, "posts": [], "people": None, "again": False} | section
    lead = "estimate" if estimate.news(said) else ""
    return (
        Renderer(mails.BRAND)
        .render(mails.snapshot({"estimate": said}, lead=lead), mails.LINKS)
        .subject
    )


def a_range(title: str, low: int, high: int) -> dict[str, object]:
    post = {"id": "p", "title": title, "excerpt": "Once", "url": "", "shown": False, "engagers": 3}
    return post | {"low": low, "high": high}


def test_a_range_stays_a_range_as_the_subject() -> None:
    untitled, trains = a_range("", 90, 300), a_range("Trains", 40, 210)
    people = {"seen": 20, "least": 28, "days": 28}
    assert subject(posts=[untitled, trains], people=people) == (
        "“Trains” was probably seen by 40–210 people"
    )
    assert "up to 38 people" in subject(posts=[a_range("Trains", 0, 38)])
    assert subject(posts=[untitled], people=people) == "At least about 28 people follow your posts"
    assert len(subject(posts=[a_range("Trains and " * 20, 10_000, 100_000)])) <= 87


def test_a_subject_of_estimates_is_weaker_than_a_clearly_better_week() -> None:
    posts = [a_range("Trains", 40, 210)]
    people = {"seen": 20, "least": 25, "days": 28}
    assert 0.3 < estimate.news({"posts": posts, "people": None, "again": True}) < 0.6
    assert 0.3 < estimate.news({"posts": [], "people": people, "again": False}) < 0.6


def test_hardly_more_people_than_are_known_are_no_subject() -> None:
    people = {"seen": 18, "least": 19, "days": 28}
    assert estimate.news({"posts": [], "people": people, "again": False}) == 0


def test_who_reacted_is_counted_again_in_the_next_mails_and_then_no_subject(office: Office) -> None:
    rows = [an_act("u0", MONDAY + HOUR, f"n{n}") for n in range(14)]
    rows += [an_act(post, MONDAY + HOUR, f"t{n}") for n in range(6) for post in ("u0", "u1")]
    with office.database.writing() as session:
        session.connection().execute(table(View).delete())
        early = an_act("p-una", MONDAY - timedelta(weeks=5), "early")
        session.connection().execute(table(Reaction).insert(), [*rows, early])
    news = {}
    for period in ("2026-W42", "2026-W43"):
        told = {("una", period): "headline estimate"}
        one = Batch(Period(2026, 46), UTC_ZONE, ("una",), told=told)
        with office.database.reading() as session:
            built = estimate.build(estimate.load(session, one)["una"], one)
        assert built is not None
        news[period] = estimate.news(built)
    assert news == {"2026-W42": 0.4, "2026-W43": 0.0}
