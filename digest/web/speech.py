"""Whose language a page speaks: that of the reader whose link was opened, or else the browser's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import bindparam, func, select
from starlette.requests import Request

from digest.database import Database, fetch
from digest.languages import Languages
from digest.models import Subscription, User, table
from digest.wording import Wording

_users, _subscriptions = table(User), table(Subscription)
_LOCALE = (
    select(func.coalesce(_subscriptions.c.locale, _users.c.locale))
    .outerjoin_from(_users, _subscriptions, _subscriptions.c.user_id == _users.c.id)
    .where(_users.c.id == bindparam("user"), _subscriptions.c.erased_at.is_(None))
)
_MOST_ASKED = 20
_LONGEST_TAG = 35
"""Characters: room for every language there is (RFC 5646, 4.4.1), and none for mischief."""
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


class Speech:
    """Finds the words for who opens a page."""

    def __init__(self, languages: Languages, database: Database) -> None:
        self._languages = languages
        self._database = database

    def to(self, request: Request) -> Wording:
        """The words for the reader whose link was opened; for a stranger, :meth:`asked`.

        A reader's locale is the one they chose, or the platform's, as in the mail.
        """
        user = getattr(request.state, "reader", None)
        if user is not None:
            with self._database.reading() as session:
                rows = fetch(session, _LOCALE, user=user)
            if rows:
                return self._languages.wording(rows[0][0] or "")
        return self.asked(request)

    def asked(self, request: Request) -> Wording:
        """The words that the browser asks for, or else the site's; asks no database."""
        return self._languages.first_spoken(accepted(request.headers.get("accept-language", "")))


def recognise(request: Request, user: str) -> str:
    """Remember whose link was opened: from now on pages are in ``user``'s language."""
    request.state.reader = user
    return user


def accepted(header: str) -> list[str]:
    """The languages of an ``Accept-Language``, most wanted first (RFC 9110, 12.5.4)."""
    wanted = sorted(_qualities(header), key=lambda one: -one[1])
    return [tag for tag, quality in wanted if quality]


def _qualities(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(",", _MOST_ASKED)[:_MOST_ASKED]:
        tag, _, parameter = part.partition(";")
        quality = _QUALITY.fullmatch(parameter.strip()) if parameter else None
        if len(tag.strip()) <= _LONGEST_TAG and bool(quality) == bool(parameter):
            yield tag.strip(), float(quality[1]) if quality else 1.0
