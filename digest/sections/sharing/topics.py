"""What an author writes about: the topics of their last twelve weeks, best received first (F11).

A topic's figure is the sum, over its posts, of engagers beyond expectation, each shrunk: of a post
that ``n`` people saw and ``k`` of them engaged with, n · (shrunk rate - mean rate), which is
(k - n · mean) · n / (n + M). Where nobody knows who saw it, the engagers beyond the author's mean,
shrunk in the same manner by a gamma prior. It orders topics and is not shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch, posts
from digest.facts.judgements import Career, Judged, Priors, careers, site_priors
from digest.stats.proportions import BetaPrior, beta_prior, gamma_prior

SPAN = timedelta(weeks=12)
POSTS = 100
"""How many of an author's latest posts are looked at."""
FROM = 3
"""So many posts make a topic."""
OWN_PRIOR_FROM = 8


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, its posts of twelve weeks, and the engagers beyond expectation on them.

    The last orders topics: of an author's only one it is not worked out.
    """

    name: str
    posts: int
    beyond: float = 0.0


_LATEST = (
    select(
        posts.c.author_id,
        posts.c.id,
        posts.c.topics,
        func.row_number()
        .over(partition_by=posts.c.author_id, order_by=(posts.c.published_at.desc(), posts.c.id))
        .label("place"),
    )
    .where(
        among(posts.c.author_id, "users"),
        posts.c.published_at >= bindparam("start"),
        posts.c.published_at < bindparam("end"),
        posts.c.topics != "",
    )
    .subquery()
)
_TAGGED = select(_LATEST.c.author_id, _LATEST.c.id, _LATEST.c.topics).where(
    _LATEST.c.place <= POSTS
)


def own_topics(session: Session, batch: Batch) -> dict[str, list[Topic]]:
    """The topics of every author of the batch who has any."""
    end = batch.window.end
    tagged: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for author, id_, topics in fetch(
        session, _TAGGED, users=batch.users, start=end - SPAN, end=end
    ):
        tagged[author].append((id_, topics))
    if not tagged:
        return {}
    site = site_priors(session, batch)
    judged = batch.fact(session, careers)
    found = {
        author: ranked(written, judged.get(author, Career()), site)
        for author, written in tagged.items()
    }
    return {author: topics for author, topics in found.items() if topics}


def ranked(written: list[tuple[str, str]], career: Career, site: Priors) -> list[Topic]:
    """Topics with enough posts, each ``(id, topics)``; a post that nobody judged yet adds nothing.

    Ties: more posts, name.
    """
    of_topic: dict[str, list[str]] = defaultdict(list)
    for id_, topics in written:
        for topic in topics.split(";"):
            of_topic[topic].append(id_)
    enough = {name: ids for name, ids in of_topic.items() if name and len(ids) >= FROM}
    if len(enough) < 2:
        return [Topic(name, len(ids)) for name, ids in enough.items()]
    surplus, judged = _surplus(career, site), {post.id: post for post in career.judged}
    found = [
        Topic(name, len(ids), sum(surplus(judged[id_]) for id_ in ids if id_ in judged))
        for name, ids in enough.items()
    ]
    return sorted(found, key=lambda topic: (-topic.beyond, -topic.posts, topic.name))


def _surplus(career: Career, site: Priors) -> Callable[[Judged], float]:
    """Engagers of a post beyond expectation, shrunk."""
    seen = [
        (post.engagers, post.audience)
        for post in career.judged
        if post.audience and post.engagers is not None
    ]
    rate = beta_prior(seen) if len(seen) >= OWN_PRIOR_FROM else site.response
    count = None
    if len(seen) < len(career.judged):
        count = gamma_prior([(p.engagers, 1) for p in career.judged if p.engagers is not None])

    def surplus(post: Judged) -> float:
        if post.engagers is None:
            return 0.0
        if post.audience and rate is not None:
            return _beyond(rate, post.engagers, post.audience)
        if post.audience is None and count is not None:
            return count.shrink(post.engagers, 1) - count.shape / count.views
        return 0.0

    return surplus


def _beyond(rate: BetaPrior, engagers: int, audience: int) -> float:
    return audience * (rate.shrink(engagers, audience) - rate.mean)
