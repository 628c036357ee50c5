"""New posts, judged at equal age: what each had reached 48 hours after it was published.

A post is judged in the week in which it completes that age, once; the figures are kept and are what
later posts are compared with. A post with an unknown time of publication is never judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from operator import attrgetter
from statistics import median
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, case, func, select, union
from sqlmodel import Session

from digest.database import among, fetch, insert_missing, later
from digest.facts import WORDS, Batch, anonymous_views, counted, counters, posts, reactions, views
from digest.models import NOBODY, Judgement, ReactionType, table
from digest.stats.proportions import BetaPrior, GammaPrior, beta_prior, gamma_prior

OUTSTANDING = 2.0
"""A post that reached so many times its author's usual is what a subject tells of."""
HOURS = 48
"""The age at which posts are compared."""
EARLIER = 50
"""How many earlier posts of an author a judgement may look back on."""

USUAL_FROM, USUAL_LEAST, TIMES_LEAST = 8, 10, 1.5
"""“3x your usual” needs so many earlier posts, such a median, and such a ratio."""

_judgements = table(Judgement)
_ended = later(posts.c.published_at, HOURS)
_FIGURES = ("views", "reach", "audience", "engagers", "talkers", "reactions")


@dataclass(slots=True)
class Judged:
    """A post and its figures at age 48 hours; None is unknown.

    ``new``: it completed that age in this week.
    """

    id: str
    published_at: datetime
    new: bool
    views: int | None = None
    reach: int | None = None
    audience: int | None = None
    engagers: int | None = None
    talkers: int = 0
    reactions: int = 0
    title: str = ""
    text: str = ""
    url: str = ""


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
        posts.c.id,
        func.row_number()
        .over(partition_by=posts.c.author_id, order_by=(posts.c.published_at.desc(), posts.c.id))
        .label("place"),
    )
    .where(among(posts.c.author_id, "users"), posts.c.published_at < bindparam("until"))
    .subquery()
)
_CANDIDATES = (
    select(
        posts.c.author_id,
        posts.c.id,
        posts.c.published_at,
        _judgements.c.post_id.is_not(None).label("known"),
        *(_judgements.c[figure] for figure in _FIGURES),
    )
    .join(_NEWEST, _NEWEST.c.id == posts.c.id)
    .outerjoin(_judgements, _judgements.c.post_id == posts.c.id)
    .where((_NEWEST.c.place <= EARLIER) | (posts.c.published_at >= bindparam("earliest_new")))
    .order_by(posts.c.author_id, _NEWEST.c.place)
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
    _judge(session, unjudged, counted(session, batch))
    add_words(session, [post for career in found.values() for post in career.new])
    young = {"since": until, "end": batch.window.end}
    for author, waiting in fetch(session, _WAITING, users=batch.users, **young):
        found[author].waiting = waiting
    return dict(found)


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


def judged(session: Session, published: Mapping[str, datetime]) -> list[Judged]:
    """Posts, by id and time of publication, judged from the facts alone; nothing is kept."""
    unjudged = {id_: Judged(id_, at, new=False) for id_, at in published.items()}
    _judge(session, unjudged, None)
    return list(unjudged.values())


def settle(session: Session, published: Mapping[str, datetime]) -> None:
    """Judge posts and keep it: their facts are about to go."""
    keep(session, [Career(fresh=judged(session, published))])


def keep(session: Session, found: Iterable[Career]) -> None:
    """Store the judgements that were worked out; those stored before stay as they are."""
    figures = attrgetter("id", *_FIGURES)
    rows = [figures(post) for career in found for post in career.fresh]
    insert_missing(session, _judgements, ("post_id", *_FIGURES), rows)


def _early(facts: Table, *columns: ColumnElement[Any]) -> Select[Any]:
    """Rows of ``facts`` within the first 48 hours of each of the given ``posts``."""
    return (
        select(posts.c.id, *columns)
        .join_from(
            posts,
            facts,
            and_(
                facts.c.post_id == posts.c.id,
                facts.c.at >= posts.c.published_at,
                facts.c.at < _ended,
            ),
        )
        .where(among(posts.c.id, "posts"))
    )


def _judge(session: Session, unjudged: dict[str, Judged], authors: Sequence[str] | None) -> None:
    """Work the figures out; only posts by ``authors`` (None: by anybody) may have counters."""
    ids = list(unjudged)
    for start in range(0, len(ids), 10_000):  # a statement takes some tens of thousands of values
        chosen = ids[start : start + 10_000]
        _count_views(session, chosen, unjudged)
        _count_reactions(session, chosen, unjudged)
        if authors is None or authors:
            _add_counters(session, chosen, authors, unjudged)
        _count_people(session, chosen, unjudged)


_NOT_OWN_VIEW = views.c.viewer_id != posts.c.author_id
_NOT_OWN_REACTION = reactions.c.actor_id != posts.c.author_id
_VIEWS = (
    _early(
        views,
        func.sum(views.c.count),
        anonymous_views(),
        func.count(case((views.c.viewer_id != NOBODY, views.c.viewer_id)).distinct()),
    )
    .where(_NOT_OWN_VIEW)
    .group_by(posts.c.id)
)


def _count_views(session: Session, chosen: list[str], unjudged: dict[str, Judged]) -> None:
    logged = set()
    for id_, total, nobody, reach in fetch(session, _VIEWS, posts=chosen):
        logged.add(id_)
        unjudged[id_].views = total
        unjudged[id_].reach = None if nobody else reach
    for (id_,) in fetch(session, _SILENT, posts=[id_ for id_ in chosen if id_ not in logged]):
        unjudged[id_].views = unjudged[id_].reach = 0


_other = posts.alias()
_SEEN_BEFORE = (
    select(views.c.post_id)
    .join(_other, _other.c.id == views.c.post_id)
    .where(_other.c.author_id == posts.c.author_id, views.c.at < posts.c.published_at)
)
_SILENT = select(posts.c.id).where(among(posts.c.id, "posts"), _SEEN_BEFORE.exists())
"""Of posts without an early view, those whose author had been seen before: a true zero."""

_actor = case((reactions.c.actor_id != NOBODY, reactions.c.actor_id))
_replier = case((reactions.c.type == ReactionType.REPLY, _actor))
_REACTIONS = (
    _early(
        reactions,
        func.sum(reactions.c.count),
        func.sum(case((reactions.c.actor_id == NOBODY, 1), else_=0)),
        func.count(_actor.distinct()),
        func.count(_replier.distinct()),
    )
    .where(_NOT_OWN_REACTION)
    .group_by(posts.c.id)
)


def _count_reactions(session: Session, chosen: list[str], unjudged: dict[str, Judged]) -> None:
    for post in (unjudged[id_] for id_ in chosen):
        post.engagers = 0
    for id_, total, nobody, engagers, talkers in fetch(session, _REACTIONS, posts=chosen):
        post = unjudged[id_]
        post.reactions, post.talkers = total, talkers
        post.engagers = None if nobody else engagers


_ACTS = sum(
    (func.coalesce(gain, 0) for gain in (counters.c.reposts_gain, counters.c.replies_gain)),
    start=func.coalesce(counters.c.likes_gain, 0),
)
# A counter knows the figure at this age only if it was read in the day before.
_READ = func.max(counters.c.at) >= later(func.min(posts.c.published_at), HOURS - 24)
_GAINS = _early(counters, case((_READ, func.sum(counters.c.views_gain))), func.sum(_ACTS)).group_by(
    posts.c.id
)
_GAINS_OF_SOME = _GAINS.where(among(posts.c.author_id, "users"))


def _add_counters(
    session: Session, chosen: list[str], authors: Sequence[str] | None, unjudged: dict[str, Judged]
) -> None:
    """What counters gained, for posts without events of that kind."""
    if authors is None:
        gains = fetch(session, _GAINS, posts=chosen)
    else:
        gains = fetch(session, _GAINS_OF_SOME, posts=chosen, users=authors)
    for id_, seen, acted in gains:
        post = unjudged[id_]
        if seen is not None and not post.views:
            post.views, post.reach = seen, None
        if acted and not post.reactions:
            post.reactions, post.engagers = acted, None


_people = union(
    _early(views, views.c.viewer_id.label("person")).where(
        views.c.viewer_id != NOBODY, _NOT_OWN_VIEW
    ),
    _early(reactions, reactions.c.actor_id.label("person")).where(
        reactions.c.actor_id != NOBODY, _NOT_OWN_REACTION
    ),
).subquery()
_PEOPLE = select(_people.c.id, func.count()).group_by(_people.c.id)


def _count_people(session: Session, chosen: list[str], unjudged: dict[str, Judged]) -> None:
    """Viewers and engagers together: a reaction without a logged view counts as a view here."""
    for post in (unjudged[id_] for id_ in chosen):
        post.audience = post.reach
    # Only where somebody reacted can the two differ.
    answered = [id_ for id_ in chosen if unjudged[id_].engagers and unjudged[id_].reach is not None]
    for id_, audience in fetch(session, _PEOPLE, posts=answered):
        unjudged[id_].audience = audience


def add_words(session: Session, shown: Iterable[Judged]) -> None:
    """Give posts that are shown their titles, texts and addresses; the new ones have them."""
    by_id = {post.id: post for post in shown}
    for id_, _, *words in fetch(session, WORDS, posts=list(by_id)):
        post = by_id[id_]
        post.title, post.text, post.url = words
