"""The command line: exit codes, words for people, JSON for programs, and never a traceback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pytest

from digest.console import terminal
from tests.community import MONDAY, Community, village
from tests.conftest import Front
from tests.databases import POSTGRES
from tests.office import PATIENCE, serving
from tests.scripted_smtp import nobody_listens

NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)
WEEK = ("--week", "2026-W46")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the imported village is kept for the tests that follow."""
    return tmp_path_factory.mktemp("shelf") / "var"


@pytest.fixture
def told(digest: Front, shelf: Path) -> Front:
    """The village is imported."""
    var = digest.folder / "var"
    if POSTGRES or not shelf.exists():
        assert digest("import", village().write(digest.folder / "in"), at=NEXT_MONDAY).code == 0
        if not POSTGRES:  # there the database is not in that folder
            shutil.copytree(var, shelf)
    elif not var.exists():
        shutil.copytree(shelf, var)
    return digest


def process(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m digest`` with these words, as a process."""
    return subprocess.run(
        [sys.executable, "-m", "digest", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def through(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Mail goes to this port."""
    monkeypatch.setenv("DIGEST_SMTP_URL", f"smtp://127.0.0.1:{port}?starttls=never")


# --- exit codes ----------------------------------------------------------------------------------


def test_done_is_0(told: Front) -> None:
    for words in (("send", *WEEK), ("send", *WEEK), ("status",), ("schedule",), ("check",)):
        assert told(*words, at=NEXT_MONDAY).code == 0, words


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({"RCPT": "550 5.1.1 nobody"}, "failed (address)"),
        ({"RCPT": "451 4.3.0 later"}, "deferred: the server asked to wait (transient)"),
        ({"MAIL": "530 5.7.0 log in first"}, "530"),
    ],
    ids=["failed", "deferred", "stopped"],
)
def test_done_but_not_for_everybody_is_1_and_says_why(
    told: Front, monkeypatch: pytest.MonkeyPatch, script: dict[str, str], said: str
) -> None:
    with serving(script) as server:
        through(monkeypatch, server.port)
        result = told("send", *WEEK, at=NEXT_MONDAY)
    assert result.code == 1
    assert said in result.out or "log in first" in result.err


def test_a_deferral_says_when_it_goes_on_and_nothing_of_failures(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"RCPT": "451 4.3.0 later"}) as server:
        through(monkeypatch, server.port)
        first = told("send", *WEEK, at=NEXT_MONDAY)
        second = told("send", *WEEK, at=NEXT_MONDAY)
    ((earliest,),) = told.sql("SELECT min(next_attempt_at) FROM deliveries")
    minute = datetime.fromisoformat(str(earliest)) + timedelta(seconds=59)
    again = f"Deferred ones are offered again from {minute:%Y-%m-%d %H:%M} UTC"
    assert again in first.out
    assert again in second.out
    assert "--retry-failed" not in first.out
    assert again in told("status", "--state", "deferred").out
    assert again not in told("status", "--state", "skipped").out


def test_a_server_that_is_down_is_said_with_a_hint_and_the_mails_stay_pending(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_CONNECTIONS", "1")
    with nobody_listens() as port:
        through(monkeypatch, port)
        result = told("send", *WEEK, at=NEXT_MONDAY)
    assert result.code == 2
    assert "no connection to 127.0.0.1" in result.err
    assert "nothing listens there" in result.err
    states = told("status", "--json").json["states"]
    assert set(states) == {"pending", "skipped"}


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (("send", "--user", "zoe"), "no user zoe", "digest status"),
        (("preview", "zoe"), "no user zoe", "digest status"),
        (("explain", "zoe"), "no user zoe", "digest status"),
        (("schedule", "--user", "zoe"), "no user zoe", "digest status"),
        (("send", "--week", "2026-W60"), "no week 2026-W60", "52 or 53"),
        (("status", "--week", "46"), "“46” is not a week", "2026-W46"),
        (("preview", "alice", "--week", "2026-W00"), "no week 2026-W00", "52 or 53"),
        (("explain", "alice", "--week", "next"), "“next” is not a week", "2026-W46"),
        (("preview", "vic"), "has never posted", "digest explain vic"),
        (("preview", "alice", *WEEK, "--output", "/proc/no/file"), "cannot be written", "--output"),
        (("import", "nowhere"), "nowhere", ""),
        (("daemon", "--web", "--host", "host.invalid"), "cannot listen", "--port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_2_with_a_hint_and_no_traceback(
    told: Front, words: tuple[str, ...], what: str, hint: str
) -> None:
    result = told(*words, at=NEXT_MONDAY)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("digest: ")
    assert what in result.err
    assert hint in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "words",
    [("nope",), ("send", "--nope"), ("send", "--limit", "0"), ("send", "--workers", "x"), ()],
    ids=" ".join,
)
def test_wrong_words_are_2_and_show_the_usage(digest: Front, words: tuple[str, ...]) -> None:
    result = digest(*words)
    assert result.code == 2
    assert "Usage: " in result.err + result.out
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "setting",
    [
        ("HOUR", "25", "HOUR"),
        ("TIMEZONE", "Mars/Olympus", "TIMEZONE"),
        ("BASE_URL", "ftp://x", "BASE_URL"),
        ("SMTP_URL", "http://mail", "SMTP_URL"),
        ("SMTP_URL", "smtp://mail.site.example", "FROM"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL"),
        ("DATABASE_URL", "sqlite:////proc/no/such.db", "DATABASE_URL"),
        ("SECRET_KEY_FILE", "/proc/no/such", "SECRET_KEY_FILE"),
        ("VAR", "/proc/no", "SECRET_KEY"),
    ],
)
@pytest.mark.parametrize("command", ["send", "daemon"])
def test_a_wrong_setting_is_named_before_anything_happens(
    digest: Front, monkeypatch: pytest.MonkeyPatch, command: str, setting: tuple[str, str, str]
) -> None:
    variable, value, what = setting
    monkeypatch.setenv(f"DIGEST_{variable}", value)
    result = digest(command, at=NEXT_MONDAY)
    assert (result.code, result.out) == (2, "")
    assert f"digest: {what}" in result.err
    assert "Traceback" not in result.err


def test_a_configuration_file_that_cannot_be_read_is_said(digest: Front) -> None:
    (digest.folder / "digest.toml").write_text("hour = ")
    result = digest("send")
    assert result.code == 2
    assert "digest.toml" in result.err


def test_a_file_that_is_no_database_is_said_and_left_alone(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = digest.folder / "letter.txt"
    other.write_text("This is a letter, and nothing that a program should write into.\n" * 9)
    before = other.read_bytes()
    monkeypatch.setenv("DIGEST_DATABASE_URL", f"sqlite:///{other}")
    result = digest("send")
    assert result.code == 2
    assert "not a database" in result.err
    assert "backup" in result.err
    assert other.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_said(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The locks of runs are kept there."""
    monkeypatch.setenv("DIGEST_SECRET_KEY", "a key of our own")
    (told.folder / "var" / "runs").write_text("in the way")
    result = told("send", *WEEK, at=NEXT_MONDAY)
    assert result.code == 2
    assert "var/runs" in result.err
    assert "writable" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("words", [("web",), ("daemon", "--web")], ids=" ".join)
def test_a_port_in_use_is_said(told: Front, words: tuple[str, ...]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        result = told(*words, "--port", str(taken.getsockname()[1]), at=NEXT_MONDAY)
    assert result.code == 2
    assert "cannot listen" in result.err
    assert "name another --host or --port" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", ["send", "check"])
def test_ctrl_c_is_130(told: Front, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Even before there is anything to drain."""

    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("digest.config.load", interrupt)
    result = told(command)
    assert result.code == 130
    assert "Traceback" not in result.err


# --- what is said --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--json"),
        ("status", *WEEK, "--json"),
        ("explain", "alice", "--json"),
        ("schedule", "--json"),
        ("schedule", "--user", "alice", "--json"),
        ("preview", "alice", "--format", "json"),
    ],
    ids=" ".join,
)
def test_json_is_one_document_and_nothing_else(told: Front, words: tuple[str, ...]) -> None:
    told("send", *WEEK, at=NEXT_MONDAY)
    result = told("--verbose", *words, at=NEXT_MONDAY)
    assert (result.code, result.err) == (0, "")
    assert result.json
    assert result.out.endswith("\n")


def test_long_work_says_where_it_is_when_nobody_watches(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "EVERY_SECONDS", 0)
    result = told("send", *WEEK, at=NEXT_MONDAY)
    lines = [line for line in result.err.splitlines() if line.startswith("Sending:")]
    assert lines[-1].startswith("Sending: 5 of 5 mails after ")
    assert "Sending:" not in result.out


def test_a_send_tells_what_an_earlier_one_left_behind(told: Front) -> None:
    told("send", *WEEK, "--limit", "1", at=NEXT_MONDAY)
    told.sql("UPDATE runs SET finished_at = NULL, host = :here", here=socket.gethostname())
    told.sql("UPDATE runs SET heartbeat_at = '2026-11-15 00:00:00.000000'")
    told.sql("UPDATE deliveries SET state = 'claimed', owner = (SELECT owner FROM runs)")
    result = told("send", *WEEK, at=NEXT_MONDAY)
    assert "An earlier run had died: 1 claims were taken back, 0 mails are in doubt." in result.out
    assert told("status", "--json").json["states"] == {"sent": 3, "skipped": 2}


def test_failed_mails_are_offered_again_only_when_asked(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"RCPT": "550 5.7.1 not today"}) as server:
        through(monkeypatch, server.port)
        assert "--retry-failed" in told("send", *WEEK, at=NEXT_MONDAY).out
    with serving() as server:
        through(monkeypatch, server.port)
        assert "Nothing to send" in told("send", *WEEK, at=NEXT_MONDAY).out
        assert server.received == []
        result = told("send", *WEEK, "--retry-failed", "--user", "bob", at=NEXT_MONDAY)
        assert "1 sent" in result.out
        assert server.accepted == ["bob@people.example"]
        told("send", "--retry-failed", at=NEXT_MONDAY)
        assert len(server.accepted) == 3


def test_failures_of_earlier_weeks_stay_what_they_are(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying last week's again must not mail what failed in spring."""
    monkeypatch.setenv("DIGEST_ADAPTIVE_CADENCE", "false")  # she had not posted for long then
    with serving({"RCPT": "550 5.7.1 not today"}) as server:
        through(monkeypatch, server.port)
        told("send", "--week", "2026-W45", at=NEXT_MONDAY)
    with serving() as server:
        through(monkeypatch, server.port)
        told("send", "--retry-failed", at=NEXT_MONDAY)
    assert told("status", "--week", "2026-W45", "--json").json["states"]["failed"] == 1


def test_who_lives_in_a_zone_that_nobody_knows_stops_nobody(told: Front) -> None:
    told.sql("UPDATE users SET timezone = 'Mars/Olympus' WHERE id = 'alice'")
    for words in (("send", *WEEK), ("schedule",), ("explain", "alice"), ("preview", "alice")):
        assert told(*words, at=NEXT_MONDAY).code == 0
    assert len(told.kept) == 3


@pytest.mark.parametrize("words", [("status",), ("schedule",), ("send",), ("check",)], ids=" ".join)
def test_an_empty_folder_is_no_trouble(digest: Front, words: tuple[str, ...]) -> None:
    result = digest(*words, at=NEXT_MONDAY)
    assert result.code == (2 if words == ("status",) else 0)
    assert "Traceback" not in result.err


def test_a_send_from_a_wrong_folder_names_the_database_that_it_found_empty(digest: Front) -> None:
    said = digest("send", at=NEXT_MONDAY).out
    assert "There is nobody to write to in " in said
    if not POSTGRES:
        assert f" {digest.folder}/var/digest.db." in said


def test_before_the_first_send_everybody_is_unplanned(told: Front) -> None:
    status = told("status", "--json", at=NEXT_MONDAY)
    assert status.code == 0
    assert status.json == {
        "week": "2026-W46",
        "audience": 5,
        "states": {"unplanned": 5},
        "reasons": {},
    }


# --- schedule ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "zone", "offsets"),
    [
        (datetime(2026, 10, 15, tzinfo=UTC), "Europe/London", ["+01:00", "+00:00"]),
        (datetime(2026, 3, 10, tzinfo=UTC), "Europe/London", ["+00:00", "+01:00"]),
        (datetime(2026, 10, 20, tzinfo=UTC), "America/New_York", ["-04:00", "-05:00"]),
        (datetime(2026, 9, 10, tzinfo=UTC), "Pacific/Auckland", ["+12:00", "+13:00"]),
    ],
)
def test_the_schedule_follows_a_change_of_the_clock(
    digest: Front, monkeypatch: pytest.MonkeyPatch, now: datetime, zone: str, offsets: list[str]
) -> None:
    monkeypatch.setattr(terminal.out, "width", 120)
    there = Community()
    there.user("eve", "Eve", zone)
    digest("import", there.write(digest.folder / "in"), at=now)
    rows = digest("schedule", "--user", "eve", "--json", at=now).json
    assert len(rows) == 8
    locals_ = [datetime.fromisoformat(row["local"]) for row in rows]
    assert {(local.weekday(), local.hour, local.minute) for local in locals_} == {(0, 8, 0)}
    seen = [row["local"][-6:] for row in rows]
    assert seen == sorted(seen, key=offsets.index)
    assert set(seen) == set(offsets)
    for row, local in zip(rows, locals_, strict=True):
        assert datetime.fromisoformat(row["utc"]) == local
    table = digest("schedule", "--user", "eve", at=now).out
    assert f"{locals_[0]:%d %b %Y %H:%M %z}" in table
    assert f"{locals_[-1]:%d %b %Y %H:%M %z}" in table


def test_the_schedule_of_all_is_in_order_of_time(told: Front) -> None:
    rows = told("schedule", "--json", at=NEXT_MONDAY).json
    assert [row["user"] for row in rows][:1] == ["bob"]
    assert [row["utc"] for row in rows] == sorted(row["utc"] for row in rows)
    assert {row["user"] for row in rows} == {"alice", "aroha", "bob", "quinn", "vic"}


# --- as a process --------------------------------------------------------------------------------


def test_python_m_digest_is_the_same_program(tmp_path: Path) -> None:
    result = process(tmp_path, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    for command in ("demo", "import", "send", "preview", "daemon", "web", "status", "check"):
        assert f" {command} " in result.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_can_be_shown(
    digest: Front, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    result = digest("--show-completion", shell)
    assert result.code == 0
    assert "_DIGEST_COMPLETE=complete_" in result.out


def test_a_reader_of_a_pipe_that_goes_away_leaves_no_traceback(told: Front) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        ended = subprocess.run(
            [sys.executable, "-m", "digest", "schedule", "--json"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert "Traceback" not in ended.stderr


def test_it_says_its_version(digest: Front) -> None:
    assert digest("--version").out == f"digest {metadata.version('digest')}\n"
