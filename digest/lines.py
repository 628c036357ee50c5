"""Lines of plain text: how wide they are, where they end, and headings."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^ \t\r\n]+")
_GAP = re.compile(r"[\t\r\n]|  ")
"""Between words, something other than one space."""
_WIDE = re.compile("[\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\U00020000-\U0003fffd]")
"""Characters of Chinese and Japanese: two columns each, and a line may end after any of them."""
_NEVER_FIRST = frozenset("、。，．・：；！？」』）】〕〉》ー…”’")
_NEVER_LAST = frozenset("「『（【〔〈《“‘")


def heading(text: str) -> str:
    """A heading of plain text: in capitals, or between marks where the script has none."""
    capitals = text.upper()
    return capitals if capitals != text.lower() else f"== {text} =="


def columns(text: str) -> int:
    """How wide a line of plain text is: Chinese and Japanese characters take two columns."""
    return len(text) if text.isascii() else len(text) + len(_WIDE.findall(text))


def wrapped(text: str, indent: str = "", width: int = 72) -> str:
    """A paragraph in lines of at most ``width`` columns; only a word longer than that is cut."""
    room = width - len(indent)
    rest = " ".join(_WORD.findall(text)) if _GAP.search(text) else text.strip(" ")
    narrow = rest.isascii() or not _WIDE.search(rest)
    lines: list[str] = []
    while len(rest) > room or not (narrow or columns(rest) <= room):
        end = rest.rfind(" ", 0, room + 1) if narrow else _line_end(rest, room)
        end = end if end > 0 else room
        lines.append(rest[:end].rstrip(" "))
        rest = rest[end:].lstrip(" ")
    return "\n".join([indent + line for line in [*lines, rest] if line])


def _line_end(text: str, room: int) -> int:
    """Where a line with Chinese or Japanese in it ends (JIS X 4051, in short)."""
    end = fits = _fitting(text, room)
    while end > 1 and not _may_part(text[end - 1], text[end]):
        end -= 1
    return end if end > 1 else fits


def _fitting(text: str, room: int) -> int:
    """How many characters of a text that is too long fit: half the columns, and then some."""
    fits = room // 2
    while spare := room - columns(text[:fits]):
        if spare == 1 and _WIDE.match(text[fits]):
            break
        fits += spare // 2 or 1
    return fits


def _may_part(before: str, after: str) -> bool:
    if before == " " or after == " ":
        return True
    either = _WIDE.match(before) or _WIDE.match(after)
    return bool(either) and before not in _NEVER_LAST and after not in _NEVER_FIRST
