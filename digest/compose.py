"""Loaded facts to snapshots: the frozen numbers a mail is made from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from digest.audience import Author
from digest.editing import Edited, edit
from digest.facts import Batch, history
from digest.facts.history import History
from digest.facts.past import WEEKS
from digest.facts.weeks import AuthorWeek
from digest.sections import Section


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One user's week, as plain data: the mail, its web copy and later comparisons come from it.

    ``sections`` maps a section's name to what it has to say, in the order of the mail. Totals that
    the data cannot carry are None, which is not zero. Without ``numbers`` the reader wants to see
    no figures; ``eased`` is how many weeks apart mails come while they do not post (1: every week).
    ``lead`` is the section whose fact is the subject, if one of its own is (:mod:`digest.editing`),
    and ``rivals`` are the sections that competed for room: worth, weeks since shown, score.
    """

    user: str
    name: str
    locale: str
    period: str
    timezone: str
    start: datetime
    end: datetime
    views: int | None
    reach: int | None
    reactions: int | None
    sections: dict[str, dict[str, Any]]
    numbers: bool = True
    eased: int = 1
    lead: str = ""
    rivals: dict[str, tuple[float, int | None, float]] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Nothing happened, as far as the data tells."""
        return "quiet" in self.sections

    @property
    def asked(self) -> str:
        """The post that the reader is asked to guess about; "" if there is none."""
        ask = self.sections.get("guess", {}).get("ask")
        return ask["post"]["id"] if ask else ""

    def as_json(self) -> dict[str, Any]:
        """The snapshot as plain JSON values; instants are ISO 8601 in UTC."""
        return {
            "user": self.user,
            "name": self.name,
            "locale": self.locale,
            "period": self.period,
            "timezone": self.timezone,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "views": self.views,
            "reach": self.reach,
            "reactions": self.reactions,
            "sections": self.sections,
            "numbers": self.numbers,
            "eased": self.eased,
            "lead": self.lead,
            "rivals": self.rivals,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Snapshot:
        """The inverse of :meth:`as_json`."""
        instants = {name: datetime.fromisoformat(body[name]) for name in ("start", "end")}
        return cls(**{**body, **instants})


@dataclass(frozen=True, slots=True)
class Broken:
    """A section that cannot make sense of what it finds: of one user, or of a whole batch."""

    section: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the database says of a batch: ``facts`` by section, then by user.

    A section that could not load its facts has :class:`Broken` there. ``frozen`` are snapshots from
    which mails were made already: they stay as they are.
    """

    weeks: Mapping[str, AuthorWeek]
    histories: Mapping[str, History]
    facts: Mapping[str, Mapping[str, Any] | Broken]
    frozen: Mapping[str, Snapshot]


@dataclass(frozen=True, slots=True)
class Composed:
    """A user's snapshot, and what the last gate asks.

    ``quiet_before``: the week before was quiet too. ``unread``: what is known of the author comes
    from counters, and none was read this week, so that nothing is known of it.
    """

    snapshot: Snapshot
    quiet_before: bool
    unread: bool
    stored: bool


def compose(
    batch: Batch, authors: Mapping[str, Author], loaded: Loaded, sections: Sequence[Section]
) -> dict[str, Composed | Broken]:
    """The snapshots of the batch's users: as stored where a mail was made from them, else new."""
    composed: dict[str, Composed | Broken] = {}
    ago = {str(batch.period.shift(-n)): n for n in range(1, WEEKS + 1)}
    for user in batch.users:
        week = loaded.weeks.get(user, AuthorWeek())
        past = loaded.histories.get(user, History())
        snapshot = loaded.frozen.get(user)
        if snapshot is None:
            wanted = _wanted(sections, authors[user], quiet=week.quiet)
            told = _told(user, batch, loaded, wanted)
            if isinstance(told, Broken):
                composed[user] = told
                continue
            edited = edit(told, wanted, past.shown(ago))
            snapshot = _snapshot(batch, authors[user], week, past, edited)
        quiet_before = _was_quiet(past, str(batch.period.shift(-1)))
        composed[user] = Composed(
            snapshot, quiet_before, _is_unread(week, past), stored=user in loaded.frozen
        )
    return composed


def _wanted(sections: Sequence[Section], author: Author, *, quiet: bool) -> list[Section]:
    """The sections of one author's mail: without what a quiet week or the reader leaves out."""
    return [
        section
        for section in sections
        if section.name not in author.hidden
        and (section.calm or not quiet)
        and (author.numbers or not section.figures)
    ]


def _told(
    user: str, batch: Batch, loaded: Loaded, sections: Sequence[Section]
) -> dict[str, dict[str, Any]] | Broken:
    """What each section has to say to one user, in the order of the mail."""
    told = {}
    for section in sections:
        of_all = loaded.facts[section.name]
        if isinstance(of_all, Broken):
            return of_all
        facts = of_all.get(user)
        if facts is None:
            continue
        try:
            data = section.build(facts, batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other users get their mail
            return Broken(section.name, error)
        if data is not None:
            told[section.name] = data
    return told


def _snapshot(
    batch: Batch,
    author: Author,
    week: AuthorWeek,
    past: History,
    edited: Edited,
) -> Snapshot:
    acts = week.reactions if week.reactions or week.acts_read else None
    totals = history.totals(
        str(batch.period), batch.window.end, (week.views, week.reach, acts), past.since
    )
    return Snapshot(
        user=author.id,
        name=author.name,
        locale=author.locale,
        period=totals.period,
        timezone=batch.tz.key,
        start=batch.window.start,
        end=batch.window.end,
        views=totals.views,
        reach=totals.reach,
        reactions=totals.reactions,
        sections=edited.told,
        numbers=author.numbers,
        eased=author.cadence.eased(batch.period, author.posted(batch.tz)),
        lead=edited.lead,
        rivals={name: (c.worth, c.weeks, c.score) for name, c in edited.candidates.items()},
    )


def _is_unread(week: AuthorWeek, past: History) -> bool:
    since = past.since
    if week.known or week.read or since is None:
        return False
    return since.counters is not None and since.views is None and since.reactions is None


def _was_quiet(past: History, period: str) -> bool:
    """Whether the week before is known to have been quiet, or nothing is known of it."""
    before = next((week for week in past.weeks if week.period == period), None)
    return before is None or (not before.views and not before.reactions)
