"""What authors guess: kept once per post, because a second guess would not be one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from digest.database import insert
from digest.models import Guess, Post, table

MOST = 1_000_000_000
"""Nobody has more readers; a larger number is a slip of the finger."""

_guesses, _posts = table(Guess), table(Post)


def keep(session: Session, user_id: str, post_id: str, value: int, now: datetime) -> bool:
    """Store a guess from 1 to :data:`MOST`; False where there is an earlier one, which stays."""
    row = {"user_id": user_id, "post_id": post_id, "value": value, "at": now}
    statement = insert(session, _guesses).values(row).on_conflict_do_nothing()
    return session.connection().execute(statement).rowcount == 1


def find(session: Session, user_id: str, post_id: str) -> int | None:
    """The guess that counts, if there is one."""
    key = (_guesses.c.user_id == user_id, _guesses.c.post_id == post_id)
    return session.scalar(select(_guesses.c.value).where(*key))


def can_be_guessed(session: Session, user_id: str, post_id: str) -> bool:
    """Whether the post is still there, and ``user_id`` wrote it."""
    own = (_posts.c.id == post_id, _posts.c.author_id == user_id)
    return session.scalar(select(_posts.c.id).where(*own)) is not None
