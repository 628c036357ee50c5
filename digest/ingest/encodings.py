"""Which encoding a file is in: UTF-8 if it can be, else the likeliest older one."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

from digest.ingest.files import Source

_PIECE = 1 << 18
_SAMPLE = 1 << 20
_BAD = re.compile("[\udc80-\udcff]")
_GOOD = re.compile("[\u0080-\ud7ff\ue000-\U0010ffff]")
_HIGH = re.compile(rb"[\x80-\xff]+")

_SCRIPTS = {
    "cp932": re.compile("[\u3040-\u30ff]"),  # Japanese is known by its kana
    "cp949": re.compile("[\uac00-\ud7a3]"),
    "cp1251": re.compile("[\u0400-\u04ff]"),
}
_WESTERN = "cp1252"


def encoding_of(source: Source, file: Path) -> str:
    """A codec's name. A few bytes that are not UTF-8 do not make a UTF-8 file another one."""
    with source.bytes_of(file) as content:
        good, bad = _utf8(content)
    if bad == 0 or good > bad:
        return "utf-8-sig"
    with source.bytes_of(file) as content:
        return _older(content.read(_SAMPLE))


def _utf8(content: IO[bytes]) -> tuple[int, int]:
    """How many characters beyond ASCII are right, and how many bytes are wrong."""
    decode: Callable[..., str] = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
    good = bad = 0
    while piece := content.read(_PIECE):
        if piece.isascii():
            continue
        text = decode(piece)
        bad += len(_BAD.findall(text))
        good += len(_GOOD.findall(text))
    return good, bad


def _older(sample: bytes) -> str:
    """In western text accented letters stand alone; in the others whole words are beyond ASCII."""
    runs = _HIGH.findall(sample)
    if sum(len(run) for run in runs if len(run) > 1) < 0.5 * sum(map(len, runs)):
        return _WESTERN
    shares = {name: _share(sample, name, script) for name, script in _SCRIPTS.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= 0.2 else _WESTERN


def _share(sample: bytes, encoding: str, script: re.Pattern[str]) -> float:
    """Which part of the characters beyond ASCII is of the script that the encoding is for."""
    text = sample.decode(encoding, "replace")
    beyond = sum(not character.isascii() for character in text)
    errors = text.count("\ufffd")
    return (len(script.findall(text)) - 5 * errors) / (beyond or 1)
