"""The guess, from the question in one mail by the page to the answer in the next (F5)."""

from __future__ import annotations

import email
import email.policy
import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import SQLModel
from starlette.applications import Starlette

from digest import guesses, look, personal, subscriptions
from digest.database import Database
from digest.errors import LinkError
from digest.facts import Batch
from digest.facts.judgements import Career, Judged
from digest.facts.weeks import AuthorWeek, PostWeek
from digest.ingest import ingest
from digest.ledger import Scope
from digest.links import Asked, Links
from digest.pruning import prospect, prune
from digest.render import Renderer
from digest.sections import guess, top_posts
from digest.sections.guess import Facts, choices
from digest.sections.guess.guessing import Community, Known, Young
from digest.stats.guesses import log_error, ratio, typical
from digest.web import create_app
from digest.web.forms import whole
from digest.web.guard import MAX_BODY_BYTES
from digest.window import Period
from tests.community import MONDAY
from tests.community import Community as Place
from tests.conftest import body
from tests.mails import BRAND, LINKS, asking
from tests.office import Office, open_office
from tests.visitor import BASE, Client

NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)
SUNDAY = MONDAY + timedelta(days=6, hours=10)
STUDY = "In a 2013 Facebook study the typical person guessed about 27 % of the true audience."
TITLE = "Trains I have missed"

# --- statistics ----------------------------------------------------------------------------------


def test_the_typical_guess_of_the_study_is_a_quarter_of_its_audience() -> None:
    """Median guess 20 of median 78 (Bernstein et al.); half and twice are equally far off."""
    assert round(ratio(20, 78), 3) == 0.256
    assert log_error(39, 78) == pytest.approx(log(2)) == pytest.approx(log_error(156, 78))
    assert log_error(78, 78) == 0
    assert typical([(20, 100), (50, 100), (1_000_000, 100)]) == 0.5
    assert typical([(1, 10), (3, 10)]) == pytest.approx(0.2)


counts = st.integers(1, guesses.MOST)


@given(counts, counts)
def test_the_log_error_says_how_many_times_off_whichever_way(mine: int, actual: int) -> None:
    assert log_error(mine, actual) == pytest.approx(log_error(actual, mine))
    off = exp(log_error(mine, actual))
    assert off == pytest.approx(max(mine / actual, actual / mine))


# --- what is asked -------------------------------------------------------------------------------

BATCH = Batch(Period(2026, 46), ZoneInfo("UTC"), ("alice",))
TRAINS = Young("trains", SUNDAY, TITLE, "Eleven platforms.", "https://s.example/trains")


def judged(*reach: int | None, views: int = 9) -> Career:
    """Posts that were judged in earlier weeks, newest first."""
    before = [MONDAY - timedelta(days=3 + n) for n in range(len(reach))]
    posts = [
        Judged(f"old-{n}", at, new=False, views=views, reach=count)
        for n, (at, count) in enumerate(zip(before, reach, strict=True))
    ]
    return Career(judged=posts, waiting=1)


def week(**more: Any) -> AuthorWeek:
    top = [PostWeek("build", 60, reach=40), PostWeek("trains", 12, reach=9)]
    usual: dict[str, Any] = {"views": 90, "reach": 50, "active": 4, "top": top}
    return AuthorWeek(**usual | more)


FACTS = Facts(week(), judged(18, 20, 40), [TRAINS])


def asked_about(facts: Facts) -> dict[str, Any] | None:
    said = guess.build(facts, BATCH)
    return said and said["ask"]


def test_a_post_too_young_to_be_judged_is_asked_about_without_its_figures() -> None:
    assert asked_about(FACTS) == {
        "post": {
            "id": "trains",
            "title": TITLE,
            "excerpt": "Eleven platforms.",
            "url": "https://s.example/trains",
        },
        "published": "2026-11-15",
        "weekday": 6,
        "choices": [5, 10, 20, 50, 100],
    }


def test_the_weekday_is_that_of_the_readers_zone() -> None:
    far = Batch(Period(2026, 46), ZoneInfo("Pacific/Kiritimati"), ("alice",))
    late = replace(FACTS, young=[TRAINS._replace(published_at=SUNDAY + timedelta(hours=-23))])
    said = guess.build(late, far)
    assert said
    assert (said["ask"]["published"], said["ask"]["weekday"]) == ("2026-11-15", 6)


SILENT = {
    "no post is young enough": {"young": []},
    "the post has no words": {"young": [TRAINS._replace(title="", text="")]},
    "the week has nothing but views by nobody": {"week": week(reach=None, anonymous=90)},
    "most of the week's views are anonymous": {"week": week(anonymous=46)},
    "the week was quiet": {"week": AuthorWeek()},
    "earlier posts were seen by people nobody named": {"career": judged(None, None, 30)},
    "the author usually reaches four people": {"career": judged(3, 4, 90)},
    "the post leads the week, so the headline tells": {
        "week": week(top=[PostWeek("trains", 60, reach=40), PostWeek("build", 12, reach=9)])
    },
    "what is left of two posts tells": {"week": week(active=2)},
    "the totals less the figures of the list tell": {
        "week": week(active=3, top=[*week().top, PostWeek("old", 18, reach=9)])
    },
    "so they do where it is not in the list": {
        "week": week(active=3, top=[PostWeek("build", 60, reach=40), PostWeek("old", 18, reach=9)])
    },
}


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(0, 11))
def test_no_figure_of_the_asked_post_follows_from_the_totals_and_the_list(
    counts: list[int], place: int
) -> None:
    """Whoever takes the listed figures from the totals is left with two posts at least, or more."""
    ids = [f"p{n}" for n in range(len(counts))]
    ids[place % len(counts)] = "trains"
    seen = sorted(zip(counts, ids, strict=True), key=lambda one: -one[0])
    top = [PostWeek(id_, count, reach=count) for count, id_ in seen[:5]]
    total = sum(counts)
    now = AuthorWeek(views=total, reach=total, active=len(counts), top=top)
    if not asked_about(replace(FACTS, week=now)):
        return
    listed = top_posts.build((now, Career()), BATCH)
    assert listed is not None
    shown = [post for post in listed["posts"] if post["id"] != "trains"]
    left = [(count, id_) for count, id_ in seen if id_ not in {post["id"] for post in shown}]
    assert total - sum(post["views"] for post in shown) == sum(count for count, _ in left)
    assert len(left) >= 2
    assert listed["posts"][0]["id"] != "trains"


@pytest.mark.parametrize("changes", SILENT.values(), ids=SILENT)
def test_nothing_is_asked_where(changes: dict[str, Any]) -> None:
    assert guess.build(FACTS, BATCH)
    assert guess.build(replace(FACTS, **changes), BATCH) is None


def test_a_newcomer_and_one_who_reaches_five_are_asked() -> None:
    for career in (Career(waiting=1), judged(5, 5, 5), judged(0, 0, 5, 5, 5)):
        assert asked_about(replace(FACTS, career=career))


def test_an_older_post_is_asked_about_where_the_newest_leads() -> None:
    newest = Young("build", SUNDAY + timedelta(hours=5), "Build", "", "")
    said = asked_about(replace(FACTS, young=[newest, TRAINS]))
    assert said
    assert said["post"]["id"] == "trains"


@given(st.none() | st.floats(5, 1e9))
def test_choices_are_five_round_numbers_around_the_usual(usual: float | None) -> None:
    found = choices(usual)
    assert len(found) == 5
    assert found == sorted(set(found))
    assert {str(number).rstrip("0") for number in found} <= {"1", "2", "5"}
    middle = usual or 50
    assert middle / 5.1 <= found[2] <= middle * 1.6
    assert 1 <= found[0] < found[-1] <= guesses.MOST


# --- what is told --------------------------------------------------------------------------------


def answered(actual: int | None, own: int | None = None, *earlier: tuple[int, int]) -> Facts:
    """The last mail asked about “trains”; ``earlier`` are older guesses and their answers."""
    career = Career(judged=[Judged("trains", SUNDAY, new=True, views=9, reach=actual)])
    known = [Known(f"old-{n}", *pair) for n, pair in enumerate(earlier)]
    if own is not None:
        known.append(Known("trains", own, actual))
    return Facts(AuthorWeek(), career, [], TRAINS, known, Community())


def told(facts: Facts) -> dict[str, Any]:
    return guess.build(facts, BATCH) or {"reveal": None, "record": None, "community": None}


def test_the_answer_comes_with_the_readers_own_guess() -> None:
    reveal = told(answered(78, 40))["reveal"]
    assert (reveal["actual"], reveal["guess"]) == (78, 40)
    assert reveal["ratio"] == pytest.approx(0.5128, abs=1e-4)
    assert reveal["error"] == pytest.approx(0.6678, abs=1e-4)


def test_who_did_not_guess_is_told_from_five_people_on() -> None:
    assert told(answered(5))["reveal"]["guess"] is None
    assert told(answered(4))["reveal"] is None


def test_a_small_answer_is_told_to_who_guessed_and_compared_with_nothing() -> None:
    said = told(answered(4, 40, (5, 10), (5, 10), (5, 10)))
    assert (said["reveal"]["actual"], said["reveal"]["guess"]) == (4, 40)
    assert said["reveal"]["ratio"] is said["reveal"]["error"] is said["record"] is None


@pytest.mark.parametrize("actual", [0, None])
def test_no_zero_and_nothing_unknown_is_told(actual: int | None) -> None:
    assert told(answered(actual, 40))["reveal"] is None


def test_the_record_is_a_median_from_three_guesses_on() -> None:
    assert told(answered(100, 50, (10, 100)))["record"] is None
    said = told(answered(100, 50, (10, 100), (30, 100), (400, 4)))["record"]  # four is too few
    assert said == {
        "guesses": 3,
        "percent": 30,
        "error": pytest.approx(log(100 / 30)),
        "closest": True,
    }
    assert not told(answered(100, 50, (90, 100), (30, 100)))["record"]["closest"]
    assert not told(answered(100, 50, (200, 100), (30, 100)))["record"]["closest"]  # as close


def test_the_community_is_told_from_twenty_people_on_beside_an_own_guess() -> None:
    for own, guessers, expected in ((40, 19, None), (40, 20, 41), (None, 500, None)):
        facts = replace(answered(78, own), community=Community(guessers, 0.41))
        community = told(facts)["community"]
        assert (community and community["percent"]) == expected


def test_what_a_reader_waits_for_is_worth_most_and_is_the_only_news() -> None:
    both = replace(answered(78, 40), week=week(), young=[TRAINS._replace(id="other")])
    both.career.judged.extend(judged(20).judged)
    said = [told(facts) for facts in (both, answered(78, 40), FACTS, answered(78))]
    assert [guess.worth(one) for one in said] == [0.9, 0.9, 0.5, 0.2]
    assert [guess.news(one) > 0 for one in said] == [True, True, False, False]
    untitled = replace(answered(78, 40), asked=TRAINS._replace(title=""))
    assert guess.news(told(untitled)) == 0
    assert not guess.SECTION.repeats


# --- the mail that asks --------------------------------------------------------------------------

SECRETS = {"987", "654", "321", "25%", "246"}


@pytest.mark.parametrize("part", ["text", "html"])
def test_the_mail_that_asks_shows_no_figure_of_that_post(part: str) -> None:
    mail = getattr(Renderer(BRAND).render(asking(), LINKS), part)
    assert set(re.findall(r"\d+%?", html.unescape(mail))).isdisjoint(SECRETS)
    assert "Figures in your next mail" in mail
    assert mail.index("Notes on reading slowly") < mail.index("Trains I have missed")
    names = " ".join(re.sub("<[^>]+>", "", mail).split())
    assert "Noor, Tomás, Ines and others replied" in names


@pytest.mark.parametrize("part", ["text", "html"])
def test_without_the_question_its_figures_are_shown(part: str) -> None:
    open_ = asking()
    del open_.sections["guess"]
    mail = getattr(Renderer(BRAND).render(open_, LINKS), part)
    assert {"987", "654", "321", "246"} <= set(re.findall(r"\d+", mail))
    assert "Figures in your next mail" not in mail
    assert mail.index("Trains I have missed") < mail.index("Notes on reading slowly")


def test_the_words_of_the_answer() -> None:
    text = " ".join(Renderer(BRAND).render(asking(), LINKS).text.split())
    assert (
        "78 people saw “Where I left the keys” That was in its first 48 hours. You guessed 40."
        " Over your last 7 guesses you guess about 52% of the real number."
        " This one was your closest."
        f" On Fieldnotes the typical person guesses about 41% of the real number. {STUDY}"
    ) in text


# --- from one mail to the next -------------------------------------------------------------------


def place() -> Place:
    """Alice's posts reach twenty people in 48 hours; “trains” appears on a Sunday morning.

    In its first 48 hours 78 people see it, ten of them in the week that asks, and later twelve
    more. Six old posts are seen all the time.
    """
    there = Place()
    there.user("alice", "Alice Moreau", "UTC")
    there.user("bob", "Bob Ito", "UTC")
    for n in range(1, 11):
        published = MONDAY - timedelta(weeks=n) + timedelta(days=2)
        there.post(f"old-{n}", "alice", published)
        there.views(f"old-{n}", published + timedelta(hours=3), 20)
    there.post("tiny", "alice", MONDAY - timedelta(days=20))
    there.views("tiny", MONDAY - timedelta(days=20), 4)
    for n, number in ((1, 30), (2, 9), (3, 7), (4, 3), (5, 2), (6, 2)):
        for later in range(3):
            there.views(f"old-{n}", MONDAY + timedelta(days=1 + 7 * later), number, f"w{later}")
    there.post("trains", "alice", SUNDAY, title=TITLE)
    there.views("trains", SUNDAY + timedelta(hours=2), 10)
    there.reaction("trains", "bob", "reply", SUNDAY + timedelta(hours=3))
    there.views("trains", SUNDAY + timedelta(hours=30), 68, "monday")
    there.views("trains", SUNDAY + timedelta(hours=49), 12, "late")
    return there


LAST, THIS, LATER = "2026-W46", "2026-W47", "2026-W48"


@dataclass(frozen=True)
class Desk:
    """The place, mailed once, and its pages on the Monday after."""

    office: Office
    app: Starlette
    client: Client
    first: EmailMessage

    @property
    def database(self) -> Database:
        return self.office.database

    @property
    def links(self) -> Links:
        return Links(BASE, self.office.settings.signing_keys())

    @property
    def link(self) -> str:
        return self.links.guess(Asked("alice", LAST, "trains"))

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The whole database."""
        with self.database.reading() as session:
            return {
                table.name: sorted(map(tuple, session.execute(table.select())), key=repr)
                for table in SQLModel.metadata.sorted_tables
            }

    def guesses(self) -> list[tuple[str, str, int]]:
        return [tuple(row[:3]) for row in self.tables()["guesses"]]

    def sections(self, week: str, at: datetime) -> dict[str, Any]:
        """What Alice's mail of a week would say if nothing competed with the guess for room."""
        alone = [s for s in self.office.shop.sections if s.worth is None or s.name == "guess"]
        shop = replace(self.office.shop, site={}, sections=alone)
        return look.preview(shop, "alice", week, at).snapshot.sections

    def send(self, week: str, at: datetime) -> EmailMessage:
        """Send a week's mails; Alice's."""
        self.office.plan(week, at)
        _, server = self.office.send(now=at, scope=Scope(wanted=(week,)))
        (mail,) = [one.body for one in server.received if one.rcpt_to.startswith("alice")]
        read = email.message_from_bytes(mail, policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        return read


@contextmanager
def opened(folder: Path) -> Iterator[Desk]:
    with open_office(folder) as office:
        ingest(office.database, place().write(folder / "in"))
        with office.database.writing() as session:
            subscriptions.enrol(session, office.settings, NEXT_MONDAY)
        app = create_app(office.settings, office.database)
        first = Desk(office, app, Client(app), EmailMessage()).send(LAST, NEXT_MONDAY)
        yield Desk(office, app, Client(app), first)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One of the test's own, to change it for good."""
    with opened(tmp_path) as desk, time_machine.travel(NEXT_MONDAY, tick=True):
        yield desk


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("town")) as desk:
        yield desk


@pytest.fixture
def page(town: Desk) -> Iterator[Desk]:
    """The same for every test, for what changes nothing but guesses."""
    with time_machine.travel(NEXT_MONDAY, tick=True):
        yield town
    town.office.sql("DELETE FROM guesses")


def inserted(desk: Desk, rows: list[dict[str, Any]]) -> None:
    with desk.database.writing() as session:
        session.connection().execute(SQLModel.metadata.tables["guesses"].insert(), rows)


def test_the_mail_asks_the_page_keeps_and_the_next_mail_tells(desk: Desk) -> None:
    asks = body(desk.first)
    assert f"How many people saw “{TITLE}”?" in asks
    assert "10 people" not in asks
    assert desk.link in asks
    offered = re.findall(r'href="([^"]+/g/[^"]+)"', body(desk.first, "html"))
    assert offered == [*(f"{desk.link}/{n}" for n in (5, 10, 20, 50, 100)), desk.link]
    page = desk.client.get(f"{desk.link}/50")
    assert re.findall(r'value="(\d+)" checked', page.text) == ["50"]
    assert desk.guesses() == []
    saved = desk.client.post(f"{desk.link}/50", data={"choice": "50", "number": "40"})
    assert (saved.status_code, "<h1>Saved</h1>" in saved.text) == (200, True)
    assert desk.guesses() == [("alice", "trains", 40)]
    tells = " ".join(body(desk.send(THIS, NEXT_MONDAY + timedelta(weeks=1))).split())
    assert f"78 people saw “{TITLE}”" in tells
    assert "You guessed 40." in tells
    assert STUDY in tells
    # Told once: the mail after that is about other things.
    assert "guess" not in desk.sections(LATER, NEXT_MONDAY + timedelta(weeks=2))


def test_who_did_not_guess_is_told_the_answer_and_compared_with_nothing(page: Desk) -> None:
    said = page.sections(THIS, NEXT_MONDAY + timedelta(weeks=1))["guess"]
    assert said["ask"] is said["record"] is said["community"] is None
    assert (said["reveal"]["actual"], said["reveal"]["guess"]) == (78, None)


def test_whoever_is_mailed_every_second_week_is_told_two_weeks_later(page: Desk) -> None:
    page.client.post(page.link, data={"number": "40"})
    reveal = page.sections(LATER, NEXT_MONDAY + timedelta(weeks=2))["guess"]["reveal"]
    assert (reveal["actual"], reveal["guess"]) == (78, 40)


def test_after_more_than_eight_weeks_without_a_mail_nothing_is_told(page: Desk) -> None:
    last, never = (NEXT_MONDAY + timedelta(weeks=n) for n in (9, 11))
    assert page.sections("2027-W01", last)["guess"]["reveal"]["actual"] == 78
    assert "guess" not in page.sections("2027-W03", never)


def test_who_wants_no_figures_is_not_asked(desk: Desk) -> None:
    desk.office.sql("DELETE FROM snapshots")
    assert desk.sections(LAST, NEXT_MONDAY)["guess"]["ask"]
    with desk.database.writing() as session:
        row = SQLModel.metadata.tables["subscriptions"]
        session.connection().execute(row.update().values(numbers=False))
    assert "guess" not in desk.sections(LAST, NEXT_MONDAY)


def test_the_record_and_the_community_are_the_medians_of_what_is_stored(desk: Desk) -> None:
    """Worked out again from the rows: one ratio per person, and the median of these."""
    with desk.database.writing() as session:
        users = SQLModel.metadata.tables["users"]
        strangers = [f"stranger-{n}" for n in range(20)]
        connection = session.connection()
        connection.execute(
            users.insert(), [{"id": id_, "name": id_, "email": ""} for id_ in strangers]
        )
    at = NEXT_MONDAY - timedelta(weeks=2)
    values = {id_: [3 + n, 2 * n + 1] for n, id_ in enumerate([*strangers, "alice"])}
    inserted(
        desk,
        [
            {"user_id": id_, "post_id": f"old-{2 + place_}", "value": value, "at": at}
            for id_, pair in values.items()
            for place_, value in enumerate(pair)
        ]
        # Of a post that four people saw, no share is worked out.
        + [{"user_id": id_, "post_id": "tiny", "value": 999, "at": at} for id_ in values],
    )
    desk.client.post(desk.link, data={"number": "40"})
    said = desk.sections(THIS, NEXT_MONDAY + timedelta(weeks=1))["guess"]
    mine = [23 / 20, 41 / 20, 40 / 78]
    assert said["record"]["percent"] == round(100 * median(mine))
    assert said["record"]["guesses"] == 3
    everybody = [median(value / 20 for value in pair) for pair in values.values()]
    assert said["community"] == {"guessers": 21, "percent": round(100 * median(everybody))}


# --- the page ------------------------------------------------------------------------------------


def test_a_second_guess_is_told_that_the_first_counts(page: Desk) -> None:
    page.client.post(page.link, data={"number": "40"})
    before = page.tables()
    for answer in (
        page.client.post(page.link, data={"number": "7"}),
        page.client.post(page.link, data={"number": "nonsense"}),
        page.client.get(f"{page.link}/7"),
    ):
        assert answer.status_code == 200
        assert "You guessed <strong>40</strong>" in answer.text
        assert "The first guess counts" in answer.text
        assert "<form" not in answer.text
    assert page.tables() == before


def test_of_two_at_once_the_database_keeps_one(page: Desk) -> None:
    with page.database.writing() as session:
        kept = [guesses.keep(session, "alice", "trains", n, NEXT_MONDAY) for n in (40, 7)]
    assert kept == [True, False]
    assert page.guesses() == [("alice", "trains", 40)]


NUMBERS: list[tuple[dict[str, Any], int]] = [
    ({"choice": "50"}, 50),
    ({"number": "1"}, 1),
    ({"number": " 1,200 "}, 1200),
    ({"number": "1.200"}, 1200),
    ({"number": "12 000"}, 12_000),
    ({"number": "٣٠"}, 30),
    ({"number": "1000000000"}, guesses.MOST),
    ({"choice": "50", "number": "60"}, 60),
    ({"choice": "50", "number": "  "}, 50),
]
NO_NUMBERS: list[dict[str, Any]] = [
    {},
    {"number": ""},
    {"number": "0"},
    {"number": "-5"},
    {"number": "forty"},
    {"number": "4.5"},
    {"number": "1,20"},
    {"number": "1e3"},
    {"number": "²"},
    {"number": "1000000001"},
    {"number": "1" + 30 * "0"},
    {"number": "9" * 60_000},
    {"number": ["4", "5"]},
    {"number": "x", "choice": "50"},
    {"choice": ["20", "50"]},
    {"choice": "many"},
    {"choice": "-1"},
    {"number": "<script>alert(1)</script>"},
    {"number": "\x00"},
]


def test_a_number_is_taken_as_people_write_it(page: Desk) -> None:
    for form, value in NUMBERS:
        assert page.client.post(page.link, data=form).status_code == 200, form
        assert page.guesses() == [("alice", "trains", value)]
        page.office.sql("DELETE FROM guesses")


def test_what_is_no_number_is_said_and_nothing_is_kept(page: Desk) -> None:
    before = page.tables()
    for form in NO_NUMBERS:
        answer = page.client.post(page.link, data=form)
        assert answer.status_code == 422, form
        assert 'role="alert"' in answer.text
        assert "<script" not in answer.text
        assert len(answer.content) < 20_000
    assert page.tables() == before


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_number_in_range_or_none(text: str) -> None:
    number = whole(text, guesses.MOST)
    assert number is None or 1 <= number <= guesses.MOST


def test_what_was_typed_is_shown_again(page: Desk) -> None:
    answer = page.client.post(page.link, data={"choice": "50", "number": "sixty"})
    assert 'value="sixty"' in answer.text
    assert re.findall(r'value="(\d+)" checked', answer.text) == ["50"]


def test_the_number_of_a_link_is_marked_or_typed_in(page: Desk) -> None:
    for number, marked, typed in (
        ("50", ["50"], ""),
        ("77", [], "77"),
        ("0", [], ""),
        ("x", [], ""),
        ("9" * 5000, [], ""),
    ):
        shown = page.client.get(f"{page.link}/{number}")
        assert shown.status_code == 200
        assert re.findall(r'value="(\d+)" checked', shown.text) == marked
        assert f'maxlength="20" value="{typed}"' in shown.text
    assert page.guesses() == []


def test_programs_that_open_every_link_guess_nothing(page: Desk) -> None:
    before = page.tables()
    found = {
        link
        for kind in ("plain", "html")
        for link in re.findall(r"https?://[^\s\"<>]+", html.unescape(body(page.first, kind)))
        if "/g/" in link
    }
    assert len(found) == 6
    for link in found:
        for method in ("HEAD", "GET", "OPTIONS", "PUT", "DELETE"):
            expected = 200 if method in {"HEAD", "GET"} else 405
            assert page.client.request(method, link).status_code == expected
    assert page.tables() == before


def test_guessing_ends_when_the_next_mail_is_made(desk: Desk) -> None:
    desk.send(THIS, NEXT_MONDAY + timedelta(weeks=1))
    before = desk.tables()
    for method in ("GET", "POST"):
        answer = desk.client.request(method, desk.link, data={"number": "78"})
        assert (answer.status_code, "The answer is out" in answer.text) == (410, True)
    assert desk.tables() == before


def test_guessing_ends_with_the_week_after_also_where_no_mail_is_made(page: Desk) -> None:
    over = MONDAY + timedelta(weeks=2)
    with time_machine.travel(over - timedelta(minutes=1)):
        assert page.client.get(page.link).status_code == 200
    with time_machine.travel(over):
        assert page.client.get(page.link).status_code == 410
        assert page.client.post(page.link, data={"number": "78"}).status_code == 410
    assert page.guesses() == []


def test_who_guessed_sees_it_also_when_the_answer_is_out(page: Desk) -> None:
    page.client.post(page.link, data={"number": "40"})
    with time_machine.travel(MONDAY + timedelta(weeks=3)):
        answer = page.client.get(page.link)
    assert (answer.status_code, "You guessed <strong>40</strong>" in answer.text) == (200, True)
    assert "The answer is out" in answer.text


def wrong_links(desk: Desk) -> dict[str, str]:
    good, make = urlsplit(desk.link).path, desk.links
    stranger = Links(BASE, [b"another key"])

    def at(user: str, period: str, post: str) -> str:
        return urlsplit(make.guess(Asked(user, period, post))).path

    return {
        "cut": good[:-1],
        "longer": good + "A",
        "of the preferences": urlsplit(make.preferences("alice", "2026-W46")).path.replace(
            "/p/", "/g/"
        ),
        "at the preferences": good.replace("/g/", "/p/"),
        "to leave": good.replace("/g/", "/u/"),
        "of another key": urlsplit(stranger.guess(Asked("alice", "2026-W46", "trains"))).path,
        "for another reader": at("bob", "2026-W46", "trains"),
        "for nobody": at("nobody", "2026-W46", "trains"),
        "about a post that was not asked about": at("alice", "2026-W46", "old-1"),
        "about no post": at("alice", "2026-W46", ""),
        "of another week": at("alice", "2026-W45", "trains"),
        "of no week": at("alice", "never", "trains"),
        "ids shifted": at("alicet", "2026-W46", "rains"),
        "empty": "/g/",
        "made up": "/g/MTIz.AAAA",
    }


def test_a_wrong_link_opens_nothing_and_all_look_the_same(page: Desk) -> None:
    before, pages = page.tables(), set()
    for name, link in wrong_links(page).items():
        for method in ("GET", "POST"):
            answer = page.client.request(method, link, data={"number": "40"})
            assert answer.status_code == 404 or "/u/" in link, name
            pages.add(answer.text)
    assert len(pages) == 1
    assert page.tables() == before


def test_who_or_what_is_gone_cannot_be_guessed_about(desk: Desk) -> None:
    desk.office.sql("UPDATE posts SET author_id = 'bob' WHERE id = 'trains'")
    assert desk.client.post(desk.link, data={"number": "40"}).status_code == 404
    desk.office.sql("UPDATE posts SET author_id = 'alice' WHERE id = 'trains'")
    assert desk.client.get(desk.link).status_code == 200
    desk.office.sql("DELETE FROM subscriptions WHERE user_id = 'alice'")
    assert desk.client.get(desk.link).status_code == 404
    assert desk.client.post(desk.link, data={"number": "40"}).status_code == 404
    assert desk.guesses() == []


def test_a_deleted_post_is_neither_guessed_about_nor_told(desk: Desk) -> None:
    desk.client.post(desk.link, data={"number": "40"})
    for table in ("views", "reactions", "guesses", "judgements"):
        desk.office.sql(f"DELETE FROM {table} WHERE post_id = 'trains'")
    desk.office.sql("DELETE FROM posts WHERE id = 'trains'")
    assert desk.client.get(desk.link).status_code == 404
    assert desk.client.post(desk.link, data={"number": "40"}).status_code == 404
    assert "guess" not in desk.sections(THIS, NEXT_MONDAY + timedelta(weeks=1))


def test_what_is_no_form_is_refused(page: Desk) -> None:
    for content in (b"\xff\xfe", b"number=%ff", b"&".join([b"a=1"] * 1000)):
        assert page.client.post(page.link, content=content).status_code == 400
    assert page.client.post(page.link, content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
    assert page.guesses() == []


def test_the_page_is_as_private_as_the_others(page: Desk) -> None:
    for answer in (
        page.client.get(page.link),
        page.client.post(page.link, data={"number": "x"}),
        page.client.post(page.link, data={"number": "40"}),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "script" not in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers
        assert "alice" not in answer.text.lower()
        assert answer.text.count("<h1>") == answer.text.count("<main>") == 1


# --- links ---------------------------------------------------------------------------------------

ids = st.text(st.characters(codec=None), max_size=40)
SIGNED = Links(BASE, [b"a key of this test"])


@given(ids, st.from_regex(r"\A\d{4}-W\d\d\Z"), ids)
def test_reader_week_and_post_are_read_back_from_the_link(
    user: str, period: str, post: str
) -> None:
    link = SIGNED.guess(Asked(user, period, post))
    assert SIGNED.read_guess(link.rpartition("/")[2]) == (user, period, post)


def test_a_guess_link_opens_no_other_door_and_no_other_opens_its() -> None:
    mine = SIGNED.guess(Asked("1", "2026-W46", "p")).rpartition("/")[2]
    for read in (SIGNED.read_unsubscribe, SIGNED.read_browser):
        with pytest.raises(LinkError):
            read(mine)
    with pytest.raises(LinkError):
        SIGNED.read_preferences(mine, NEXT_MONDAY)
    for other in (SIGNED.browser("1", "2026-W46"), SIGNED.unsubscribe("2026-W46 1 1p")):
        with pytest.raises(LinkError):
            SIGNED.read_guess(other.rpartition("/")[2])


# --- what is kept --------------------------------------------------------------------------------


def test_guesses_are_handed_over_and_erased_with_their_reader(desk: Desk) -> None:
    desk.client.post(desk.link, data={"number": "40"})
    with desk.database.writing() as session:
        (kept,) = personal.export(session, "alice")["guesses"]
        assert (kept["post_id"], kept["value"]) == ("trains", 40)
        personal.erase(session, "alice", NEXT_MONDAY)
        assert personal.export(session, "alice")["guesses"] == []
    assert desk.guesses() == []
    assert desk.client.get(desk.link).status_code == 404


def test_guesses_are_pruned_with_the_snapshots(page: Desk) -> None:
    settings = page.office.settings.model_copy(update={"keep_snapshots_weeks": 30})
    first = MONDAY + timedelta(weeks=1 - 30, hours=-14)
    ages = {"old-1": first - timedelta(seconds=1), "old-2": first, "old-3": NEXT_MONDAY}
    rows = [{"user_id": "alice", "post_id": p, "value": 9, "at": at} for p, at in ages.items()]
    inserted(page, rows)
    assert prospect(page.database, settings, NEXT_MONDAY)["guesses"] == 1
    gone = prune(page.database, settings, NEXT_MONDAY, rest=lambda _: None)
    assert gone["guesses"] == 1
    assert {post for _, post, _ in page.guesses()} == {"old-2", "old-3"}
