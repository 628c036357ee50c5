"""How often a reader is written to: which weeks they chose, and which are theirs without a choice.

Everything is counted in whole weeks, so that mails stand the same distance apart whatever the
month or the year does, and the same question about the same week always has the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from digest.window import Period


class Frequency(StrEnum):
    """How often a reader wants the mail."""

    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    MONTHLY = "monthly"
    EVENTFUL = "eventful"
    """Only when something happened: a quiet week never brings a mail."""


WEEKS = {
    Frequency.WEEKLY: 1,
    Frequency.FORTNIGHTLY: 2,
    Frequency.MONTHLY: 4,
    Frequency.EVENTFUL: 1,
}
"""How many weeks lie between two mails."""

PAUSE_WEEKS = 4
FEWER_FROM = 8
"""Weeks without a post after which mails come every two weeks."""
FEWEST_FROM = 16
"""Weeks without a post after which mails come every four weeks."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """One reader's rhythm.

    ``anchor`` is the week that two and four weeks are counted from, ``paused_through`` the last
    week without a mail, ``adaptive`` whether mails may become fewer while nothing is posted.
    """

    frequency: Frequency = Frequency.WEEKLY
    anchor: Period | None = None
    paused_through: Period | None = None
    adaptive: bool = True

    def pauses(self, period: Period) -> bool:
        """Whether the reader asked for a break that covers ``period``."""
        return self.paused_through is not None and period <= self.paused_through

    def includes(self, period: Period) -> bool:
        """Whether ``period`` is one of the weeks that the reader chose."""
        weeks = WEEKS[self.frequency]
        return weeks == 1 or self.anchor is None or period.weeks_since(self.anchor) % weeks == 0

    def eased(self, period: Period, posted: Period | None) -> int:
        """How many weeks apart mails come because the last post, of week ``posted``, was long ago.

        1 is every week. Whoever chose another rhythm than weekly keeps it; an unknown time of the
        last post is no long silence.
        """
        if not self.adaptive or posted is None or self.frequency is not Frequency.WEEKLY:
            return 1
        silent = period.weeks_since(posted)
        return 1 if silent < FEWER_FROM else 2 if silent < FEWEST_FROM else 4

    def spares(self, period: Period, posted: Period | None) -> bool:
        """Whether ``period`` is left out because of :meth:`eased`: the first is never left out."""
        weeks = self.eased(period, posted)
        return posted is not None and period.weeks_since(posted) % weeks != 0

    def mails(self, period: Period, posted: Period | None) -> bool:
        """Whether ``period`` brings a mail, as far as its rhythm goes."""
        return not self.pauses(period) and self.includes(period) and not self.spares(period, posted)


EVERY_WEEK = Cadence()
"""The rhythm of whoever has chosen nothing."""
