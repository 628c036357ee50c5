"""What every test may ask for."""

from __future__ import annotations

import email
import email.policy
import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import time_machine

from digest.cli import main
from digest.config import PREFIX, Settings
from digest.database import Database
from tests import databases
from tests.databases import BRIEF, REQUIRED, examples

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_finish() -> None:
    """Keep full garbage collections short: a tenth of a second and more is a wait of some tests."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only what asks a database is run; the rest would be the same again.

    The gate has a quarter of an hour for both kinds: ``DIGEST_TEST_BRIEF`` leaves out what asks
    little of a database, and ``make test-postgres`` by hand does not.
    """
    if databases.POSTGRES:
        left = [item for item in items if not _asks_a_database(item)]
        items[:] = [item for item in items if _asks_a_database(item)]
        config.hook.pytest_deselected(items=left)


_SAME_EVERYWHERE = """
    backtest bad_input bounce_daemon bounce_sources bounce_tls bounces checks cli clients demo
    dkim docs findings headers ingest_stackexchange ingest_youtube kinds_page languages library look
    page_languages pages pages_browser privacy real_data real_digests scheduler sender settle
    smtp_pauses story tokens topics_page web wheel
"""
"""About what is read, written, signed or shown, whatever database stands behind it."""


def _asks_a_database(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    if BRIEF and item.module.__name__.removeprefix("tests.test_") in _SAME_EVERYWHERE.split():
        return False
    if {"database", "settings", "digest"} & set(item.fixturenames):
        return True
    makers = {"tests.office", "tests.databases"}
    return any(getattr(one, "__module__", "") in makers for one in vars(item.module).values())


# A busy machine is no failure: how long something takes is for the bench.
hypothesis.settings.register_profile("house", deadline=None, max_examples=examples(100))
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real posts, views and bounces that lies beside a development checkout."""
    if not SHARED_DATA.is_dir():
        assert "shared-data" not in REQUIRED, f"{SHARED_DATA} is missing"
        pytest.skip(f"needs the real data in {SHARED_DATA}, which is not on this machine")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own DIGEST_* must not change what is tested."""
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(variable)


@pytest.fixture(autouse=True)
def databases_of_a_test_end_with_it() -> Iterator[None]:
    """First of all fixtures, so that everybody else has let go of them."""
    before = databases.mark()
    yield
    databases.sweep(before)


@pytest.fixture(autouse=True, scope="session")
def the_server_ends_with_the_tests() -> Iterator[None]:
    yield
    databases.stop_server()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """An empty database with all tables, of the kind that is tested."""
    return databases.new_database(tmp_path / "digest.db")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The empty database, open."""
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings as a first trial has them, in a folder of the test's own."""
    return Settings(database_url=database_url, var=tmp_path / "var")


@dataclass(frozen=True)
class Result:
    """What one call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Front:
    """The front door: the command line, in a folder of its own, at a time of the test's choice."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd

    def __call__(self, *words: str | Path, at: datetime | None = None) -> Result:
        """Run ``digest`` with these words, as if it were ``at``."""
        self._capfd.readouterr()
        before, sys.argv = sys.argv, ["digest", *map(str, words)]
        clock = nullcontext() if at is None else time_machine.travel(at, tick=True)
        try:
            with clock, pytest.raises(SystemExit) as ended:
                main()
        finally:
            sys.argv = before
        said = self._capfd.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, said.out, said.err)

    @property
    def url(self) -> str:
        """Its database."""
        return os.environ.get("DIGEST_DATABASE_URL", f"sqlite:///{self.folder}/var/digest.db")

    def sql(self, statement: str, *values: Any, **named: Any) -> list[Any]:
        """Look into the database, or change it, as another program would."""
        return databases.sql(self.url, statement, *values, **named)

    @property
    def kept(self) -> list[EmailMessage]:
        """The mails in the embedded mailbox, in order of arrival."""
        files = sorted((self.folder / "var" / "mailbox").glob("*.eml"))
        read = [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in files
        ]
        return [message for message in read if isinstance(message, EmailMessage)]

    def mail_to(self, address: str) -> EmailMessage:
        """The one mail to ``address``."""
        found = [mail for mail in self.kept if address in str(mail["To"])]
        assert len(found) == 1, f"{len(found)} mails to {address}"
        return found[0]


@pytest.fixture
def digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Front:
    """The command line in an empty folder, with a database of the kind that is tested."""
    monkeypatch.chdir(tmp_path)
    if databases.POSTGRES:
        monkeypatch.setenv("DIGEST_DATABASE_URL", databases.new_database(tmp_path))
    return Front(tmp_path, capfd)


def body(mail: EmailMessage, kind: str = "plain") -> str:
    """The text of one part of a mail."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())
