"""Which kinds of posts were responded to: the guess, the author's word, and honest comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from scipy import stats as scipy

from digest import personal, pruning
from digest.facts import Batch, sorting
from digest.facts.following import INSTANTS, followers_at
from digest.folders import catalogue_folders
from digest.kinds import Kind, Traits, guess, own_domain, own_names, traits
from digest.languages import Languages
from digest.models import Correction, Follow, Post, Reaction, View, table
from digest.render import Renderer
from digest.sections import kinds
from digest.sections.kinds import Facts, Rated
from digest.stats.comparisons import holm, incomplete_beta, welch
from digest.stats.proportions import beta_prior
from digest.window import Period
from tests import mails
from tests.databases import overheard
from tests.office import MONDAY, NOW, Office, open_office
from tests.test_section_estimate import a_follow, a_view, an_act, mail_to
from tests.test_sections import BATCH, UTC_ZONE

OWN = own_domain("amy@amysblog.example") | own_names("@amyw", "amy")
PLAIN = Traits((), bare=False, hashtags=0)


# --- the guess -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("@ben thanks for that, who else?", Kind.CONVERSATION),
        ("Good morning, everyone!", Kind.PRESENCE),
        ("Guten Morgen zusammen 🌞", Kind.PRESENCE),
        ("Bonsoir à tous", Kind.THOUGHT),  # a word that is in no list
        ("Good morning, Vietnam war films", Kind.THOUGHT),
        ("Which bike should I buy?", Kind.QUESTION),
        ("هل من أحد هنا؟", Kind.QUESTION),
        ("Is https://news.example/1 true?", Kind.INFORMATION),
        ("My new article is out", Kind.SELF_PROMOTION),
        ("More at https://www.amysblog.example/2026", Kind.SELF_PROMOTION),
        ("Pictures: https://pictures.example/@AmyW/7", Kind.SELF_PROMOTION),
        ("Pictures: https://amyw.pictures.example/7", Kind.SELF_PROMOTION),
        ("Worth reading: https://news.example/amy", Kind.INFORMATION),  # three letters are chance
        ("Read www.news.example.", Kind.INFORMATION),
        ("I’m at the station", Kind.NOW),
        ("currently watching the moon", Kind.NOW),
        ("I think trams are best", Kind.OPINION),
        ("This bus company is RIDICULOUS", Kind.OPINION),
        ("Moss grows on the north side", Kind.THOUGHT),
        ("https://[broken", Kind.INFORMATION),
        ("", Kind.THOUGHT),
    ],
)
def test_the_rules_are_tried_in_their_order(words: str, kind: Kind) -> None:
    assert guess("", words, OWN) is kind
    assert guess(words, "", OWN) is kind


def test_everybodys_mail_domain_is_nobodys_own() -> None:
    assert own_domain("amy@gmail.com") == own_domain(None) == frozenset()
    assert own_domain("amy@AMY.example") == {"amy.example"}


@given(st.text(max_size=400), st.text(max_size=50))
def test_whatever_is_written_is_of_some_kind(text: str, title: str) -> None:
    assert guess(title, text, OWN) in Kind
    assert traits(title, text).hashtags >= 0


def test_traits_are_counted() -> None:
    assert traits("", "https://a.example/1.").bare
    assert traits("", "#one #two #three https://a.example @you") == Traits(
        ("https://a.example",), bare=True, hashtags=3
    )
    assert not traits("What I found today", "https://a.example/1").bare
    assert not traits("", "nothing at all").bare
    assert traits("", "c#sharp and number #1").hashtags == 0


# --- Welch and Holm ------------------------------------------------------------------------------


@given(st.floats(0.05, 200), st.floats(0.05, 200), st.floats(0, 1))
def test_the_incomplete_beta_is_that_of_scipy(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), abs=1e-10)


def test_welch_gives_the_p_value_of_scipy() -> None:
    random = np.random.default_rng(7)
    for _ in range(300):
        a = random.normal(0.1, random.uniform(0.001, 0.1), random.integers(2, 25))
        b = random.normal(0.12, random.uniform(0.001, 0.1), random.integers(2, 25))
        expected = scipy.ttest_ind(a, b, equal_var=False).pvalue
        assert welch(a.tolist(), b.tolist()) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_what_does_not_vary_cannot_be_told_apart() -> None:
    assert welch([0.1] * 5, [0.2] * 5) == 1.0
    assert 0 < welch([0.1, 0.1 + 1e-15], [0.2, 0.2]) < 0.001


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


# --- what is said --------------------------------------------------------------------------------


def rated(
    kind: Kind, *rates: float, reach: int | None = 40, followers: int | None = 100
) -> list[Rated]:
    return [Rated(rate, reach, followers, kind, True, PLAIN) for rate in rates]


def said(*posts: list[Rated], unit: kinds.Unit = "people") -> dict[str, Any] | None:
    return kinds.build(Facts(unit, tuple(post for some in posts for post in some)), BATCH)


HIGH, LOW = (0.2, 0.21, 0.19, 0.22, 0.2), (0.1, 0.11, 0.09, 0.1, 0.12)


def test_a_kind_needs_three_posts_and_the_section_two_kinds() -> None:
    assert said(rated(Kind.QUESTION, *HIGH), rated(Kind.NOW, 0.1, 0.1)) is None
    assert said(rated(Kind.QUESTION, *HIGH)) is None
    found = said(
        rated(Kind.QUESTION, *HIGH), rated(Kind.NOW, 0.1, 0.1, 0.1), rated(Kind.OPINION, 0.5)
    )
    assert found is not None
    assert [(row["kind"], row["posts"]) for row in found["kinds"]] == [("question", 5), ("now", 3)]
    assert found["kinds"][0]["per_hundred"] == pytest.approx(100 * fmean(HIGH))
    assert (found["better"], found["compared"]) == (None, False)


def test_more_is_said_of_five_posts_each_and_a_sure_difference() -> None:
    found = said(rated(Kind.INFORMATION, *LOW), rated(Kind.QUESTION, *HIGH))
    assert found is not None
    assert found["better"] == {"kind": "question", "than": "information"}
    few = said(rated(Kind.INFORMATION, *LOW[:4]), rated(Kind.QUESTION, *HIGH))
    unsure = said(rated(Kind.INFORMATION, *LOW), rated(Kind.QUESTION, 0.05, 0.3, 0.1, 0.2, 0.15))
    assert few is not None
    assert unsure is not None
    assert few["better"] is unsure["better"] is None
    assert unsure["compared"]
    assert kinds.worth(found) > kinds.worth(unsure)


def test_a_difference_must_hold_among_all_pairs_that_are_looked_at() -> None:
    """Welch alone gives these two 0.03; among six pairs that is nothing."""
    a, b = (0.10, 0.11, 0.12, 0.13, 0.14), (0.126, 0.136, 0.146, 0.156, 0.166)
    assert 0.025 < welch(a, b) < 0.05
    pair = rated(Kind.QUESTION, *a), rated(Kind.NOW, *b)
    others = [rated(kind, 0.02, 0.22, 0.12, 0.3, 0.01) for kind in (Kind.OPINION, Kind.THOUGHT)]
    alone, among = said(*pair), said(*pair, *others)
    assert alone is not None
    assert among is not None
    assert alone["better"] == {"kind": "now", "than": "question"}
    assert among["better"] is None


def test_typical_reach_is_a_median_with_its_guards() -> None:
    def row(reach: int | None, followers: int | None) -> tuple[Any, Any]:
        found = said(
            rated(Kind.QUESTION, 0.1, 0.1, 0.1, reach=reach, followers=followers),
            rated(Kind.NOW, *LOW),
        )
        assert found is not None
        (mine,) = (row for row in found["kinds"] if row["kind"] == "question")
        return mine["reach"], mine["share"]

    assert row(40, 100) == (40, 0.4)
    assert row(40, None) == row(40, 9) == (40, None)
    assert row(9, 100) == row(None, 100) == (None, None)


def test_a_rate_that_would_be_written_as_zero_is_not_shown() -> None:
    assert said(rated(Kind.QUESTION, *[0.0001] * 5), rated(Kind.NOW, *LOW)) is None


def test_one_tip_about_what_two_posts_have() -> None:
    def tip(*found: Traits) -> str | None:
        return kinds._tip(list(found))

    bare = Traits(("https://a.example",), bare=True, hashtags=0)
    other = Traits(("https://b.example",), bare=True, hashtags=0)
    loud = Traits((), bare=False, hashtags=3)
    again = Traits(("https://a.example",), bare=False, hashtags=0)
    assert tip(bare, PLAIN) is tip(loud, PLAIN) is tip() is None
    assert tip(bare, other) == "contribute"
    assert tip(bare, other, loud, loud, loud) == "syntax"
    assert tip(again, again, loud) == "old-news"


def test_where_nothing_differs_the_comparison_errs_in_at_most_one_of_sixteen() -> None:
    """A made-up author's posts in three kinds with one rate in common, shrunk and compared."""
    random, wrong, runs = np.random.default_rng(46), 0, 1000
    for _ in range(runs):
        reach = random.integers(20, 200, 24)
        rates = random.beta(0.08 * 60, 0.92 * 60, 24)
        acts = random.binomial(reach, rates)
        prior = beta_prior(list(zip(acts.tolist(), reach.tolist(), strict=True)))
        assert prior is not None
        shrunk = [prior.shrink(int(k), int(n)) for k, n in zip(acts, reach, strict=True)]
        parts = (Kind.QUESTION, shrunk[:12]), (Kind.NOW, shrunk[12:19]), (Kind.OPINION, shrunk[19:])
        wrong += kinds._better({kind: rated(kind, *part) for kind, part in parts}) is not None
    assert wrong <= 0.06 * runs


# --- from the database ---------------------------------------------------------------------------

TEXTS = ("Which way is up?", "Look: https://news.example/{n}")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Amy's sixteen posts of eight weeks: questions are answered more than links."""
    with open_office(tmp_path) as office:
        office.enrol("amy", "bob")
        random = Random(8)
        posts, views, acts = [], [], []
        for n in range(16):
            at = MONDAY + timedelta(days=3) - timedelta(days=3 * n)
            text = TEXTS[n % 2].format(n=n)
            posts.append({"id": f"a{n}", "author_id": "amy", "published_at": at, "text": text})
            reach = random.randrange(30, 50)
            views += [a_view(f"a{n}", at, f"v{v}") for v in range(reach)]
            some = random.randrange(12, 18) if n % 2 == 0 else random.randrange(1, 5)
            acts += [an_act(f"a{n}", at, f"v{v}") for v in range(some)]
        follows = [a_follow("amy", f"v{n}") for n in range(80)]
        with office.database.writing() as session:
            run = session.connection().execute
            run(table(Post).insert(), posts)
            for rows, model in ((views, View), (acts, Reaction), (follows, Follow)):
                run(table(model).insert(), rows)
        yield office


def batch(*users: str) -> Batch:
    return Batch(Period(2026, 46), UTC_ZONE, users or ("amy", "bob"))


def built(office: Office) -> dict[str, Any] | None:
    with office.database.reading() as session:
        loaded = kinds.load(session, batch())
        assert set(loaded) <= {"amy"}
        return kinds.build(loaded["amy"], batch())


def correct(office: Office, user: str = "amy", **wanted: Kind | None) -> None:
    with office.database.writing() as session:
        listed = sorting.latest(session, user, NOW - timedelta(weeks=8), NOW, 50)
        sorting.correct(session, listed, wanted, NOW)


def corrections(office: Office) -> list[Any]:
    with office.database.reading() as session:
        return list(session.execute(table(Correction).select()).all())


def test_the_kinds_of_eight_weeks_are_told(office: Office) -> None:
    found = built(office)
    assert found is not None
    rows = {row["kind"]: row for row in found["kinds"]}
    assert {kind: row["posts"] for kind, row in rows.items()} == {"question": 8, "information": 8}
    assert rows["question"]["per_hundred"] > 2 * rows["information"]["per_hundred"]
    assert rows["question"]["share"] == pytest.approx(rows["question"]["reach"] / 80, abs=0.02)
    assert found["better"] == {"kind": "question", "than": "information"}
    assert found["guessed"]


def test_rates_are_means_of_shrunk_rates_of_posts(office: Office) -> None:
    """Worked out a second time, from the rows."""
    reach = dict(
        office.sql("SELECT post_id, count(*) FROM views WHERE post_id LIKE 'a%' GROUP BY 1")
    )
    acts = dict(office.sql("SELECT post_id, count(*) FROM reactions GROUP BY 1"))
    pairs = {id_: (acts[id_], reach[id_]) for id_ in reach}
    prior = beta_prior(list(pairs.values()))
    assert prior is not None
    asked = [pairs[f"a{n}"] for n in range(0, 16, 2)]
    found = built(office)
    assert found is not None
    row = next(row for row in found["kinds"] if row["kind"] == "question")
    assert row["per_hundred"] == pytest.approx(100 * fmean(prior.shrink(k, n) for k, n in asked))
    assert row["reach"] == round(median(n for _, n in asked))


def test_posts_before_the_eight_weeks_do_not_count(office: Office) -> None:
    """Two weeks later the two oldest of the sixteen are of before."""
    later = Batch(Period(2026, 48), UTC_ZONE, ("amy",))
    with office.database.reading() as session:
        found = kinds.build(kinds.load(session, later)["amy"], later)
    assert found is not None
    assert {row["kind"]: row["posts"] for row in found["kinds"]} == {
        "question": 7, "information": 7,
    }  # fmt: skip


def test_the_authors_word_stands_before_the_platforms_and_that_before_the_guess(
    office: Office,
) -> None:
    office.sql("UPDATE posts SET kind = 'Opinion' WHERE id IN ('a0', 'a2', 'a4')")
    office.sql("UPDATE posts SET kind = 'video' WHERE id = 'a6'")
    correct(office, a0=Kind.NOW, a2=Kind.NOW, a1=Kind.NOW)
    with office.database.reading() as session:
        found = sorting.sort(session, ["amy"], [f"a{n}" for n in range(8)])
    assert [found[f"a{n}"].kind.value for n in (0, 1, 2, 3, 4, 6)] == [
        "now", "now", "now", "information", "opinion", "question",
    ]  # fmt: skip
    assert (found["a0"].told, found["a0"].guessed) == (Kind.OPINION, Kind.QUESTION)
    told = built(office)
    assert told is not None
    assert {row["kind"]: row["posts"] for row in told["kinds"]} == {
        "question": 5, "information": 7, "now": 3,
    }  # fmt: skip


def test_a_correction_keeps_what_was_guessed_and_can_be_taken_back(office: Office) -> None:
    correct(office, a0=Kind.NOW, a1=Kind.THOUGHT)
    correct(office, a0=Kind.OPINION, a1=None, a2=None)
    (row,) = corrections(office)
    assert tuple(row) == ("a0", "question", "opinion", NOW)


def test_nobody_corrects_the_posts_of_others(office: Office) -> None:
    correct(office, "bob", a0=Kind.NOW)
    assert corrections(office) == []


def test_members_addresses_do_not_make_the_site_their_own(office: Office) -> None:
    words = "text = 'See https://people.example/p/9', url = 'https://people.example/p/1'"
    office.sql(f"UPDATE posts SET {words} WHERE id = 'a0'")
    office.sql("UPDATE posts SET text = 'See https://people.example/p/9' WHERE id = 'a1'")
    with office.database.reading() as session:
        found = sorting.sort(session, ["amy"], ["a0", "a1"])
    assert [found[id_].guessed.value for id_ in ("a0", "a1")] == ["information", "self-promotion"]


def test_long_texts_are_not_read(office: Office) -> None:
    office.sql(f"UPDATE posts SET text = '{'word ' * 900}really?' WHERE id = 'a0'")
    with office.database.reading() as session:
        found = sorting.sort(session, ["amy"], ["a0"])["a0"]
    assert len(found.text) == 400
    assert found.guessed is Kind.THOUGHT


def test_followers_are_counted_at_each_instant(office: Office) -> None:
    instants = [MONDAY + timedelta(weeks=n - 8) for n in range(INSTANTS)]
    with office.database.writing() as session:
        rows = [
            a_follow("bob", "x", since=instants[2], until=instants[5]),
            a_follow("bob", "y", since=instants[4]),
            a_follow("bob", "bob"),
        ]
        session.connection().execute(table(Follow).insert(), rows)
    with office.database.reading() as session:
        found = followers_at(session, ["bob", "nobody"], instants)
    assert found == {"bob": [0, 0, 1, 1, 2, 1, 1, 1, 1]}


def test_where_only_totals_are_known_rates_are_per_view(office: Office) -> None:
    office.sql("DELETE FROM reactions")
    office.sql("DELETE FROM views")
    rows = []
    for n in range(16):
        at = MONDAY + timedelta(days=3) - timedelta(days=3 * n)
        for hours, gain in ((1, 0), (40, 100 + 7 * n)):
            likes = gain // (5 if n % 2 == 0 else 20)
            instant = f"{at + timedelta(hours=hours):%Y-%m-%d %H:%M:%S}.000000"
            rows.append(f"('a{n}', '{instant}', {gain}, {likes}, {gain}, {likes})")
    columns = "post_id, at, views, likes, views_gain, likes_gain"
    office.sql(f"INSERT INTO counters ({columns}) VALUES {', '.join(rows)}")
    found = built(office)
    assert found is not None
    assert found["unit"] == "views"
    assert found["better"] == {"kind": "question", "than": "information"}
    assert all(row["reach"] is None for row in found["kinds"])
    text, html = mail_to(office, "amy")
    assert "reactions per 100 views" in text
    assert "reactions per 100 views" in html


def test_it_is_in_the_mail_with_a_link_to_change_it(office: Office) -> None:
    text, html = mail_to(office, "amy")
    for mail in (text, html):
        assert "what people responded to" in mail.lower()
        assert "“Questions” were responded to more than “Links and news”" in mail
        assert "of your number of followers" in mail
        assert "/kinds" in mail
        assert "because" not in mail.partition("Questions")[2].partition("Not right?")[0]
    correct(office, **{f"a{n}": (Kind.QUESTION, Kind.INFORMATION)[n % 2] for n in range(16)})
    assert "Not right?" not in mail_to(office, "amy")[0]


def test_one_query_per_fact_whatever_the_number_of_authors(office: Office) -> None:
    assert statements(office, "amy") == statements(office, "amy", "bob")


def statements(office: Office, *users: str) -> int:
    with overheard(office.database) as asked, office.database.reading() as session:
        kinds.load(session, batch(*users))
    return len(asked)


# --- what is kept of it --------------------------------------------------------------------------


def test_corrections_are_handed_over_and_erased(office: Office) -> None:
    correct(office, a0=Kind.NOW)
    with office.database.reading() as session:
        assert personal.export(session, "amy")["kinds"][0]["chosen"] == "now"
        assert personal.export(session, "bob")["kinds"] == []
    with office.database.writing() as session:
        personal.erase(session, "amy", NOW)
    assert corrections(office) == []


def test_corrections_go_with_the_facts_that_they_are_about(office: Office) -> None:
    correct(office, a0=Kind.NOW)
    office.resettle(keep_views_weeks=30)
    for weeks, left in ((29, 1), (32, 0)):
        pruning.prune(
            office.database, office.settings, NOW + timedelta(weeks=weeks), rest=lambda _: None
        )
        assert len(corrections(office)) == left


# --- as the subject ------------------------------------------------------------------------------


def test_a_sure_difference_is_a_subject_weaker_than_a_clearly_better_week() -> None:
    found = said(rated(Kind.INFORMATION, *LOW), rated(Kind.QUESTION, *HIGH))
    assert found is not None
    assert 0.3 < kinds.news(found) < 0.6
    assert kinds.news(found | {"better": None}) == 0
    week = mails.snapshot({"kinds": found}, lead="kinds")
    subject = Renderer(mails.BRAND).render(week, mails.LINKS).subject
    assert subject == "“Questions” were responded to more than “Links and news”"


def test_what_a_mail_told_of_the_same_weeks_is_no_subject_again(office: Office) -> None:
    news = {}
    for period in ("2026-W40", "2026-W41"):
        told = {("amy", period): "kinds next"}
        of = Batch(Period(2026, 48), UTC_ZONE, ("amy",), told=told)
        with office.database.reading() as session:
            found = kinds.build(kinds.load(session, of)["amy"], of)
        assert found is not None
        news[period] = kinds.news(found)
    assert news == {"2026-W40": 0.4, "2026-W41": 0.0}


def test_every_kind_has_a_name() -> None:
    names = Languages(catalogue_folders(), "en").wording("en")
    assert len({names.kind(kind.value) for kind in Kind}) == len(Kind)
