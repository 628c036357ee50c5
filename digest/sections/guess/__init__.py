"""The invisible audience (F5): the mail asks how many people saw a post, and the next one tells.

Asked about is a post of the week's last 48 hours: nobody knows the answer yet, because it is the
reach at that age. The mail that asks withholds what would tell it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log10
from statistics import median
from typing import Any

from sqlmodel import Session

from digest.facts import Batch
from digest.facts.judgements import HOURS, Career, careers
from digest.facts.weeks import AuthorWeek, author_weeks
from digest.sections import Section
from digest.sections.guess.guessing import (
    SMALLEST,
    Community,
    Known,
    Young,
    asked_posts,
    community,
    guessed,
    young_posts,
)
from digest.sections.top_posts import EXCERPT
from digest.stats.guesses import log_error, ratio, typical
from digest.text import clean

OTHERS = 2
"""So many other posts must have been seen, or the week's totals would tell the answer."""
UNLISTED = 1
"""So many of them must stand in no list: else the totals less the figures of the list would."""
RECORD_FROM, GUESSERS_FROM = 3, 20
"""Guesses from which a reader's record is told, and people from whom the community's is."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one author; ``asked`` are the words of the post the last mail asked about,
    None where it asked nothing or there is no answer.
    """

    week: AuthorWeek = field(default_factory=AuthorWeek)
    career: Career = field(default_factory=Career)
    young: list[Young] = field(default_factory=list)
    asked: Any = None
    guessed: list[Known] = field(default_factory=list)
    community: Community = field(default_factory=Community)


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """Authors with a post to ask about, or one that the last mail asked about."""
    weeks, judged = batch.fact(session, author_weeks), batch.fact(session, careers)
    young, asked = young_posts(session, batch), asked_posts(session, batch)
    own = guessed(session, batch, list(asked)) if asked else {}
    everybody = community(session, batch) if own else Community()
    return {
        user: Facts(
            weeks.get(user, AuthorWeek()),
            judged.get(user, Career()),
            young.get(user, []),
            asked.get(user),
            own.get(user, []),
            everybody,
        )
        for user in young.keys() | asked.keys()
    }


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """The question, the answer to the last one, and how the reader's guesses compare so far."""
    reveal = _reveal(facts)
    own = reveal is not None and reveal["ratio"] is not None
    said = {
        "hours": HOURS,
        "ask": _question(facts, batch),
        "reveal": reveal,
        "record": _record(facts) if own else None,
        "community": _told(facts.community) if own else None,
    }
    return said if said["ask"] or reveal else None


def worth(said: dict[str, Any]) -> float:
    """Most where the reader waits for an answer, less where they are asked."""
    if said["reveal"] and said["reveal"]["guess"]:
        return 0.9
    return 0.5 if said["ask"] else 0.2


def news(said: dict[str, Any]) -> float:
    """An answer that the reader waits for is the subject; nothing else here is."""
    reveal = said["reveal"]
    return 0.8 if reveal and reveal["ratio"] is not None and reveal["post"]["title"] else 0.0


# --- the question --------------------------------------------------------------------------------


def _question(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """The newest post that can be asked about; None where the answer is known, told or unkind."""
    seen = [post.id for post in facts.week.top if post.views]
    usual = _usual(facts.career)
    if facts.week.metric != "reach" or not _viewers_are_known(facts.career):
        return None
    if usual is not None and usual < SMALLEST:
        return None
    for post in facts.young:
        others = facts.week.active - (post.id in seen)
        unlisted = facts.week.active - len(seen) - (post.id not in seen)
        hidden = others >= OTHERS and unlisted >= UNLISTED
        if (post.title or post.text) and post.id != seen[0] and hidden:
            published = post.published_at.astimezone(batch.tz)
            return {
                "post": _shown(post),
                "published": published.date().isoformat(),
                "weekday": published.weekday(),
                "choices": choices(usual),
            }
    return None


def choices(usual: float | None) -> list[int]:
    """Five round numbers to pick from, the middle one nearest to the author's usual.

    Each is about twice the one before (1, 2, 5, 10, …). They say what the reader knows from earlier
    mails, and nothing of this post; without a usual they lie around 50.
    """
    middle = min(max(round(3 * log10(usual or 50)), 2), 25)
    return [(1, 2, 5)[n % 3] * 10 ** (n // 3) for n in range(middle - 2, middle + 3)]


def _usual(career: Career) -> float | None:
    """The median reach of the author's last 20 judged posts of which it is known."""
    known = [post.reach for post in career.judged if post.reach is not None][:20]
    return median(known) if known else None


def _viewers_are_known(career: Career) -> bool:
    """Whether most of the author's last judged posts that were seen have a reach."""
    seen = [post for post in career.judged if post.views][:20]
    return 2 * sum(post.reach is not None for post in seen) >= len(seen)


# --- the answer ----------------------------------------------------------------------------------


def _reveal(facts: Facts) -> dict[str, Any] | None:
    """The answer to the last mail's question; nobody is told a zero, nor unasked a small number."""
    if facts.asked is None:
        return None
    post = facts.asked.id
    actual = next((judged.reach for judged in facts.career.judged if judged.id == post), None)
    guess = next((own.guess for own in facts.guessed if own.post_id == post), None)
    if not actual or (guess is None and actual < SMALLEST):
        return None
    compared = guess is not None and actual >= SMALLEST
    return {
        "post": _shown(facts.asked),
        "actual": actual,
        "guess": guess,
        "ratio": ratio(guess, actual) if guess is not None and compared else None,
        "error": log_error(guess, actual) if guess is not None and compared else None,
    }


def _record(facts: Facts) -> dict[str, Any] | None:
    """How the reader guesses: the medians over their guesses, from the third on.

    ``closest``: the last of them was nearer than any before, by log-error.
    """
    pairs = {one.post_id: (one.guess, one.actual or 0) for one in facts.guessed if one.counts}
    if len(pairs) < RECORD_FROM:
        return None
    errors = {post: log_error(*pair) for post, pair in pairs.items()}
    last = facts.asked.id
    return {
        "guesses": len(pairs),
        "percent": round(100 * typical(pairs.values())),
        "error": median(errors.values()),
        "closest": errors[last] < min(e for post, e in errors.items() if post != last),
    }


def _told(everybody: Community) -> dict[str, Any] | None:
    """The community's figure, from so many people that it is nobody's own."""
    if everybody.guessers < GUESSERS_FROM:
        return None
    return {"guessers": everybody.guessers, "percent": round(100 * everybody.ratio)}


def _shown(post: Any) -> dict[str, Any]:
    excerpt = clean(post.text, EXCERPT)
    return {"id": post.id, "title": post.title, "excerpt": excerpt, "url": post.url}


SECTION = Section(
    "guess",
    80,
    load,
    build,
    label="Guess how many people saw a post",
    figures=True,
    worth=worth,
    repeats=False,
    news=news,
)
