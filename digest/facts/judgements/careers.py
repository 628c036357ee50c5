"""An author's judged posts: which there are, and how a new one compares with those before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from statistics import median

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from digest.database import among, fetch, insert_missing
from digest.facts import WORDS, Batch, counted, posts
from digest.facts.judgements.figures import FIGURES, HOURS, Judged, judge, judged
from digest.models import Judgement, table

OUTSTANDING = 2.0
"""A post that reached so many times its author's usual is what a subject tells of."""
EARLIER = 50
"""How many earlier posts of an author a judgement may look back on."""

USUAL_FROM, USUAL_LEAST, TIMES_LEAST = 8, 10, 1.5
"""“3x your usual” needs so many earlier posts, such a median, and such a ratio."""

_judgements = table(Judgement)


@dataclass(slots=True)
class Career:
    """An author's judged posts, newest first; ``waiting`` posts of this week are too young."""

    judged: list[Judged] = field(default_factory=list)
    fresh: list[Judged] = field(default_factory=list)
    waiting: int = 0

    @property
    def new(self) -> list[Judged]:
        """Those that enter this week's digest."""
        return [post for post in self.judged if post.new]

    def times_usual(self, post_id: str) -> float | None:
        """How many times the author's usual a new post reached (F3); None where a guard forbids.

        The usual is the median of the 20 posts before it (not the mean: heavy tails), at the same
        age and in the same unit.
        """
        mine, earlier = self._against_earlier(post_id, 20)
        if mine is None or len(earlier) < USUAL_FROM:
            return None
        usual = median(earlier)
        if usual < USUAL_LEAST or mine < TIMES_LEAST * usual:
            return None
        return mine / usual

    def rank(self, post_id: str) -> int | None:
        """The place of a new post among the author's last ten; only the top half is told."""
        last = self.judged[:10]
        mine = next((post for post in last if post.id == post_id and post.new), None)
        if mine is None or len(last) < 10:
            return None
        unit = "views" if mine.reach is None else "reach"
        counts = [getattr(post, unit) for post in last]
        if not getattr(mine, unit) or None in counts:
            return None
        place = 1 + sum(count > getattr(mine, unit) for count in counts)
        return place if place <= 5 else None

    def _against_earlier(self, post_id: str, most: int) -> tuple[int | None, list[int]]:
        """A new post's reach (or views, where people are unknown) and that of posts before it."""
        place = next((n for n, p in enumerate(self.judged) if p.id == post_id and p.new), None)
        if place is None:
            return None, []
        unit = "views" if self.judged[place].reach is None else "reach"
        counts = [getattr(post, unit) for post in self.judged[place:]]
        return counts[0], [count for count in counts[1:] if count is not None][:most]


_NEWEST = (
    select(
        posts.c.author_id,
        posts.c.id,
        posts.c.published_at,
        func.row_number()
        .over(partition_by=posts.c.author_id, order_by=(posts.c.published_at.desc(), posts.c.id))
        .label("place"),
    )
    .where(among(posts.c.author_id, "users"), posts.c.published_at < bindparam("until"))
    .subquery()
)
_CANDIDATES = (
    select(
        _NEWEST.c.author_id,
        _NEWEST.c.id,
        _NEWEST.c.published_at,
        _judgements.c.post_id.is_not(None).label("known"),
        *(_judgements.c[figure] for figure in FIGURES),
    )
    .outerjoin(_judgements, _judgements.c.post_id == _NEWEST.c.id)
    .where((_NEWEST.c.place <= EARLIER) | (_NEWEST.c.published_at >= bindparam("earliest_new")))
    .order_by(_NEWEST.c.author_id, _NEWEST.c.place)
)
"""The latest posts per author that had completed the age when the window closed."""
_WAITING = (
    select(posts.c.author_id, func.count())
    .where(
        among(posts.c.author_id, "users"),
        posts.c.published_at >= bindparam("since"),
        posts.c.published_at < bindparam("end"),
    )
    .group_by(posts.c.author_id)
)


def careers(session: Session, batch: Batch) -> dict[str, Career]:
    """The judged posts of every author of the batch who published any."""
    found: dict[str, Career] = defaultdict(Career)
    unjudged: dict[str, Judged] = {}
    earliest_new = batch.window.start - timedelta(hours=HOURS)
    until = batch.window.end - timedelta(hours=HOURS)
    asked = {"users": batch.users, "earliest_new": earliest_new, "until": until}
    for author, id_, published_at, known, *figures in fetch(session, _CANDIDATES, **asked):
        new = published_at >= earliest_new
        if known:
            post = Judged(id_, published_at, new, *figures)
        else:
            post = unjudged[id_] = Judged(id_, published_at, new)
            found[author].fresh.append(post)
        found[author].judged.append(post)
    judge(session, unjudged, counted(session, batch))
    add_words(session, [post for career in found.values() for post in career.new])
    young = {"since": until, "end": batch.window.end}
    for author, waiting in fetch(session, _WAITING, users=batch.users, **young):
        found[author].waiting = waiting
    return dict(found)


def add_words(session: Session, shown: Iterable[Judged]) -> None:
    """Give posts that are shown their titles, texts and addresses; the new ones have them."""
    by_id = {post.id: post for post in shown}
    for id_, _, *words in fetch(session, WORDS, posts=list(by_id)):
        post = by_id[id_]
        post.title, post.text, post.url = words


def settle(session: Session, published: Mapping[str, datetime]) -> None:
    """Judge posts and keep it: their facts are about to go."""
    keep(session, [Career(fresh=judged(session, published))])


def keep(session: Session, found: Iterable[Career]) -> None:
    """Store the judgements that were worked out; those stored before stay as they are."""
    figures = attrgetter("id", *FIGURES)
    rows = [figures(post) for career in found for post in career.fresh]
    insert_missing(session, _judgements, ("post_id", *FIGURES), rows)
