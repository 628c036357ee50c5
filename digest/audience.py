"""Who may be mailed: every gate a user passes or not, and the one that decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.models import Post, State, Subscription, Suppression, User, table

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


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of being mailed. If it is not passed, ``state`` and ``reason`` are recorded."""

    name: str
    passed: bool
    fact: str
    state: State = State.SKIPPED
    reason: str = ""


_other = _users.alias()
_SAME = (
    select(_other.c.id)
    .join(_posts, _posts.c.author_id == _other.c.id)  # who never posted gets no mail instead
    .where(_other.c.email_key == _users.c.email_key, _other.c.id < _users.c.id)
)
_WRITES = select(_posts.c.id).where(_posts.c.author_id == _users.c.id)
_AUTHORS = (
    select(
        _users.c.id,
        _users.c.name,
        _users.c.email,
        _users.c.email_key,
        _users.c.locale,
        _subscriptions.c.unsubscribed_at,
        func.coalesce(_subscriptions.c.weekday, 0).label("weekday"),
        _suppressions.c.reason.label("suppressed"),
        _suppressions.c.since.label("suppressed_at"),
        _SAME.exists().label("double"),
        _WRITES.exists().label("writes"),
    )
    .outerjoin(_subscriptions, _subscriptions.c.user_id == _users.c.id)
    .outerjoin(_suppressions, _suppressions.c.email_key == _users.c.email_key)
    .where(among(_users.c.id, "users"))
)


def authors(session: Session, ids: Sequence[str]) -> dict[str, Author]:
    """What the gates need to know of these users; unknown ids are left out."""
    rows = fetch(session, _AUTHORS, users=ids)
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
        )
        for row in rows
    }


def activity(*, quiet: bool, quiet_before: bool, policy: str, unread: bool = False) -> Gate:
    """The gate after the week was looked at: is there something to say?

    ``policy`` "once": a quiet week is mailed only after one that was not, so nobody is reminded
    week by week that nothing happened. A week of which nothing is known is not called quiet.
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
        fact = "a quiet week like the one before" if policy == "once" else "a quiet week"
    return Gate("something to say", passed, fact, reason="quiet")


def broken(section: str, error: Exception) -> Gate:
    """The gate of a user whose facts a section cannot make sense of; the others go on."""
    fact = f"the section {section} failed: {error!r}"
    return Gate("can be composed", passed=False, fact=fact, state=State.FAILED, reason="section")


def gates(author: Author) -> list[Gate]:
    """The gates before the week is looked at, in the order in which they decide."""
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
