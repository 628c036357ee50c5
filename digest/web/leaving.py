"""Readers who leave at the same moment, committed together.

After a mailing, programs press the buttons of many mails at once. A commit for each would make them
wait in line for the disk; so while one is on its way, whoever arrives waits for the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from enum import Enum, auto
from threading import Lock

from sqlalchemy import select

from digest import subscriptions
from digest.database import Database, among, fetch
from digest.models import User, table

_users = table(User)
_THERE = select(_users.c.id).where(among(_users.c.id, "users"))


class Leave(Enum):
    """What became of somebody's wish to leave."""

    DONE = auto()
    FOREVER = auto()
    """Their data are erased, or they are long gone: there is nothing to come back to."""
    NEVER_ENROLLED = auto()
    """Somebody who may be enrolled later: saying “you have left” would be untrue."""


_Waiting = list[tuple[str, Future[Leave]]]


class Door:
    """Where readers leave; what it says is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: _Waiting = []
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="leaving")

    async def leave(self, user_id: str) -> Leave:
        """Stop mailing the reader; raises what went wrong with the database."""
        done: Future[Leave] = Future()
        with self._lock:
            self._waiting.append((user_id, done))
            first = len(self._waiting) == 1
        if first:  # whoever comes later is taken along
            self._thread.submit(self._let_out)
        return await asyncio.wrap_future(done)

    def _let_out(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        group = [one for one in waiting if one[1].set_running_or_notify_cancel()]
        try:
            self._settle(group)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to who waits
            if len(group) == 1:
                group[0][1].set_exception(error)
                return
            # One of them may be in the way of the others, or all in that of another program.
            for one in group:
                self._settle_alone(one)

    def _settle_alone(self, one: tuple[str, Future[Leave]]) -> None:
        try:
            self._settle([one])
        except Exception as error:  # noqa: BLE001 - as above
            one[1].set_exception(error)

    def _settle(self, group: _Waiting) -> None:
        left = self._commit([user_id for user_id, _ in group])
        for user_id, done in group:
            done.set_result(left[user_id])

    def _commit(self, users: Sequence[str]) -> dict[str, Leave]:
        with self._database.writing() as session:
            enrolled = subscriptions.leave(session, users, datetime.now(UTC))
            others = [user_id for user_id in users if user_id not in enrolled]
            there = {row.id for row in fetch(session, _THERE, users=others)} if others else set()
        kept = {user: Leave.DONE if known else Leave.FOREVER for user, known in enrolled.items()}
        return kept | {
            user: Leave.NEVER_ENROLLED if user in there else Leave.FOREVER for user in others
        }
