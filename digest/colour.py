"""The colours of the mail, in both schemes, from one configured accent.

The neutrals are fixed. Everything coloured is derived, and moved in lightness until text in it,
or on it, has the contrast of WCAG 2.2 level AA for small text.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable

from digest.errors import ConfigError

READABLE = 4.5
"""The contrast ratio that small text needs (WCAG 2.2, 1.4.3)."""

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")
_STEP = 0.01

LIGHT = {
    "ground": "#f3f4f1",
    "card": "#ffffff",
    "text": "#1c2321",
    "soft-text": "#5b6662",
    "rule": "#e4e7e3",
    "track": "#e9edea",
}
DARK = {
    "ground": "#101412",
    "card": "#191f1c",
    "text": "#f1f4f2",
    "soft-text": "#a3ada8",
    "rule": "#2a322e",
    "track": "#2a322e",
}


def palette(accent: str) -> dict[str, str]:
    """All colours by name, ``#rrggbb``; those of the dark scheme begin with ``dark-``.

    An accent that cannot be read on its ground is darkened (light scheme) or lightened (dark
    scheme) until it can. What is not a hexadecimal colour is a :class:`ConfigError`.
    """
    if not _HEX.fullmatch(accent):
        raise ConfigError(
            "ACCENT", f"“{accent}” is not a colour", hint="write it like #0b6b57, with # in front"
        )
    accent = _mix(accent, accent, 1)
    light = LIGHT | _light(accent)
    dark = DARK | _dark(accent)
    return light | {f"dark-{name}": value for name, value in dark.items()}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _light(accent: str) -> dict[str, str]:
    soft = _mix(accent, LIGHT["card"], 0.087)
    readable = _until_readable(accent, (LIGHT["ground"], LIGHT["card"], soft), -_STEP)
    return {
        "soft-card": soft,
        "accent": readable,
        "link": readable,
        "on-accent": "#ffffff",
        "tint": _mix(readable, LIGHT["card"], 0.29),
    }


def _dark(accent: str) -> dict[str, str]:
    hue, lightness, saturation = _hls(accent)
    base = _from_hls(hue, max(0.496, lightness), min(saturation, 0.44))
    soft = _mix(base, DARK["ground"], 0.11)
    grounds = (DARK["ground"], DARK["card"], soft)
    readable = _until_readable(base, grounds, _STEP)
    hue, lightness, saturation = _hls(readable)
    link = _from_hls(hue, min(max(0.588, lightness + 0.05), 1), min(saturation * 1.2, 1))
    return {
        "soft-card": soft,
        "accent": readable,
        "link": _until_readable(link, grounds, _STEP),
        "on-accent": DARK["ground"],
        "tint": _mix(readable, DARK["card"], 0.36),
    }


def _until_readable(colour: str, grounds: Iterable[str], step: float) -> str:
    grounds = tuple(grounds)
    hue, lightness, saturation = _hls(colour)
    while min(contrast(colour, ground) for ground in grounds) < READABLE and 0 <= lightness <= 1:
        lightness += step
        colour = _from_hls(hue, min(max(lightness, 0), 1), saturation)
    return colour


def _channels(colour: str) -> tuple[int, int, int]:
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def _luminance(colour: str) -> float:
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mix(colour: str, ground: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(ground), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def _hls(colour: str) -> tuple[float, float, float]:
    red, green, blue = (channel / 255 for channel in _channels(colour))
    return colorsys.rgb_to_hls(red, green, blue)


def _from_hls(hue: float, lightness: float, saturation: float) -> str:
    channels = colorsys.hls_to_rgb(hue, lightness, saturation)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)
