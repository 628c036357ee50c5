"""The package as a library: what the command line does, from Python."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import digest
from digest import (
    Database,
    Scope,
    Settings,
    enrol,
    explain,
    plan_week,
    preview,
    send,
    status,
    workshop,
)
from digest.ingest import ingest
from tests.community import MONDAY, village

NOW = MONDAY + timedelta(weeks=1, hours=9)


@pytest.fixture
def filled(database: Database, settings: Settings, tmp_path: Path) -> Database:
    ingest(database, village().write(tmp_path / "in"))
    with database.writing() as session:
        enrol(session, settings, NOW)
    return database


def test_one_users_digest_is_composed_and_rendered(filled: Database, settings: Settings) -> None:
    made = preview(workshop(filled, settings), "alice", "2026-W46", NOW)
    assert (made.snapshot.views, made.snapshot.reach) == (16, 13)
    assert "Why bridges hum" in made.mail.rendered.html
    assert made.mail.content.startswith(b"Date:")


def test_a_batch_is_run_and_accounted_for(filled: Database, settings: Settings) -> None:
    with filled.writing() as session:
        assert plan_week(session, NOW, period="2026-W46") == 5
    shop = workshop(filled, settings)
    report = send(shop, Scope(("2026-W46",)), lambda: NOW)
    assert report.total == 5
    assert status(filled, "2026-W46")["states"] == {"sent": 3, "skipped": 2}
    assert explain(shop, "alice", "2026-W46", NOW)["state"] == "sent"


def test_every_name_that_is_offered_exists_and_is_documented() -> None:
    for name in digest.__all__:
        assert getattr(digest, name).__doc__, name
    assert not hasattr(digest, "no_such_name")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, digest; print('sqlalchemy' in sys.modules, 'premailer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
