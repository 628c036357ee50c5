"""A mail is never a wall: which sections are chosen, why, and whose fact is the subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from digest.editing import LEAST, ROOM, UNCOUNTED, edit
from digest.sections import Section

FIXED = ("headline", "usual", "top_posts", "next")


def rival(name: str, order: int = 60, **more: Any) -> Section:
    """A section whose data say what it is worth, and how strong its news are."""
    return Section(name, order, lambda *_: {}, lambda *_: None, worth=lambda s: s["worth"], **more)


def fixed(name: str, order: int) -> Section:
    return Section(name, order, lambda *_: {}, lambda *_: None)


STANDING = [fixed(name, order) for order, name in enumerate(FIXED)]
TOLD: dict[str, dict[str, Any]] = {name: {} for name in FIXED} | {"top_posts": {"posts": []}}


def edited(worth: Mapping[str, float], shown: Mapping[str, int] | None = None, **more: Any) -> Any:
    rivals = [rival(name, **more) for name in worth]
    told = TOLD | {name: {"worth": value} for name, value in worth.items()}
    return edit(told, [*STANDING, *rivals], shown or {})


def test_those_with_most_to_say_get_what_room_is_left() -> None:
    found = edited({"a": 0.3, "b": 0.9, "c": 0.5, "d": 0.7})
    assert list(found.told) == [*FIXED, "b", "c", "d"]
    assert not found.candidates["a"].chosen


def test_what_has_next_to_nothing_to_say_is_left_out_though_there_is_room() -> None:
    assert list(edited({"a": LEAST - 0.01, "b": LEAST}).told) == [*FIXED, "b"]


def test_what_was_shown_lately_makes_room_for_others_and_comes_back() -> None:
    worth = {"a": 0.8, "b": 0.6, "c": 0.6, "d": 0.6}
    assert "a" not in edited(worth, {"a": 1}).told
    assert "a" in edited(worth, {"a": 3}).told
    assert "a" in edited(worth, {"a": 1}, repeats=False).told


def test_a_section_without_a_worth_always_stands_and_takes_its_room() -> None:
    more = [fixed(name, 70) for name in "xyz"]
    told = TOLD | {name: {} for name in "xyz"} | {"a": {"worth": 1.0}}
    found = edit(told, [*STANDING, *more, rival("a")], {})
    assert list(found.told) == [*FIXED, *"xyz"]


worths = st.dictionaries(st.sampled_from("abcdefghijkl"), st.floats(-1, 2, allow_nan=False))


@given(worths, st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(1, 26)))
def test_no_mail_is_a_wall_and_nothing_better_is_left_out(
    worth: dict[str, float], shown: dict[str, int]
) -> None:
    found = edited(worth, shown)
    assert len(found.told.keys() - UNCOUNTED) <= ROOM
    assert list(found.told)[: len(FIXED)] == list(FIXED)
    assert found.candidates.keys() == worth.keys()
    scores = {name: one.score for name, one in found.candidates.items()}
    out = [scores[name] for name in worth if name not in found.told]
    kept = [scores[name] for name in worth if name in found.told]
    assert all(0 <= score <= 1 for score in scores.values())
    assert not out or not kept or max(out) <= min(kept)
    full = len(found.told.keys() - UNCOUNTED) == ROOM
    assert full or all(score < LEAST for score in out)


def leading(news: Mapping[str, float], **told: dict[str, Any]) -> str:
    rivals = [
        rival(name, news=lambda s: s["news"], repeats=False) if value else rival(name)
        for name, value in news.items()
    ]
    mine = {name: {"worth": 0.9, "news": value} for name, value in news.items()}
    return str(edit(TOLD | told | mine, [*STANDING, *rivals], {}).lead)


def test_the_strongest_fact_becomes_the_subject() -> None:
    assert leading({"a": 0.6, "b": 0.8, "c": 0}) == "b"


def test_a_weak_fact_leaves_the_subject_to_the_week_itself() -> None:
    assert not leading({"a": 0.3})
    assert not leading({"a": 0})


def test_a_post_far_above_the_usual_is_stronger_than_a_middling_fact() -> None:
    posts = [{"title": "A", "times": 4.0}, {"title": "B", "times": None}]
    assert not leading({"a": 0.7}, top_posts={"posts": posts})
    assert leading({"a": 0.85}, top_posts={"posts": posts}) == "a"
    untitled = [{"title": "", "times": 9.0}]
    assert leading({"a": 0.7}, top_posts={"posts": untitled}) == "a"


def test_a_quiet_week_and_first_totals_keep_their_own_subject() -> None:
    assert not leading({"a": 1.0}, quiet={})
    assert not leading({"a": 1.0}, so_far={})


def test_what_is_left_out_is_no_subject() -> None:
    rivals = [rival("weak", news=lambda _: 1.0)]
    told = TOLD | {"weak": {"worth": 0.0}}
    assert not edit(told, [*STANDING, *rivals], {}).lead
