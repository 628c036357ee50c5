"""The operator's pages: how the latest week went, and the mails of the embedded mailbox.

They show addresses and whole mails, so they answer on this machine only; to anybody else they do
not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from sqlalchemy import func, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from digest import models
from digest.web import mailbox
from digest.web.guard import HEADERS, on_this_machine
from digest.web.site import Site

PER_PAGE = 50
_FRAMED = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src https: data:;"
    " style-src 'unsafe-inline'; frame-ancestors 'self'"
)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_deliveries = models.table(models.Delivery)

Page = Callable[[Request], Response]


class Operator:
    """The operator pages of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Where the pages are."""
        return [
            Route("/", _local(self.home), name="overview"),
            Route("/mailbox/{name}", _local(self.mail), name="kept mail"),
            Route("/mailbox/{name}/html", _local(self.html), name="kept mail, HTML"),
            Route("/mailbox/{name}/raw", _local(self.raw), name="kept mail, source"),
        ]

    def home(self, request: Request) -> Response:
        """The latest week's states, and the kept mails, newest first, fifty at a time."""
        number = request.query_params.get("page", "1")
        if not re.fullmatch(r"[1-9]\d{0,6}", number):
            raise HTTPException(404)
        page, start = int(number), (int(number) - 1) * PER_PAGE
        mails, total = mailbox.newest(self._site.settings.mailbox, start, PER_PAGE)
        if page > 1 and not mails:
            raise HTTPException(404)
        period, states = self._latest()
        return self._site.pages.page(
            self._site.english,
            "home.html",
            period=period,
            states=states,
            mails=mails,
            total=total,
            first=start + 1,
            newer=page - 1,
            older=page + 1 if start + len(mails) < total else 0,
        )

    def mail(self, request: Request) -> Response:
        """One mail: its HTML, its plain text, its headers."""
        path = self._path(request)
        mail = mailbox.read(path)
        subject = dict(mail.headers).get("Subject", "") or "(no subject)"
        return self._site.pages.page(
            self._site.english, "mail.html", mail=mail, subject=subject, name=path.name
        )

    def html(self, request: Request) -> Response:
        """The HTML part alone, locked up; its links open in a tab of their own."""
        html = mailbox.read(self._path(request)).html
        if not html:
            raise HTTPException(404)
        html = _HEAD.sub(lambda head: head[0] + '<base target="_blank">', html, count=1)
        return HTMLResponse(html, headers=HEADERS | {"Content-Security-Policy": _FRAMED})

    def raw(self, request: Request) -> Response:
        """The message as it stands in the file."""
        text = self._path(request).read_bytes().decode("utf-8", "replace")
        return PlainTextResponse(text)

    def _path(self, request: Request) -> Path:
        path = mailbox.find(self._site.settings.mailbox, request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        return path

    def _latest(self) -> tuple[str | None, list[tuple[str, int]]]:
        with self._site.database.reading() as session:
            period = session.scalar(select(func.max(_deliveries.c.period)))
            count = func.count()
            rows = session.execute(
                select(_deliveries.c.state, count)
                .where(_deliveries.c.period == period)
                .group_by(_deliveries.c.state)
                .order_by(count.desc(), _deliveries.c.state)
            )
            return period, [(state, number) for state, number in rows]


def _local(page: Page) -> Page:
    @wraps(page)
    def guarded(request: Request) -> Response:
        if not on_this_machine(request):
            raise HTTPException(404)
        return page(request)

    return guarded
