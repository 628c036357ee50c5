"""Posts of others worth sharing, the author's topics, and how regularly they post (F11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from digest.database import fetch
from digest.facts import WORDS, Batch
from digest.facts.acts import PublicActs, public_acts
from digest.facts.naming import members
from digest.facts.omissions import omissions
from digest.facts.regularity import WEEKS, Regularity, regularity
from digest.sections import Section
from digest.sections.sharing.finding import PEOPLE, Find, finds, followers, taste
from digest.sections.sharing.pooling import pool
from digest.sections.sharing.topics import Topic, own_topics
from digest.sections.top_posts import EXCERPT
from digest.text import clean

TOPICS = 3
STREAK_FROM = 3
"""Weeks in a row that are worth a word."""
TOPICS_ALONE, STREAK_ALONE = 2, 4
"""So many topics, or weeks in a row, are worth a section of their own."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A suggestion with its words and, where the author may be named, by whom it is."""

    find: Find
    words: Any
    by: str


@dataclass(slots=True)
class Facts:
    """What is known of one author: topics, rhythm, and what they might share."""

    topics: list[Topic] = field(default_factory=list)
    rhythm: Regularity | None = None
    shown: list[Shown] = field(default_factory=list)


def load(session: Session, batch: Batch) -> dict[str, Facts]:
    """Authors who posted lately, or of whose audience the taste is known."""
    found: dict[str, Facts] = {}
    omitted = batch.fact(session, omissions)
    for author, topics in own_topics(session, batch).items():
        left = [topic for topic in topics if topic.name not in omitted.get(author, ())]
        found.setdefault(author, Facts()).topics = left
    for author, rhythm in batch.fact(session, regularity).items():
        found.setdefault(author, Facts()).rhythm = rhythm
    for author, shown in _suggestions(session, batch).items():
        found.setdefault(author, Facts()).shown = shown
    return found


def _suggestions(session: Session, batch: Batch) -> dict[str, list[Shown]]:
    there = pool(session, batch)
    if not there.items:
        return {}
    acts = public_acts(session, batch)
    tastes = {author: liking for author in batch.users if (liking := taste(acts, author))}
    if not tastes:
        return {}
    following = followers(session, batch, list(tastes))
    omitted = batch.fact(session, omissions)
    chosen = {
        author: finds(
            there,
            author,
            liking,
            following.get(author) or _audience(acts, author),
            omitted.get(author, ()),
        )
        for author, liking in tastes.items()
    }
    return _with_words(session, chosen)


def _audience(acts: PublicActs, author: str) -> list[str]:
    """Who stands for the followers of an author who has none: whoever reacts."""
    return sorted(acts.audience(author))[:PEOPLE]


def _with_words(session: Session, chosen: dict[str, list[Find]]) -> dict[str, list[Shown]]:
    """What is found with its words, without posts and authors that went since the pool was made."""
    items = {find.item.id: find.item for found in chosen.values() for find in found}
    words = {row.id: row for row in fetch(session, WORDS, posts=list(items))}
    authors = members(session, {item.author for item in items.values()})
    there = {
        id_: (words[id_], authors[item.author].name)
        for id_, item in items.items()
        if id_ in words and item.author in authors
    }
    return {
        author: shown
        for author, found in chosen.items()
        if (shown := [Shown(find, *there[find.item.id]) for find in found if find.item.id in there])
    }


def build(facts: Facts, batch: Batch) -> dict[str, Any] | None:
    """Suggestions, topics and rhythm; None where there is hardly anything to say."""
    rhythm = _rhythm(facts.rhythm) if facts.rhythm else None
    posts = [_post(one, batch) for one in facts.shown]
    alone = rhythm is not None and (rhythm["streak"] or 0) >= STREAK_ALONE
    if not posts and len(facts.topics) < TOPICS_ALONE and not alone:
        return None
    return {
        "posts": posts,
        "topics": [topic.name for topic in facts.topics[:TOPICS]],
        "rhythm": rhythm,
    }


def _post(one: Shown, batch: Batch) -> dict[str, Any]:
    return {
        "id": one.find.item.id,
        "title": one.words.title,
        "excerpt": clean(one.words.text, EXCERPT),
        "url": one.words.url,
        "by": one.by,
        "topic": one.find.topic,
        "tags": list(one.find.tags),
        "published": one.find.item.published_at.astimezone(batch.tz).date().isoformat(),
    }


def _rhythm(rhythm: Regularity) -> dict[str, Any] | None:
    """What may be said of it: never that a week had fewer posts, or that a row was broken.

    A usual week of less than a post is nothing that anybody would say.
    """
    streak = rhythm.streak if rhythm.streak >= STREAK_FROM else None
    usual = rhythm.usual
    more = usual is not None and 1 <= usual < rhythm.this_week
    if not streak and not more:
        return None
    return {
        "streak": streak,
        "longer": rhythm.streak >= WEEKS,
        "posts": rhythm.this_week if more else None,
        "usual": usual if more else None,
    }


def worth(data: dict[str, Any]) -> float:
    """Something to share is worth most; topics and a rhythm change little from week to week."""
    if not data["posts"]:
        return 0.2
    tagged = any(post["tags"] for post in data["posts"])
    return 0.35 + 0.05 * len(data["posts"]) + (0.1 if tagged else 0.0)


SECTION = Section("sharing", 84, load, build, label="Posts worth sharing", worth=worth)
