"""From a claimed batch to its letters, before any of them is seen by anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digest import ledger
from digest.ledger import Claim, Outcome
from digest.letters import Letter, written
from tests.office import NOW, THIS_WEEK, WEEK, Office, open_office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Ann, Ben and Cem are due."""
    with open_office(tmp_path) as office:
        office.enrol("ann", "ben", "cem")
        office.plan()
        yield office


@pytest.fixture
def claims(office: Office) -> Iterator[list[Claim]]:
    """All three, taken by a run that is alive."""
    with ledger.running(office.database, office.settings.locks, "test", lambda: NOW) as owner:
        yield office.claim(owner)


def letters(
    office: Office, claims: list[Claim], hurried: Callable[[], bool] = lambda: False
) -> list[Letter | Outcome]:
    async def main() -> list[Letter | Outcome]:
        return [one async for one in written(office.shop, THIS_WEEK, claims, lambda: NOW, hurried)]

    return asyncio.run(main())


def test_every_claim_has_its_letter_or_the_reason_why_not(
    office: Office, claims: list[Claim]
) -> None:
    office.sql("UPDATE subscriptions SET unsubscribed_at = ? WHERE user_id = 'ben'", str(NOW))
    ann, ben, cem = letters(office, claims)
    assert isinstance(ben, Outcome)
    assert (str(ben.state), ben.reason) == ("skipped", "unsubscribed")
    for letter, claim in ((ann, claims[0]), (cem, claims[2])):
        assert isinstance(letter, Letter)
        assert letter.claim == claim
        assert letter.rcpt_to == letter.author.email == f"{claim.user}@people.example"
        assert f"Message-ID: {letter.message_id}\r\n".encode() in letter.content
        assert f"By {claim.user}".encode() in letter.content
    told = office.sql("SELECT user_id FROM snapshots WHERE period = ? AND body IS NOT NULL", WEEK)
    assert sorted(row[0] for row in told) == ["ann", "cem"], "stored before anybody reads them"


def test_once_the_run_must_end_no_more_is_written(office: Office, claims: list[Claim]) -> None:
    asked = iter([False, True, True])
    (only,) = letters(office, claims, lambda: next(asked))
    assert isinstance(only, Letter)
    assert only.claim.user == "ann"
