"""Single values as sources write them: checked, or refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

from babel import Locale, UnknownLocaleError

from digest.errors import UsageError
from digest.ingest.rows import Instant
from digest.models.columns import as_text
from digest.text import clean, shorten
from digest.window import zone

DATE_ONLY = "10:30:00.000000"
"""The time of day (UTC) of what is only known by its date: from UTC-10 to UTC+13 it is then the
same date everywhere, so that a day's views stay in their day and week for nearly every reader."""

FIRST_YEAR, LAST_YEAR = "1970", "2200"
ID_LIMIT = 255
NAME_LIMIT = 100
TITLE_LIMIT = 300
TEXT_LIMIT = 5000
TOPIC_LIMIT = 60
TOPICS = 20
COUNT_LIMIT = 10**12


class BadValue(ValueError):
    """A value that cannot be used; the message says which and why."""


def identifier(text: str, column: str) -> str:
    """The platform's own id, as it is."""
    text = text.strip()
    if not text:
        raise BadValue(f"{column} is missing")
    return optional_identifier(text, column)


def optional_identifier(text: str, column: str) -> str:
    """An id that may be missing: ""."""
    text = text.strip()
    if not text.isprintable():
        raise BadValue(f"{column} holds characters that cannot be printed")
    if len(text.encode()) > ID_LIMIT:  # it stands in links, which have to stay short
        raise BadValue(f"{column} is longer than {ID_LIMIT} octets")
    return text


def instant(text: str, column: str = "at") -> Instant:
    """An ISO 8601 time in the form it is stored; no zone is UTC, a date alone is that day."""
    text = text.strip()
    try:
        moment = f"{date.fromisoformat(text)} {DATE_ONLY}" if len(text) == 10 else _stored(text)
    except (ValueError, OverflowError):
        raise _bad_instant(text, column) from None
    if not FIRST_YEAR <= moment[:4] <= LAST_YEAR:
        raise BadValue(f"{column} “{_shown(text)}” is not between {FIRST_YEAR} and {LAST_YEAR}")
    return Instant(moment)


def stored(moment: datetime) -> Instant:
    """An aware moment in the form it is stored."""
    return Instant(as_text(moment))


def day(when: date) -> Instant:
    """A whole day, as the instant that stands for it."""
    return Instant(f"{when.isoformat()} {DATE_ONLY}")


def whole(text: str, column: str, least: int = 0) -> int:
    """A whole number of at least ``least``."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal()):
        if text[:1] == "-" and text[1:].isdecimal():
            raise BadValue(f"{column} is negative ({_shown(text)})")
        raise BadValue(f"{column} “{_shown(text)}” is not a whole number")
    number = int(text[:20])
    if number > COUNT_LIMIT:
        raise BadValue(f"{column} is larger than {COUNT_LIMIT:,}")
    if number < least:
        raise BadValue(f"{column} is {number}; it must be at least {least}")
    return number


def topics_of(words: Sequence[str]) -> str:
    """Topics joined by ``;``, each once, the first twenty."""
    cleaned = (clean(word, TOPIC_LIMIT).replace(";", ",") for word in words[: TOPICS * 4])
    return ";".join(list(dict.fromkeys(word for word in cleaned if word))[:TOPICS])


@lru_cache(maxsize=4096)
def known_zone(name: str) -> bool:
    """Whether ``name`` is an IANA time zone."""
    try:
        zone(name)
    except UsageError:
        return False
    return True


@lru_cache(maxsize=4096)
def language(name: str) -> str | None:
    """``name`` as a language tag (``pt-BR``), or None where nobody knows it."""
    try:
        return str(Locale.parse(name.replace("_", "-"), sep="-")).replace("_", "-")
    except (UnknownLocaleError, ValueError, TypeError):
        return None


def _stored(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if len(text) == 20 and text[19] == "Z" and text[4] == "-" and text[13] == ":":
        return f"{text[:10]} {text[11:19]}.000000"
    if moment.tzinfo is not None:
        return as_text(moment)
    if len(text) < 10:
        return f"{moment.date()} {DATE_ONLY}"
    return as_text(moment.replace(tzinfo=UTC))


def _bad_instant(text: str, column: str) -> BadValue:
    if not text:
        return BadValue(f"{column} is missing")
    return BadValue(f"{column} “{_shown(text)}” is not an ISO 8601 time")


def _shown(text: str) -> str:
    return shorten(text if text.isprintable() else ascii(text)[1:-1], 60)
