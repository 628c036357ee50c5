"""People like the author who are likely to answer (F10): up to three, each for a public reason.

Only where the platform says that its members agree (``SUGGEST_PEOPLE``). Never suggested: whom the
author follows or ever followed, who stopped following the author, and who must not be named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from digest.database import fetch, paired
from digest.facts import WORDS, Batch
from digest.facts.acts import PublicActs, public_acts
from digest.facts.naming import Member, members
from digest.models import Follow, table
from digest.sections import Section
from digest.sections.people.companions import Companion, best, candidates
from digest.sections.top_posts import EXCERPT
from digest.text import clean, http_url

SHOWN = 3

_follows = table(Follow)
_FOLLOWED = select(_follows.c.follower_id, _follows.c.followee_id, _follows.c.until).where(
    paired(_follows.c.followee_id, _follows.c.follower_id, "pairs")
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Somebody with a name, the post that shows the reason, and the latest one they wrote."""

    companion: Companion
    name: str
    post: Any = None
    latest: Any = None


def load(session: Session, batch: Batch) -> dict[str, list[Suggestion]]:
    """Up to three people for each author."""
    if not batch.suggest_people:
        return {}
    acts = public_acts(session, batch)
    pools = {author: candidates(acts, author) for author in batch.users}
    pools = {author: pool for author, pool in pools.items() if pool}
    known = members(session, {*pools, *(one.id for pool in pools.values() for one in pool)})
    apart = _apart(session, batch, pools)
    chosen = {}
    for author, pool in pools.items():
        welcome = [
            one
            for one in pool
            if (author, one.id) not in apart and _may_be_named(known, author, one.id)
        ]
        chosen[author] = best(welcome, SHOWN)
    return _with_words(session, acts, chosen, known)


def _may_be_named(known: Mapping[str, Member], author: str, person: str) -> bool:
    other = known.get(person)
    if other is None or not other.name:
        return False
    own = known.get(author)
    return other.mailbox is None or own is None or other.mailbox != own.mailbox


def _apart(
    session: Session, batch: Batch, pools: Mapping[str, list[Companion]]
) -> set[tuple[str, str]]:
    """Authors and people who know each other already, or of whom one has turned away."""
    pairs = [(author, one.id) for author, pool in pools.items() for one in pool]
    found: dict[tuple[str, str], list[Any]] = {}
    both_ways = [*pairs, *((person, author) for author, person in pairs)]
    for follower, followee, until in fetch(session, _FOLLOWED, pairs=both_ways):
        found.setdefault((follower, followee), []).append(until)
    end = batch.window.end
    left = {pair for pair, ends in found.items() if all(until and until <= end for until in ends)}
    return {
        (author, person)
        for author, person in pairs
        if (author, person) in found or (person, author) in left
    }


def _with_words(
    session: Session,
    acts: PublicActs,
    chosen: Mapping[str, list[Companion]],
    known: Mapping[str, Member],
) -> dict[str, list[Suggestion]]:
    places = {
        at for companions in chosen.values() for one in companions for at in _shown(acts, one)
    }
    rows = fetch(session, WORDS, posts=[acts.posts[at].id for at in places if at is not None])
    words = {row.id: row for row in rows}

    def suggestion(one: Companion) -> Suggestion:
        # The acts of the site are found once in a run: a post may have gone since.
        posts = (None if at is None else words.get(acts.posts[at].id) for at in _shown(acts, one))
        return Suggestion(one, known[one.id].name, *posts)

    return {
        author: [suggestion(one) for one in companions]
        for author, companions in chosen.items()
        if companions
    }


def _shown(acts: PublicActs, one: Companion) -> tuple[int | None, int | None]:
    """The post that shows the reason, and the latest of that person's own."""
    written = acts.by(one.id)
    return one.both[0] if one.reason == "both" else None, written[0] if written else None


def build(suggestions: list[Suggestion], batch: Batch) -> dict[str, Any] | None:
    """Names with their reasons; nobody is suggested for what they looked at."""
    del batch  # what counts for the week was decided when it was loaded
    return {"people": [_entry(one) for one in suggestions]}


def _entry(one: Suggestion) -> dict[str, Any]:
    companion = one.companion
    count = {
        "both": len(companion.both),
        "shared": companion.shared,
        "replied": companion.replied,
    }[companion.reason]
    return {
        "name": one.name,
        "reason": companion.reason,
        "count": count,
        "post": _post(one.post),
        "latest": _post(one.latest),
    }


def _post(row: Any) -> dict[str, Any] | None:
    if row is None or not (row.title or row.text):
        return None
    return {"title": row.title, "excerpt": clean(row.text, EXCERPT), "url": http_url(row.url)}


def worth(data: dict[str, Any]) -> float:
    """A few names are welcome now and then: more than one, a little more."""
    return 0.3 + 0.05 * len(data["people"])


SECTION = Section("people", 80, load, build, label="People you may like to know", worth=worth)
