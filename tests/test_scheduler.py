"""The daemon: one mail per user and week, whatever the clock, the machine or a second daemon do."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest import scheduler, workers
from digest.models import Run, State, Subscription
from digest.run import Report
from tests.office import (
    NOW,
    PATIENCE,
    WEEK,
    Office,
    counted,
    ended,
    now,
    open_office,
    said,
    serving,
    until,
    wait_for,
)
from tests.scripted_smtp import Drop, Script, ScriptedServer, Wait

DUE = datetime(2026, 11, 16, 8, tzinfo=UTC)
"""Monday at eight, when 2026-W46 is due."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Ann and Ben were enrolled the week before; they are mailed however long ago that is."""
    always = {"quiet_weeks": "always", "adaptive_cadence": False}
    with open_office(tmp_path, connections=1, **always) as office:
        office.enrol("ann", "ben", now=DUE - timedelta(days=5))
        yield office


def tick(
    office: Office, now: datetime, script: Script | None = None
) -> tuple[Report | None, list[str]]:
    """One tick at ``now``: its report, and who was mailed."""

    async def main() -> tuple[Report | None, list[str]]:
        async with ScriptedServer(script or {}) as server:
            shop = replace(office.shop, settings=office.mailing_to(server))
            report = await scheduler.tick(shop, lambda: now, asyncio.Event())
            return report, sorted(user.partition("@")[0] for user in server.accepted)

    return asyncio.run(main())


def ledger_of(office: Office) -> list[tuple[str, str, str, str]]:
    """Every row there is: user, week, state, reason."""
    with office.database.reading() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT user_id, period, state, reason FROM deliveries ORDER BY period, user_id"
        )
        return [tuple(row) for row in rows]


def next_due(office: Office, user: str = "ann") -> Any:
    return next(row.next_due_at for row in office.all(Subscription) if row.user_id == user)


# --- ticks ---------------------------------------------------------------------------------------


def test_what_is_the_same_for_the_site_is_found_anew_by_every_tick(office: Office) -> None:
    """A daemon lives for months, and facts that come in meanwhile count."""
    assert tick(office, DUE)[1] == ["ann", "ben"]
    assert office.shop.site == {}


def test_nothing_happens_before_the_hour_and_everything_once_after_it(office: Office) -> None:
    assert tick(office, DUE - timedelta(seconds=1)) == (None, [])
    report, mailed = tick(office, DUE)
    assert report is not None
    assert (report.planned, mailed) == (2, ["ann", "ben"])
    for later in (timedelta(0), timedelta(minutes=5), timedelta(days=6, hours=23)):
        assert tick(office, DUE + later) == (None, [])
    assert next_due(office) == DUE + timedelta(weeks=1)


@pytest.mark.parametrize(
    ("down", "mailed"),
    [
        (timedelta(seconds=5), True),
        (timedelta(hours=9), True),
        (timedelta(hours=36), True),
        (timedelta(days=3), False),
        (timedelta(weeks=3, seconds=5), True),
        (timedelta(weeks=3, days=3), False),
    ],
    ids=["5 s", "9 h", "36 h", "3 days", "3 weeks", "3 weeks and 3 days"],
)
def test_after_a_downtime_the_latest_week_is_made_up_for_or_skipped_as_late(
    office: Office, down: timedelta, mailed: bool
) -> None:
    now = DUE + down
    _, reached = tick(office, now)
    week = f"2026-W{46 + down // timedelta(weeks=1)}"
    outcome = ("sent", "") if mailed else ("skipped", "late")
    assert [(row[1], row[2:]) for row in ledger_of(office)] == [(week, outcome)] * 2
    assert reached == (["ann", "ben"] if mailed else [])
    assert tick(office, now + timedelta(minutes=5))[1] == []
    assert len(ledger_of(office)) == 2
    assert next_due(office) > now


@pytest.mark.parametrize(
    ("down", "state"), [(timedelta(minutes=59), "sent"), (timedelta(hours=2), "skipped")]
)
def test_who_wants_no_catching_up_is_not_caught_up(
    office: Office, down: timedelta, state: str
) -> None:
    office.resettle(catch_up="skip")
    tick(office, DUE + down)
    assert counted(office.states()) == {state: 2}


def test_a_clock_that_jumps_back_repeats_nothing(office: Office) -> None:
    tick(office, DUE)
    assert tick(office, DUE - timedelta(hours=2)) == (None, [])
    assert tick(office, DUE + timedelta(minutes=1)) == (None, [])
    assert len(ledger_of(office)) == 2


@pytest.mark.parametrize(
    ("zone", "hour", "week", "due"),
    [
        # Clocks go forward on Sunday 29 March 2026: 2:00 does not exist, 3:00 is 1:00 UTC.
        ("Europe/Berlin", 2, "2026-W12", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        # They go back on Sunday 25 October 2026: 2:00 happens at 0:00 and at 1:00 UTC.
        ("Europe/Berlin", 2, "2026-W42", datetime(2026, 10, 25, 0, tzinfo=UTC)),
        ("America/New_York", 2, "2026-W09", datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("America/New_York", 1, "2026-W43", datetime(2026, 11, 1, 5, tzinfo=UTC)),
    ],
    ids=["spring in Berlin", "autumn in Berlin", "spring in New York", "autumn in New York"],
)
def test_an_hour_that_is_missing_or_doubled_sends_exactly_once(
    tmp_path: Path, zone: str, hour: int, week: str, due: datetime
) -> None:
    with open_office(tmp_path, weekday=6, hour=hour, quiet_weeks="always") as office:
        office.enrol("ann", timezone=zone, now=due - timedelta(days=3))
        assert next_due(office) == due
        assert tick(office, due - timedelta(seconds=1)) == (None, [])
        mailed = [tick(office, due + timedelta(minutes=30) * n)[1] for n in range(5)]
        assert mailed == [["ann"], [], [], [], []]
        assert [row[:2] for row in ledger_of(office)] == [("ann", week)]
        six_days = timedelta(days=6)
        assert timedelta(0) < next_due(office) - due - six_days <= timedelta(days=1, hours=1)


def test_a_change_of_zone_moves_the_next_send_at_the_next_tick(office: Office) -> None:
    office.sql("UPDATE users SET timezone = 'America/New_York' WHERE id = 'ann'")
    assert tick(office, DUE)[1] == ["ben"]
    assert next_due(office) == DUE + timedelta(hours=5)
    assert tick(office, DUE + timedelta(hours=5))[1] == ["ann"]
    assert len(ledger_of(office)) == 2


def test_a_move_after_the_mail_brings_no_second_one(office: Office) -> None:
    tick(office, DUE)
    office.sql("UPDATE users SET timezone = 'America/New_York' WHERE id = 'ann'")
    assert tick(office, DUE + timedelta(hours=5)) == (None, [])
    assert len(ledger_of(office)) == 2


def test_users_whom_the_platform_adds_are_followed_without_a_restart(office: Office) -> None:
    tick(office, DUE)
    office.enrol("cem", now=DUE + timedelta(days=1))
    office.sql("DELETE FROM subscriptions WHERE user_id = 'cem'")
    tick(office, DUE + timedelta(days=1))
    assert tick(office, DUE + timedelta(weeks=1))[1] == ["ann", "ben", "cem"]


def test_deferred_mails_are_taken_by_the_tick_after_their_time(office: Office) -> None:
    report, _ = tick(office, DUE, {"RCPT": "451 4.3.0 later"})
    assert report is not None
    assert report.states == {("deferred", "transient"): 2}
    again = max(row.next_attempt_at for row in office.rows().values())
    assert tick(office, DUE + timedelta(minutes=1)) == (None, [])
    assert tick(office, again)[1] == ["ann", "ben"]


def test_what_was_left_open_weeks_ago_is_skipped_and_only_the_new_week_is_mailed(
    office: Office,
) -> None:
    """A send was interrupted; three weeks later somebody starts the daemon."""
    office.plan(now=NOW)
    _, mailed = tick(office, DUE + timedelta(weeks=3))
    assert mailed == ["ann", "ben"]
    assert ledger_of(office) == [
        ("ann", WEEK, "skipped", "late"),
        ("ben", WEEK, "skipped", "late"),
        ("ann", "2026-W49", "sent", ""),
        ("ben", "2026-W49", "sent", ""),
    ]


def test_who_was_sent_the_week_by_hand_is_not_sent_it_again_at_the_hour(office: Office) -> None:
    office.plan(now=DUE - timedelta(hours=3))
    office.send(now=DUE - timedelta(hours=3))
    assert tick(office, DUE) == (None, [])
    assert next_due(office) == DUE + timedelta(weeks=1)


def test_more_users_than_are_planned_at_a_time_are_all_planned(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "DUE_AT_A_TIME", 3)
    office.enrol(*[f"user{n}" for n in range(6)], now=DUE - timedelta(days=5))
    report, mailed = tick(office, DUE)
    assert report is not None
    assert (report.planned, len(mailed)) == (8, 8)


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_workers_of_the_daemon_log_as_it_does(
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    level: int,
) -> None:
    """They are processes that load everything anew."""
    monkeypatch.setattr(workers, "WORTH_A_START", 1)
    caplog.set_level(level)
    office.resettle(workers=2)
    office.enrol(*[f"user{n}" for n in range(6)], now=DUE - timedelta(days=5))
    overdue(office)

    script: Script = {"MAIL": ["503 5.5.1 lost"], "RCPT": lambda _: "451 4.4.1 busy"}

    async def main() -> None:
        async with ScriptedServer(script, extensions=("PIPELINING",)) as server:
            shop = replace(office.shop, settings=office.mailing_to(server))
            await scheduler.tick(shop, now, asyncio.Event())

    asyncio.run(main())
    told = capfd.readouterr().err
    assert "INFO     a recipient domain defers everything" in told
    assert ("commands go one by one" in told) is (level == logging.DEBUG)


def test_an_empty_database_ticks_in_peace(tmp_path: Path) -> None:
    with open_office(tmp_path) as office:
        assert tick(office, DUE) == (None, [])


def test_two_daemons_at_once_mail_everybody_once(office: Office) -> None:
    office.enrol(*[f"user{n:02}" for n in range(20)], now=DUE - timedelta(days=5))

    async def main() -> list[str]:
        async with ScriptedServer({".": lambda _: Wait(0.005, "250 2.0.0 ok")}) as server:
            shop = replace(office.shop, settings=office.mailing_to(server))
            stop = asyncio.Event()
            await asyncio.gather(*(scheduler.tick(shop, lambda: DUE, stop) for _ in range(2)))
            return server.accepted

    mailed = asyncio.run(main())
    assert len(mailed) == len(set(mailed)) == 22
    assert counted(office.states()) == {"sent": 22}


# --- serving -------------------------------------------------------------------------------------


def serve(office: Office, script: Script, enough: Callable[[list[Report]], object]) -> list[Report]:
    """A daemon in this process that looks every few milliseconds, until it is ``enough``.

    Its clock is the real one, as its scheduler's is; everybody's hour was a minute ago.
    """
    overdue(office)
    reports: list[Report] = []

    async def main() -> None:
        async with ScriptedServer(script) as server:
            fast = {"tick_seconds": 0.02, "retry_base_seconds": 0.001}
            settings = office.mailing_to(server).model_copy(update=fast)
            stop = asyncio.Event()
            serving = asyncio.create_task(
                scheduler.serve(
                    replace(office.shop, settings=settings),
                    lambda: datetime.now(UTC),
                    stop,
                    done=reports.append,
                )
            )
            await until(lambda: enough(reports))
            stop.set()
            await serving

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    return reports


def test_a_daemon_ticks_until_everybody_is_served_though_the_server_was_down(
    office: Office,
) -> None:
    office.enrol(*[f"user{n}" for n in range(6)])
    reports = serve(
        office,
        {"CONNECT": [Drop()] * 7},
        lambda _: set(office.states().values()) == {State.SENT},
    )
    assert any(report.stopped for report in reports)
    assert len(ledger_of(office)) == 8


def test_a_daemon_survives_a_database_in_trouble_and_goes_on(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.refuse_marks()
    mended: list[bool] = []

    def enough(reports: list[Report]) -> bool:
        if "disk is full" in caplog.text and not mended:
            office.allow_marks()
            mended.append(True)
        return bool(reports)

    serve(office, {}, enough)
    assert counted(office.states()) == {"sent": 2}
    assert "make room" in caplog.text


def test_what_nobody_thought_of_is_said_once_and_the_daemon_goes_on(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "digest")
    locks = office.settings.locks
    locks.parent.mkdir(parents=True, exist_ok=True)
    locks.write_text("not a folder")

    def enough(reports: list[Report]) -> bool:
        if caplog.text.count("this tick failed (") >= 3 and locks.is_file():
            locks.unlink()
        return bool(reports)

    serve(office, {}, enough)
    assert counted(office.states()) == {"sent": 2}
    levels = [r.levelname for r in caplog.records if "this tick failed" in r.getMessage()]
    assert levels == ["ERROR", *["DEBUG"] * (len(levels) - 1)]
    assert "raised an exception" not in caplog.text


def test_a_daemon_that_is_stopped_finishes_what_is_under_way(office: Office) -> None:
    script: Script = {".": lambda _: Wait(0.1, "250 2.0.0 ok")}
    serve(office, script, lambda _: State.SENDING in office.states().values())
    assert set(counted(office.states())) <= {"sent", "pending"}
    assert "sent" in counted(office.states())
    (run,) = office.all(Run)
    assert run.outcome == "done"


# --- as a process --------------------------------------------------------------------------------


def overdue(office: Office) -> None:
    """Everybody's hour was a minute ago, by the real clock."""
    past = datetime.now(UTC) - timedelta(minutes=1)
    office.sql(
        f"UPDATE subscriptions SET next_due_at = '{past:%Y-%m-%d %H:%M:%S.%f}',"
        f" weekday = {past.weekday()}, hour = {past.hour}"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_daemon_sends_who_is_due_and_stops_when_told(
    office: Office, number: signal.Signals
) -> None:
    overdue(office)
    with serving() as server:
        daemon = office.start("daemon", port=server.port, tick_seconds=0.2)
        try:
            wait_for(lambda: len(server.accepted) == 2 or daemon.poll() is not None)
        finally:
            daemon.send_signal(number)
        end = ended(daemon)
    assert end.code == 0, end.err
    assert "Traceback" not in end.err
    assert counted(office.states()) == {"sent": 2}
    assert "2 sent" in end.err


def test_two_daemons_as_processes_send_one_mail_each(office: Office) -> None:
    overdue(office)
    with serving() as server:
        both = [office.start("daemon", port=server.port, tick_seconds=0.1) for _ in range(2)]
        try:
            assert all(said(daemon).startswith("Looking every 0.1 s") for daemon in both)
            wait_for(lambda: set(counted(office.states())) == {"sent"})
        finally:
            for daemon in both:
                daemon.send_signal(signal.SIGTERM)
        assert [ended(daemon).code for daemon in both] == [0, 0]
        assert sorted(server.accepted) == ["ann@people.example", "ben@people.example"]
