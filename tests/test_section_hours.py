"""When the audience is around (F9): the circle of a week, against counting one by one."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from math import exp
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from digest import window
from digest.catalogues import SOURCE, Catalogue
from digest.database import Database
from digest.facts import Batch
from digest.facts.history import latest_weeks
from digest.facts.presence import Presence, offsets, presences
from digest.models import Post, Reaction, User, View, table
from digest.render import Renderer
from digest.sections import hours
from digest.stats.circular import DAY, WEEK, chance, met, peaks, shrunk, smoothed
from digest.window import Period, Window
from digest.wording import Wording
from tests.databases import examples, new_database, overheard
from tests.mails import BRAND, LINKS, snapshot

AUTUMN = Period(2026, 46)
"""Of its eight weeks clocks go back in the fifth in London, and forward in the second elsewhere."""
ZONES = ("Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "UTC")
HOUR = timedelta(hours=1)
Visit = tuple[str, str, datetime]
"""A view or reaction: post, person, instant."""


def eight_weeks(period: Period, tz: ZoneInfo) -> Window:
    return Window(window.week(period.shift(-7), tz).start, window.week(period, tz).end)


def fill(
    database: Database,
    views: Iterable[Visit] = (),
    reactions: Iterable[Visit] = (),
    posts: Iterable[tuple[str, str, datetime | None]] = (("p", "alice", None),),
) -> None:
    posts = list(posts)
    with database.writing() as session:
        connection = session.connection()
        rows = [
            {"id": u, "name": u, "email": f"{u}@p.example"}
            for u in {author for _, author, _ in posts}
        ]
        connection.execute(insert(table(User)), rows)
        written = [{"id": p, "author_id": a, "published_at": at} for p, a, at in posts]
        connection.execute(insert(table(Post)), written)
        seen = [{"post_id": p, "viewer_id": v, "at": at} for p, v, at in {*views}]
        acts = [
            {"post_id": p, "actor_id": v, "at": at, "type": "like"} for p, v, at in {*reactions}
        ]
        for model, told in ((View, seen), (Reaction, acts)):
            if told:
                connection.execute(insert(table(model)), told)


def found(database: Database, tz: ZoneInfo, *users: str) -> dict[str, Presence]:
    with database.reading() as session:
        return presences(session, Batch(AUTUMN, tz, users or ("alice",)))


def by_hand(visits: Collection[Visit], tz: ZoneInfo, author: str = "alice") -> Counter[int]:
    """People by hour of the week, each once per hour of each week's clock."""
    whole = eight_weeks(AUTUMN, tz)
    apart = set()
    for _, person, at in visits:
        if at in whole and person not in {"", author}:
            local = at.astimezone(tz)
            apart.add((local.date(), local.hour, person))
    return Counter(day.weekday() * DAY + hour for day, hour, _ in apart)


def crowd(tz: ZoneInfo, size: int = 220, people: int = 40) -> list[Visit]:
    """People in turn, three hours apart, up to the end of the week."""
    end = eight_weeks(AUTUMN, tz).end
    return [("p", f"r{n % people}", end - (n + 1) * 3 * HOUR) for n in range(size)]


# --- the circle ----------------------------------------------------------------------------------

quick = settings(max_examples=examples(25))
circles = st.lists(st.integers(0, 50), min_size=WEEK, max_size=WEEK)


@quick
@given(circles)
def test_smoothing_moves_nobody_out_of_the_week(counts: list[int]) -> None:
    assert sum(smoothed(counts)) == pytest.approx(sum(counts))


def test_sunday_night_meets_monday_morning() -> None:
    counts = [0] * WEEK
    counts[0] = 4
    assert smoothed(counts)[-1:] + smoothed(counts)[:2] == [1, 2, 1]


def test_an_hour_is_drawn_to_the_same_hour_of_similar_days() -> None:
    """(x + κ·m) / (w + κ), worked out by hand: κ = 4, 8 weeks, 40 visits on Tuesdays at 9."""
    counts = [0] * WEEK
    counts[1 * DAY + 9] = 40
    counts[5 * DAY + 9] = 12
    rates = shrunk(counts, 8)
    assert rates[1 * DAY + 9] == pytest.approx((40 + 4 * 1) / 12)  # m = 40 / 5 days / 8 weeks
    assert rates[3 * DAY + 9] == pytest.approx(4 * 1 / 12)
    assert rates[5 * DAY + 9] == pytest.approx((12 + 4 * 0.75) / 12)
    assert rates[6 * DAY + 9] == pytest.approx(4 * 0.75 / 12)
    assert sum(rates) == pytest.approx(52 / 8)


@quick
@given(circles, st.integers(0, WEEK - 1))
def test_a_post_meets_those_who_are_there_when_it_is_looked_at(counts: list[int], at: int) -> None:
    delays = (0.5, 0.25, 0.25)
    expected = sum(counts[(at + d) % WEEK] * share for d, share in enumerate(delays))
    assert met(counts, delays)[at] == pytest.approx(expected)


@quick
@given(circles)
def test_the_peaks_are_the_best_two_spans_six_hours_apart(counts: list[int]) -> None:
    first, second = peaks(counts, 2, 6)

    def span(start: int) -> int:
        return counts[start] + counts[(start + 1) % WEEK]

    def rest(a: int, b: int) -> int:
        return min((a - b) % WEEK, (b - a) % WEEK) - 2

    assert span(first) == max(map(span, range(WEEK)))
    assert rest(first, second) >= 6
    assert span(second) == max(span(t) for t in range(WEEK) if rest(first, t) >= 6)


def test_where_all_hours_are_alike_chance_seldom_makes_a_time() -> None:
    random, said = Random(9), 0
    delays = [exp(-d / 2) for d in range(DAY)]
    delays = [share / sum(delays) for share in delays]
    for total in (200, 1000):
        for _ in range(60):
            visits = [0] * WEEK
            for cell in random.choices(range(WEEK), k=total):
                visits[cell] += 1
            facts = Presence(visits, total, 50, 8, tuple(delays))
            said += hours.build(facts, BATCH) is not None
    assert said <= 12  # of 120
    assert chance(800, delays, 2) == pytest.approx(chance(200, delays, 2) / 2)


# --- what is said --------------------------------------------------------------------------------

BATCH = Batch(AUTUMN, ZoneInfo("UTC"), ("alice",))


def presence(
    total: int = 240, people: int = 20, weeks: int = 4, **more: tuple[float, ...]
) -> Presence:
    """Everybody comes on Tuesdays at 18 and, half as many, on Sundays at 9."""
    visits = [0] * WEEK
    visits[1 * DAY + 18] = total * 2 // 3
    visits[6 * DAY + 9] = total - total * 2 // 3
    return Presence(visits, total, people, weeks, **more)


def times(facts: Presence) -> list[tuple[int, int, int]]:
    said = hours.build(facts, BATCH)
    assert said is not None
    return [(time["weekday"], time["from"], time["to"]) for time in said["times"]]


def test_the_times_are_those_at_which_people_are_around() -> None:
    found_ = times(presence())
    assert [day for day, _, _ in found_] == [1, 6]
    assert 17 <= found_[0][1] <= 18
    assert 8 <= found_[1][1] <= 9


def test_a_post_that_is_looked_at_later_is_better_made_earlier() -> None:
    """All looks come five hours after a post: it is best made five hours before people come."""
    late = times(presence(delays=(0, 0, 0, 0, 0, 1)))
    now = times(presence())
    assert [(d, start) for d, start, _ in late] == [(d, start - 5) for d, start, _ in now]


def test_a_time_may_run_over_midnight() -> None:
    visits = [0] * WEEK
    visits[3 * DAY + 23], visits[4 * DAY] = 150, 150
    assert times(Presence(visits, 300, 40, 8))[0] == (3, 23, 1)


@pytest.mark.parametrize(
    "facts",
    [
        presence(total=199),
        presence(people=19),
        presence(weeks=3),
        Presence(),
        Presence([3] * WEEK, 504, 90, 8),
    ],
    ids=["199 visits", "19 people", "3 weeks", "nothing", "all hours alike"],
)
def test_below_its_guards_it_is_silent(facts: Presence) -> None:
    assert hours.build(facts, BATCH) is None


def test_at_its_guards_it_speaks() -> None:
    assert hours.build(presence(total=200), BATCH) is not None


def test_it_is_worth_more_the_more_the_times_stand_out() -> None:
    worths = [hours.worth({"clear": clear}) for clear in (1.2, 1.6, 9)]
    assert worths == sorted(worths)
    assert 0 < worths[0] < worths[-1] <= 1


# --- clocks --------------------------------------------------------------------------------------


@quick
@given(st.sampled_from(sorted(window.zones())), st.integers(0, 50 * 52))
def test_the_offsets_of_eight_weeks_are_known_to_the_second(zone: str, weeks: int) -> None:
    """And there are four at most: what the query has room for."""
    tz = window.zone(zone)
    whole = eight_weeks(Period(1990, 20).shift(weeks), tz)
    known = offsets(whole, tz)
    assert len(known) <= 4
    at = whole.start
    for until, offset in known:
        for instant in (at, at + (until - at) / 2, until - timedelta(seconds=1)):
            assert instant.astimezone(tz).utcoffset() == timedelta(seconds=offset)
        at = until
    assert at == whole.end


_minutes = st.integers(-60 * 24 * 7, 60 * 24 * 7 * 9)


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    zone=st.sampled_from(ZONES),
    rows=st.lists(
        st.tuples(st.sampled_from("pq"), st.sampled_from(("a", "b", "alice", "")), _minutes),
        max_size=30,
    ),
    acts=st.lists(
        st.tuples(st.just("p"), st.sampled_from(("a", "c", "alice")), _minutes), max_size=5
    ),
    near=st.lists(st.integers(-90, 180), max_size=12),
)
def test_the_query_counts_what_counting_one_by_one_counts(
    zone: str,
    rows: list[tuple[str, str, int]],
    acts: list[tuple[str, str, int]],
    near: list[int],
    tmp_path: Path,
) -> None:
    """In zones of half and quarter hours, and close to the instants at which clocks change."""
    tz = ZoneInfo(zone)
    whole = eight_weeks(AUTUMN, tz)
    minute = timedelta(minutes=1)
    change = offsets(whole, tz)[0][0]
    views = [(p, who, whole.start + n * minute) for p, who, n in rows]
    views += [("p", "d", change + n * minute) for n in near]
    reactions = [(p, who, whole.start + n * minute) for p, who, n in acts]
    database = Database(new_database(Path(mkdtemp(dir=tmp_path)) / "digest.db"))
    enough = crowd(tz)
    fill(database, [*views, *enough], reactions, [("p", "alice", None), ("q", "alice", None)])
    one = found(database, tz)["alice"]
    expected = by_hand([*views, *enough, *reactions], tz)
    assert {cell: n for cell, n in enumerate(one.visits) if n} == dict(expected)
    assert one.total == expected.total()
    known = [
        v for v in [*views, *enough, *reactions] if v[2] in whole and v[1] not in {"", "alice"}
    ]
    assert one.people == len({person for _, person, _ in known})
    mondays = [window.week(AUTUMN.shift(-n), tz) for n in range(8)]
    assert one.weeks == sum(any(v[2] in week for v in known) for week in mondays)
    database.close()


def test_an_hour_that_happens_twice_is_one(database: Database) -> None:
    """In London 1:30 came twice on 25 October 2026; who came both times came once."""
    tz = ZoneInfo("Europe/London")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    fill(database, [*crowd(tz), ("p", "owl", first), ("p", "owl", first + HOUR)])
    there = found(database, tz)["alice"]
    assert there.total == by_hand(crowd(tz), tz).total() + 1


# --- how soon people come ------------------------------------------------------------------------

UTC_ZONE = ZoneInfo("UTC")
NOON = window.week(AUTUMN, UTC_ZONE).start + timedelta(days=1, hours=12)


def test_own_delays_count_from_thirty_reactions_on(database: Database) -> None:
    acts = [
        ("p", f"r{n}", NOON + (5 if n % 3 else 1) * HOUR + n * timedelta(seconds=1))
        for n in range(30)
    ]
    late = [
        ("p", "slow", NOON + 24 * HOUR),
        ("p", "early", NOON - HOUR),
        ("p", "alice", NOON + HOUR),
    ]
    fill(database, crowd(UTC_ZONE), [*acts, *late], [("p", "alice", NOON)])
    delays = found(database, UTC_ZONE)["alice"].delays
    assert len(delays) == 24
    assert [delays[1], delays[5]] == pytest.approx([1 / 3, 2 / 3])


def test_with_fewer_the_site_speaks_and_without_it_everything_comes_at_once(
    database: Database,
) -> None:
    before = NOON - timedelta(days=6)
    acts = [("other", f"r{n}", before + 3 * HOUR + n * timedelta(seconds=1)) for n in range(40)]
    fill(database, crowd(UTC_ZONE), acts[:20], [("p", "alice", NOON), ("other", "bob", before)])
    assert found(database, UTC_ZONE)["alice"].delays == (1.0,)
    with database.writing() as session:
        rows = [{"post_id": p, "actor_id": a, "at": at, "type": "like"} for p, a, at in acts[20:]]
        session.connection().execute(insert(table(Reaction)), rows)
    delays = found(database, UTC_ZONE)["alice"].delays
    assert delays[3] == 1


# --- who is asked for ----------------------------------------------------------------------------


def test_only_those_with_enough_to_look_at_are_asked_for(database: Database) -> None:
    fill(
        database,
        [*crowd(UTC_ZONE), *(("r", person, at) for _, person, at in crowd(UTC_ZONE, 199))],
        posts=[("p", "alice", None), ("r", "bob", None), ("s", "carol", None)],
    )
    users = ("alice", "bob", "carol")
    assert set(found(database, UTC_ZONE, *users)) == {"alice"}
    with overheard(database) as asked, database.reading() as session:
        batch = Batch(AUTUMN, UTC_ZONE, users[1:])
        batch.fact(session, latest_weeks)
        asked.clear()
        assert hours.load(session, batch) == {}
    assert asked == []


def test_a_real_audience_by_hand(database: Database, shared_data: Path) -> None:
    """Deskdrop's eight weeks up to 2016-W45 in São Paulo, whose clocks went forward in W41."""
    tz, period = ZoneInfo("America/Sao_Paulo"), Period(2016, 45)
    whole = eight_weeks(period, tz)
    views: set[Visit] = set()
    acts: set[Visit] = set()
    with gzip.open(
        shared_data / "deskdrop_events_2016" / "users_interactions.csv.gz", "rt"
    ) as file:
        for row in csv.DictReader(file):
            at = datetime.fromtimestamp(int(row["timestamp"]), UTC)
            if at in whole and row["eventType"] in {"VIEW", "LIKE"}:
                kind = views if row["eventType"] == "VIEW" else acts
                kind.add((row["contentId"], row["personId"], at))
    items = {post for post, _, _ in views | acts}
    fill(database, views, acts, [(item, "desk", None) for item in items])
    with database.reading() as session:
        one = presences(session, Batch(period, tz, ("desk",)))["desk"]
    apart = set()
    for _, person, at in views | acts:
        local = at.astimezone(tz)
        apart.add((local.date(), local.hour, person))
    expected = Counter(day.weekday() * DAY + hour for day, hour, _ in apart)
    assert {cell: n for cell, n in enumerate(one.visits) if n} == dict(expected)
    assert (one.people, one.weeks) == (len({person for _, _, person in apart}), 8)
    said = hours.build(one, BATCH)
    assert said is not None
    for time in said["times"]:  # people of an office, on the days and at the hours of one
        assert time["weekday"] < 5
        assert 7 <= time["from"] < 18


# --- the words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "afternoon", "night"),
    [
        ("en_US", "5–7 PM", "11 PM – 1 AM"),
        ("en_GB", "17:00–19:00", "23:00–01:00"),
        ("de", "17–19 Uhr", "23–01 Uhr"),
        ("fr", "17:00–19:00", "23:00–01:00"),
        ("ja", "17時～19時", "23時～1時"),
        ("ar_EG", "٥–٧ م", "١١ م – ١ ص"),
    ],
)
def test_hours_are_written_as_the_locale_writes_them(
    locale: str, afternoon: str, night: str
) -> None:
    words = Wording(Locale.parse(locale), Catalogue(SOURCE, {}))
    assert (words.hours(17, 19), words.hours(23, 1)) == (afternoon, night)


def test_the_mail_names_both_times_and_promises_nothing() -> None:
    data = hours.build(presence(), BATCH)
    assert data is not None
    mail = Renderer(BRAND).render(snapshot({"hours": data}, locale="en_GB"), LINKS)
    text = " ".join(mail.text.split())
    day, start, end = times(presence())[0]
    assert day == 1
    assert f"after Tuesday, {start:02}:00–{end:02}:00, or Sunday, " in text
    assert "It tells when people are there, not how a post will do." in text
    assert "When your audience is around" in mail.html
    told = text.partition("WHEN YOUR AUDIENCE")[2].partition("--")[0]
    for promise in ("because", "more views", "gain", "best time", "%"):
        assert promise not in told
