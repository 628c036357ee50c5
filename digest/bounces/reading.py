"""The order of things: find mails, read what they say, record it, and tell what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from digest.address import parse
from digest.bounces import imap, records
from digest.bounces.findings import Failure, Kind, Report
from digest.bounces.records import Action, Done
from digest.bounces.reports import read
from digest.bounces.sources import Found
from digest.config import Settings
from digest.database import Database

GROUP = 100
"""Mails whose consequences share a commit."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one mail."""

    found: Found
    report: Report
    done: Done

    @property
    def unreadable(self) -> bool:
        """Whether the file could not even be read."""
        return bool(self.found.problem)

    def as_json(self) -> dict[str, Any]:
        """The row as ``digest bounces --json`` prints it."""
        leading, sent = self.report.leading, self.done.sent
        return {
            "file": self.found.name,
            "class": self.report.kind.value,
            "recipient": leading.recipient if leading else None,
            "status": leading.status if leading else "",
            "recipients": [_of_recipient(one) for one in self.report.failures],
            "feedback": self.report.feedback or None,
            "delivery": {"user": sent.user, "period": sent.period} if sent else None,
            "action": self.done.action.value,
            "why": self.done.why,
        }


def take(
    database: Database, settings: Settings, found: Iterable[Found], clock: Callable[[], datetime]
) -> Iterator[Row]:
    """Read mails and record what they say; every mail is a row, whatever it is."""
    hosts = (parse(settings.sender).domain,)
    waiting = iter(found)
    while group := list(islice(waiting, GROUP)):
        said = [(one, _read(one)) for one in group]
        with database.writing() as session:
            rows = [
                Row(
                    one,
                    report,
                    records.record(
                        session,
                        report,
                        records.fingerprint(one.content),
                        clock(),
                        hosts=hosts,
                        limit=settings.soft_bounces,
                    ),
                )
                for one, report in said
            ]
        yield from rows


def collect(
    database: Database,
    settings: Settings,
    clock: Callable[[], datetime],
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Row]:
    """Take the unseen mails of the mailbox that ``BOUNCES_URL`` names, until ``stopped``.

    A group is marked as seen after it was committed, so that a crash loses nothing.
    """
    if settings.bounces_url is None:
        return
    account = imap.parse_url(settings.bounces_url.get_secret_value())
    with imap.opened(account) as box:
        numbers = box.unseen()
        while numbers and not stopped():
            group, numbers = numbers[: imap.BATCH], numbers[imap.BATCH :]
            mails = box.read(group)
            rows = list(take(database, settings, mails.values(), clock))
            if mails:
                box.mark_seen(list(mails))
            yield from rows


def _read(found: Found) -> Report:
    if found.problem:
        return Report(Kind.UNRECOGNISED, found.problem)
    return read(found.content)


def _of_recipient(failure: Failure) -> dict[str, str]:
    return {
        "recipient": failure.recipient,
        "class": failure.kind.value,
        "status": failure.status,
        "why": failure.judged.said,
    }


__all__ = ["Action", "Row", "collect", "take"]
