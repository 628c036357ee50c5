"""What readers choose is kept, and what follows from it: due times, mails, reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from digest import deciding, planning, preferences, subscriptions
from digest.cadence import Frequency
from digest.models import Subscription
from digest.preferences import Reader
from tests.databases import examples, overheard
from tests.office import MONDAY, NOW, WEEK, Office, open_office

NEXT = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        office.enrol("ann", "ben")
        yield office


def reader(office: Office, user: str = "ann", now: datetime = NOW) -> Reader:
    with office.database.reading() as session:
        found = preferences.find(session, user, now)
    assert found is not None
    return found


def row(office: Office) -> Any:
    """Ann's subscription as it is stored."""
    return next(one for one in office.all(Subscription) if one.user_id == "ann")


def choose(office: Office, now: datetime = NOW, **changes: Any) -> Reader:
    """Ann changes her mind."""
    before = reader(office, now=now)
    with office.database.writing() as session:
        wanted = replace(before.preferences, **changes)
        return preferences.save(session, office.settings, before, wanted, now)


def sends(office: Office, number: int = 4, now: datetime = NOW) -> list[datetime]:
    return list(islice(preferences.sends(reader(office, now=now), office.settings, now), number))


def later(*weeks: int) -> list[datetime]:
    return [NEXT + timedelta(weeks=n) for n in weeks]


def reasons(office: Office, period: str, now: datetime) -> dict[str, str]:
    """Everybody's gate that decided against a mail of ``period``; "" for a mail."""
    with office.database.reading() as session:
        found = deciding.decide(session, office.shop, period, "UTC", ["ann", "ben"]).decisions
    return {u: (d.stopped_by.reason if d.stopped_by else "") for u, d in found.items()}


def test_everything_that_is_chosen_is_kept(office: Office) -> None:
    choose(
        office,
        frequency=Frequency.MONTHLY,
        adaptive=False,
        weekday=4,
        hour=17,
        timezone="Asia/Tokyo",
        locale="en_GB",
        hidden=frozenset({"next", "usual"}),
        numbers=False,
    )
    kept = reader(office).preferences
    assert (kept.frequency, kept.weekday, kept.hour) == (Frequency.MONTHLY, 4, 17)
    assert (kept.timezone, kept.locale) == ("Asia/Tokyo", "en_GB")
    assert (sorted(kept.hidden), kept.numbers, kept.adaptive) == (["next", "usual"], False, False)
    assert reader(office, "ben").preferences == preferences.Preferences()


def test_saving_twice_is_saving_once(office: Office) -> None:
    choices: dict[str, Any] = {"frequency": Frequency.FORTNIGHTLY, "paused": True, "weekday": 3}
    choose(office, **choices)
    once = row(office)
    choose(office, **choices)
    assert row(office) == once


# --- how often -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frequency", "coming"),
    [
        (Frequency.WEEKLY, later(0, 1, 2, 3)),
        (Frequency.FORTNIGHTLY, later(1, 3, 5, 7)),
        (Frequency.MONTHLY, later(3, 7, 11, 15)),
        (Frequency.EVENTFUL, later(0, 1, 2, 3)),
    ],
)
def test_weeks_are_counted_from_the_mail_that_came_last(
    office: Office, frequency: Frequency, coming: list[datetime]
) -> None:
    office.resettle(adaptive_cadence=False)
    choose(office, frequency=frequency)
    assert sends(office) == coming


def test_choosing_the_same_frequency_again_does_not_count_anew(office: Office) -> None:
    choose(office, frequency=Frequency.FORTNIGHTLY)
    choose(office, NOW + timedelta(weeks=1), frequency=Frequency.FORTNIGHTLY, hour=9)
    assert sends(office, 1) == [NEXT + timedelta(weeks=1, hours=1)]


def test_a_break_is_four_mails_long_and_is_not_made_longer_by_saving(office: Office) -> None:
    office.resettle(adaptive_cadence=False)
    choose(office, paused=True)
    assert sends(office, 2) == later(4, 5)
    choose(office, NOW + timedelta(weeks=2), hour=8)
    assert sends(office, 1) == later(4)
    assert reader(office, now=later(3)[0]).preferences.paused
    assert not reader(office, now=later(4)[0]).preferences.paused
    assert choose(office, paused=False).cadence.paused_through is None


def test_off_is_leaving_and_anything_else_is_coming_back(office: Office) -> None:
    choose(office, off=True)
    assert row(office).unsubscribed_at == NOW
    assert sends(office) == []
    assert reasons(office, WEEK, NOW)["ann"] == "unsubscribed"
    choose(office, off=False, frequency=Frequency.MONTHLY)
    assert row(office).unsubscribed_at is None
    assert sends(office, 1) == later(3)


def test_every_skipped_week_has_its_reason(office: Office) -> None:
    office.resettle(quiet_weeks="always")
    choose(office, frequency=Frequency.FORTNIGHTLY)
    assert reasons(office, WEEK, NOW)["ann"] == ""
    assert reasons(office, "2026-W47", NOW)["ann"] == "not-this-week"
    choose(office, paused=True)
    assert reasons(office, "2026-W48", NOW)["ann"] == "paused"
    assert reasons(office, "2026-W52", NOW) == {"ann": "", "ben": ""}


def test_a_quiet_week_brings_no_mail_to_who_wants_only_events(office: Office) -> None:
    office.resettle(quiet_weeks="always", adaptive_cadence=False)
    choose(office, frequency=Frequency.EVENTFUL)
    assert reasons(office, WEEK, NOW) == {"ann": "", "ben": ""}
    assert reasons(office, "2026-W47", NOW) == {"ann": "quiet", "ben": ""}


# --- less often by itself ------------------------------------------------------------------------


def test_of_a_batch_in_which_nobody_is_mailed_no_facts_are_asked_or_kept(office: Office) -> None:
    choose(office)
    office.sql("UPDATE subscriptions SET unsubscribed_at = next_due_at")
    with overheard(office.database) as asked:
        with office.database.reading() as session:
            decided = deciding.decide(session, office.shop, "2026-W53", "UTC", ["ann"])
        with office.database.writing() as session:
            decided.keep(session, NOW)
    assert decided.decisions["ann"].stopped_by is not None
    assert [one for one in asked if "posts" in one and "subscriptions" not in one] == []


def test_authors_who_do_not_post_are_eased_and_told(office: Office) -> None:
    office.resettle(quiet_weeks="always")
    assert [reasons(office, w, NOW)["ann"] for w in ("2026-W53", "2027-W01", "2027-W02")] == [
        "",
        "",
        "eased",
    ]
    with office.database.reading() as session:
        decided = deciding.decide(session, office.shop, "2027-W01", "UTC", ["ann"])
    composed = decided.decisions["ann"].composed
    assert composed is not None
    assert composed.snapshot.eased == 2
    assert sends(office, 4, datetime(2027, 1, 10, tzinfo=UTC)) == later(7, 9, 11, 13)


def test_one_press_makes_it_weekly_for_good(office: Office) -> None:
    office.resettle(quiet_weeks="always")
    choose(office, adaptive=False)
    assert reasons(office, "2027-W02", NOW) == {"ann": "", "ben": "eased"}


def test_the_operator_can_switch_it_off(office: Office) -> None:
    office.resettle(quiet_weeks="always", adaptive_cadence=False)
    assert set(reasons(office, "2027-W02", NOW).values()) == {""}


def test_the_next_post_makes_it_weekly_again(office: Office) -> None:
    office.resettle(quiet_weeks="always")
    at = f"{MONDAY + timedelta(weeks=8, days=3):%Y-%m-%d %H:%M:%S}.000000"
    office.sql(
        "INSERT INTO posts (id, author_id, published_at, title, text, url, kind, topics)"
        f" VALUES ('new', 'ann', '{at}', 'New', '', '', '', '')"
    )
    assert reasons(office, "2027-W02", NOW) == {"ann": "", "ben": "eased"}
    assert reasons(office, "2026-W53", NOW) == {"ann": "", "ben": ""}


# --- day, hour, zone -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"weekday": 2}, datetime(2026, 11, 25, 8, tzinfo=UTC)),
        ({"hour": 23}, datetime(2026, 11, 23, 23, tzinfo=UTC)),
        ({"timezone": "Asia/Tokyo"}, datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ({"timezone": "America/New_York", "weekday": 6}, datetime(2026, 11, 29, 13, tzinfo=UTC)),
        ({"numbers": False}, NEXT),
    ],
)
def test_a_change_moves_the_mail_of_the_same_week(
    office: Office, changes: dict[str, Any], due: datetime
) -> None:
    assert choose(office, **changes).next_due_at == due


def test_a_mail_that_is_due_already_is_not_lost_by_saving(office: Office) -> None:
    """Its hour has come, the daemon has not looked yet, and the reader chooses an earlier hour."""
    moment = NEXT + timedelta(minutes=1)
    saved = choose(office, moment, hour=6)
    assert saved.next_due_at == NEXT - timedelta(hours=2)
    with office.database.writing() as session:
        assert planning.plan_due(session, office.settings, moment) == 2
    assert {row.period for row in office.rows().values()} == {"2026-W47"}


@hypothesis_settings(
    max_examples=examples(40),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(
    weekday=st.integers(0, 6),
    hour=st.integers(0, 23),
    timezone=st.sampled_from([None, "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati"]),
    wait=st.integers(0, 7 * 24),
)
def test_whatever_is_chosen_the_next_look_is_at_that_day_and_hour(
    office: Office, weekday: int, hour: int, timezone: str | None, wait: int
) -> None:
    now = NOW + timedelta(hours=wait)
    saved = choose(office, now, weekday=weekday, hour=hour, timezone=timezone)
    assert saved.next_due_at is not None
    local = saved.next_due_at.astimezone(saved.tz)
    assert (local.weekday(), local.hour, local.minute) == (weekday, hour, 0)
    assert saved.next_due_at > now - office.settings.max_lateness


def test_a_chosen_zone_stays_where_the_platform_says_another(office: Office) -> None:
    choose(office, timezone="Asia/Tokyo")
    office.sql("UPDATE users SET timezone = 'Europe/Berlin'")
    with office.database.writing() as session:
        subscriptions.enrol(session, office.settings, NOW)
    assert (reader(office).timezone, reader(office, "ben").timezone) == (
        "Asia/Tokyo",
        "Europe/Berlin",
    )
    assert choose(office, timezone=None).timezone == "Europe/Berlin"


def test_a_language_that_was_chosen_is_the_mails(office: Office) -> None:
    office.sql("UPDATE users SET locale = 'en_US'")
    choose(office, locale="en_GB")
    with office.database.reading() as session:
        decisions = deciding.decide(session, office.shop, WEEK, "UTC", ["ann", "ben"]).decisions
    assert {u: d.author.locale for u, d in decisions.items()} == {"ann": "en_GB", "ben": "en_US"}


# --- what the mail holds -------------------------------------------------------------------------


def told(office: Office) -> tuple[list[str], str]:
    """The sections of Ann's mail, and its whole HTML and text."""
    with office.database.reading() as session:
        decision = deciding.decide(session, office.shop, WEEK, "UTC", ["ann"]).decisions["ann"]
    assert decision.composed is not None
    rendered = office.shop.mailer.mail(decision.author, decision.composed.snapshot, NOW).rendered
    whole = f"{rendered.subject}\n{rendered.text}\n{rendered.html}"
    return list(decision.composed.snapshot.sections), whole


def test_a_section_that_is_off_is_not_in_the_mail(office: Office) -> None:
    before, _ = told(office)
    choose(office, hidden=frozenset({"headline", "next"}))
    after, mail = told(office)
    assert [name for name in before if name not in after] == ["headline", "next"]
    assert "saw your posts" not in mail.partition("\n")[2]
    assert "Ann, your week" in mail


def test_who_switched_everything_off_but_an_absent_section_gets_no_mail(office: Office) -> None:
    hidden = frozenset({"headline", "usual", "top_posts", "new_posts"})
    choose(office, hidden=hidden)
    assert reasons(office, WEEK, NOW)["ann"] == "no-sections"


def test_without_numbers_the_mail_has_posts_and_no_figures(office: Office) -> None:
    assert "3 people" in told(office)[1]
    choose(office, numbers=False)
    _, mail = told(office)
    assert "By ann" in mail
    for figure in ("3 people", "3 views", "%</", "usual", "Views are displays"):
        assert figure not in mail, figure


def test_a_snapshot_from_before_these_choices_can_be_read(office: Office) -> None:
    with office.database.reading() as session:
        decision = deciding.decide(session, office.shop, WEEK, "UTC", ["ann"]).decisions["ann"]
    assert decision.composed is not None
    body = decision.composed.snapshot.as_json()
    old = {name: value for name, value in body.items() if name not in {"numbers", "eased"}}
    assert type(decision.composed.snapshot).from_json(old) == decision.composed.snapshot
