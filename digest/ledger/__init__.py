"""Runs and deliveries: the only writer of their states.

The promise, one mail per user and period, is kept by the database: a unique constraint, claims by
compare-and-set, and updates that name their owner and fence, so that a process which was paused or
declared dead finds nothing to change. :data:`digest.models.TRANSITIONS` says what may follow what.
"""

from digest.ledger.claims import (
    OPEN,
    Claim,
    Scope,
    claim,
    holds,
    is_alive,
    plan,
    plan_zone,
    reopen,
    upcoming,
    waiting,
)
from digest.ledger.doubts import Decision, resolve
from digest.ledger.looking import (
    counts,
    find,
    in_doubt,
    latest_period,
    listed,
    next_attempt,
    of_period,
    of_weeks,
    unplanned,
)
from digest.ledger.outcomes import Mark, Outcome, backoff, mark, settle
from digest.ledger.pruning import (
    close_before,
    first_open,
    forgettable,
    forgettable_runs,
    require_open,
)
from digest.ledger.runs import Recovered, heartbeat, recover, running

__all__ = [
    "OPEN",
    "Claim",
    "Decision",
    "Mark",
    "Outcome",
    "Recovered",
    "Scope",
    "backoff",
    "claim",
    "close_before",
    "counts",
    "find",
    "first_open",
    "forgettable",
    "forgettable_runs",
    "heartbeat",
    "holds",
    "in_doubt",
    "is_alive",
    "latest_period",
    "listed",
    "mark",
    "next_attempt",
    "of_period",
    "of_weeks",
    "plan",
    "plan_zone",
    "recover",
    "reopen",
    "require_open",
    "resolve",
    "running",
    "settle",
    "unplanned",
    "upcoming",
    "waiting",
]
