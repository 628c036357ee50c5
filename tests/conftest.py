"""What every test may ask for."""

from __future__ import annotations

import email
import email.policy
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

import pytest
import time_machine

from digest.cli import main
from digest.config import PREFIX, Settings
from digest.database import Database

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
REQUIRED = os.environ.get("DIGEST_REQUIRE", "").split(",")
"""What a test run must have; elsewhere tests that need a missing thing skip and say so."""


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


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database file with all tables."""
    made = Database(f"sqlite:///{tmp_path}/digest.db")
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings as a first trial has them, in a folder of the test's own."""
    return Settings(database_url=f"sqlite:///{tmp_path}/digest.db", var=tmp_path / "var")


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
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Front(tmp_path, capfd)


def body(mail: EmailMessage, kind: str = "plain") -> str:
    """The text of one part of a mail."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())
