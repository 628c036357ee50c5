"""People an author might like to know: who does alike, who shares an audience, who answers (F10).

Everything is made from public acts. A person is suggested for one of three reasons:

- ``both``: they reacted to at least :data:`BOTH_FROM` of the same posts;
- ``shared``: at least :data:`SHARED_FROM` people react to the posts of both;
- ``replied``: they replied to at least :data:`REPLIED_FROM` posts of the author.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from heapq import nsmallest

from digest.facts.acts import PublicActs
from digest.stats.likeness import percentile_ranks, shared_audience, similarity

BOTH_FROM, SHARED_FROM, REPLIED_FROM = 3, 3, 2
ACTIVE = timedelta(days=28)
POOL = 20
"""How many are looked at closely for each reason."""
AUDIENCE = 200
"""How many of an author's audience are asked whose posts they react to as well."""
OWN_TOPIC_FROM = 3
"""So many posts make a topic one's own."""


@dataclass(frozen=True, slots=True)
class Companion:
    """Somebody like an author, and how much so.

    ``both`` are the posts that both reacted to, the most telling first; ``shared`` is how many
    people react to both, ``replied`` to how many of the author's posts this person replied. The
    three measures are those of F10, ``score`` is the mean of their percentile ranks.
    """

    id: str
    both: tuple[int, ...]
    shared: int
    replied: int
    similarity: float
    audience: float
    answering: float
    score: float = 0.0
    reason: str = ""


def candidates(acts: PublicActs, author: str) -> list[Companion]:
    """Everybody who was active lately and whom there is a reason to suggest, in order of id."""
    since = acts.end - ACTIVE
    pool = {*_alike(acts, author), *_sharing(acts, author), *_answering(acts, author)} - {author}
    recent = sorted(person for person in pool if acts.last[person] >= since)
    return [one for person in recent if _has_reason(one := _measured(acts, author, person))]


def best(among: Sequence[Companion], number: int) -> list[Companion]:
    """The first by score (ties: id), each with the reason in which they are furthest ahead."""
    if not among:
        return []
    similar = percentile_ranks([one.similarity for one in among])
    shared = percentile_ranks([one.audience for one in among])
    answering = percentile_ranks([one.answering for one in among])
    scored = [
        replace(one, score=sum(ranks) / 3, reason=_reason(one, *ranks))
        for one, *ranks in zip(among, similar, shared, answering, strict=True)
    ]
    return nsmallest(number, scored, key=lambda one: (-one.score, one.id))


def _reason(one: Companion, similar: float, shared: float, answering: float) -> str:
    ranks = {
        "replied": answering if one.replied >= REPLIED_FROM else -1,
        "both": similar if len(one.both) >= BOTH_FROM else -1,
        "shared": shared if one.shared >= SHARED_FROM else -1,
    }
    return max(ranks, key=lambda reason: ranks[reason])


def _has_reason(one: Companion) -> bool:
    """Whether one is left: only somebody's latest posts and acts are looked at closely."""
    enough = len(one.both) >= BOTH_FROM, one.shared >= SHARED_FROM, one.replied >= REPLIED_FROM
    return any(enough)


def _alike(acts: PublicActs, author: str) -> list[str]:
    """Who reacted to the same posts, the most telling posts counting most."""
    together: Counter[str] = Counter()
    weights: dict[str, float] = defaultdict(float)
    for at in acts.of(author):
        together.update(acts.posts[at].reactors)
        for person in acts.posts[at].reactors:
            weights[person] += acts.posts[at].weight
    together.pop(author, None)
    enough = [person for person, number in together.items() if number >= BOTH_FROM]
    return nsmallest(POOL, enough, key=lambda person: (-weights[person], person))


def _sharing(acts: PublicActs, author: str) -> list[str]:
    """Whose posts the author's audience reacts to as well."""
    asked = nsmallest(AUDIENCE, acts.audience(author))
    followed = ({acts.posts[at].author for at in acts.of(person)} for person in asked)
    return _most((one for authors in followed for one in authors if one != author), SHARED_FROM)


def _answering(acts: PublicActs, author: str) -> list[str]:
    """Who replied to several of the author's posts."""
    return _most(
        (
            person
            for at in acts.by(author)
            for person in acts.posts[at].reactors
            if at in acts.replied.get(person, ())
        ),
        REPLIED_FROM,
    )


def _most(people: Iterable[str], least: int) -> list[str]:
    counts = Counter(people)
    enough = [person for person, number in counts.items() if number >= least]
    return nsmallest(POOL, enough, key=lambda person: (-counts[person], person))


def _measured(acts: PublicActs, author: str, person: str) -> Companion:
    mine, theirs = acts.of(author), acts.of(person)
    both = sorted(set(mine) & set(theirs), key=lambda at: (-acts.posts[at].weight, at))
    enough = len(both) >= BOTH_FROM
    audience, other = acts.audience(author), acts.audience(person)
    replied = acts.replied.get(person, set())
    return Companion(
        person,
        both=tuple(both),
        shared=len(audience & other),
        replied=len(replied.intersection(acts.by(author))),
        similarity=similarity(*(_weight(acts, of) for of in (both, mine, theirs))) if enough else 0,
        audience=shared_audience(len(audience & other), len(audience), len(other)),
        answering=_rate(acts, own_topics(acts, author), theirs, replied),
    )


def _weight(acts: PublicActs, places: Iterable[int]) -> float:
    return sum(acts.posts[at].weight for at in places)


def own_topics(acts: PublicActs, author: str) -> frozenset[str]:
    """What somebody writes about in public."""
    written = Counter(topic for at in acts.by(author) for topic in acts.posts[at].topics)
    return frozenset(topic for topic, number in written.items() if number >= OWN_TOPIC_FROM)


def _rate(
    acts: PublicActs, topics: frozenset[str], theirs: Sequence[int], replied: set[int]
) -> float:
    """How often somebody who reacts to a post on ``topics`` replies to it, shrunk to the usual.

    Of those that they only looked at nothing is said here; without topics all posts count.
    """
    on_topic = [at for at in theirs if not topics or topics.intersection(acts.posts[at].topics)]
    answers = len(replied.intersection(on_topic))
    prior = acts.answering
    return prior.shrink(answers, len(on_topic)) if prior else answers / (len(on_topic) + 1)
