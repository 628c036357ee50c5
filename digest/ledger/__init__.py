"""Runs and deliveries: the only writer of their states.

The promise, one mail per user and period, is kept by the database: a unique constraint, claims by
compare-and-set, and updates that name their owner and fence, so that a process which was paused or
declared dead finds nothing to change. :data:`digest.models.TRANSITIONS` says what may follow what.
"""

from digest.ledger.claims import OPEN, Claim, Scope, claim, holds, is_ready, plan, plan_zone, reopen
from digest.ledger.looking import counts, find, latest_period, of_period, of_weeks
from digest.ledger.outcomes import Outcome, backoff, mark, settle
from digest.ledger.runs import Recovered, heartbeat, recover, running

__all__ = [
    "OPEN",
    "Claim",
    "Outcome",
    "Recovered",
    "Scope",
    "backoff",
    "claim",
    "counts",
    "find",
    "heartbeat",
    "holds",
    "is_ready",
    "latest_period",
    "mark",
    "of_period",
    "of_weeks",
    "plan",
    "plan_zone",
    "recover",
    "reopen",
    "running",
    "settle",
]
