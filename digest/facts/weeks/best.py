"""An author's best posts of a week, with their words and who reacted to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, select
from sqlmodel import Session

from digest.database import among, fetch
from digest.facts import WORDS, Batch, posts, reactions, span, users
from digest.models import NOBODY, ReactionType

TOP = 5
NAMED = 3
_NOT_OWN_REACTION = reactions.c.actor_id != posts.c.author_id


@dataclass(slots=True)
class PostWeek:
    """One post's figures within the window.

    ``people`` are the first with a name who reacted in public, repliers only if anybody of them
    ``replied``; ``reactors`` is how many there are of that kind, with a name or without.
    """

    id: str
    views: int | None = None
    anonymous: int = 0
    reach: int | None = None
    reactions: int = 0
    replies: int = 0
    people: list[str] = field(default_factory=list)
    replied: bool = False
    reactors: int = 0
    published_at: datetime | None = None
    title: str = ""
    text: str = ""
    url: str = ""


def _rank(post: PostWeek, *, by_views: bool) -> tuple[int, int, int]:
    first = post.views if by_views else post.reactions
    return (-(first or 0), -(post.reach or 0), -post.reactions)


def ahead(mine: Iterable[PostWeek], *, by_views: bool) -> list[PostWeek]:
    """The posts that may be among the first five: ties go on, their age is not known yet."""
    ranked = sorted(
        (_rank(post, by_views=by_views), post.id, post)
        for post in mine
        if (post.views if by_views else post.reactions)
    )
    if len(ranked) <= TOP:
        return [post for *_, post in ranked]
    last = ranked[TOP - 1][0]
    return [post for rank, _, post in ranked if rank <= last]


def leading(mine: Iterable[PostWeek], *, by_views: bool) -> list[PostWeek]:
    """The posts of the main list: by views (ties: reach, reactions, newer, id), at most five.

    Where nothing is known of views, by reactions. A post with none is not listed, nor one that was
    displayed once and nobody reacted to, unless no post has more.
    """

    def order(post: PostWeek) -> tuple[Any, ...]:
        age = -post.published_at.timestamp() if post.published_at else 0.0
        return (*_rank(post, by_views=by_views), age, post.id)

    first = sorted(ahead(mine, by_views=by_views), key=order)[:TOP]
    if not by_views:
        return first
    return [post for post in first if (post.views or 0) > 1 or post.reactions] or first


def add_words(session: Session, top: dict[str, PostWeek]) -> None:
    """Titles, texts and addresses, of the posts that are shown only."""
    for id_, *words in fetch(session, WORDS, posts=list(top)):
        post = top[id_]
        post.published_at, post.title, post.text, post.url = words


_REPLIED = func.max(case((reactions.c.type == ReactionType.REPLY, 1), else_=0))
_KNOWN = case((func.coalesce(users.c.name, "") != "", 1), else_=0)
_IN_ORDER = (_KNOWN.desc(), _REPLIED.desc(), func.min(reactions.c.at), reactions.c.actor_id)
_OF_POST = reactions.c.post_id
_ACTORS = (
    select(
        reactions.c.post_id,
        users.c.name,
        _REPLIED.label("replied"),
        func.row_number().over(partition_by=_OF_POST, order_by=_IN_ORDER).label("place"),
        func.count().over(partition_by=_OF_POST).label("reactors"),
        func.sum(_REPLIED).over(partition_by=_OF_POST).label("repliers"),
    )
    .join_from(reactions, posts, posts.c.id == reactions.c.post_id)
    .outerjoin(users, users.c.id == reactions.c.actor_id)
    .where(
        among(reactions.c.post_id, "posts"),
        reactions.c.at >= bindparam("start"),
        reactions.c.at < bindparam("end"),
        reactions.c.actor_id != NOBODY,
        _NOT_OWN_REACTION,
    )
    .group_by(reactions.c.post_id, reactions.c.actor_id, users.c.name)
    .subquery()
)
_PEOPLE = (
    select(_ACTORS).where(_ACTORS.c.place <= NAMED).order_by(_ACTORS.c.post_id, _ACTORS.c.place)
)


def add_people(session: Session, batch: Batch, top: dict[str, PostWeek]) -> None:
    """Who reacted in public: repliers first, then in order of time. Viewers are never named.

    Who is no member, or has no name, is counted with the others.
    """
    for row in fetch(session, _PEOPLE, posts=list(top), **span(batch.window)):
        post = top[row.post_id]
        if not row.name:
            continue
        if not post.people:
            post.replied = bool(row.replied)
            post.reactors = row.repliers if post.replied else row.reactors
        if bool(row.replied) == post.replied:
            post.people.append(row.name)
