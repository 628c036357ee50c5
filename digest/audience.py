"""Who may be mailed: every gate a user passes or not, and the one that decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from digest.cadence import EVERY_WEEK, Cadence, Frequency
from digest.database import among, fetch
from digest.models import Post, State, Subscription, Suppression, User, table
from digest.window import Period

_users, _posts = table(User), table(Post)
_subscriptions, _suppressions = table(Subscription), table(Suppression)


@dataclass(frozen=True, slots=True)
class Author:
    """A user as the mail and its gates need to know them; instants are UTC."""

    id: str
    name: str
    email: str
    email_key: str | None
    locale: str
    unsubscribed_at: datetime | None
    suppressed: str | None
    suppressed_at: datetime | None
    double: bool
    writes: bool
    weekday: int
    cadence: Cadence = EVERY_WEEK
    posted_at: datetime | None = None
    hidden: frozenset[str] = frozenset()
    numbers: bool = True

    def posted(self, tz: ZoneInfo) -> Period | None:
        """The week of the last post, for somebody who lives in ``tz``."""
        return Period.of(self.posted_at.astimezone(tz).date()) if self.posted_at else None


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of being mailed. If it is not passed, ``state`` and ``reason`` are recorded."""

    name: str
    passed: bool
    fact: str
    state: State = State.SKIPPED
    reason: str = ""


_CHOSEN = (
    _subscriptions.c.frequency,
    _subscriptions.c.counted_from,
    _subscriptions.c.paused_through,
    _subscriptions.c.adaptive,
    _subscriptions.c.hidden,
    _subscriptions.c.numbers,
)
_other = _users.alias()
_SAME = (
    select(_other.c.id)
    .join(_posts, _posts.c.author_id == _other.c.id)  # who never posted gets no mail instead
    .where(_other.c.email_key == _users.c.email_key, _other.c.id < _users.c.id)
)
_WRITES = select(_posts.c.id).where(_posts.c.author_id == _users.c.id)
_POSTED = select(func.max(_posts.c.published_at)).where(
    _posts.c.author_id == _users.c.id, _posts.c.published_at < bindparam("before")
)
_LOCALE = func.coalesce(_subscriptions.c.locale, _users.c.locale)
_LOCALES = (
    select(_LOCALE)
    .distinct()
    .join_from(_users, _subscriptions, _subscriptions.c.user_id == _users.c.id)
)
_AUTHORS = (
    select(
        _users.c.id,
        _users.c.name,
        _users.c.email,
        _users.c.email_key,
        _LOCALE.label("locale"),
        _subscriptions.c.unsubscribed_at,
        *_CHOSEN,
        func.coalesce(_subscriptions.c.weekday, 0).label("weekday"),
        _suppressions.c.reason.label("suppressed"),
        _suppressions.c.since.label("suppressed_at"),
        _SAME.exists().label("double"),
        _WRITES.exists().label("writes"),
        _POSTED.scalar_subquery().label("posted_at"),
    )
    .outerjoin(_subscriptions, _subscriptions.c.user_id == _users.c.id)
    .outerjoin(_suppressions, _suppressions.c.email_key == _users.c.email_key)
    .where(among(_users.c.id, "users"))
)


def locales(session: Session) -> list[str]:
    """The locales of all who may get a mail; "" is that of the site."""
    return [locale or "" for (locale,) in fetch(session, _LOCALES)]


def authors(
    session: Session, ids: Sequence[str], before: datetime, *, adaptive: bool = True
) -> dict[str, Author]:
    """What the gates need to know of these users; unknown ids are left out.

    Posts count that were published ``before`` the end of the week. Without ``adaptive`` nobody is
    mailed less because they post less.
    """
    rows = fetch(session, _AUTHORS, users=ids, before=before)
    return {
        row.id: Author(
            row.id,
            row.name,
            row.email,
            row.email_key,
            row.locale or "",
            row.unsubscribed_at,
            row.suppressed,
            row.suppressed_at,
            bool(row.double),
            bool(row.writes),
            row.weekday,
            _cadence(row, adaptive=adaptive),
            row.posted_at,
            frozenset((row.hidden or "").split()),
            row.numbers is not False,
        )
        for row in rows
    }


def _cadence(row: Any, *, adaptive: bool) -> Cadence:
    """The rhythm that a row says; whoever has no subscription is mailed like everybody new."""
    return Cadence(
        Frequency(row.frequency or Frequency.WEEKLY),
        Period.parse(row.counted_from) if row.counted_from else None,
        Period.parse(row.paused_through) if row.paused_through else None,
        adaptive and row.adaptive is not False,
    )


def activity(*, quiet: bool, quiet_before: bool, policy: str, unread: bool = False) -> Gate:
    """The gate after the week was looked at: is there something to say?

    ``policy`` "once": a quiet week is mailed only after one that was not, so nobody is reminded
    week by week that nothing happened; "eventful": the reader wants none. A week of which nothing
    is known is not called quiet.
    """
    if not quiet:
        return Gate("something to say", passed=True, fact="something happened this week")
    if unread:
        fact = "the counters were not read this week: nothing is known of it"
        return Gate("something to say", passed=False, fact=fact, reason="no-data")
    passed = policy == "always" or (policy == "once" and not quiet_before)
    if passed:
        fact = "a quiet week, and the friendly text is due"
    else:
        fact = _QUIET.get(policy, "a quiet week")
    return Gate("something to say", passed, fact, reason="quiet")


_QUIET = {
    "once": "a quiet week like the one before",
    Frequency.EVENTFUL: "a quiet week, and the reader wants mails only when something happened",
}
_NO_NEWS = frozenset({"next"})


def wanted(told: Iterable[str], author: Author) -> Gate | None:
    """The gate of a reader who switched parts of the mail off: is anything left that has news?"""
    parts = [*sorted(author.hidden), *(() if author.numbers else ("numbers",))]
    if not parts:
        return None
    return Gate(
        "sections wanted",
        bool(set(told) - _NO_NEWS),
        f"the reader switched off: {', '.join(parts)}",
        reason="no-sections",
    )


def broken(section: str, error: Exception) -> Gate:
    """The gate of a user whose facts a section cannot make sense of; the others go on."""
    fact = f"the section {section} failed: {error!r}"
    return Gate("can be composed", passed=False, fact=fact, state=State.FAILED, reason="section")


def gates(author: Author, period: Period, tz: ZoneInfo) -> list[Gate]:
    """The gates before the week is looked at, in the order in which they decide."""
    return [*_may_be_mailed(author), *_in_rhythm(author, period, tz)]


def _in_rhythm(author: Author, period: Period, tz: ZoneInfo) -> list[Gate]:
    """Whether this is one of the weeks in which the reader is written to."""
    cadence, posted = author.cadence, author.posted(tz)
    eased = cadence.eased(period, posted)
    return [
        Gate(
            "no break",
            not cadence.pauses(period),
            f"the reader wants no mail up to {cadence.paused_through}"
            if cadence.pauses(period)
            else "the reader has not asked for a break",
            reason="paused",
        ),
        Gate(
            "chosen week",
            cadence.includes(period),
            f"the reader chose {cadence.frequency}"
            + (f", counted from {cadence.anchor}" if cadence.anchor else ""),
            reason="not-this-week",
        ),
        Gate(
            "cadence",
            not cadence.spares(period, posted),
            f"no post since {posted}: mails come every {eased} weeks"
            if eased > 1
            else "no reason to mail less often",
            reason="eased",
        ),
    ]


def _may_be_mailed(author: Author) -> list[Gate]:
    return [
        Gate(
            "subscribed",
            author.unsubscribed_at is None,
            f"left on {author.unsubscribed_at:%Y-%m-%d %H:%M} UTC"
            if author.unsubscribed_at
            else "has not unsubscribed",
            reason="unsubscribed",
        ),
        Gate(
            "address",
            author.email_key is not None,
            "a server could take the address"
            if author.email_key
            else "no server takes the address",
            State.FAILED,
            "unusable-address",
        ),
        Gate(
            "not suppressed",
            author.suppressed is None,
            f"suppressed on {author.suppressed_at:%Y-%m-%d}: {author.suppressed}"
            if author.suppressed
            else "the address is not suppressed",
            State.SUPPRESSED,
            author.suppressed or "",
        ),
        Gate(
            "one mailbox",
            not author.double,
            "another user with the same address comes first"
            if author.double
            else "no other user has this address",
            reason="duplicate-address",
        ),
        Gate(
            "has posts",
            author.writes,
            "has published" if author.writes else "has never posted",
            reason="no-posts",
        ),
    ]
