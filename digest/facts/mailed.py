"""When each author's last mail went out: what happened since then was told to nobody."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch
from digest.models import Delivery, State, table

WEEKS = 26
"""A mail of longer ago counts as none."""

_deliveries = table(Delivery)
_LATEST = (
    select(_deliveries.c.user_id, func.max(_deliveries.c.period))
    .where(
        among(_deliveries.c.user_id, "users"),
        _deliveries.c.period >= bindparam("first"),
        _deliveries.c.period < bindparam("period"),
        # One in doubt may have arrived: what it told is not told twice.
        _deliveries.c.state.in_((State.SENT, State.UNKNOWN)),
    )
    .group_by(_deliveries.c.user_id)
)


def weeks_since_mail(session: Session, batch: Batch) -> dict[str, int]:
    """How many weeks ago the last mail of each author went out, who had one.

    A mail that was made and refused told nobody anything, nor did that of a week that was skipped.
    """
    ago = {str(batch.period.shift(-n)): n for n in range(WEEKS, 0, -1)}
    asked = {"first": min(ago), "period": str(batch.period)}
    rows = fetch(session, _LATEST, users=batch.users, **asked)
    found = {user: ago[period] for user, period in rows}
    for user in batch.users if batch.told else ():
        rebuilt = [n for period, n in ago.items() if batch.told.get((user, period))]
        if rebuilt:
            found[user] = min(*rebuilt, found.get(user, WEEKS))
    return found
