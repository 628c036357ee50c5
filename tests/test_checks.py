"""``digest check`` finds before the first mail what would stop a send."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from digest.checks import run_checks
from digest.smtp import Timeouts
from tests.conftest import Front
from tests.office import NOW, serving
from tests.scripted_names import ScriptedNames, naming
from tests.scripted_smtp import Drop, Script, Step, Wait, nobody_listens

REAL = {
    "DIGEST_SMTP_URL": "smtp://mail.site.example:2525",
    "DIGEST_FROM": "digest@site.example",
    "DIGEST_SITE_NAME": "The Site",
    "DIGEST_BASE_URL": "https://site.example",
    "DIGEST_POSTAL_ADDRESS": "1 Long Lane, Townham",
}


def lines(out: str, sign: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith(sign)]


def test_a_first_trial_is_all_right_and_says_where_mail_goes(digest: Front) -> None:
    result = digest("check")
    assert result.code == 0
    assert len(lines(result.out, "ok")) == 4
    assert "none is set: mail is kept in var/mailbox/" in result.out


def test_a_server_that_answers_is_all_right_and_is_offered_nothing(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        monkeypatch.setenv("DIGEST_SMTP_URL", f"smtp://127.0.0.1:{server.port}")
        result = digest("check")
        assert result.code == 0
        assert server.verbs(1) == ["EHLO", "QUIT"]


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ({"CONNECT": Drop()}, "no connection"),
        ({"CONNECT": "554 5.7.1 go away"}, "go away"),
        ({"EHLO": "421 4.3.2 closing"}, "closing"),
    ],
)
def test_a_server_that_turns_us_away_is_wrong(
    digest: Front, monkeypatch: pytest.MonkeyPatch, script: dict[str, Step], what: str
) -> None:
    with serving(script) as server:
        monkeypatch.setenv("DIGEST_SMTP_URL", f"smtp://127.0.0.1:{server.port}")
        result = digest("check")
    assert result.code == 2
    (wrong,) = lines(result.out, "wrong")
    assert wrong.startswith("wrong mail server:")
    assert what in wrong


def test_a_port_that_speaks_tls_from_the_start_is_told_by_its_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving({"CONNECT": Wait(5)}) as server:
        monkeypatch.setenv("DIGEST_SMTP_URL", f"smtp://127.0.0.1:{server.port}")
        found = run_checks(NOW, Timeouts(connect=0.2))
    (problem,) = [finding.problem for finding in found if finding.name == "mail server"]
    assert problem is not None
    assert "no connection" in problem.message
    assert "must begin with smtps://" in problem.hint


def test_a_port_without_tls_is_told_when_it_is_spoken_to_in_tls(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        monkeypatch.setenv("DIGEST_SMTP_URL", f"smtps://127.0.0.1:{server.port}")
        result = digest("check")
    assert result.code == 2
    assert "wrong mail server: no TLS" in result.out
    assert "write smtp://" in result.out


def test_refused_credentials_are_found(digest: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    script: Script = {"EHLO": "250-x\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 wrong"}
    with serving(script) as server:
        monkeypatch.setenv("DIGEST_SMTP_URL", f"smtp://u:geheim@127.0.0.1:{server.port}")
        result = digest("check")
    assert result.code == 2
    assert "check user and password in SMTP_URL" in result.out
    assert "geheim" not in result.out + result.err


def test_a_server_that_is_down_is_wrong(digest: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody_listens() as port:
        monkeypatch.setenv("DIGEST_SMTP_URL", f"smtp://127.0.0.1:{port}")
        result = digest("check")
    assert result.code == 2
    assert f"wrong mail server: no connection to 127.0.0.1:{port}" in result.out


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ("DIGEST_FROM", "FROM"),
        ("DIGEST_SITE_NAME", "SITE_NAME"),
        ("DIGEST_BASE_URL", "BASE_URL"),
        ("DIGEST_POSTAL_ADDRESS", "POSTAL_ADDRESS"),
    ],
)
def test_what_real_sending_needs_is_named_with_a_hint(
    digest: Front, monkeypatch: pytest.MonkeyPatch, missing: str, what: str
) -> None:
    for name, value in REAL.items():
        if name != missing:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    with naming(ScriptedNames()) as names:
        monkeypatch.setenv("DIGEST_DNS_SERVER", names.place)
        result = digest("check")
    assert result.code == 2
    (wrong,) = lines(result.out, "wrong sending:")
    assert wrong.startswith(f"wrong sending: {what}")


def refuse(*_: object, **__: object) -> None:
    """No name is looked up outside this machine."""
    raise socket.gaierror(-2, "Name or service not known")


def test_every_problem_is_named_at_once(digest: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL", REAL["DIGEST_SMTP_URL"])
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    result = digest("check")
    assert len(lines(result.out, "wrong sending:")) == 4
    assert len(lines(result.out, "wrong mail server:")) == 1


def test_a_misspelt_variable_is_found_and_the_right_one_proposed(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_SMPT_URL", "smtp://127.0.0.1")
    result = digest("check")
    assert result.code == 2
    assert "DIGEST_SMPT_URL" in result.out
    assert "did you mean SMTP_URL?" in result.out


def test_a_wrong_setting_is_found(digest: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_WEEKDAY", "7")
    result = digest("check")
    assert result.code == 2
    assert "wrong configuration: WEEKDAY" in result.out


def test_a_sender_that_is_no_address_is_named_with_its_setting(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_FROM", "The Site <a@site.example>")
    what = "FROM: “The Site <a@site.example>”: "
    checked, sent = digest("check"), digest("send")
    assert (checked.code, sent.code) == (2, 2)
    assert f"wrong mails: {what}" in checked.out
    assert sent.err.startswith(f"digest: {what}")
    assert "name@host.example" in sent.err


def test_a_url_that_is_none_is_found_and_its_password_not_shown(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL", "http://user:geheim@mail.site.example")
    result = digest("check")
    assert result.code == 2
    assert "must begin with smtp://" in result.out
    assert "geheim" not in result.out + result.err


def test_a_database_that_cannot_be_used_is_found(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    (digest.folder / "letter.txt").write_text("Dear database,\n" * 100)
    monkeypatch.setenv("DIGEST_DATABASE_URL", "sqlite:///letter.txt")
    result = digest("check")
    assert result.code == 2
    assert "wrong database:" in result.out
    assert "restore it from a backup" in result.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE suppressions", "table suppressions missing"),
        ("ALTER TABLE posts RENAME COLUMN title TO headline", "column posts.title missing"),
    ],
)
def test_a_table_or_column_that_was_removed_is_found(digest: Front, change: str, said: str) -> None:
    assert digest("check").code == 0
    digest.sql(change)
    result = digest("check")
    assert result.code == 2
    (wrong,) = lines(result.out, "wrong")
    assert wrong.startswith("wrong database: ")
    assert wrong.endswith(said)


@pytest.mark.parametrize(
    ("text", "what"),
    [("{% if %}", "line 1"), ("{{ nmae }}", "there is nothing called “nmae”")],
    ids=["syntax", "unknown name"],
)
def test_a_template_that_cannot_work_is_found_before_the_first_mail(
    digest: Front, monkeypatch: pytest.MonkeyPatch, text: str, what: str
) -> None:
    own = digest.folder / "own" / "email"
    own.mkdir(parents=True)
    (own / "subject.txt").write_text(text)
    monkeypatch.setenv("DIGEST_TEMPLATES", str(own.parent))
    result = digest("check")
    assert result.code == 2
    (wrong,) = lines(result.out, "wrong")
    assert "subject.txt" in wrong
    assert what in wrong


def test_a_check_sends_and_plans_nothing(digest: Front) -> None:
    digest("demo", "--users", "3")
    digest("check")
    assert not Path("var/mailbox").exists()
    assert digest("status", "--json").json["states"] == {"unplanned": 3}
