"""The promises of the product, each told through the front door: import, send, read the mail."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.community import MONDAY, Community, village
from tests.conftest import Front, body

NEXT_MONDAY = MONDAY + timedelta(weeks=1, hours=9)


@pytest.fixture
def told(digest: Front) -> Front:
    """The village is imported."""
    assert digest("import", village().write(digest.folder / "in"), at=NEXT_MONDAY).code == 0
    return digest


def test_an_author_reads_who_saw_their_posts_and_what_did_best(told: Front) -> None:
    assert told("send", "--week", "2026-W46", at=NEXT_MONDAY).code == 0
    mail = told.mail_to("alice@people.example")
    text = body(mail)
    assert "seen by 13 people\r\n\r\nThat is more than your usual range" in text
    assert "16 views in all." in text
    assert text.index("Why bridges hum") < text.index("A garden plan")
    assert "12 views by 9 people · 2 reactions" in text
    assert "Bob Ito replied" in text
    assert "Alice Moreau replied" not in text
    assert "archive" in text


def test_a_second_send_sends_nothing_and_says_why(told: Front) -> None:
    first = told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert "3 sent" in first.out
    second = told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert second.code == 0
    assert "Nothing to send" in second.out
    assert "3 sent" in second.out
    assert len(told.kept) == 3


def test_a_week_that_is_not_over_is_refused(told: Front) -> None:
    for words in (("send",), ("send", "--dry-run"), ("preview", "alice"), ("explain", "alice")):
        result = told(*words, "--week", "2026-W47", at=NEXT_MONDAY)
        assert result.code == 2
        assert "not over" in result.err
    assert told("status", "--week", "2026-W47", "--json").json["states"] == {"unplanned": 5}


def test_states_and_reasons_sum_to_the_audience(told: Front) -> None:
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    status = told("status", "--json").json
    assert status == {
        "week": "2026-W46",
        "audience": 5,
        "states": {"sent": 3, "skipped": 2},
        "reasons": {"skipped:no-posts": 1, "skipped:quiet": 1},
    }


def test_users_who_were_not_planned_are_counted_too(told: Front) -> None:
    told("send", "--week", "2026-W46", "--user", "alice", at=NEXT_MONDAY)
    status = told("status", "--json").json
    assert status["states"] == {"sent": 1, "unplanned": 4}


def test_explain_names_every_gate_and_the_one_that_decided(told: Front) -> None:
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    alice = told("explain", "alice", "--json", at=NEXT_MONDAY).json
    assert (alice["state"], alice["decided_by"]) == ("sent", "ledger")
    assert all(gate["passed"] for gate in alice["gates"])
    assert alice["sections"] == ["headline", "usual", "top_posts", "next"]
    vic = told("explain", "vic", "--json", at=NEXT_MONDAY).json
    assert (vic["state"], vic["reason"], vic["decided_by"]) == ("skipped", "no-posts", "has posts")
    quinn = told("explain", "quinn", "--json", at=NEXT_MONDAY).json
    assert (quinn["state"], quinn["reason"]) == ("skipped", "quiet")
    assert [gate["passed"] for gate in quinn["gates"]][-2:] == [False, False]


def test_a_preview_is_what_is_sent_and_leaves_no_trace(told: Front) -> None:
    preview = told("preview", "alice", "--week", "2026-W46", "--format", "text", at=NEXT_MONDAY).out
    snapshot = told("preview", "alice", "--week", "2026-W46", "--format", "json", at=NEXT_MONDAY)
    for table in ("deliveries", "snapshots", "judgements", "runs"):
        assert told.sql(f"SELECT count(*) FROM {table}") == [(0,)]
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert body(told.mail_to("alice@people.example")).split() == preview.split()
    ((stored,),) = told.sql(
        "SELECT CAST(body AS TEXT) FROM snapshots WHERE user_id = 'alice' AND period = '2026-W46'"
    )
    assert json.loads(stored) == snapshot.json


@pytest.mark.parametrize("form", ["html", "text", "eml", "json"])
def test_a_preview_goes_to_a_file_in_every_format(told: Front, form: str) -> None:
    target = told.folder / "out" / f"mail.{form}"
    words = ("preview", "bob", "--week", "2026-W46", "--format", form)
    assert told(*words, "--output", target, at=NEXT_MONDAY).code == 0
    assert b"The last ferry" in target.read_bytes()


def test_the_numbers_of_a_mail_never_change_after_it_was_made(told: Front) -> None:
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    before = told("preview", "alice", "--week", "2026-W46", "--format", "json", at=NEXT_MONDAY).json
    late = Community()
    late.views("bridge", MONDAY + timedelta(days=4), 50, "late")
    assert told("import", late.write(told.folder / "late"), at=NEXT_MONDAY).code == 0
    after = told("preview", "alice", "--week", "2026-W46", "--format", "json", at=NEXT_MONDAY).json
    assert after == before


def test_the_first_mail_of_a_platform_with_a_history_compares(told: Front) -> None:
    snapshot = told("preview", "alice", "--week", "2026-W46", "--format", "json", at=NEXT_MONDAY)
    usual = snapshot.json["sections"]["usual"]
    assert usual["weeks"] == 9
    assert usual["verdict"] == "above"
    assert usual["metric"] == "reach"


def test_history_is_worked_out_once_and_kept(told: Front) -> None:
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    query = "SELECT period, views, reach FROM snapshots WHERE user_id = 'alice' ORDER BY period"
    assert len(told.sql(query)) == 11
    told.sql("UPDATE snapshots SET reach = 1000 WHERE period = '2026-W45'")
    told("send", "--week", "2026-W47", at=NEXT_MONDAY + timedelta(weeks=1))
    found = {period: reach for period, _, reach in told.sql(query)}
    assert found["2026-W45"] == 1000


def test_a_quiet_week_is_mailed_once_and_then_not_again(told: Front) -> None:
    week_after = NEXT_MONDAY + timedelta(weeks=1)
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    told("send", "--week", "2026-W47", at=week_after)
    quiet = [mail for mail in told.kept if "quiet" in str(mail["Subject"]).lower()]
    assert {str(mail["To"]) for mail in quiet} >= {"Alice Moreau <alice@people.example>"}
    assert "0 people" not in body(quiet[0])
    told("send", "--week", "2026-W48", at=week_after + timedelta(weeks=1))
    assert told("status", "--week", "2026-W48", "--json").json["states"] == {"skipped": 5}
    query = "SELECT told, body, views FROM snapshots WHERE user_id = 'alice' AND period = ?"
    assert told.sql(query, "2026-W48") == [("", None, 0)]  # no mail told anything, and it is known


def test_a_week_in_which_counters_were_not_read_is_unknown_and_not_quiet(digest: Front) -> None:
    there = Community()
    there.user("cho", "Cho")
    there.post("p", "cho", None)
    for days, total in ((-14, 100), (-13, 120), (-7, 150)):
        there.counter("p", MONDAY + timedelta(days=days, hours=9), total)
    digest("import", there.write(digest.folder / "in"), at=NEXT_MONDAY)
    digest("send", "--week", "2026-W45", at=NEXT_MONDAY)
    assert "30 views" in body(digest.mail_to("cho@people.example"))
    digest("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert digest("status", "--json").json["reasons"] == {"skipped:no-data": 1}


def test_each_week_is_the_readers_own(digest: Front) -> None:
    """The same instant is Sunday in New York and Monday in Auckland: two weeks, two mails."""
    there = Community()
    there.user("eve", "Eve", "America/New_York")
    there.user("aroha", "Aroha", "Pacific/Auckland")
    for author in ("eve", "aroha"):
        there.post(f"p-{author}", author, MONDAY - timedelta(days=20))
        there.views(f"p-{author}", datetime(2026, 11, 8, 12, tzinfo=UTC), 5)  # Monday in Auckland
    digest("import", there.write(digest.folder / "in"), at=NEXT_MONDAY)
    words = ("--format", "json")
    eve = digest("preview", "eve", "--week", "2026-W45", *words, at=NEXT_MONDAY).json
    aroha = digest("preview", "aroha", "--week", "2026-W46", *words, at=NEXT_MONDAY).json
    assert (eve["views"], eve["start"]) == (5, "2026-11-02T05:00:00+00:00")
    assert (aroha["views"], aroha["start"]) == (5, "2026-11-08T11:00:00+00:00")


def test_without_a_week_everyone_gets_their_own_last_full_one(told: Front) -> None:
    sunday_night_in_new_york = datetime(2026, 11, 16, 3, tzinfo=UTC)
    told("send", at=sunday_night_in_new_york)
    periods = dict(told.sql("SELECT user_id, period FROM deliveries"))
    assert periods["bob"] == "2026-W45"
    assert periods["aroha"] == "2026-W46"


def test_a_dry_run_makes_every_mail_and_stores_nothing(told: Front) -> None:
    result = told("send", "--week", "2026-W46", "--dry-run", at=NEXT_MONDAY)
    assert result.code == 0
    assert "3 would be sent" in result.out
    assert told.kept == []
    assert told("send", "--week", "2026-W46", at=NEXT_MONDAY).out.startswith("3 sent")


def test_a_limit_plans_no_more_than_it_sends(told: Front) -> None:
    told("send", "--week", "2026-W46", "--limit", "2", at=NEXT_MONDAY)
    assert told("status", "--json").json["states"]["unplanned"] == 3


def test_two_users_with_one_mailbox_get_one_mail(told: Front) -> None:
    again = Community()
    again.user("zoe", "Zoe", email="alice@PEOPLE.example")
    again.post("zoes", "zoe", MONDAY)
    again.views("zoes", MONDAY + timedelta(days=1), 4)
    told("import", again.write(told.folder / "again"), at=NEXT_MONDAY)
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert told("explain", "zoe", "--json", at=NEXT_MONDAY).json["reason"] == "duplicate-address"
    assert len([m for m in told.kept if "alice@" in str(m["To"]).lower()]) == 1


def test_an_address_that_no_server_takes_fails_alone(told: Front) -> None:
    bad = Community()
    bad.user("mallory", "Mallory", email="mallory@@nowhere")
    bad.post("m", "mallory", MONDAY)
    bad.views("m", MONDAY + timedelta(days=1), 4)
    told("import", bad.write(told.folder / "bad"), at=NEXT_MONDAY)
    sent = told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert sent.code == 1
    status = told("status", "--json").json
    assert status["states"] == {"failed": 1, "sent": 3, "skipped": 2}
    assert status["reasons"]["failed:unusable-address"] == 1


def test_a_section_that_fails_for_one_user_fails_for_nobody_else(
    told: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package adds a section that stumbles over one author; the others get their mail."""
    package = tmp_path / "plugins"
    info = package / "stumble-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stumble\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[digest.sections]\nstumble = stumble:SECTION\n")
    (package / "stumble.py").write_text(
        "from digest.sections import Section\n"
        "def load(session, batch):\n    return {'alice': 0}\n"
        "def build(facts, batch):\n    return {'share': 1 / facts}\n"
        "SECTION = Section('stumble', 60, load, build)\n"
    )
    monkeypatch.syspath_prepend(package)
    sent = told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert sent.code == 1
    assert told("status", "--json").json["reasons"]["failed:section"] == 1
    assert {str(mail["To"]).split()[0] for mail in told.kept} == {"Aroha", "Bob"}
    explained = told("explain", "alice", "--json", at=NEXT_MONDAY).json
    assert "stumble" in explained["gates"][-2]["fact"]


def test_importing_twice_changes_no_mail(told: Front) -> None:
    first = told("preview", "alice", "--week", "2026-W46", "--format", "json", at=NEXT_MONDAY).out
    again = told("import", told.folder / "in", at=NEXT_MONDAY)
    assert (again.code, "Nothing new" in again.out) == (0, True)
    second = told("preview", "alice", "--week", "2026-W46", "--format", "json", at=NEXT_MONDAY).out
    assert second == first


def test_what_the_program_keeps_is_for_its_owner_only(told: Front) -> None:
    assert (told.folder / "var").stat().st_mode & 0o777 == 0o700


def test_an_empty_database_says_what_to_do_first(digest: Front) -> None:
    result = digest("send", at=NEXT_MONDAY)
    assert result.code == 0
    assert "digest import" in result.out


def test_every_mail_carries_its_way_out(told: Front) -> None:
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    for mail in told.kept:
        link = str(mail["List-Unsubscribe"]).strip("<>")
        assert link.startswith("http://127.0.0.1:8025/u/")
        assert str(mail["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"
        assert link in body(mail)
        assert link in body(mail, "html")


def test_who_left_is_not_mailed(told: Front) -> None:
    told.sql(
        "UPDATE subscriptions SET unsubscribed_at = '2026-11-10 00:00:00.000000'"
        " WHERE user_id = 'alice'"
    )
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert told("explain", "alice", "--json", at=NEXT_MONDAY).json["reason"] == "unsubscribed"
    assert len(told.kept) == 2


def test_a_suppressed_address_is_not_mailed(told: Front) -> None:
    told.sql(
        "INSERT INTO suppressions VALUES"
        " ('alice@people.example', 'complaint', '2026-11-10 00:00:00.000000', '')"
    )
    told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    status = told("status", "--json").json
    assert status["reasons"]["suppressed:complaint"] == 1


def test_a_real_server_needs_more_than_a_trial_does(
    told: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL", "smtp://mail.site.example:2525")
    result = told("send", "--week", "2026-W46", at=NEXT_MONDAY)
    assert result.code == 2
    assert "FROM" in result.err
    assert told("status", "--week", "2026-W46", "--json").json["states"] == {"unplanned": 5}


def test_messages_are_the_same_bytes_when_made_again(told: Front, tmp_path: Path) -> None:
    """A repeat can be recognised: Message-ID, Date and body do not depend on when it is made."""
    told("send", "--week", "2026-W46", "--user", "alice", at=NEXT_MONDAY)
    first = min((tmp_path / "var" / "mailbox").iterdir()).read_bytes()
    told.sql("UPDATE deliveries SET state = 'unknown' WHERE user_id = 'alice'")
    told("send", "--week", "2026-W46", at=NEXT_MONDAY + timedelta(hours=3))
    copies = [
        file.read_bytes()
        for file in sorted((tmp_path / "var" / "mailbox").iterdir())
        if "-alice-" in file.name
    ]
    assert copies == [first, first]
