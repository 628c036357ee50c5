"""From a mail server's answer to what the ledger records: the end, or when to try again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from digest import ledger
from digest.audience import Author
from digest.config import Settings
from digest.ledger import Claim, Outcome
from digest.models import State
from digest.smtp import Outcome as Reply
from digest.smtp.replies import Meaning

_SICK = frozenset({Meaning.FULL, Meaning.DISABLED, Meaning.UNCLEAR})
"""What says something about a mailbox, but not at once that it is dead."""


def outcome(
    claim: Claim, author: Author, reply: Reply, settings: Settings, now: datetime
) -> Outcome:
    """What the ledger records of a server's answer."""
    said = f"{reply.code or ''} {reply.reply_text}".strip()[:500]
    meaning = reply.meaning.value if reply.meaning else ""
    if reply.state == "withdrawn":
        # The reader left or another owner took over: the gates will say which.
        return Outcome(claim, State.PENDING)
    doubt = reply.state == "unknown" and settings.on_unknown == "resend"
    again = reply.state == "deferred" or doubt
    tried = int(reply.is_attempt)
    sick = author.email_key or "" if reply.meaning in _SICK and reply.code else ""
    if again and tried and claim.attempts + 1 >= settings.max_attempts:
        return Outcome(claim, State.FAILED, "too-many-attempts", said, tried=1, sick_address=sick)
    if again:
        wait = (
            timedelta(seconds=reply.wait)
            if reply.wait
            else ledger.backoff(
                claim.attempts,
                base=settings.retry_base_seconds,
                cap=settings.retry_cap_seconds,
                jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
            )
        )
        return Outcome(claim, State(reply.state), meaning, said, now + wait, tried=tried)
    dead = author.email_key or "" if reply.meaning is Meaning.ADDRESS and reply.code else ""
    return Outcome(
        claim,
        State(reply.state),
        meaning,
        said,
        tried=1,
        dead_address=dead,
        sick_address=sick if reply.state == "failed" else "",
    )
