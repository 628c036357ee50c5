"""What could be suggested for sharing at the end of a week, and who met it already.

The same for every author, so it is worked out once for all whose week ends at one instant, and
bounded: of the latest :data:`LATEST` public posts of three days with a topic and an address at most
:data:`PER_TOPIC` of a topic and :data:`POOL` in all, and the first :data:`KEPT` people who saw or
reacted to each. What happens after the end of the week is next week's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, bindparam, case, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import Batch, posts, reactions, span, users, views
from digest.facts.acts import named
from digest.models import NOBODY, ReactionType
from digest.text import http_url
from digest.window import Window

RECENT = timedelta(hours=72)
LATEST, PER_TOPIC, POOL, KEPT = 2_000, 20, 200, 1_000
BLOCK = timedelta(hours=6)
RISE_TIMES, RISE_SHARERS = 3, 10


@dataclass(frozen=True, slots=True)
class Item:
    """A post that could be suggested; ``viewers`` named people saw it (None: nobody knows)."""

    id: str
    author: str
    published_at: datetime
    topics: tuple[str, ...]
    viewers: int | None = None
    rising: bool = False


@dataclass(slots=True)
class Pool:
    """What may be suggested at the end of a week: items, newest first, and who met which.

    ``saw`` and ``reacted`` say of a person at which places of ``items`` they are known for it.
    """

    end: datetime
    items: list[Item] = field(default_factory=list)
    saw: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    reacted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


_LATEST = (
    select(posts.c.id, posts.c.author_id, posts.c.published_at, posts.c.topics, posts.c.url)
    .join(users, users.c.id == posts.c.author_id)  # no posts of deleted accounts
    .where(
        posts.c.published_at >= bindparam("start"),
        posts.c.published_at < bindparam("end"),
        posts.c.group_id.is_(None),
        posts.c.topics != "",
        posts.c.url != "",
    )
    .order_by(posts.c.published_at.desc(), posts.c.id)
    .limit(LATEST)
)


def _first_people(facts: Table, person: ColumnElement[str]) -> Select[Any]:
    """The first named people of each of the given ``posts``, and how many there are in all."""
    of_post = facts.c.post_id
    per_person = (
        select(
            of_post,
            person.label("person"),
            func.row_number()
            .over(partition_by=of_post, order_by=(func.min(facts.c.at), person))
            .label("place"),
            func.count().over(partition_by=of_post).label("people"),
        )
        .join_from(facts, posts, posts.c.id == of_post)
        .where(
            among(of_post, "posts"),
            facts.c.at < bindparam("end"),
            person != NOBODY,
            person != posts.c.author_id,
        )
        .group_by(of_post, person)
        .subquery()
    )
    return select(per_person).where(per_person.c.place <= KEPT)


_VIEWERS = _first_people(views, views.c.viewer_id)
_REACTORS = _first_people(reactions, reactions.c.actor_id)
_LATELY = reactions.c.at >= bindparam("lately")
_SHARER = case((reactions.c.type == ReactionType.REPOST, reactions.c.actor_id))
_ACTS = (
    select(
        reactions.c.post_id,
        func.sum(reactions.c.count),
        func.sum(case((_LATELY, reactions.c.count), else_=0)),
        func.count(_SHARER.distinct()),
    )
    .where(among(reactions.c.post_id, "posts"), reactions.c.at < bindparam("end"))
    .group_by(reactions.c.post_id)
)


def pool(session: Session, batch: Batch) -> Pool:
    """What may be suggested to authors whose week ends with this batch's.

    Batches come zone by zone, so only the latest is kept.
    """
    known = batch.site.get(Pool)
    if known is None or known.end != batch.window.end:
        known = batch.site[Pool] = _load(session, batch.window.end)
    return cast(Pool, known)


def _load(session: Session, end: datetime) -> Pool:
    found = Pool(end)
    chosen = _spread(fetch(session, _LATEST, **span(Window(end - RECENT, end))))
    ids = [row.id for row in chosen]
    places = {id_: at for at, id_ in enumerate(ids)}
    saw = fetch(session, _VIEWERS, posts=ids, end=end)
    viewers = {row.post_id: row.people for row in saw}
    counted = fetch(session, _ACTS, posts=ids, end=end, lately=end - BLOCK)
    acts = {id_: figures for id_, *figures in counted}
    for row in chosen:
        age = end - row.published_at
        # Where views are logged at all, an item without any was shown to nobody.
        known = viewers.get(row.id, 0) if viewers else None
        rising = row.id in acts and is_rising(*acts[row.id], age=age)
        found.items.append(
            Item(row.id, row.author_id, row.published_at, named(row.topics), known, rising)
        )
    for row in saw:
        found.saw[row.person].append(places[row.post_id])
    for row in fetch(session, _REACTORS, posts=ids, end=end):
        found.reacted[row.person].append(places[row.post_id])
    return found


def _spread(rows: Iterable[Any]) -> list[Any]:
    """The newest that can be opened, of many topics."""
    taken: Counter[str] = Counter()
    chosen = []
    for row in rows:
        first = next(iter(named(row.topics)), "")
        if first and taken[first] < PER_TOPIC and http_url(row.url):
            taken[first] += 1
            chosen.append(row)
    return chosen[:POOL]


def is_rising(acts: int, lately: int, sharers: int, *, age: timedelta) -> bool:
    """Whether the last six hours brought over three times the usual of the hours before.

    The usual needs at least six hours; ``sharers`` are different people who reposted.
    """
    if sharers < RISE_SHARERS or age < 2 * BLOCK:
        return False
    return lately > RISE_TIMES * (acts - lately) * (BLOCK / (age - BLOCK))
