"""Past weeks once more: what today's data make of them, compared with what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from digest.backtest import Rebuilt, backtest
from digest.mail import Mailer
from digest.models import View, table
from digest.sections import Section
from tests.office import MONDAY, NOW, WEEK, Office, ended, open_office

PEOPLE = ["ann", "ben", "cem"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        office.enrol(*PEOPLE)
        yield office


def rebuilt(office: Office, weeks: int = 1, now: datetime = NOW) -> list[Rebuilt]:
    return list(backtest(office.shop, now, weeks))


def everything(office: Office) -> dict[str, list[Any]]:
    with office.database.reading() as session:
        return {
            name: sorted(map(repr, session.execute(select(of)).all()))
            for name, of in SQLModel.metadata.tables.items()
        }


def send(office: Office) -> None:
    office.plan()
    office.send()


def test_a_week_that_was_sent_is_rebuilt_as_it_was(office: Office) -> None:
    send(office)
    (week,) = rebuilt(office)
    assert (week.period, week.compared, week.changed) == (WEEK, 3, 0)
    assert week.states == {("sent", ""): 3}
    assert week.sections["headline"] == 3
    assert len(week.sizes) == 3


def test_nothing_is_stored(office: Office) -> None:
    before = everything(office)
    rebuilt(office, 3)
    assert everything(office) == before


def test_what_came_in_late_is_told_as_a_difference(office: Office) -> None:
    send(office)
    late = {"post_id": "p-ann", "at": MONDAY + timedelta(days=3), "viewer_id": "late"}
    with office.database.writing() as session:
        session.connection().execute(table(View).insert(), [late])
    (week,) = rebuilt(office)
    assert (week.compared, week.changed) == (3, 1)
    assert week.changes[0].user == "ann"
    assert week.changes[0].figures == {"views": (3, 4), "reach": (3, 4)}


def test_a_section_that_came_or_went_is_told(office: Office) -> None:
    send(office)
    fewer = [section for section in office.shop.sections if section.name != "top_posts"]
    office.shop = replace(office.shop, sections=fewer)
    (week,) = backtest(office.shop, NOW, 1, ["ben"])
    assert [(change.user, change.gone) for change in week.changes] == [("ben", ["top_posts"])]


def test_weeks_go_oldest_first_and_whoever_gets_none_is_counted_with_the_reason(
    office: Office,
) -> None:
    before, week = rebuilt(office, 2)
    assert (before.period, week.period) == ("2026-W45", WEEK)
    assert sum(before.states.values()) == len(PEOPLE)


def test_each_week_knows_what_the_one_before_would_have_told(office: Office) -> None:
    """Four of equal worth compete for three places: who was shown last week makes room."""
    folder = office.folder / "extra"
    for name in "abcd":
        for kind in ("html", "txt"):
            part = folder / "email" / "sections" / f"{name}.{kind}"
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(f"{name} has something to say")

    def rival(name: str) -> Section:
        every = lambda _, batch: dict.fromkeys(batch.users, 1)  # noqa: E731
        say = lambda *_: {"said": name}  # noqa: E731
        return Section(name, 60, every, say, folder, worth=lambda _: 0.6)

    standing = [section for section in office.shop.sections if section.worth is None]
    found = [*standing, *map(rival, "abcd")]
    mailer = Mailer(office.settings, found)
    office.shop = replace(office.shop, sections=found, mailer=mailer)
    first, quiet = rebuilt(office, 2, NOW + timedelta(weeks=1))
    assert [first.sections[name] for name in "abcd"] == [3, 3, 3, 0]
    assert quiet.sections["d"] == 3
    (alone,) = rebuilt(office, 1, NOW + timedelta(weeks=1))
    assert [alone.sections[name] for name in "abcd"] == [3, 3, 3, 3]


def test_a_person_of_whom_nothing_is_known_is_a_clear_error(office: Office) -> None:
    end = ended(office.start("backtest", "--user", "nobody"))
    assert end.code == 2
    assert "there is no user nobody" in end.err


def test_the_command_tells_the_same_as_the_library(office: Office) -> None:
    end = ended(office.start("backtest", "--weeks", "1", "--json"))
    assert end.code == 0, end
    (week,) = json.loads(end.out)
    assert set(week) == set(Rebuilt("").as_json())
    assert "Traceback" not in ended(office.start("backtest", "--weeks", "2")).err
