"""A stylesheet for languages that are written from right to left: left and right change places.

Mail programs do not know ``start`` and ``end``, so the sides are swapped before styles are inlined.
Letter spacing goes: it would tear joined letters apart (CSS Text 3, 8.2).
"""

from __future__ import annotations

import re

_DECLARATION = re.compile(r"([{;]\s*)([a-z-]+)(\s*:\s*)([^;{}]+)")
_SIDES = re.compile(r"\b(left|right)\b")
_OTHER = {"left": "right", "right": "left"}
_FOUR_SIDES = frozenset({"margin", "padding", "border-width", "border-color", "border-style"})


def mirrored(css: str) -> str:
    """``css`` for the other direction of writing; doing it twice gives the layout back."""
    return _DECLARATION.sub(_mirrored_declaration, css)


def _mirrored_declaration(found: re.Match[str]) -> str:
    before, name, colon, value = found.groups()
    if name == "letter-spacing":
        return f"{before}{name}{colon}0"
    parts = value.split()
    if name in _FOUR_SIDES and len(parts) == 4:
        top, right, bottom, left = parts
        value = f"{top} {left} {bottom} {right}"
    elif name == "border-radius" and len(parts) == 4:
        top_left, top_right, bottom_right, bottom_left = parts
        value = f"{top_right} {top_left} {bottom_left} {bottom_right}"
    else:
        name, value = _swapped(name), _swapped(value)
    return f"{before}{name}{colon}{value}"


def _swapped(text: str) -> str:
    return _SIDES.sub(lambda side: _OTHER[side[0]], text)
