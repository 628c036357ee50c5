"""All that is kept of one person: complete in the file, and gone when it is erased."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

from digest import personal, preferences, subscriptions
from digest.models import State, Subscription, Suppression
from tests.community import MONDAY as WEEKS_MONDAY
from tests.community import village
from tests.conftest import Front
from tests.office import MONDAY, NOW, Office, open_office

NEXT_MONDAY = WEEKS_MONDAY + timedelta(weeks=1, hours=9)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Ann and Ben, who looked at each other's posts and said so."""
    with open_office(tmp_path) as office:
        office.enrol("ann", "ben")
        at = f"{MONDAY + timedelta(days=1):%Y-%m-%d %H:%M:%S}.000000"
        for viewer in ("ann", "", "kim"):
            office.sql(f"INSERT INTO views VALUES ('p-ben', '{at}', '{viewer}', '', 2)")
        office.sql(f"INSERT INTO views VALUES ('p-ann', '{at}', 'ben', '', 1)")
        for actor in ("ann", "kim"):
            office.sql(f"INSERT INTO reactions VALUES ('p-ben', '{at}', '{actor}', 'like', 1)")
        office.sql(f"INSERT INTO follows VALUES ('ben', 'ann', '{at}', NULL)")
        office.plan()
        office.send()
        yield office


def everything(office: Office) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    with office.database.reading() as session:
        return {
            table.name: [dict(row._mapping) for row in session.execute(table.select())]
            for table in SQLModel.metadata.sorted_tables
        }


def erase(office: Office, user: str = "ann") -> None:
    with office.database.writing() as session:
        personal.erase(session, user, NOW)


def test_the_file_has_every_table_that_knows_the_person(office: Office) -> None:
    with office.database.reading() as session:
        found = personal.export(session, "ann")
    filled = {name for name, rows in found.items() if rows}
    assert filled == {
        "user", "preferences", "mails", "weeks", "posts", "views_of_others",
        "reactions_to_others", "follows", "first_48_hours",
    }  # fmt: skip
    assert found["user"][0]["email"] == "ann@people.example"
    assert found["mails"][0]["state"] == State.SENT
    text = json.dumps(found)
    assert "ben@people.example" not in text
    assert "kim" not in text


def test_nobody_is_mentioned_any_more_who_was_erased(office: Office) -> None:
    erase(office)
    rows = everything(office)
    left = [
        (name, row)
        for name, found in rows.items()
        for row in found
        if any(isinstance(value, str) and "ann" in value.lower() for value in row.values())
    ]
    assert [name for name, _ in left] == ["suppressions", "users", "subscriptions"]
    assert dict(left)["users"]["name"] == ""
    (kept,) = rows["suppressions"]
    assert (kept["email_key"], kept["reason"]) == ("ann@people.example", "erased")


def test_the_figures_of_others_hold(office: Office) -> None:
    def figures() -> tuple[int, int]:
        (views,) = office.sql("SELECT sum(count) FROM views WHERE post_id = 'p-ben'")
        (acts,) = office.sql("SELECT sum(count) FROM reactions WHERE post_id = 'p-ben'")
        return int(views[0]), int(acts[0])

    before = figures()
    erase(office)
    assert figures() == before
    ((nobodys,),) = office.sql(
        "SELECT count FROM views WHERE post_id = 'p-ben' AND viewer_id = '' AND count > 1"
    )
    assert nobodys == 4


def test_erasing_twice_is_erasing_once(office: Office) -> None:
    erase(office)
    once = everything(office)
    erase(office)
    assert everything(office) == once


def test_an_old_link_does_not_bring_back_who_was_erased(office: Office) -> None:
    erase(office)
    with office.database.writing() as session:
        assert preferences.find(session, "ann", NOW) is None
        assert subscriptions.unsubscribe(session, "ann", NOW)
        assert not subscriptions.resubscribe(session, "ann", NOW)
    assert next(r for r in office.all(Subscription) if r.user_id == "ann").unsubscribed_at == NOW


def test_the_first_reason_of_a_suppression_stays_when_its_owner_is_erased(office: Office) -> None:
    with office.database.writing() as session:
        subscriptions.suppress(session, "ann@people.example", "hard-bounce", NOW)
    erase(office)
    assert [row.reason for row in office.all(Suppression)] == ["hard-bounce"]


def test_an_import_brings_the_facts_back_and_never_the_mail(digest: Front) -> None:
    """Nor to a second account of the same person."""
    there = village()
    folder = digest.folder / "in"
    digest("import", there.write(folder), at=NEXT_MONDAY)
    from digest.config import load  # noqa: PLC0415
    from digest.database import Database  # noqa: PLC0415

    database = Database(load().database_url)
    with database.writing() as session:
        personal.erase(session, "alice", NEXT_MONDAY)
    database.close()
    there.user("alias", "Alice Again", "Europe/London", email="alice@people.example")
    there.post("second", "alias", WEEKS_MONDAY + timedelta(hours=9))
    there.views("second", WEEKS_MONDAY + timedelta(hours=12), 9)
    assert digest("import", there.write(folder), at=NEXT_MONDAY).code == 0
    digest("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert not [mail for mail in digest.kept if "alice@" in str(mail["To"])]
    explained = {
        user: digest("explain", user, "--json", at=NEXT_MONDAY).json["reason"]
        for user in ("alice", "alias")
    }
    assert explained == {"alice": "unsubscribed", "alias": "erased"}
