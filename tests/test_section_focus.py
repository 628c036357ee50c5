"""Broad or focused (F12), and who reacted over sixteen weeks, against counting one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import exp, log
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert

from digest import window
from digest.database import Database
from digest.facts import Batch
from digest.facts.history import latest_weeks
from digest.facts.reactors import Reactor, Reactors, all_reactors
from digest.models import Post, Reaction, User, table
from digest.render import Renderer
from digest.sections import advocates, focus
from digest.stats.diversity import effective_people, simpson
from digest.window import Period
from tests.databases import examples, new_database
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
        told = [
            {"post_id": post, "actor_id": actor, "at": at, "type": "like", "count": 1}
            for post, actor, at in acts
        ]
        if told:
            connection.execute(insert(table(Reaction)), told)


OWNER = {"p": "alice", "q": "alice", "r": "bob"}


def found(database: Database, brands: Iterable[str] = ("alice", "bob")) -> dict[str, Reactors]:
    """Of brands, all who reacted is asked for, however few."""
    with database.reading() as session:
        return all_reactors(session, Batch(WEEK, TZ, ("alice", "bob"), brands=frozenset(brands)))


def pairs(counts: Iterable[int]) -> int:
    return sum(n * (n - 1) for n in counts)


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
    return Reactors(
        total, pairs(counts), len([n for n in counts if n]), unnamed, most[:11], earlier[:11]
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


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12).filter(lambda n: sum(n) > 1))
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


# --- what is said --------------------------------------------------------------------------------


def test_the_words_follow_the_number_of_effective_people() -> None:
    for people, word in ((5, "focused"), (6, "mixed"), (17, "mixed"), (60, "broad")):
        said = focus.build(reactors([8] * people), BATCH)
        assert said is not None
        assert said["word"] == word
    said = focus.build(reactors(BALANCE), BATCH)
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
    assert focus.build(facts, BATCH) is None


def test_at_its_guards_it_speaks() -> None:
    assert focus.build(reactors([6] * 5), BATCH) is not None
    assert focus.build(reactors([1] * 36, unnamed=4), BATCH) is not None


def test_no_more_effective_people_are_told_than_reacted() -> None:
    """Where nobody came twice, or few did, the audience is larger than what was seen of it."""
    for counts in ([1] * 40, [2, 2] + [1] * 36):
        said = focus.build(reactors(counts), BATCH)
        assert said is not None
        assert (said["word"], said["effective"], said["people"]) == ("broad", None, len(counts))


def test_only_people_with_an_account_who_came_more_than_once_are_named() -> None:
    facts = reactors(BALANCE)
    facts.most[0] = Reactor("guest", None, 20, 0, 1, 1)
    said = focus.build(facts, BATCH)
    assert said is not None
    assert said["names"] == ["Person 1", "Person 2", "Person 3"]
    said = focus.build(reactors([1] * 30), BATCH)
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
        said = focus.build(reactors([*ten, 1], before), BATCH)
        assert said is not None
        assert said["kept"] == kept
    said = focus.build(reactors([9] * 11, [4] * 10), BATCH)
    assert said is not None
    assert said["kept"] is None


def test_it_is_worth_more_where_others_lead_than_before() -> None:
    def worth(kept: int | None) -> float:
        return focus.worth({"kept": kept})

    assert 0 <= worth(None) == worth(10) < worth(5) < worth(0) <= 1


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
@given(acts=_acts)
def test_the_query_counts_what_counting_one_by_one_counts(acts: list[Act], tmp_path: Path) -> None:
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    fill(database, acts, ("carol", "dave"))
    told = found(database)
    for author in ("alice", "bob"):
        mine = [a for a in acts if OWNER[a[0]] == author != a[1]]
        lately = [a for a in mine if MONDAYS[8] <= a[2] < MONDAYS[16]]
        earlier = Counter(actor for _, actor, at in mine if MONDAYS[0] <= at < MONDAYS[8])
        counts = Counter(actor for _, actor, _ in lately)
        if not any(START <= a[2] < MONDAYS[16] for a in mine):
            assert author not in told  # a quiet week says nothing of its audience
            continue
        one = told[author]
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
    asked: list[str] = []

    def on_query(*details: object) -> None:
        asked.append(str(details[2]))

    def queries(brands: frozenset[str], *users: str) -> int:
        batch = Batch(WEEK, TZ, users, brands=brands)
        with database.reading() as session:
            batch.fact(session, latest_weeks)
            asked.clear()
            focus.load(session, batch)
            advocates.load(session, batch)
        return len(asked)

    event.listen(database.engine, "before_cursor_execute", on_query)
    assert queries(frozenset(), "alice", "bob") == 1
    assert queries(frozenset(), "bob") == 0
    assert queries(frozenset({"alice"}), "alice", "bob") == 2  # and what reposts brought
    event.remove(database.engine, "before_cursor_execute", on_query)


# --- the words -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(BRAND)


def mail(renderer: Renderer, facts: Reactors, **changes: bool) -> str:
    data = focus.build(facts, BATCH)
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


def test_without_numbers_it_has_words_and_names_only(renderer: Renderer) -> None:
    for counts in (BALANCE, [9] * 12, [1] * 40):
        text = mail(renderer, reactors(counts, [4] * 10, names=False), numbers=False)
        section = text.partition("YOUR AUDIENCE")[2].partition("--")[0]
        assert not any(character.isdigit() for character in section), section
