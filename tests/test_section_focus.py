"""Broad or focused (F12), and who reacted over sixteen weeks, against counting one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import exp, log
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from tempfile import mkdtemp
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_
from hypothesis import strategies as st
from sqlalchemy import insert

from digest import window
from digest.database import Database
from digest.facts import Batch
from digest.facts.attention import giving, viewing
from digest.facts.history import latest_weeks
from digest.facts.reactors import Reactor, Reactors, all_reactors
from digest.models import Post, Reaction, User, View, table
from digest.render import Renderer
from digest.sections import advocates, focus
from digest.sections.focus import Facts
from digest.stats.diversity import Spread, deviation, effective_people, simpson
from digest.window import Period
from tests.conversions import read
from tests.databases import examples, new_database, overheard
from tests.mails import BRAND, LINKS, snapshot

WEEK, TZ = Period(2026, 46), ZoneInfo("Europe/London")
"""Clocks change in the fifth of its eight weeks, and in none of the eight before."""
BATCH = Batch(WEEK, TZ, ("alice", "bob"))
MONDAYS = [window.week(WEEK.shift(n), TZ).start for n in range(-15, 2)]
START = MONDAYS[15]
BALANCE = [20, 10, 5, 3, 2] + [1] * 10

Act = tuple[str, str, datetime]
"""A reaction: post, actor, instant."""


def fill(database: Database, acts: Iterable[Act], people: Sequence[str] = ()) -> None:
    acts = list(acts)
    accounts = {"alice", "bob", *people}
    with database.writing() as session:
        connection = session.connection()
        rows = [{"id": u, "name": u.title(), "email": f"{u}@p.example"} for u in accounts]
        connection.execute(insert(table(User)), rows)
        owned = [{"id": post, "author_id": owner} for post, owner in OWNER.items()]
        connection.execute(insert(table(Post)), owned)
        rows_ = [
            {"post_id": post, "actor_id": actor, "at": at, "type": "like", "count": 1}
            for post, actor, at in acts
        ]
        if rows_:
            connection.execute(insert(table(Reaction)), rows_)


OWNER = {"p": "alice", "q": "alice", "r": "bob"}


def found(database: Database, brands: Iterable[str] = ("alice", "bob")) -> dict[str, Reactors]:
    """Of brands, all who reacted is asked for, however few."""
    with database.reading() as session:
        return all_reactors(session, Batch(WEEK, TZ, ("alice", "bob"), brands=frozenset(brands)))


def view(post: str, viewer: str, at: datetime) -> dict[str, Any]:
    return {"post_id": post, "viewer_id": viewer, "at": at, "via": "", "count": 1}


def spread(*counts: int, unnamed: int = 0) -> Spread:
    """Of people who acted so often each."""
    triples = sum(n * (n - 1) * (n - 2) for n in counts)
    return Spread(sum(counts), len(counts), pairs(counts), triples, unnamed)


def pairs(counts: Iterable[int]) -> int:
    return sum(n * (n - 1) for n in counts)


def told(facts: Reactors | Facts) -> dict[str, Any] | None:
    """What the mail says, of reactions alone or of all that is known."""
    return focus.build(facts if isinstance(facts, Facts) else Facts(facts), BATCH)


def reactors(
    counts: Sequence[int], before: Sequence[int] = (), names: bool = True, unnamed: int = 0
) -> Reactors:
    """Person 0 reacted ``counts[0]`` times and so on; ``before`` is of the same people."""
    size = max(len(counts), len(before))
    now = [*counts, *[0] * (size - len(counts))]
    then = [*before, *[0] * (size - len(before))]
    people = [
        Reactor(f"u{n}", f"Person {n}" if names else None, now[n], then[n], 1, 1)
        for n in range(size)
    ]
    most = sorted((p for p in people if p.reactions), key=lambda p: -p.reactions)
    earlier = sorted((p for p in people if p.before), key=lambda p: -p.before)
    total = sum(counts)
    one = spread(*(n for n in counts if n), unnamed=unnamed)
    return Reactors(
        total,
        pairs(counts),
        one.people,
        unnamed,
        most[:11],
        earlier[:11],
        triples=one.triples,
    )


# --- the measure ---------------------------------------------------------------------------------


def test_the_measure_gives_the_golden_values_and_not_those_of_its_neighbours() -> None:
    total = sum(BALANCE)
    shares = [n / total for n in BALANCE]
    assert simpson(total, pairs(BALANCE)) == pytest.approx(0.203265, abs=5e-7)
    effective = effective_people(total, pairs(BALANCE))
    assert effective == pytest.approx(4.9197, abs=5e-5)
    entropy, biased = exp(-sum(p * log(p) for p in shares)), 1 / sum(p * p for p in shares)
    assert (round(entropy, 4), round(biased, 4)) == (7.3789, 4.5620)


@given_(st.lists(st.integers(1, 9), min_size=1, max_size=12).filter(lambda n: sum(n) > 1))
def test_the_chance_is_that_of_drawing_two_acts(counts: list[int]) -> None:
    acts = [person for person, n in enumerate(counts) for _ in range(n)]
    drawn = [(a, b) for i, a in enumerate(acts) for j, b in enumerate(acts) if i != j]
    same = sum(a == b for a, b in drawn) / len(drawn)
    assert simpson(len(acts), pairs(counts)) == pytest.approx(same)


def test_the_measure_does_not_depend_on_how_many_acts_are_known() -> None:
    """Of 200 equal people the first five make ever less of all acts; effective people stay 200."""
    random, shares, means = Random(5), [], []
    for known in (30, 300, 3000):
        chances, first = [], []
        for _ in range(100):
            counts = Counter(random.choices(range(200), k=known))
            chances.append(simpson(known, pairs(counts.values())))
            first.append(sum(n for _, n in counts.most_common(5)) / known)
        means.append(len(chances) / sum(chances))
        shares.append(sum(first) / len(first))
    assert all(180 < mean < 222 for mean in means)
    assert shares[0] > 2 * shares[1] > 2 * shares[2]


def test_the_deviation_is_that_of_repeated_draws() -> None:
    """Of few and of many acts, by people who are alike and by people who are not."""
    random = Random(7)
    for weights, known in ((BALANCE, 40), (BALANCE, 400), ([1] * 25, 60)):
        chances, deviations = [], []
        for _ in range(400):
            one = spread(*Counter(random.choices(range(len(weights)), weights, k=known)).values())
            chances.append(simpson(one.acts, one.pairs))
            deviations.append(deviation(one))
        assert fmean(deviations) == pytest.approx(stdev(chances), rel=0.15)
    # By hand: Σ n(n-1)(n-2) = 6840 + 720 + 60 + 6, so Σp³ ~ 7626 / 117600, and λ = 498 / 2450
    square = (4 * 48 * 7626 / 117600 + 2 * 498 / 2450 - 2 * 97 * (498 / 2450) ** 2) / 2450
    assert deviation(spread(*BALANCE)) == pytest.approx(square**0.5)
    assert deviation(spread(*BALANCE)) == pytest.approx(0.04445, abs=5e-6)
    assert deviation(spread(*[1] * 30)) == 0.0


# --- what is said --------------------------------------------------------------------------------


def test_the_words_follow_the_number_of_effective_people() -> None:
    for people, word in ((5, "focused"), (6, "mixed"), (17, "mixed"), (60, "broad")):
        said = told(reactors([8] * people))
        assert said is not None
        assert said["word"] == word
    said = told(reactors(BALANCE))
    assert said is not None
    assert (said["word"], said["effective"], said["people"]) == ("focused", 5, 15)


@pytest.mark.parametrize(
    "facts",
    [
        reactors([1] * 29),
        reactors([10, 10, 10, 10]),
        reactors([1] * 36, unnamed=5),
        Reactors(),
    ],
    ids=["29 reactions", "4 people", "too many of nobody", "nothing"],
)
def test_below_its_guards_it_is_silent(facts: Reactors) -> None:
    assert told(facts) is None


def test_at_its_guards_it_speaks() -> None:
    assert told(reactors([6] * 5)) is not None
    assert told(reactors([1] * 36, unnamed=4)) is not None


def test_no_more_effective_people_are_told_than_reacted() -> None:
    """Where nobody came twice, or few did, the audience is larger than what was seen of it."""
    for counts in ([1] * 40, [2, 2] + [1] * 36):
        said = told(reactors(counts))
        assert said is not None
        assert (said["word"], said["effective"], said["people"]) == ("broad", None, len(counts))


def test_only_people_with_an_account_who_came_more_than_once_are_named() -> None:
    facts = reactors(BALANCE)
    facts.most[0] = Reactor("guest", None, 20, 0, 1, 1)
    said = told(facts)
    assert said is not None
    assert said["names"] == ["Person 1", "Person 2", "Person 3"]
    said = told(reactors([1] * 30))
    assert said is not None
    assert said["names"] == []


def test_those_who_led_before_are_told_only_if_ten_led_in_both_spans() -> None:
    ten = [9] * 10
    for before, kept in (
        ([*[4] * 10, *[1] * 5], 10),
        ([*[0] * 10, *[4] * 10], 0),
        ([*[0] * 3, *[4] * 10], 7),
        ([4] * 9, None),  # there were only nine
        ([*[4] * 8, 1, 1, 1, 1], None),  # nobody can say which of four is the tenth
        ([], None),
    ):
        said = told(reactors([*ten, 1], before))
        assert said is not None
        assert said["kept"] == kept
    said = told(reactors([9] * 11, [4] * 10))
    assert said is not None
    assert said["kept"] is None


def test_it_is_worth_more_where_others_lead_than_before() -> None:
    def worth(kept: int | None) -> float:
        return focus.worth({"kept": kept})

    assert 0 <= worth(None) == worth(10) < worth(5) < worth(0) <= 1


# --- views, and what the author gives ------------------------------------------------------------


def viewed(seen: Spread | None, reacted: Sequence[int] = BALANCE) -> dict[str, Any] | None:
    said = told(Facts(reactors(reacted), seen))
    assert said is not None
    return said["viewed"]  # type: ignore[no-any-return]


def given(spread: Spread | None) -> dict[str, Any] | None:
    said = told(Facts(reactors(BALANCE), given=spread))
    assert said is not None
    return said["given"]  # type: ignore[no-any-return]


def test_views_are_told_where_they_are_spread_otherwise_than_reactions() -> None:
    assert viewed(spread(*[4, 12] * 20)) == {"wider": True, "effective": 35}
    assert viewed(spread(*[1] * 40)) == {"wider": True, "effective": None}
    narrow = spread(*[400] * 2, *[3] * 20)
    assert viewed(narrow, [2] * 40) == {"wider": False, "effective": 2}


@pytest.mark.parametrize(
    "seen",
    [
        None,
        spread(*BALANCE),  # as reactions are
        spread(*(9 * n for n in BALANCE)),
        spread(9, 4, 3, 3, 2, 2, *[1] * 7),  # half as focused, which may be chance
        spread(*[1] * 29),
        spread(*[40] * 9),  # so few that the author may know them
        spread(*[8] * 40, unnamed=36),
    ],
    ids=["nothing", "alike", "many alike", "by chance", "29 views", "9 people", "unnamed"],
)
def test_of_views_nothing_is_said_without_a_difference_or_enough_of_them(
    seen: Spread | None,
) -> None:
    assert viewed(seen) is None


def test_a_sure_but_small_difference_is_not_told() -> None:
    assert viewed(spread(*[500] * 26), [500] * 20) is None
    assert viewed(spread(*[500] * 31), [500] * 20) == {"wider": True, "effective": None}


@settings(max_examples=examples(20))
@given_(st.integers(0, 10**6))
def test_where_both_are_alike_a_difference_is_seldom_told(seed: int) -> None:
    random, wrong = Random(seed), 0
    weights = [random.random() ** 3 + 0.01 for _ in range(40)]
    for _ in range(60):
        seen, acts = (
            Counter(random.choices(range(40), weights, k=known)).values() for known in (400, 40)
        )
        wrong += viewed(spread(*seen), list(acts)) is not None
    assert wrong <= 12


def test_what_the_author_gives_is_told_where_it_goes_to_few_or_to_many() -> None:
    assert given(spread(*BALANCE)) == {"word": "focused", "effective": 5, "reactions": 50}
    assert given(spread(*[4, 12] * 15)) == {"word": "broad", "effective": 27, "reactions": 240}
    assert given(spread(*[1] * 30)) == {"word": "broad", "effective": None, "reactions": 30}
    assert given(spread(*[8] * 10)) is None
    assert given(spread(*[1] * 29)) is None
    assert given(spread(20, 20, 20, 20)) is None
    assert given(None) is None


_VISITS = st.lists(
    st.tuples(
        st.sampled_from("pqr"),
        st.sampled_from(("alice", "bob", "carol", "")),
        st.integers(-10 * 7 * 12, 7 * 12 + 10).map(lambda n: START + timedelta(hours=2 * n)),
    ),
    max_size=40,
    unique=True,
)


@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_(acts=_VISITS)
def test_views_are_counted_as_counting_one_by_one_does(acts: list[Act], tmp_path: Path) -> None:
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    fill(database, [])
    with database.writing() as session:
        for act in acts:
            session.connection().execute(insert(table(View)), view(*act))
    with database.reading() as session:
        counted = viewing(session, BATCH, ["alice", "bob"])
    database.close()
    for author in ("alice", "bob"):
        lately = [a for a in acts if MONDAYS[8] <= a[2] < MONDAYS[16]]
        by = Counter(a[1] for a in lately if OWNER[a[0]] == author != a[1])
        unnamed = by.pop("", 0)
        expected = spread(*by.values(), unnamed=unnamed) if by or unnamed else None
        assert counted.get(author) == expected


def test_what_was_given_goes_by_whose_posts_they_are(database: Database) -> None:
    """Own posts, nobody's acts, other weeks and who gives little to few are not counted."""
    acts = [("p", "alice", START + timedelta(minutes=n)) for n in range(9)]
    for n, (post, times) in enumerate({"r": 20, "s": 6, "t": 4, "u": 1, "v": 1}.items()):
        first = START - timedelta(weeks=n)
        acts += [(post, "alice", first + timedelta(minutes=m)) for m in range(times)]
        acts += [(post, "bob", first + timedelta(minutes=m)) for m in range(min(times, 5))]
        acts += [(post, "", first + timedelta(minutes=m)) for m in range(times)]
        acts += [(post, "alice", START - timedelta(weeks=8, minutes=m)) for m in range(20)]
    with database.writing() as session:
        people = [{"id": u, "name": u, "email": f"{u}@p.example"} for u in "stuv"]
        session.connection().execute(insert(table(User)), people)
        owned = [{"id": u, "author_id": u} for u in "stuv"]
        session.connection().execute(insert(table(Post)), owned)
    fill(database, acts)
    with database.reading() as session:
        assert giving(session, BATCH) == {"alice": spread(20, 6, 4, 1, 1)}


def test_real_people_look_more_widely_than_they_react(
    database: Database, shared_data: Path
) -> None:
    """Deskdrop's eight weeks up to 2016-W20, straight from the file; and with people in both roles.

    The items have no authors, so those whose number ends alike are given to one.
    """
    period, utc = Period(2016, 20), ZoneInfo("UTC")
    first = window.week(period.shift(-7), utc).start
    end = window.week(period, utc).end
    seen: set[Act] = set()
    acts: set[Act] = set()
    for row in read(shared_data / "deskdrop_events_2016" / "users_interactions.csv.gz"):
        event = (
            row["contentId"],
            row["personId"],
            datetime.fromtimestamp(int(row["timestamp"]), utc),
        )
        if first <= event[2] < end and row["eventType"] in {"VIEW", "LIKE"}:
            (seen if row["eventType"] == "VIEW" else acts).add(event)
    owners = [f"desk{n}" for n in range(10)]
    with database.writing() as session:
        connection = session.connection()
        rows = [{"id": u, "name": u, "email": f"{u}@p.example"} for u in owners]
        connection.execute(insert(table(User)), rows)
        items = {item for item, _, _ in seen | acts}
        posts = [{"id": item, "author_id": f"desk{item[-1]}"} for item in items]
        connection.execute(insert(table(Post)), posts)
        connection.execute(insert(table(View)), [view(*event) for event in seen])
        likes = [
            {"post_id": item, "actor_id": who, "at": at, "type": "like", "count": 1}
            for item, who, at in acts
        ]
        connection.execute(insert(table(Reaction)), likes)
    batch = Batch(period, utc, tuple(owners))
    with database.reading() as session:
        loaded = focus.load(session, batch)
        gave = giving(session, batch)
    wider = 0
    for desk in owners:
        of = Counter(who for item, who, _ in acts if f"desk{item[-1]}" == desk)
        by = Counter(who for item, who, _ in seen if f"desk{item[-1]}" == desk)
        assert loaded[desk].reactors.spread == spread(*of.values())
        assert loaded[desk].viewed == spread(*by.values())
        said = focus.build(loaded[desk], batch)
        assert said is not None
        wider += bool(said["viewed"] and said["viewed"]["wider"])
    assert wider >= 1
    ends = end - timedelta(hours=14)  # when the week is over where it is over first
    fans = {who for _, who, _ in acts}
    for who in fans:
        to = Counter(item[-1] for item, actor, at in acts if actor == who and at < ends)
        enough = sum(to.values()) >= 30 and len(to) >= 5
        assert gave.get(who) == (spread(*to.values()) if enough else None)
    assert len(gave) >= 3


# --- who reacted ---------------------------------------------------------------------------------

ACTORS = ("alice", "bob", "carol", "dave", "guest", "")
_acts = st.lists(
    st.tuples(
        st.sampled_from("pqr"),
        st.sampled_from(ACTORS),
        st.integers(-16 * 7 * 12 - 40, 7 * 12 + 10).map(lambda n: START + timedelta(hours=2 * n)),
    ),
    max_size=60,
    unique=True,
)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_(acts=_acts)
def test_the_query_counts_what_counting_one_by_one_counts(acts: list[Act], tmp_path: Path) -> None:
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    fill(database, acts, ("carol", "dave"))
    asked = found(database)
    for author in ("alice", "bob"):
        mine = [a for a in acts if OWNER[a[0]] == author != a[1]]
        lately = [a for a in mine if MONDAYS[8] <= a[2] < MONDAYS[16]]
        earlier = Counter(actor for _, actor, at in mine if MONDAYS[0] <= at < MONDAYS[8])
        counts = Counter(actor for _, actor, _ in lately)
        if not any(START <= a[2] < MONDAYS[16] for a in mine):
            assert author not in asked  # a quiet week says nothing of its audience
            continue
        one = asked[author]
        named = {actor: n for actor, n in counts.items() if actor}
        assert one.unnamed == counts[""]
        if named:
            assert (one.reactions, one.people) == (sum(named.values()), len(named))
            assert one.pairs == pairs(named.values())
        assert {p.id: p.reactions for p in one.most} == named
        assert {p.id: p.before for p in one.most_before} == {a: n for a, n in earlier.items() if a}
        for person in one.faithful:
            theirs = [a for a in lately if a[1] == person.id]
            weeks = {n for n in range(8, 16) for a in theirs if MONDAYS[n] <= a[2] < MONDAYS[n + 1]}
            assert (person.weeks, person.posts) == (len(weeks), len({a[0] for a in theirs}))
            assert person.name == (None if person.id == "guest" else person.id.title())
        order = [(-p.weeks, -p.posts) for p in one.faithful]
        assert order == sorted(order)
        assert [p.reactions for p in one.most] == sorted(named.values(), reverse=True)
    database.close()


def busy(post: str, number: int, prefix: str = "fan") -> list[Act]:
    """So many reactions in this week, ten people in turn."""
    return [(post, f"{prefix}{n % 10}", START + timedelta(minutes=n)) for n in range(number)]


def test_only_those_with_enough_reactions_are_asked_for(database: Database) -> None:
    fill(database, [*busy("p", 30), *busy("r", 29)])
    assert set(found(database, ())) == {"alice"}
    assert set(found(database, {"bob"})) == {"alice", "bob"}


def test_sections_share_one_query_and_an_idle_batch_asks_none(database: Database) -> None:
    fill(database, busy("p", 30))
    site: dict[Any, Any] = {}

    def queries(brands: frozenset[str], *users: str) -> int:
        batch = Batch(WEEK, TZ, users, brands=brands, site=site)
        with overheard(database) as asked, database.reading() as session:
            batch.fact(session, latest_weeks)
            asked.clear()
            focus.load(session, batch)
            advocates.load(session, batch)
        return len(asked)

    assert queries(frozenset(), "alice", "bob") == 2  # who reacted, and once what all gave
    assert queries(frozenset(), "bob") == 0
    assert queries(frozenset({"alice"}), "alice", "bob") == 2  # and what reposts brought
    site.clear()
    with database.writing() as session:
        seen = [view("p", f"v{n}", START + timedelta(minutes=n)) for n in range(30)]
        session.connection().execute(insert(table(View)), seen)
    assert queries(frozenset(), "alice", "bob") == 3
    assert queries(frozenset({"bob"}), "bob") == 1  # too few reactions for more


# --- the words -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(BRAND)


def mail(renderer: Renderer, facts: Reactors | Facts, **changes: bool) -> str:
    data = told(facts)
    assert data is not None
    rendered = renderer.render(snapshot({"focus": data}, **changes), LINKS)
    for part in ("Your audience is", "A close circle and a wide one are both"):
        assert part in rendered.html
    return " ".join(rendered.text.split())


def test_the_mail_says_what_it_is_and_that_both_are_fine(renderer: Renderer) -> None:
    text = mail(renderer, reactors([*[9] * 10, *BALANCE], [*[0] * 10, *[3] * 10, *[1] * 5]))
    assert "YOUR AUDIENCE IS MIXED" in text
    assert "A close circle and a wide one are both fine." in text
    text = mail(renderer, reactors(BALANCE))
    assert "The 50 reactions of the last eight weeks are as varied as if about 5 people" in text
    assert "Among the people who showed up most: Person 0, Person 1 and Person 2." in text
    text = mail(renderer, reactors([1] * 40))
    assert "The 40 reactions of the last eight weeks are spread evenly over 40 people." in text


def test_who_led_before_is_said_without_a_zero(renderer: Renderer) -> None:
    ten = [9] * 10
    none = mail(renderer, reactors(ten, [*[0] * 10, *[4] * 10]))
    assert "The ten who reacted most are others than in the eight weeks before." in none
    assert " 0 " not in none
    all_ = mail(renderer, reactors(ten, [4] * 10))
    assert "The ten who reacted most are the same as in the eight weeks before." in all_
    some = mail(renderer, reactors(ten, [*[0] * 3, *[4] * 10]))
    assert "7 of the ten who reacted most were among them in the eight weeks before, too." in some


def test_views_and_gifts_are_told_in_a_short_sentence_each(renderer: Renderer) -> None:
    for facts, words in (
        (
            Facts(reactors(BALANCE), spread(*[4, 12] * 20), spread(*BALANCE)),
            (
                "Views are spread more widely: as if about 35 people had looked equally often. "
                "You give your own attention to few: your 50 reactions are as varied as if they "
                "had gone to about 5 people."
            ),
        ),
        (
            Facts(reactors([2] * 40), spread(*[400] * 9, *[3] * 20), spread(*[4, 12] * 15)),
            (
                "Views come from a closer circle: as if about 9 people had looked equally often. "
                "You give your own attention to many: your 240 reactions are as varied as if they "
                "had gone to about 27 people."
            ),
        ),
        (
            Facts(reactors(BALANCE), spread(*[1] * 40), spread(*[1] * 30)),
            (
                "Views are spread more widely than reactions. "
                "You give your own reactions to many different people."
            ),
        ),
    ):
        assert words in mail(renderer, facts)
    old = told(reactors(BALANCE)) or {}
    del old["viewed"], old["given"]  # as mails have it that were made before
    assert "showed up most" in renderer.render(snapshot({"focus": old}), LINKS).html


def test_without_numbers_it_has_words_and_names_only(renderer: Renderer) -> None:
    few = Facts(reactors([2] * 40, names=False), spread(*[400] * 9, *[3] * 20), spread(*BALANCE))
    text = mail(renderer, few, numbers=False)
    assert "Views come from a closer circle than reactions." in text
    assert "You give your own reactions to a few people mostly." in text
    section = text.partition("YOUR AUDIENCE")[2].partition("--")[0]
    assert not any(character.isdigit() for character in section), section
    for counts in (BALANCE, [9] * 12, [1] * 40):
        text = mail(renderer, reactors(counts, [4] * 10, names=False), numbers=False)
        section = text.partition("YOUR AUDIENCE")[2].partition("--")[0]
        assert not any(character.isdigit() for character in section), section
