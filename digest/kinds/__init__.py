"""The eight kinds of posts, and the guess which one a post is of: rules over its words.

The kinds are those of Andre, Bernstein and Luther (CSCW 2012). The guess looks at a title and the
beginning of a text, in this order: addressed to somebody, nothing but a greeting, a question, own
work, a link, what the author is doing, an opinion; whatever is left is a thought. It is a guess:
the author's correction and the platform's word stand before it. The words stand in ``words.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import urlsplit


class Kind(StrEnum):
    """What a post is, in the order in which kinds are listed."""

    QUESTION = "question"
    INFORMATION = "information"
    SELF_PROMOTION = "self-promotion"
    THOUGHT = "thought"
    OPINION = "opinion"
    NOW = "now"
    CONVERSATION = "conversation"
    PRESENCE = "presence"


NAMES = {
    **{str(kind): kind for kind in Kind},
    "question to followers": Kind.QUESTION,
    "information sharing": Kind.INFORMATION,
    "link": Kind.INFORMATION,
    "random thought": Kind.THOUGHT,
    "opinion/complaint": Kind.OPINION,
    "complaint": Kind.OPINION,
    "me now": Kind.NOW,
    "reply": Kind.CONVERSATION,
    "presence maintenance": Kind.PRESENCE,
    "greeting": Kind.PRESENCE,
}
"""The words by which a platform can tell a post's kind; any other word tells nothing."""


def _chapters() -> dict[str, list[str]]:
    """The chapters of ``words.txt``, each with its lines."""
    chapters: dict[str, list[str]] = {}
    for line in files(__package__).joinpath("words.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            chapters[line[2:]] = []
        elif line:
            chapters[next(reversed(chapters))].append(line)
    return chapters


class _Phrases:
    """Phrases of ``words.txt``: what each begins with, and what follows it where that matters.

    Most texts hold none of the beginnings, which is seen ten times faster than by an expression.
    """

    def __init__(self, lines: list[str]) -> None:
        parts = [line.partition(" = ") for line in lines]
        self._found = [
            (begins, re.compile(rf"\b{begins} {follows}\b" if follows else rf"\b{begins}\b"))
            for begins, _, follows in parts
        ]

    def stand_in(self, words: str) -> bool:
        """Whether one of them stands in ``words``, which are lower-case and have plain marks."""
        return any(begins in words and found.search(words) for begins, found in self._found)


_WORDS = _chapters()
_PUBLIC_MAIL, _GREETINGS, _AROUND = (
    frozenset(" ".join(_WORDS[name]).split())
    for name in ("public mail", "greetings", "around greetings")
)
_OWN_WORK, _DOING, _OPINION = (_Phrases(_WORDS[name]) for name in ("own work", "doing", "opinion"))
_LINK = re.compile(r"(?:https?://|\bwww\.)[^\s<>\"“”]+", re.IGNORECASE)
_HASHTAG = re.compile(r"(?:(?<=\s)|^)[#＃]\w*[^\W\d]\w*")
_MENTION = re.compile(r"(?:(?<=\s)|^)@\w+")
_QUESTION = re.compile(r"[?？؟](?=[\s\"”’»)?!？！]|$)")
_WORD = re.compile(r"[^\W\d_][\w'’]*")
_GREETING_ENDS = 160
"""Whoever says more than so many characters has said something besides."""
_TAIL = ".,;:!?)]}'’"


def own_domain(email_key: str | None) -> frozenset[str]:
    """The domain of somebody's mail, unless it is everybody's."""
    domain = (email_key or "").rpartition("@")[2].lower()
    return frozenset({domain}) - {""} - _PUBLIC_MAIL


def own_names(*names: str | None) -> frozenset[str]:
    """Names that make a link somebody's own as a part of its host or a step of its path.

    From four characters on: shorter ones are in many addresses by chance.
    """
    return frozenset(name.lower().lstrip("@") for name in names if name and len(name) > 3)


def guess(title: str, text: str, own: AbstractSet[str] = frozenset()) -> Kind:
    """The kind of a post by its words; ``own`` are an author's domain and names."""
    words = f"{title}\n{text}".strip()
    plain = words.lower().replace("’", "'")
    said = _Said(words, plain, links(words), own)
    return next((kind for kind, holds in _RULES if holds(said)), Kind.THOUGHT)


def hosts(link: str) -> frozenset[str]:
    """A link's host, the domains that it is part of, and its labels; none where it is no link."""
    try:
        host = urlsplit(link if "://" in link else f"http://{link}").hostname or ""
    except ValueError:
        return frozenset()
    labels = host.split(".")
    return frozenset(labels) | {".".join(labels[at:]) for at in range(len(labels))}


def links(words: str) -> list[str]:
    """The links in what somebody wrote, without what ends the sentence around them."""
    low = words.lower()
    if "http" not in low and "www." not in low:
        return []
    return [link.rstrip(_TAIL) for link in _LINK.findall(words)]


class _Said(NamedTuple):
    """What the rules look at."""

    words: str
    plain: str
    links: list[str]
    own: AbstractSet[str]

    def greets(self) -> bool:
        """A greeting and nothing besides it."""
        if self.links or len(self.plain) > _GREETING_ENDS:
            return False
        said = set(_WORD.findall(_MENTION.sub(" ", self.plain)))
        return not _GREETINGS.isdisjoint(said) and said <= _GREETINGS | _AROUND

    def promotes(self) -> bool:
        """Own work is named, or linked to."""
        return _OWN_WORK.stand_in(self.plain) or any(_is_own(link, self.own) for link in self.links)


_RULES: tuple[tuple[Kind, Callable[[_Said], object]], ...] = (
    (Kind.CONVERSATION, lambda said: said.words.startswith("@")),
    (Kind.PRESENCE, _Said.greets),
    (Kind.QUESTION, lambda said: not said.links and _QUESTION.search(said.words)),
    (Kind.SELF_PROMOTION, _Said.promotes),
    (Kind.INFORMATION, lambda said: said.links),
    (Kind.NOW, lambda said: _DOING.stand_in(said.plain)),
    (Kind.OPINION, lambda said: _OPINION.stand_in(said.plain)),
)
"""The kinds in the order in which they are tried: the first whose rule holds is it."""


def _is_own(link: str, own: AbstractSet[str]) -> bool:
    if not own:
        return False
    path = link.partition("://")[2].partition("/")[2] if "://" in link else link
    steps = {step.lstrip("@~").lower() for step in re.split("[/?#]", path)}
    return not own.isdisjoint(hosts(link) | steps)


@dataclass(frozen=True, slots=True)
class Traits:
    """What a tip can be about: links, whether nothing was said besides them, and hashtags."""

    links: tuple[str, ...]
    bare: bool
    hashtags: int


def traits(title: str, text: str) -> Traits:
    """The traits of one post; a title is words of one's own."""
    words = f"{title}\n{text}".strip()
    found = links(words)
    tags = len(_HASHTAG.findall(words)) if "#" in words or "＃" in words else 0
    bare = False
    if found:
        rest = _MENTION.sub(" ", _HASHTAG.sub(" ", _LINK.sub(" ", words)))
        bare = len(_WORD.findall(rest)) < 3
    return Traits(tuple(dict.fromkeys(found)), bare, tags)
