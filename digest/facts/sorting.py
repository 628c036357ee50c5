"""Which kind each post is of: the author's word, else the platform's, else the guess.

The author's corrections are kept beside what was guessed at the time; the guess itself is worked
out from a post's words whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select
from sqlmodel import Session

from digest.database import among, execute_many, fetch, insert
from digest.facts import TEXT_SHOWN, posts, users
from digest.kinds import NAMES, Kind, guess, hosts, own_domain, own_names
from digest.models import Correction, table

_corrections = table(Correction)


@dataclass(frozen=True, slots=True)
class Sorted:
    """A post's words and its kind: ``guessed``, ``told`` by the platform, ``chosen`` by the author.

    ``text`` is the beginning of what may be longer.
    """

    id: str
    title: str
    text: str
    url: str
    guessed: Kind
    told: Kind | None
    chosen: Kind | None

    @property
    def otherwise(self) -> Kind:
        """What it is where the author does not say."""
        return self.told or self.guessed

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.chosen or self.otherwise


_WRITERS = select(users.c.id, users.c.handle, users.c.email_key).where(among(users.c.id, "users"))
_WORDS = (
    select(
        posts.c.id,
        posts.c.author_id,
        posts.c.title,
        func.substr(posts.c.text, 1, TEXT_SHOWN).label("text"),
        posts.c.url,
        posts.c.kind,
        _corrections.c.chosen,
    )
    .outerjoin(_corrections, _corrections.c.post_id == posts.c.id)
    .where(among(posts.c.id, "posts"))
)


def sort(session: Session, authors: Sequence[str], ids: Sequence[str]) -> dict[str, Sorted]:
    """The given posts of these authors, each with its kind."""
    own = {
        row.id: (own_domain(row.email_key), own_names(row.handle, row.id))
        for row in fetch(session, _WRITERS, users=authors)
    }
    return {
        row.id: _sorted(row, *own[row.author_id])
        for row in fetch(session, _WORDS, posts=ids)
        if row.author_id in own
    }


def _sorted(row: Any, domain: frozenset[str], names: frozenset[str]) -> Sorted:
    # Where the platform gives its members addresses, its domain is nobody's own.
    mine = names | (domain - hosts(row.url))
    return Sorted(
        row.id,
        row.title,
        row.text,
        row.url,
        guess(row.title, row.text, mine),
        NAMES.get(row.kind.strip().lower()),
        NAMES.get(row.chosen or ""),
    )


_LATEST = (
    select(posts.c.id)
    .where(
        posts.c.author_id == bindparam("author"),
        posts.c.published_at >= bindparam("since"),
        posts.c.published_at < bindparam("until"),
    )
    .order_by(posts.c.published_at.desc(), posts.c.id)
    .limit(bindparam("most"))
)


def latest(
    session: Session, author: str, since: datetime, until: datetime, most: int
) -> list[Sorted]:
    """An author's posts from ``since`` to ``until``, the newest first, at most so many."""
    span = {"since": since, "until": until}
    ids = [id_ for (id_,) in fetch(session, _LATEST, author=author, most=most, **span)]
    found = sort(session, [author], ids)
    return [found[id_] for id_ in ids]


def correct(
    session: Session, listed: Sequence[Sorted], wanted: Mapping[str, Kind | None], now: datetime
) -> None:
    """Keep what the author says of the ``listed`` posts; None goes back to what it is otherwise.

    What is as it was is not written again, and what ``wanted`` says of other posts is not theirs
    to say.
    """
    changed = [p for p in listed if p.id in wanted and wanted[p.id] is not p.chosen]
    rows = [
        {"post_id": p.id, "guessed": p.guessed, "chosen": kind, "corrected_at": now}
        for p in changed
        if (kind := wanted[p.id]) is not None
    ]
    back = [{"post": post.id} for post in changed if wanted[post.id] is None]
    statement = insert(session, _corrections)
    new = {name: statement.excluded[name] for name in ("guessed", "chosen", "corrected_at")}
    execute_many(
        session, statement.on_conflict_do_update(index_elements=["post_id"], set_=new), rows
    )
    forget = delete(_corrections).where(_corrections.c.post_id == bindparam("post"))
    execute_many(session, forget, back)
