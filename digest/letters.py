"""A batch of claims to letters: decided, its snapshots kept, and each mail written.

Many are written one after the other before the first of them is offered: what writing needs is then
still near the processor, and a whole send takes a twelfth less time than when each mail is written
as its connection comes free.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from digest.audience import Author
from digest.database import Database
from digest.deciding import Decided, Decision, Workshop, decide
from digest.errors import RecipientProblem, TemplateError
from digest.faults import Point, reach
from digest.ledger import Claim, Outcome, Scope
from digest.models import State
from digest.recorder import Clock

log = logging.getLogger(__name__)
AT_A_TIME = 250
"""Letters that are written together: more do not make it faster, and all of them are in memory."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it goes to the server: whose it is, its envelope, its Message-ID and its bytes."""

    claim: Claim
    author: Author
    mail_from: str
    rcpt_to: str
    message_id: str
    content: bytes


async def written(
    shop: Workshop,
    scope: Scope,
    claims: Sequence[Claim],
    clock: Clock,
    hurried: Callable[[], bool],
) -> AsyncIterator[Letter | Outcome]:
    """What becomes of each claim: its letter, or why there is none.

    Once ``hurried`` says yes the rest is left out. Every snapshot is stored before a letter of the
    batch is seen by anybody.
    """
    background = partial(shop.database.in_background, hurried=hurried)
    decided = await background(partial(_decide, shop, claims))
    await background(partial(_keep, shop.database, decided.values(), clock()))
    reach(Point.KEPT)
    too_old = clock() - shop.settings.max_lateness

    def settle(claim: Claim) -> Letter | Outcome:
        decision = decided[_week_of(claim)].decisions.get(claim.user)
        gate = decision.stopped_by if decision else None
        if decision is None:
            return Outcome(claim, State.SKIPPED, "deleted")
        if gate is not None:
            return Outcome(claim, gate.state, gate.reason)
        if claim.opened_at < too_old and claim.period not in scope.wanted:
            return Outcome(claim, State.SKIPPED, "late")
        return _write(shop, claim, decision)

    def settled(some: Sequence[Claim]) -> list[Letter | Outcome]:
        return [settle(claim) for claim in some if not hurried()]

    for first in range(0, len(claims), AT_A_TIME):
        for one in await background(partial(settled, claims[first : first + AT_A_TIME])):
            yield one


_Week = tuple[str, str]


def _week_of(claim: Claim) -> _Week:
    """What people must share to be looked at together: period and zone."""
    return claim.period, claim.timezone


def _decide(shop: Workshop, claims: Sequence[Claim]) -> dict[_Week, Decided]:
    users: dict[_Week, list[str]] = defaultdict(list)
    for claim in claims:
        users[_week_of(claim)].append(claim.user)
    with shop.database.reading() as session:
        return {week: decide(session, shop, *week, members) for week, members in users.items()}


def _keep(database: Database, decided: Collection[Decided], now: datetime) -> None:
    with database.writing() as session:
        for one in decided:
            one.keep(session, now)


def _write(shop: Workshop, claim: Claim, decision: Decision) -> Letter | Outcome:
    """One user's letter; whatever is wrong with it, the others get theirs."""
    author = decision.author
    try:
        mail = shop.mailer.mail(author, decision.snapshot, claim.created_at)
    except TemplateError as error:
        return Outcome(claim, State.FAILED, "template", error.message)
    except RecipientProblem as error:
        return Outcome(claim, State.FAILED, "unusable-address", error.message)
    except MemoryError:  # not this mail's fault
        raise
    except Exception as error:
        # What an exception says may be made of people's words and names: only -v shows it.
        why = type(error).__name__
        log.error("the mail of user %s cannot be written (%s)", claim.user, why)  # noqa: TRY400
        log.debug("mail", exc_info=error)
        return Outcome(claim, State.FAILED, "unwritable", why)
    reach(Point.RENDERED)
    return Letter(claim, author, mail.mail_from, mail.rcpt_to, mail.message_id, mail.content)
