"""Mails of a community's weeks, by the backtest's path, with the facts that they were made from."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from digest.compose import Snapshot
from digest.deciding import decide
from digest.window import Period
from tests.claims.counting import Ground
from tests.claims.place import MARK
from tests.office import MONDAY, Office

LANGUAGES = ("de", "es", "fr", "ja", "ar")


@dataclass(frozen=True)
class Mail:
    """One user's mail: its snapshot, what it says, and all facts."""

    user: str
    snapshot: Snapshot
    subject: str
    text: str
    page: str
    ground: Ground

    def __str__(self) -> str:
        return f"{self.user} in {self.snapshot.period}\n{self.subject}\n\n{self.text}"


def plain(page: str) -> str:
    """The words of an HTML part, without styles and addresses."""
    page = re.sub(r"<(style|title|head)\b.*?</\1>|<!--.*?-->", " ", page, flags=re.DOTALL)
    return joined(html.unescape(re.sub(r"<[^>]+>", " ", page)))


def joined(text: str) -> str:
    """On one line, without addresses and marks of direction."""
    text = re.sub(r"[\u2066-\u2069\u200e\u200f\u200c\u034f\u00ad]", "", text)
    return " ".join(re.sub(r"https?://\S+|mailto:\S+", " ", text).split())


def own(text: str) -> str:
    """Without what users wrote: our own sentences."""
    return " ".join(re.sub(rf"{MARK}[!-~…]*", " ", joined(text)).split())


def mails(
    office: Office, ground: Ground, weeks: int = 1, users: Sequence[str] = (), *, keep: bool = False
) -> Iterator[Mail]:
    """The mails of the latest weeks, oldest first; with ``keep`` as if each had been sent."""
    told: dict[tuple[str, str], str] = {}
    last = Period.of(MONDAY.date())
    for back in range(weeks - 1, -1, -1):
        period = str(last.shift(-back))
        for zone, batch in sorted(ground.by_zone(users).items()):
            with office.database.writing() as session:
                decided = decide(
                    session, office.shop, period, zone, batch, anew=None if keep else told
                )
                if keep:
                    now = MONDAY - back * timedelta(weeks=1) + timedelta(weeks=1, hours=9)
                    decided.keep(session, now)
            for user, decision in decided.decisions.items():
                if decision.composed is None or decision.stopped_by is not None:
                    continue
                snapshot = decision.composed.snapshot
                told[user, period] = " ".join(snapshot.sections)
                yield written(office, ground, snapshot)


def written(office: Office, ground: Ground, snapshot: Snapshot, language: str = "en") -> Mail:
    mailer = office.shop.mailer
    spoken = replace(snapshot, locale=language)
    made = mailer.renderer.render(spoken, mailer.links(spoken))
    return Mail(snapshot.user, snapshot, made.subject, made.text, made.html, ground)
