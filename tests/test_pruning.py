"""What need not be kept goes, in small steps, and neither comparisons nor the promise suffer."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest import config
from digest.database import Database
from digest.errors import ConfigError, UsageError
from digest.facts import Batch, judgements
from digest.models import State
from digest.pruning import PAGE, ROWS, prospect, prune
from digest.window import Period, zone
from tests.community import Community
from tests.conftest import Front
from tests.office import (
    MONDAY,
    NOW,
    WEEK,
    Office,
    ended,
    now,
    open_office,
    serving,
    wait_for,
)

KEPT = 30
FIRST = MONDAY + timedelta(weeks=1 - KEPT)
"""The Monday of the first week that is kept; NOW is in the week after WEEK."""
EDGE = FIRST - timedelta(hours=14)
"""When that Monday begins on the islands where days begin."""
ALL = {"keep_views_weeks": KEPT, "keep_snapshots_weeks": KEPT, "keep_ledger_weeks": KEPT}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path, **ALL) as made:
        yield made


def pruned(office: Office, at: datetime = NOW, **more: Any) -> Counter[str]:
    return prune(office.database, office.settings, at, rest=lambda _: None, **more)


def post(office: Office, id_: str, published: datetime | None, author: str = "alice") -> None:
    office.sql(
        "INSERT INTO posts (id, author_id, published_at, title, text, url, kind, topics)"
        " VALUES (?, ?, ?, '', '', '', '', '')",
        id_,
        author,
        written(published),
    )


def view(office: Office, post_id: str, at: datetime, viewer: str = "someone") -> None:
    row = (post_id, written(at), viewer)
    office.sql(
        "INSERT INTO views (post_id, at, viewer_id, via, count) VALUES (?, ?, ?, '', 1)", *row
    )


def react(office: Office, post_id: str, at: datetime, kind: str = "reply") -> None:
    office.sql(
        "INSERT INTO reactions (post_id, at, actor_id, type, count) VALUES (?, ?, 'bob', ?, 1)",
        post_id,
        written(at),
        kind,
    )


def written(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S.%f}"


def seen(office: Office, post_id: str) -> list[str]:
    found = office.sql("SELECT at FROM views WHERE post_id = ? ORDER BY at", post_id)
    return [at for (at,) in found]


# --- views and reactions -------------------------------------------------------------------------


def test_views_and_reactions_before_the_first_kept_week_go_and_others_stay(office: Office) -> None:
    office.enrol("alice")
    post(office, "old", FIRST - timedelta(weeks=20))
    second = timedelta(seconds=1)
    for at in (EDGE - second, EDGE, FIRST, NOW):
        view(office, "old", at)
        react(office, "old", at)
    assert pruned(office) == {"views": 1, "reactions": 1}
    assert seen(office, "old") == [written(at) for at in (EDGE, FIRST, NOW)]
    assert office.sql("SELECT count(*) FROM reactions") == [(3,)]
    assert office.sql("SELECT count(*) FROM users") == [(1,)]
    assert office.sql("SELECT count(*) FROM posts") == [(2,)]


def test_a_post_of_an_unknown_time_loses_its_old_views_too(office: Office) -> None:
    office.enrol("alice")
    post(office, "undated", None)
    view(office, "undated", EDGE - timedelta(weeks=9))
    assert pruned(office) == {"views": 1}


def test_a_post_whose_first_two_days_reach_into_kept_weeks_keeps_all_its_views(
    office: Office,
) -> None:
    """Half of its first 48 hours would be a wrong number."""
    office.enrol("alice")
    post(office, "young", EDGE - timedelta(hours=47))
    view(office, "young", EDGE - timedelta(hours=46))
    assert pruned(office) == {}
    assert pruned(office, NOW + timedelta(weeks=1)) == {"views": 1}


def figures(office: Office) -> dict[str, tuple[Any, ...]]:
    """What is kept of each post at its age of 48 hours."""
    names = "post_id, views, reach, audience, engagers, talkers, reactions"
    return {row[0]: row[1:] for row in office.sql(f"SELECT {names} FROM judgements")}


def test_a_post_is_judged_before_its_first_views_go(office: Office) -> None:
    office.enrol("alice", "bob")
    published = FIRST - timedelta(weeks=10)
    post(office, "loved", published)
    for hour, viewer in enumerate(["bob", "vic", "vic", "alice", "", "late"]):
        at = published + timedelta(hours=100 if viewer == "late" else hour)
        view(office, "loved", at, viewer)
    react(office, "loved", published + timedelta(hours=3))
    post(office, "answered", published - timedelta(weeks=1))
    react(office, "answered", published - timedelta(days=6), "like")
    expected = judged_from_facts(office, ("loved", "answered"))
    pruned(office)
    assert office.sql("SELECT count(*) FROM views WHERE post_id = 'loved'") == [(0,)]
    assert figures(office) == expected
    assert expected["loved"] == (4, None, None, 1, 1, 1)


def judged_from_facts(office: Office, posts: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """The same figures as a mail works them out, from facts alone."""
    batch = Batch(Period.parse(WEEK), zone("UTC"), ("alice",))
    with office.database.reading() as session:
        judged = judgements.careers(session, batch)["alice"].judged
    return {
        one.id: (one.views, one.reach, one.audience, one.engagers, one.talkers, one.reactions)
        for one in judged
        if one.id in posts
    }


def test_what_was_judged_before_stays_as_it_was(office: Office) -> None:
    office.enrol("alice")
    published = FIRST - timedelta(weeks=10)
    post(office, "old", published)
    view(office, "old", published + timedelta(hours=1))
    office.sql(
        "INSERT INTO judgements (post_id, views, talkers, reactions) VALUES ('old', 77, 0, 0)"
    )
    pruned(office)
    assert figures(office)["old"][0] == 77


# --- comparisons ---------------------------------------------------------------------------------


def years() -> Community:
    """Two authors with ninety weeks behind them, one of whom has never had a mail."""
    there = Community()
    for author in ("alice", "bob"):
        there.user(author, author.title(), timezone="Europe/Berlin")
        for n in range(0, 91, 3):
            monday = MONDAY - timedelta(weeks=n)
            there.post(f"{author}-{n}", author, monday + timedelta(hours=9))
            there.views(f"{author}-{n}", monday + timedelta(hours=10), 12 + n % 7, "near")
            for later in range(1, 4):
                at = monday + timedelta(weeks=later, hours=5)
                there.views(f"{author}-{n}", at, 2 + n % 5, f"far-{later}")
            there.reaction(f"{author}-{n}", "vic", "reply", monday + timedelta(hours=30))
    there.user("vic", "Vic")
    return there


@pytest.mark.parametrize("kept", [30, 52])
def test_the_mails_after_a_pruning_are_those_before_it(
    digest: Front, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Facts, snapshots and ledger go as early as they may; not one word or number changes."""
    digest("import", years().write(digest.folder / "in"), at=NOW)
    assert digest("send", "--week", "2026-W41", "--user", "alice", at=NOW).code == 0
    weeks = [f"2026-W{n}" for n in range(44, 47)]

    def mails() -> list[Any]:
        return [
            digest("preview", user, "--week", week, "--format", "json", at=NOW).json
            for user in ("alice", "bob")
            for week in weeks
        ]

    before = mails()
    for name in ("VIEWS", "SNAPSHOTS", "LEDGER"):
        monkeypatch.setenv(f"DIGEST_KEEP_{name}_WEEKS", str(kept))
    gone = digest("prune", "--json", at=NOW).json["pruned"]
    assert gone["views"] > 500
    assert gone["reactions"] > 20
    assert mails() == before
    assert "times" in str(before)  # there is something to compare


# --- the promise ---------------------------------------------------------------------------------


def test_a_week_that_was_pruned_is_never_sent_again(office: Office) -> None:
    office.enrol("alice")
    office.plan()
    office.send()
    later = NOW + timedelta(weeks=40)
    assert pruned(office, later)["deliveries"] == 1
    assert office.rows() == {}
    for _ in range(2):
        with pytest.raises(UsageError, match=f"{WEEK} was pruned"):
            office.plan(now=later)
        office.resettle(**dict.fromkeys(ALL, 0))  # also where all is kept from now on
        assert pruned(office, later) == {}


def test_the_weeks_are_closed_before_the_first_row_goes(office: Office) -> None:
    office.enrol("alice")
    office.plan()
    office.send()
    assert pruned(office, NOW + timedelta(weeks=40), stopped=lambda: True) == {}
    assert office.states() == {"alice": State.SENT}
    with pytest.raises(UsageError, match="was pruned"):
        office.plan()


def test_the_latest_weeks_can_always_be_sent(office: Office) -> None:
    office.enrol("alice")
    pruned(office)
    assert office.plan("2026-W43") == 1
    assert office.plan(WEEK) == 1
    with pytest.raises(UsageError, match="2026-W42 was pruned"):
        office.plan("2026-W42")


def test_what_is_open_or_in_doubt_is_not_forgotten(office: Office) -> None:
    users = {state.value: state for state in State}
    office.enrol(*users)
    office.plan()
    for user, state in users.items():
        office.sql("UPDATE deliveries SET state = ? WHERE user_id = ?", state.value, user)
    pruned(office, NOW + timedelta(weeks=40))
    open_ = {State.PENDING, State.CLAIMED, State.SENDING, State.DEFERRED, State.UNKNOWN}
    assert set(office.states().values()) == open_


def test_who_left_and_who_may_not_be_mailed_is_never_forgotten(office: Office) -> None:
    office.enrol("alice", "bob")
    office.sql("UPDATE subscriptions SET unsubscribed_at = ? WHERE user_id = 'bob'", written(NOW))
    office.sql("INSERT INTO suppressions VALUES ('x@y.example', 'complaint', ?, '')", written(NOW))
    pruned(office, NOW + timedelta(weeks=400))
    assert office.sql("SELECT count(*) FROM subscriptions WHERE unsubscribed_at IS NOT NULL") == [
        (1,)
    ]
    assert office.sql("SELECT count(*) FROM suppressions") == [(1,)]


def test_snapshots_bounces_and_runs_of_old_weeks_go(office: Office) -> None:
    office.enrol("alice", "bob")
    office.plan()
    office.send({"RCPT": lambda address: "550 5.1.1 gone" if "bob" in address else None})
    kept = "SELECT count(*) FROM "
    assert office.sql(kept + "snapshots") == [(2,)]
    assert office.sql(kept + "runs") == [(1,)]
    office.sql(
        "INSERT INTO bounces (fingerprint, user_id, period, email_key, reported, kind, status,"
        " said, counts, received_at) VALUES ('f', 'bob', ?, 'b@x.example', '', 'soft', '', '',"
        " true, ?)",
        WEEK,
        written(NOW),
    )
    gone = pruned(office, NOW + timedelta(weeks=40))
    assert gone["snapshots"] == gone["deliveries"] == 2
    assert gone["bounces"] == gone["runs"] == 1
    for name in ("snapshots", "bounces", "deliveries"):
        assert office.sql(kept + name) == [(0,)]
    assert office.sql("SELECT command FROM runs") == [("prune",)]


def test_of_many_prunings_only_the_last_is_remembered(office: Office) -> None:
    office.enrol("alice")
    for weeks in range(0, 120, 40):
        pruned(office, NOW + timedelta(weeks=weeks))
    last = Period.parse(WEEK).shift(1 + 80 - KEPT + 26)
    assert office.sql("SELECT outcome FROM runs") == [(str(last),)]
    with pytest.raises(UsageError, match="was pruned"):
        office.plan(now=NOW + timedelta(weeks=80))


def test_a_mail_that_has_its_snapshot_can_still_be_shown(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest("import", years().write(digest.folder / "in"), at=NOW)
    digest("send", "--week", "2026-W40", "--user", "alice", at=NOW)
    monkeypatch.setenv("DIGEST_KEEP_VIEWS_WEEKS", "30")
    assert digest("prune", at=NOW).code == 0
    assert digest("preview", "alice", "--week", "2026-W40", at=NOW).code == 0
    assert digest("explain", "alice", "--week", "2026-W40", at=NOW).code == 0
    for words in (("preview", "bob"), ("explain", "bob"), ("send",)):
        refused = digest(*words, "--week", "2026-W40", at=NOW)
        assert refused.code == 2
        assert "2026-W40 was pruned" in refused.err
    assert digest("status", "--week", "2026-W40", at=NOW).code == 0
    assert "was pruned" in digest("status", "--week", "2026-W39", at=NOW).err


# --- small steps ---------------------------------------------------------------------------------


def many_views(office: Office, number: int) -> None:
    """So many old views of one post."""
    post(office, "old", FIRST - timedelta(weeks=30))
    begin = FIRST - timedelta(weeks=20)
    rows = [(written(begin + timedelta(seconds=n)),) for n in range(number)]
    with office.database.writing() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO views (post_id, at, viewer_id, via, count) VALUES "
            + ", ".join(f"('old', '{at}', 'x', '', 1)" for (at,) in rows)
        )


def test_many_rows_go_in_steps_between_which_others_write(office: Office) -> None:
    office.enrol("alice")
    many_views(office, 2 * ROWS + 1)
    left: list[int] = []

    def rest(_seconds: float) -> None:
        with (
            closing(Database(office.settings.database_url)) as other,
            other.writing() as session,
        ):
            session.connection().exec_driver_sql("UPDATE users SET name = 'somebody else'")
        left.append(len(seen(office, "old")))

    gone = prune(office.database, office.settings, NOW, rest=rest)
    assert gone["views"] == 2 * ROWS + 1
    assert left[-3:] == [ROWS + 1, 1, 0]


def test_a_stop_comes_between_two_steps_and_the_next_pruning_goes_on(office: Office) -> None:
    office.enrol("alice")
    many_views(office, ROWS + 1)
    first = pruned(office, stopped=lambda: len(seen(office, "old")) == 1)
    assert first["views"] == ROWS
    assert pruned(office)["views"] == 1


def test_every_page_of_posts_and_users_is_visited(office: Office) -> None:
    users = [f"u{n}" for n in range(PAGE + 3)]
    office.enrol(*users, monday=FIRST - timedelta(weeks=10))
    office.sql(
        "INSERT INTO snapshots (user_id, period, created_at) SELECT id, '2025-W40', ? FROM users",
        written(NOW),
    )
    assert prospect(office.database, office.settings, NOW) == pruned(office)
    assert office.sql("SELECT count(*) FROM views") == [(0,)]
    assert office.sql("SELECT count(*) FROM snapshots") == [(0,)]


# --- doors ---------------------------------------------------------------------------------------


def test_by_default_everything_is_kept(digest: Front) -> None:
    digest("demo", "--users", "3")
    counted = "SELECT (SELECT count(*) FROM views), (SELECT count(*) FROM reactions)"
    before = digest.sql(counted)
    result = digest("prune", at=NOW + timedelta(weeks=500))
    assert result.code == 0
    assert "Nothing to prune" in result.out
    assert digest.sql(counted) == before


def test_a_rehearsal_says_what_would_go_and_deletes_nothing(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest("import", years().write(digest.folder / "in"), at=NOW)
    monkeypatch.setenv("DIGEST_KEEP_VIEWS_WEEKS", "30")
    told = digest("prune", "--dry-run", "--json", at=NOW).json["pruned"]
    assert "rows of views would go" in digest("prune", "--dry-run", at=NOW).out
    assert digest("prune", "--json", at=NOW).json["pruned"] == told
    assert set(told) == {"views", "reactions"}
    assert digest("prune", "--json", at=NOW).json["pruned"] == {}


@pytest.mark.parametrize("name", ["keep_views_weeks", "keep_snapshots_weeks", "keep_ledger_weeks"])
def test_what_comparisons_or_the_promise_need_cannot_be_set_to_go(name: str) -> None:
    for weeks in (0, 30, 104):
        assert getattr(config.load(**{name: weeks}), name) == weeks
    for weeks in (1, 29, -1):
        with pytest.raises(ConfigError, match=name.upper()):
            config.load(**{name: weeks})
    late = {"max_lateness_hours": 3 * 168}
    with pytest.raises(ConfigError, match="at least 33"):
        config.load(**{name: 32}, **late)
    assert getattr(config.load(**{name: 33}, **late), name) == 33


def test_a_daemon_prunes_by_itself_and_says_what(office: Office) -> None:
    long_ago = now() - timedelta(weeks=60)
    office.enrol("alice", now=now(), monday=long_ago)
    with serving() as server:
        daemon = office.start("daemon", port=server.port, keep_views_weeks=30, tick_seconds=60)
        wait_for(lambda: office.sql("SELECT count(*) FROM views") == [(0,)])
        daemon.send_signal(signal.SIGTERM)
        done = ended(daemon)
    assert done.code == 0
    assert "pruned: 3 views" in done.err
