"""The page on which a reader guesses how many people saw a post.

Only what a mail asked can be guessed, until the next one tells the answer. As everywhere, opening a
link saves nothing: it marks the choice, and the page's button saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest import guesses, window
from digest.links import Asked
from digest.snapshots import last_period, stored
from digest.text import shorten
from digest.web import forms
from digest.web.forms import Form
from digest.web.site import Site, known
from digest.web.speech import recognise
from digest.web.tokens import opened
from digest.window import Period


@dataclass(frozen=True, slots=True)
class _Question:
    """What a mail asked, whether its answer is out, and the guess there is."""

    title: str
    hours: int
    choices: list[int]
    closed: bool
    mine: int | None


class Guesser:
    """The page of guesses of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Where the page is; a number after the link marks it."""
        paths = ("/g/{token}", "/g/{token}/{number}")
        return [
            route for path in paths for route in forms.asking(path, "guess", self.ask, self.guess)
        ]

    def ask(self, request: Request) -> Response:
        """The question, with the choice marked that the link names."""
        asked, now = self._asked(request), datetime.now(UTC)
        with self._site.database.reading() as session:
            question = _question(session, asked, now)
        number = forms.whole(request.path_params.get("number", ""), guesses.MOST)
        own = number is not None and number not in question.choices
        return self._page(request, question, marked=number, typed=str(number) if own else "")

    def guess(self, request: Request, form: Form) -> Response:
        """Keep the guess, if it is the first; what is no number says so and keeps nothing."""
        asked, now = self._asked(request), datetime.now(UTC)
        value = forms.guessed(form, guesses.MOST)
        problem = value is None
        with self._site.database.writing() as session:
            question = _question(session, asked, now)
            is_open = question.mine is None and not question.closed
            saved = bool(
                is_open
                and value
                and guesses.keep(session, asked.user_id, asked.post_id, value, now)
            )
            if saved:
                question = _question(session, asked, now)
        return self._page(
            request,
            question,
            422 if problem and is_open else 200,
            saved=saved,
            problem=problem,
            marked=forms.whole(forms.single(form, "choice"), guesses.MOST),
            typed=shorten(forms.single(form, "number"), 40),
        )

    def _asked(self, request: Request) -> Asked:
        asked: Asked = opened(request, self._site.strikes, self._site.links.read_guess)
        recognise(request, asked.user_id)
        return asked

    def _page(
        self, request: Request, question: _Question, status: int = 200, **values: Any
    ) -> Response:
        gone = question.closed and question.mine is None
        shown = {"saved": False, "problem": False, "marked": None, "typed": ""} | values
        return self._site.page(
            request,
            "guess.html",
            410 if gone else status,
            title=question.title,
            hours=question.hours,
            choices=question.choices,
            closed=question.closed,
            mine=question.mine,
            most=guesses.MOST,
            **shown,
        )


def _question(session: Session, asked: Asked, now: datetime) -> _Question:
    """What the mail asked; 404 where none did, or the reader or the post is gone."""
    user, period, post = asked
    known(session, user, now)
    snapshot = stored(session, user, period)
    if (
        snapshot is None
        or snapshot.asked != post
        or not guesses.can_be_guessed(session, user, post)
    ):
        raise HTTPException(404)
    said = snapshot.sections["guess"]
    following = window.week(Period.parse(period).shift(1), window.zone(snapshot.timezone))
    return _Question(
        title=shorten(said["ask"]["post"]["title"] or said["ask"]["post"]["excerpt"], 160),
        hours=said["hours"],
        choices=said["ask"]["choices"],
        # The next mail tells, and where there is none, the week that it would be of is over.
        closed=now >= following.end or last_period(session, user) != period,
        mine=guesses.find(session, user, post),
    )
