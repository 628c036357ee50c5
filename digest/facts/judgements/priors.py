"""What the posts of an author, or of the whole site, have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import cast

from sqlalchemy import bindparam, select
from sqlmodel import Session

from digest.database import fetch
from digest.facts import Batch, posts
from digest.facts.judgements.figures import HOURS, Judged, judged
from digest.stats.proportions import BetaPrior, GammaPrior, beta_prior, gamma_prior


@dataclass(frozen=True, slots=True)
class Priors:
    """What posts have in common: the rate at which viewers respond, and reactions per view."""

    response: BetaPrior | None
    per_view: GammaPrior | None


def priors(judged: Iterable[Judged]) -> Priors:
    """The priors of some judged posts."""
    posts_ = list(judged)
    return Priors(
        beta_prior(
            [(p.engagers, p.audience) for p in posts_ if p.audience and p.engagers is not None]
        ),
        gamma_prior([(p.reactions, p.views) for p in posts_ if p.views]),
    )


_LATEST = (
    select(posts.c.id, posts.c.published_at)
    .where(posts.c.published_at < bindparam("before"))
    .order_by(posts.c.published_at.desc(), posts.c.id)
    .limit(2_000)
)


def site_priors(session: Session, batch: Batch) -> Priors:
    """The priors of the whole site, for authors with too few posts of their own.

    From the latest 2,000 posts that were judged before this period, read from facts alone, so that
    the answer is the same for every batch, for a preview and for a mail.
    """
    if batch.period not in batch.site:
        monday = datetime.combine(batch.period.monday, time(), UTC)
        latest = fetch(session, _LATEST, before=monday - timedelta(hours=HOURS))
        batch.site[batch.period] = priors(judged(session, dict(latest)))
    return cast(Priors, batch.site[batch.period])
