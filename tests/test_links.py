"""Signed links: whole or refused."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.errors import LinkError, LinkExpired
from digest.links import ERASING_LASTS, PREFERENCES_LAST, Links

BASE = "https://digest.fieldnotes.example"
LINKS = Links(BASE, [b"a key of this test"])
ids = st.text(st.characters(codec=None), max_size=60)


def token(link: str) -> str:
    return urlsplit(link).path.rpartition("/")[2]


@given(ids)
@example("")
@example("12345")
@example("-7")
@example("Noor & Tomás/../?#%2F")
@example("\ud800 half a character")
@example("x" * 5000)
def test_a_user_is_read_back_from_the_unsubscribe_link(user: str) -> None:
    assert LINKS.read_unsubscribe(token(LINKS.unsubscribe(user))) == user


@given(ids, st.from_regex(r"\A\d{4}-W\d\d\Z"))
@example(" leading space", "2026-W46")
def test_user_and_period_are_read_back_from_the_browser_link(user: str, period: str) -> None:
    assert LINKS.read_browser(token(LINKS.browser(user, period))) == (user, period)


@given(ids)
def test_a_token_needs_no_escaping_in_a_url_or_a_header(user: str) -> None:
    assert set(token(LINKS.unsubscribe(user))) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


def test_links_stand_below_the_base_address() -> None:
    below = Links("https://fieldnotes.example/digest/", [b"k"])
    assert below.unsubscribe("1").startswith("https://fieldnotes.example/digest/u/")
    assert below.browser("1", "2026-W46").startswith("https://fieldnotes.example/digest/v/")
    assert below.counting() == "https://fieldnotes.example/digest/counting"


def test_the_unsubscribe_header_of_a_short_id_fits_one_line() -> None:
    """The value between angle brackets; a longer one risks being folded or encoded on its way."""
    assert len(LINKS.unsubscribe("1234567")) <= 76


@given(ids, st.data())
def test_no_changed_character_is_accepted(user: str, data: st.DataObject) -> None:
    good = token(LINKS.unsubscribe(user))
    position = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.characters().filter(lambda c: c != good[position]))
    with pytest.raises(LinkError):
        LINKS.read_unsubscribe(good[:position] + other + good[position + 1 :])


@given(ids, st.data())
def test_no_truncated_or_extended_token_is_accepted(user: str, data: st.DataObject) -> None:
    good = token(LINKS.unsubscribe(user))
    cut = data.draw(st.integers(0, len(good) - 1))
    for bad in (good[:cut], good[cut + 1 :], good + "A", good + "=", good + "\n", "A" + good):
        with pytest.raises(LinkError):
            LINKS.read_unsubscribe(bad)


@given(st.text())
@example("")
@example(".")
@example("....")
@example("MTIzNDU.")
def test_no_made_up_token_is_accepted(text: str) -> None:
    with pytest.raises(LinkError):
        LINKS.read_unsubscribe(text)
    with pytest.raises(LinkError):
        LINKS.read_browser(text)


def test_a_link_of_one_purpose_opens_no_other() -> None:
    with pytest.raises(LinkError):
        LINKS.read_unsubscribe(token(LINKS.browser("1", "2026-W46")))
    with pytest.raises(LinkError):
        LINKS.read_browser(token(LINKS.unsubscribe("2026-W46 1")))


def test_another_key_signs_other_links() -> None:
    stranger = Links(BASE, [b"another key"])
    with pytest.raises(LinkError):
        LINKS.read_unsubscribe(token(stranger.unsubscribe("1")))


def test_the_newest_key_signs_and_all_keys_are_accepted() -> None:
    old, new, both = (Links(BASE, keys) for keys in ([b"old"], [b"new"], [b"old", b"new"]))
    assert both.unsubscribe("1") == new.unsubscribe("1") != old.unsubscribe("1")
    assert both.read_unsubscribe(token(old.unsubscribe("1"))) == "1"
    assert both.read_unsubscribe(token(new.unsubscribe("1"))) == "1"
    with pytest.raises(LinkError):
        new.read_unsubscribe(token(old.unsubscribe("1")))


def test_the_same_link_is_made_every_time() -> None:
    """A repeated mail must be the same to the byte; and a link of years ago still works."""
    assert LINKS.unsubscribe("1") == Links(BASE, [b"a key of this test"]).unsubscribe("1")
    assert LINKS.read_unsubscribe("MQ.h9DVV0l09r0dAKsH0dYUeQ") == "1"


def test_the_signature_has_128_bits() -> None:
    signature = token(LINKS.unsubscribe("1")).rpartition(".")[2]
    assert len(base64.urlsafe_b64decode(signature + "==")) == 16


def test_an_error_never_repeats_the_token() -> None:
    with pytest.raises(LinkError) as caught:
        LINKS.read_unsubscribe("MTIz.secret")
    assert "secret" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("keys", [[], [b""], [b"good", b""]])
def test_links_without_a_key_cannot_be_made(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        Links(BASE, keys)


# --- preferences ---------------------------------------------------------------------------------

WEEK_OVER = datetime(2026, 11, 16, tzinfo=UTC)
"""When 2026-W46 is over."""


@given(ids)
@example(" leading space")
@example("2026-W46 alice")
def test_a_user_is_read_back_from_the_preferences_link(user: str) -> None:
    link = LINKS.preferences(user, "2026-W46")
    assert LINKS.read_preferences(token(link), WEEK_OVER) == user
    assert link.startswith(f"{BASE}/p/")


@given(st.integers(-10_000, 10_000).map(lambda minutes: timedelta(minutes=minutes)))
def test_preferences_hold_for_ninety_days_after_their_week(away: timedelta) -> None:
    link, now = token(LINKS.preferences("1", "2026-W46")), WEEK_OVER + PREFERENCES_LAST + away
    if away > timedelta(0):
        with pytest.raises(LinkExpired) as caught:
            LINKS.read_preferences(link, now)
        assert caught.value.user_id == "1"
        assert link not in str(caught.value) + caught.value.hint
    else:
        assert LINKS.read_preferences(link, now) == "1"


@given(ids, st.integers(0, 100 * 60).map(lambda seconds: timedelta(seconds=seconds)))
def test_what_erases_is_void_after_an_hour(user: str, later: timedelta) -> None:
    button = LINKS.erasing(user, WEEK_OVER)
    if later > ERASING_LASTS:
        with pytest.raises(LinkExpired):
            LINKS.read_erasing(button, WEEK_OVER + later)
    else:
        assert LINKS.read_erasing(button, WEEK_OVER + later) == user


READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "unsubscribe": (LINKS.unsubscribe("2026-W46 1"), LINKS.read_unsubscribe),
    "browser": (LINKS.browser("1", "2026-W46"), LINKS.read_browser),
    "preferences": (
        LINKS.preferences("1", "2026-W46"),
        lambda t: LINKS.read_preferences(t, WEEK_OVER),
    ),
    "erasing": (LINKS.erasing("1", WEEK_OVER), lambda t: LINKS.read_erasing(t, WEEK_OVER)),
}


@pytest.mark.parametrize("made", READERS)
@pytest.mark.parametrize("read", READERS)
def test_every_purpose_opens_its_own_door_only(made: str, read: str) -> None:
    one = token(READERS[made][0])
    if made == read:
        assert READERS[read][1](one)
    else:
        with pytest.raises(LinkError):
            READERS[read][1](one)


@given(ids, st.data())
def test_no_changed_character_of_a_preferences_link_is_accepted(
    user: str, data: st.DataObject
) -> None:
    good = token(LINKS.preferences(user, "2026-W46"))
    position = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.characters().filter(lambda c: c != good[position]))
    with pytest.raises(LinkError):
        LINKS.read_preferences(good[:position] + other + good[position + 1 :], WEEK_OVER)
