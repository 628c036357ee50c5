"""What each section says, and above all when it stays silent: pure data in, pure data out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.facts import Batch, Since
from digest.facts.history import History, Week
from digest.facts.judgements import Career, Judged, Priors
from digest.facts.weeks import AuthorWeek, PostWeek
from digest.sections import headline, kinds, new_posts, quiet, sections, so_far, top_posts, usual
from digest.sections import next as next_step
from digest.stats.proportions import BetaPrior, GammaPrior
from digest.window import Period

UTC_ZONE = ZoneInfo("UTC")
BATCH = Batch(Period(2026, 46), UTC_ZONE, ("alice",))
MONDAY = BATCH.window.start
NOTHING = Priors(None, None)


def post(id_: str, views: int = 0, **more: object) -> PostWeek:
    return PostWeek(id_, views, **{"title": id_, "url": f"https://s.example/{id_}", **more})  # type: ignore[arg-type]


def history(*reach: int | None) -> History:
    """Earlier weeks, oldest first, the last one right before the batch's."""
    periods = [str(BATCH.period.shift(n - len(reach))) for n in range(len(reach))]
    weeks = [Week(p, n, n, 0) for p, n in zip(periods, reach, strict=True)]
    return History(weeks, [], Since(MONDAY - timedelta(weeks=30), None))


def said(reach: int, *earlier: int) -> dict[str, object] | None:
    week = AuthorWeek(views=reach, reach=reach)
    return usual.build((week, history(*earlier)), BATCH)


# --- the house of sections -----------------------------------------------------------------------


def test_sections_are_found_by_themselves_and_come_in_the_order_of_the_mail() -> None:
    names = [section.name for section in sections()]
    assert [(s.order, s.name) for s in sections()] == sorted((s.order, s.name) for s in sections())
    ours = ["so_far", "headline", "usual", "top_posts", "new_posts", "quiet", "next"]
    assert [name for name in names if name in ours] == ours


# --- headline ------------------------------------------------------------------------------------


def test_the_headline_counts_people_where_viewers_are_known() -> None:
    found = headline.build(AuthorWeek(views=20, reach=9, days=[20, 0, 0, 0, 0, 0, 0]), BATCH)
    assert found is not None
    assert (found["metric"], found["reach"], found["views"]) == ("reach", 9, 20)
    assert found["days"][0] == {"date": "2026-11-09", "count": 20}


@pytest.mark.parametrize(
    ("week", "metric"),
    [
        (AuthorWeek(views=20, anonymous=20), "views"),
        (AuthorWeek(views=20, anonymous=11, reach=5), "views"),
        (AuthorWeek(views=20, anonymous=10, reach=5), "reach"),
        (AuthorWeek(reactions=3), "reactions"),
        (AuthorWeek(views=0, reactions=3), "reactions"),
    ],
)
def test_the_headline_counts_what_the_data_can_carry(week: AuthorWeek, metric: str) -> None:
    found = headline.build(week, BATCH)
    assert found is not None
    assert found["metric"] == metric


def test_new_people_are_told_only_where_there_were_others_before() -> None:
    for new, told in ((4, 4), (9, None), (0, None), (None, None)):
        found = headline.build(AuthorWeek(views=20, reach=9, new_people=new), BATCH)
        assert found is not None
        assert found["new_people"] == told


def test_a_quiet_week_has_no_headline() -> None:
    assert headline.build(AuthorWeek(), BATCH) is None
    assert headline.build(AuthorWeek(views=0), BATCH) is None


# --- the week against the usual (F4) -------------------------------------------------------------


def test_fewer_than_four_weeks_are_nothing_to_compare_with() -> None:
    assert said(100, 1, 2, 3) is None


def test_four_to_seven_weeks_give_a_median_and_no_verdict() -> None:
    found = said(100, 10, 20, 30, 40)
    assert found is not None
    assert (found["median"], found["verdict"], found["percent"]) == (25, None, None)


def test_eight_weeks_give_the_verdict_of_the_golden_example() -> None:
    """XmR on square roots, worked out independently: limits 24.150 and 78.446."""
    golden = (40, 52, 47, 39, 60, 44, 51, 48)
    found = said(78, *golden)
    assert found is not None
    assert (found["low"], found["high"], found["verdict"]) == (25, 78, "within")
    above, below = said(79, *golden), said(24, *golden)
    assert above is not None
    assert below is not None
    assert (above["verdict"], below["verdict"]) == ("above", "below")


def test_a_percent_needs_a_verdict_and_twenty_in_both_weeks() -> None:
    steady = (30, 31, 30, 29, 30, 31, 30, 30)
    within, above = said(31, *steady), said(60, *steady)
    small = said(60, *[9, 10, 9, 10, 9, 10, 9, 10])
    assert within is not None
    assert above is not None
    assert small is not None
    assert within["percent"] is None
    assert above["percent"] == 100
    assert (small["verdict"], small["percent"], small["times"]) == ("above", None, None)


def test_more_than_four_times_is_said_as_a_multiple() -> None:
    found = said(160, *[30, 31, 30, 29, 30, 31, 30, 32])
    assert found is not None
    assert (found["times"], found["percent"]) == (5, None)


def test_first_views_get_no_percent() -> None:
    found = said(60, *[0] * 8)
    assert found is not None
    assert (found["first"], found["percent"], found["times"]) == (True, None, None)


def test_a_week_with_a_change_of_the_clock_is_compared_per_168_hours() -> None:
    """In the week of 25 October 2026 London has 169 hours: 169 views are a usual 168."""
    autumn = Batch(Period(2026, 43), ZoneInfo("Europe/London"), ("alice",))
    names = [str(autumn.period.shift(n - 8)) for n in range(8)]
    flat = History([Week(name, 168, 168, 0) for name in names], [], None)
    found = usual.build((AuthorWeek(views=169, reach=169), flat), autumn)
    assert found is not None
    assert found["verdict"] == "within"


@pytest.mark.parametrize("week", [(2026, 13), (2026, 43), (2026, 46)])
@given(st.lists(st.integers(0, 400), min_size=8, max_size=26), st.integers(1, 400))
def test_where_clocks_change_the_verdict_is_that_of_the_range_beside_the_count(
    week: tuple[int, int], earlier: list[int], more: int
) -> None:
    """Counts at and around both ends, and any other; of 167, 169 and 168 hours."""
    berlin = Batch(Period(*week), ZoneInfo("Europe/Berlin"), ("alice",))
    names = [str(berlin.period.shift(n - len(earlier))) for n in range(len(earlier))]
    past = History([Week(*one, 0, 0) for one in zip(names, earlier, strict=True)], [], None)
    low, high = usual.whole_range(
        list(zip(names, earlier, strict=True)), str(berlin.period), berlin
    )
    ends = (low - 2, low - 1, low, low + 1, high - 1, high, high + 1, high + 2)
    for now in {more, *(max(1, end) for end in ends)}:
        found = usual.build((AuthorWeek(views=now, reach=None), past), berlin)
        assert found is not None
        expected = "above" if now > found["high"] else "below" if now < found["low"] else "within"
        assert (found["verdict"], found["low"] <= found["high"]) == (expected, True)


@pytest.mark.parametrize(("week", "now"), [(13, 334), (43, 338)])
def test_the_range_is_stretched_to_the_hours_of_the_week(week: int, now: int) -> None:
    """336 in 168 hours are 334 in 167, and 338 in 169."""
    berlin = Batch(Period(2026, week), ZoneInfo("Europe/Berlin"), ("alice",))
    past = History([Week(str(berlin.period.shift(-n)), 336, 336, 0) for n in range(8, 0, -1)])
    found = usual.build((AuthorWeek(views=now, reach=now), past), berlin)
    assert found is not None
    assert (found["verdict"], found["low"], found["high"]) == ("within", now, now)


def test_limits_between_two_whole_numbers_make_both_usual() -> None:
    """Two in 168 hours are 1.99 in 167: no whole number is the range."""
    spring = Batch(Period(2026, 13), ZoneInfo("Europe/Berlin"), ("alice",))
    past = History([Week(str(spring.period.shift(-n)), 2, 2, 0) for n in range(8, 0, -1)])
    found = usual.build((AuthorWeek(views=2, reach=2), past), spring)
    assert found is not None
    assert (found["verdict"], found["low"], found["high"]) == ("within", 1, 2)


def test_unknown_weeks_are_not_zero_weeks() -> None:
    past = history(5, 6, 7, None, None, None, None, 8)
    week = AuthorWeek(views=6, reach=6)
    found = usual.build((week, past), BATCH)
    assert found is not None
    assert found["weeks"] == 4


@pytest.mark.parametrize("weeks", range(8, 27))
def test_equal_weeks_are_a_range_of_one_number_and_one_like_them_is_within(weeks: int) -> None:
    for count in range(1, 301):
        found = said(count, *[count] * weeks)
        assert found is not None
        assert (found["verdict"], found["low"], found["high"]) == ("within", count, count)


@given(st.lists(st.integers(0, 10_000), min_size=8, max_size=26), st.integers(1, 20_000))
def test_the_verdict_and_the_range_that_is_shown_agree(earlier: list[int], now: int) -> None:
    found = said(now, *earlier)
    assert found is not None
    low, high = found["low"], found["high"]
    assert isinstance(low, int)
    assert isinstance(high, int)
    expected = "above" if now > high else "below" if now < low else "within"
    assert found["verdict"] == expected
    if found["verdict"] == "within":
        assert found["percent"] is found["times"] is None


def test_a_range_from_zero_is_told_only_where_it_does_not_make_a_week_small() -> None:
    earlier = (1, 40, 2, 50, 1, 60, 3, 45)
    small, fair, large = said(2, *earlier), said(30, *earlier), said(5_000, *earlier)
    assert small is not None
    assert (small["low"], small["verdict"], small["ranged"]) == (0, "within", False)
    assert fair is not None
    assert (fair["verdict"], fair["ranged"]) == ("within", True)
    assert large is not None
    assert (large["verdict"], large["ranged"]) == ("above", True)


# --- top posts -----------------------------------------------------------------------------------


def test_each_post_shows_its_share_and_whether_it_is_from_the_archive() -> None:
    old = post("old", 30, reach=10, published_at=MONDAY - timedelta(days=24))
    new = post("new", 10, reach=10, published_at=MONDAY)
    week = AuthorWeek(views=40, reach=20, active=7, top=[old, new])
    found = top_posts.build((week, Career()), BATCH)
    assert found is not None
    assert [(p["share"], p["archive"]) for p in found["posts"]] == [(0.75, True), (0.25, False)]
    assert found["more"] == 5


def test_people_are_shown_only_beside_the_views_they_made() -> None:
    mixed = post("mixed", 30, anonymous=1, reach=20)
    week = AuthorWeek(views=30, anonymous=1, reach=20, active=1, top=[mixed])
    found = top_posts.build((week, Career()), BATCH)
    assert found is not None
    assert found["posts"][0]["reach"] is None


# --- new posts (F2, F3) --------------------------------------------------------------------------


def judged(id_: str, days: float, reach: int | None, *, new: bool = False, **more: int) -> Judged:
    at = MONDAY + timedelta(days=2) - timedelta(days=days)
    views = reach if reach is not None else more.pop("views", None)
    return Judged(id_, at, new, views=views, reach=reach, audience=reach, **more)  # type: ignore[arg-type]


def career(*posts: Judged) -> Career:
    return Career(sorted(posts, key=lambda p: p.published_at, reverse=True))


EARLIER = [judged(f"e{n}", 10 + n, 20 + n) for n in range(9)]


def test_times_your_usual_is_measured_against_the_median_of_earlier_posts() -> None:
    found = career(judged("hit", 0, 72, new=True), *EARLIER)
    assert found.times_usual("hit") == 72 / 24


@pytest.mark.parametrize(
    ("reach", "earlier"),
    [
        (35, EARLIER),  # less than one and a half times
        (72, EARLIER[:7]),  # too few posts before
        (72, [judged(f"s{n}", 10 + n, 9) for n in range(9)]),  # a usual too small to multiply
    ],
)
def test_times_your_usual_stays_silent_below_its_guards(reach: int, earlier: list[Judged]) -> None:
    assert career(judged("hit", 0, reach, new=True), *earlier).times_usual("hit") is None


def test_only_the_top_half_of_the_rank_is_told() -> None:
    middling = career(judged("m", 0, 26, new=True), *EARLIER)
    low = career(judged("l", 0, 1, new=True), *EARLIER)
    assert middling.rank("m") == 3
    assert low.rank("l") is None
    assert career(judged("first", 0, 99, new=True), *EARLIER[:8]).rank("first") is None


def test_two_new_posts_do_not_hold_the_same_rank() -> None:
    found = career(judged("a", 0, 99, new=True), judged("b", 1, 98, new=True), *EARLIER[:8])
    assert (found.rank("a"), found.rank("b")) == (1, 2)


def boards(*new: Judged, site: Priors = NOTHING) -> dict[str, list[str]]:
    found = new_posts.build(new_posts.Facts(career(*new), site, frozenset()), BATCH)
    assert found is not None
    return {entry["id"]: entry["boards"] for entry in found["posts"]}


def test_a_lone_new_post_leads_nothing() -> None:
    assert boards(judged("only", 0, 50, new=True, reactions=4, engagers=4)) == {"only": []}


def test_each_board_names_one_post_and_each_post_is_listed_once() -> None:
    site = Priors(BetaPrior(0.05, 0.01, 100), None)
    found = boards(
        judged("seen", 0, 900, new=True, reactions=9, engagers=9, talkers=1),
        judged("loved", 1, 200, new=True, reactions=60, engagers=60, talkers=2),
        judged("talk", 2, 300, new=True, reactions=20, engagers=20, talkers=20),
        judged("none", 3, 10, new=True),
        site=site,
    )
    assert found == {"seen": ["most_seen"], "talk": ["most_talk"], "loved": ["best_received"]}


def test_a_perfect_rate_among_three_people_does_not_win_the_board() -> None:
    """The raw rate would crown it; the shrunk one knows that three people are no evidence."""
    site = Priors(BetaPrior(0.05, 0.01, 100), None)
    found = boards(
        judged("big", 0, 900, new=True, reactions=90, engagers=90),
        judged("tiny", 1, 3, new=True, reactions=3, engagers=2),
        site=site,
    )
    assert found["big"] == ["most_seen", "best_received"]


def test_without_any_history_fewer_than_twenty_people_are_not_rated() -> None:
    found = boards(
        judged("few", 0, 19, new=True, reactions=19, engagers=19),
        judged("some", 1, 18, new=True, reactions=1, engagers=1),
    )
    assert "best_received" not in found["few"] + found["some"]


def test_even_with_a_history_fewer_than_twenty_people_call_nothing_the_best() -> None:
    site = Priors(BetaPrior(0.05, 0.01, 100), None)
    found = boards(
        judged("few", 0, 19, new=True, reactions=19, engagers=19),
        judged("many", 1, 20, new=True, reactions=1, engagers=1),
        site=site,
    )
    assert "best_received" not in found["few"]
    assert "best_received" in found["many"]


def test_counters_give_reactions_per_hundred_views_and_never_a_proportion() -> None:
    posts = [
        judged(f"c{n}", n * 5, None, new=n < 2, views=100 + n, reactions=10 + n) for n in range(9)
    ]
    for one in posts:
        one.audience = one.engagers = None
    found = new_posts.build(new_posts.Facts(career(*posts), NOTHING, frozenset()), BATCH)
    assert found is not None
    for entry in found["posts"]:
        assert entry["rate"] is None
        assert entry["per_hundred"] == pytest.approx(11, abs=3)


def test_without_any_views_no_post_is_called_most_seen() -> None:
    found = boards(
        judged("a", 0, None, new=True, reactions=5, talkers=2),
        judged("b", 1, None, new=True, reactions=9),
    )
    assert found == {"b": [], "a": ["most_talk"]}


def test_one_reply_is_no_talk() -> None:
    silent = judged("silent", 1, 40, new=True)
    assert boards(judged("a", 0, 50, new=True, talkers=1), silent) == {
        "a": ["most_seen"],
        "silent": [],
    }
    assert "most_talk" in boards(judged("a", 0, 50, new=True, talkers=2), silent)["a"]


def test_where_people_are_unknown_reactions_decide_the_order() -> None:
    few = judged("few", 0, None, new=True, reactions=1, engagers=1)
    many = judged("many", 1, None, new=True, reactions=50)
    many.engagers = None
    assert list(boards(few, many)) == ["many", "few"]


def test_posts_nobody_is_known_to_have_seen_are_not_judged() -> None:
    facts = new_posts.Facts(career(judged("x", 0, None, new=True)), NOTHING, frozenset())
    assert new_posts.build(facts, BATCH) is None


def test_new_posts_are_told_apart_without_comparing_each_with_each() -> None:
    class Incomparable(Judged):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

    posts = [
        Incomparable(
            f"p{n}", MONDAY, new=True, views=n, reach=n, audience=n, engagers=2, reactions=2
        )
        for n in range(30, 40)
    ]
    found = new_posts.build(new_posts.Facts(career(*posts), NOTHING, frozenset()), BATCH)
    assert found is not None
    assert [post["id"] for post in found["posts"]] == ["p39", "p38", "p30"]


def test_new_posts_that_stand_in_the_main_list_are_told_again_only_with_something_to_add() -> None:
    first, second = judged("a", 0, 30, new=True), judged("b", 1, 20, new=True)
    facts = new_posts.Facts(career(first, second), NOTHING, frozenset("ab"))
    found = new_posts.build(facts, BATCH)
    assert found is not None
    assert [post["id"] for post in found["posts"]] == ["a"], "it leads a board, the other none"
    assert found["number"] == 2
    assert new_posts.worth(found) > 0.2
    alone = new_posts.Facts(career(first), NOTHING, frozenset("a"))
    found = new_posts.build(alone, BATCH)
    assert found is not None
    assert new_posts.worth(found) == 0
    elsewhere = new_posts.build(new_posts.Facts(career(first), NOTHING, frozenset()), BATCH)
    assert elsewhere is not None
    assert new_posts.worth(elsewhere) > 0.2


# --- the one thing to do -------------------------------------------------------------------------


def test_who_was_answered_is_asked_to_answer() -> None:
    talked = post("talked", 5, replies=2, replied=True, people=["Noor", "Tomás"], reactors=7)
    step = next_step.build((AuthorWeek(views=9, top=[post("first", 6), talked]), ""), BATCH)
    assert (step["kind"], step["people"], step["others"]) == ("reply", ["Noor", "Tomás"], 5)
    assert step["post"]["url"] == "https://s.example/talked"


def test_a_rediscovered_post_is_worth_another_look() -> None:
    old = post("old", 9, published_at=MONDAY - timedelta(days=100))
    assert next_step.build((AuthorWeek(views=9, top=[old]), ""), BATCH)["kind"] == "revisit"


def test_otherwise_the_next_thing_is_to_write() -> None:
    nothing: dict[str, object] = {
        "kind": "write",
        "post": None,
        "people": [],
        "others": 0,
        "site": "",
    }
    assert next_step.build((AuthorWeek(), ""), BATCH) == nothing
    known = next_step.build((AuthorWeek(), "https://s.example/"), BATCH)
    assert known["site"] == "https://s.example/"
    without_link = post("p", 9, replies=1, replied=True, people=["Noor"], url="")
    assert next_step.build((AuthorWeek(views=9, top=[without_link]), ""), BATCH)["kind"] == "write"


def test_a_first_reading_says_what_there_was_so_far_and_nothing_of_the_week() -> None:
    read = [{"id": f"p{n}", "views": 100 - n, "reactions": 3} for n in range(7)]
    found = so_far.build(read, BATCH)
    assert found is not None
    assert (found["metric"], found["total"], found["number"]) == ("views", 679, 7)
    assert len(found["posts"]) == 1
    read[4]["title"] = "The fifth"
    named = so_far.build(read, BATCH)
    assert named is not None
    assert len(named["posts"]) == 5
    assert headline.build(AuthorWeek(first_read=True), BATCH) is None
    assert so_far.build([], BATCH) is None


def test_a_quiet_week_names_no_number_of_views() -> None:
    best = {"title": "T", "url": "https://s.example/t", "views": 7}
    assert quiet.build((3, best), BATCH) == {"posts": 3, "best": best}


def test_the_golden_week_is_the_one_that_is_meant() -> None:
    assert datetime(2026, 11, 9, tzinfo=UTC) == MONDAY


@pytest.mark.parametrize("known", [7, 8])
def test_an_author_s_own_prior_is_made_of_so_many_posts_as_it_needs(known: int) -> None:
    """Posts of which those who reacted, or the views, are unknown are no part of it."""
    site = Priors(BetaPrior(0.05, 0.01, 99.0), GammaPrior(5.0, 100.0))
    of_people = [
        Judged(f"p{n}", MONDAY, False, 100, 100, 100, 50 + n if n < known else None, 0, 60)
        for n in range(20)
    ]
    one = Judged("one", MONDAY, True, 30, 30, 30, 1, 0, 1)
    rate = new_posts._rates(new_posts.Facts(Career(of_people), site, frozenset()))(one)
    assert (rate == site.response.shrink(1, 30)) == (known < 8)  # type: ignore[union-attr]
    viewed = [
        Judged(f"v{n}", MONDAY, False, 100 if n < known else None, reactions=50 + n)
        for n in range(20)
    ]
    other = Judged("other", MONDAY, True, 30, reactions=1)
    rate = new_posts._rates(new_posts.Facts(Career(viewed), site, frozenset()))(other)
    assert (rate == site.per_view.shrink(1, 30)) == (known < 8)  # type: ignore[union-attr]
    rate = kinds._rates("people", Career(of_people), site)(one)
    assert (rate == site.response.shrink(1, 30)) == (known < 8)  # type: ignore[union-attr]
