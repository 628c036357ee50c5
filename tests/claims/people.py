"""What a mail may say of people whom its reader may like to know: public acts, and enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple

from digest.window import Period
from tests.claims.sentences import PERSON, POST, N, Rule, number
from tests.claims.writing import Mail


class Public(NamedTuple):
    """Reactions by name to posts of twelve weeks outside groups, until the week ends anywhere.

    ``bounded``: somebody has so many posts or acts, or a post so many reactions, that not all are
    looked at. Then fewer may be told.
    """

    acts: list[Mapping[str, Any]]
    bounded: bool

    def of(self, who: str) -> set[str]:
        return {row["post_id"] for row in self.acts if row["actor_id"] == who}


def public(mail: Mail) -> Public:
    monday = Period.parse(mail.snapshot.period).monday + timedelta(weeks=1)
    end = datetime.combine(monday, time(), UTC) - timedelta(hours=14)
    posts = [
        id_
        for id_, row in mail.ground.posts.items()
        if (at := row["published_at"])
        and end - timedelta(weeks=12) <= at < end
        and not row["group_id"]
    ]
    acts = [
        row
        for post in posts
        for row in mail.ground.acts[post]
        if row["actor_id"] and row["at"] < end
    ]
    met = {(row["post_id"], row["actor_id"]) for row in acts}
    crowds = Counter(post for post, _ in met), Counter(who for _, who in met)
    written = Counter(mail.ground.posts[post]["author_id"] for post in posts)
    most = [max(of.values(), default=0) for of in (*crowds, written)]
    return Public(acts, most[0] > 50 or max(most[1:]) > 100)


def told(of: Public, count: int, found: int, least: int) -> bool:
    return least <= count <= found and (of.bounded or count == found)


def audience(mail: Mail, of: Public, author: str) -> set[str]:
    posts = mail.ground.posts
    return {r["actor_id"] for r in of.acts if posts[r["post_id"]]["author_id"] == author}


def is_stranger(mail: Mail, of: Public, name: str) -> bool:
    """Not themselves, nobody whom they follow or followed or who turned away; active of late."""
    ground = mail.ground
    known = any(row["follower_id"] == mail.user for row in ground.follows[name])
    back = [row["until"] for row in ground.follows[mail.user] if row["follower_id"] == name]
    left = bool(back) and all(until and until <= mail.snapshot.end for until in back)
    since = mail.snapshot.end - timedelta(days=29)
    own = [ground.posts[post]["published_at"] for post in ground.by[name]]
    acted = [row["at"] for row in of.acts if row["actor_id"] == name]
    lately = any(at and at >= since for at in [*own, *acted])
    return name != mail.user and not known and not left and lately


def both(mail: Mail, name: str, post: str | None, more: str | None, posts: str | None) -> bool:
    of = public(mail)
    mine = of.of(mail.user) & of.of(name)
    count = number(posts) if posts else number(more or "0") + 1
    shown = post is None or post in mine
    return shown and told(of, count, len(mine), 3) and is_stranger(mail, of, name)


def shared(mail: Mail, name: str, people: str) -> bool:
    """They reacted to both in public, and are told of by number only."""
    of = public(mail)
    met = audience(mail, of, mail.user) & audience(mail, of, name)
    return told(of, number(people), len(met), 3) and is_stranger(mail, of, name)


def replied(mail: Mail, name: str, posts: str) -> bool:
    of = public(mail)
    own = {
        row["post_id"]
        for row in of.acts
        if row["actor_id"] == name
        and row["type"] == "reply"
        and mail.ground.posts[row["post_id"]]["author_id"] == mail.user
    }
    return told(of, number(posts), len(own), 2) and is_stranger(mail, of, name)


RULES = [
    Rule(
        "both reacted",
        rf"{PERSON} You both reacted to (?:“{POST}” and {N} other posts?|{N} posts?)\.",
        both,
    ),
    Rule("shared audience", rf"{PERSON} {N} (?:people|person) reacted to posts of both", shared),
    Rule("replied to posts", rf"{PERSON} Replied to {N} of your posts", replied),
]
