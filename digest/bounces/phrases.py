"""What the words of mail systems mean: the tables of ``phrases.toml``, and in which order.

The first group with a phrase in the text decides. What names the *sender* comes before what names
the recipient, because “the sender's address does not exist” says nothing about the reader.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from digest.smtp.replies import Meaning

_GAP = "…"
_GAP_PATTERN = ".{0,60}?"


@dataclass(frozen=True, slots=True)
class Phrase:
    """One line of a table, as the pieces between its gaps."""

    pieces: tuple[str, ...]

    def occurs(self, text: str) -> bool:
        """Whether it stands in ``text`` (lower case, single spaces)."""
        if not all(piece in text for piece in self.pieces):
            return False
        return len(self.pieces) == 1 or _pattern(self.pieces).search(text) is not None


Table = tuple[Phrase, ...]


def occurs(table: Table, text: str) -> bool:
    """Whether a phrase of the table stands in ``text`` (lower case, single spaces)."""
    return any(phrase.occurs(text) for phrase in table)


def squeeze(text: str) -> str:
    """``text`` as the tables want it."""
    return " ".join(text.lower().split())


@cache
def _pattern(pieces: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(_GAP_PATTERN.join(map(re.escape, pieces)))


def _tables() -> dict[str, Table]:
    written = resources.files("digest.bounces").joinpath("phrases.toml").read_text("utf-8")
    return {name: _table(lines) for name, lines in tomllib.loads(written).items()}


def _table(lines: str) -> Table:
    phrases = (line.split(_GAP) for line in lines.splitlines() if line.strip())
    return tuple(Phrase(tuple(piece.strip() for piece in pieces)) for pieces in phrases)


_all = _tables()
SENDER = _all["sender"]
DELAYED_DNS = _all["delayed_dns"]
LOCAL = _all["local"]
PASSING = _all["passing"]
DEAD_HOST = _all["dead_host"]
DEAD = _all["dead"]
FULL = _all["full"]
UNSURE = _all["unsure"]
MESSAGE = _all["message"]
BLOCKED = _all["blocked"]
POLICY = _all["policy"]
THROTTLED = _all["throttled"]
UNREACHED = _all["unreached"]
DELAY_NOTICES = _all["delay_notices"]
AUTO_REPLIES = _all["auto_replies"]
BOUNCE_SUBJECTS = _all["bounce_subjects"]
SURE_LEADS = _all["sure_leads"]
LEADS = _all["leads"]
NOT_FAILING = _all["not_failing"]
SEPARATORS = _all["separators"]


@dataclass(frozen=True, slots=True)
class Group:
    """Phrases of one meaning; where they are not ``sure``, an exact code knows better."""

    meaning: Meaning
    table: Table
    sure: bool = True


GROUPS = (
    Group(Meaning.POLICY, SENDER),
    Group(Meaning.TRANSIENT, DELAYED_DNS),
    Group(Meaning.TRANSIENT, LOCAL),
    Group(Meaning.UNCLEAR, PASSING),
    Group(Meaning.ADDRESS, DEAD_HOST),
    Group(Meaning.ADDRESS, DEAD),
    Group(Meaning.FULL, FULL),
    Group(Meaning.UNCLEAR, UNSURE),
    Group(Meaning.MESSAGE, MESSAGE),
    Group(Meaning.POLICY, BLOCKED),
    Group(Meaning.THROTTLED, THROTTLED),
    Group(Meaning.POLICY, POLICY, sure=False),
    Group(Meaning.CONNECTION, UNREACHED, sure=False),
)

CATEGORIES: dict[str, Meaning] = {
    "bad-domain": Meaning.ADDRESS,
    "bad-mailbox": Meaning.ADDRESS,
    "content-related": Meaning.POLICY,
    "inactive-mailbox": Meaning.UNCLEAR,
    "message-expired": Meaning.CONNECTION,
    "no-answer-from-host": Meaning.CONNECTION,
    "policy-related": Meaning.POLICY,
    "quota-issues": Meaning.FULL,
    "relaying-issues": Meaning.POLICY,
    "routing-errors": Meaning.CONNECTION,
    "spam-related": Meaning.POLICY,
    "virus-related": Meaning.MESSAGE,
}
"""The verdicts that PowerMTA writes into its reports (``X-PowerMTA-BounceCategory``)."""
