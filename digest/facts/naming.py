"""Whom a mail to somebody else may name, where nobody has asked for it by an act of their own.

There is no setting in which a member says so: whoever left the digest, had their data erased, or
has an address that may not be mailed has as good as said no.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import users
from digest.models import Subscription, Suppression, table

_subscriptions, _suppressions = table(Subscription), table(Suppression)
_MEMBERS = (
    select(
        users.c.id,
        users.c.name,
        users.c.email_key,
        _subscriptions.c.unsubscribed_at,
        _subscriptions.c.erased_at,
        _suppressions.c.email_key.is_not(None).label("suppressed"),
    )
    .outerjoin(_subscriptions, _subscriptions.c.user_id == users.c.id)
    .outerjoin(_suppressions, _suppressions.c.email_key == users.c.email_key)
    .where(among(users.c.id, "people"))
)


@dataclass(frozen=True, slots=True)
class Member:
    """A user as others may see them; ``name`` is "" for somebody who must not be named.

    Two members with one ``mailbox`` are the same person.
    """

    name: str
    mailbox: str | None


def members(session: Session, ids: Collection[str]) -> dict[str, Member]:
    """Those of ``ids`` who are users."""
    return {
        row.id: Member("" if _is_shy(row) else row.name, row.email_key)
        for row in fetch(session, _MEMBERS, people=list(ids))
    }


def _is_shy(row: Any) -> bool:
    return bool(row.unsubscribed_at or row.erased_at or row.suppressed)
