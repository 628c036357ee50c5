"""The colours that follow from one accent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.colour import READABLE, contrast, palette
from digest.errors import ConfigError

ACCENTS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
GROUNDS = ("ground", "card", "soft-card")
TEXTS = ("text", "soft-text", "accent", "link")


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_the_default_accent_gives_the_colours_of_the_design() -> None:
    """Each channel within 16 of 255 of the table in the design: no eye tells them apart."""
    wanted = {
        "accent": "#0b6b57",
        "tint": "#b9d3cb",
        "soft-card": "#eaf2ee",
        "dark-accent": "#46b797",
        "dark-link": "#5fcdae",
        "dark-tint": "#2f5147",
        "dark-soft-card": "#16261f",
    }
    colours = palette("#0b6b57")
    for name, colour in wanted.items():
        pairs = zip(re.findall("..", colour[1:]), re.findall("..", colours[name][1:]), strict=True)
        assert all(abs(int(a, 16) - int(b, 16)) <= 16 for a, b in pairs), name
    assert colours["accent"] == "#0b6b57"


@given(ACCENTS)
def test_any_accent_is_made_readable_on_every_ground_in_both_schemes(accent: str) -> None:
    colours = palette(accent)
    for scheme in ("", "dark-"):
        for text in TEXTS:
            for ground in GROUNDS:
                ratio = contrast(colours[scheme + text], colours[scheme + ground])
                assert ratio >= READABLE, (scheme, text, ground)
        assert contrast(colours[scheme + "on-accent"], colours[scheme + "link"]) >= READABLE
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())


def test_a_short_accent_is_understood_and_another_word_is_a_configuration_error() -> None:
    assert palette("#06f") == palette("#0066ff")
    for wrong in ("green", "#12", "#12345", "#1234567", "0b6b57", "#0b6b5g", "#0b6b57;}"):
        with pytest.raises(ConfigError, match="not a colour"):
            palette(wrong)
