"""The pages that a reader's mail points to: leave, come back, the mail itself, how we count.

GET and HEAD never change anything, because programs follow links in mails before people do. The
POST of a mail provider's one-click button (RFC 8058) and that of our own form are the same: neither
needs a cookie, a login or a redirect, only the signed link. Whoever accepts HTML sees a page.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from digest import subscriptions
from digest.models import Subscription, table
from digest.snapshots import stored
from digest.web.guard import HEADERS, read_body
from digest.web.leaving import Leave
from digest.web.pages import MAIL_POLICY
from digest.web.site import Site
from digest.web.speech import recognise
from digest.web.tokens import opened

_subscriptions = table(Subscription)


class Reader:
    """The recipient pages of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Where the pages are."""
        return [
            Route("/u/{token}", self.ask, name="unsubscribe page"),
            Route("/u/{token}", self.leave, methods=["POST"], name="unsubscribe"),
            Route("/u/{token}/undo", self.come_back, methods=["POST"], name="resubscribe"),
            Route("/v/{token}", self.mail, name="mail in the browser"),
            Route("/counting", self.counting, name="how we count"),
        ]

    def ask(self, request: Request) -> Response:
        """Say what will happen, and offer the button that makes it happen."""
        user_id, token = self._user(request), request.path_params["token"]
        columns = (_subscriptions.c.unsubscribed_at, _subscriptions.c.erased_at)
        asked = select(*columns).where(_subscriptions.c.user_id == user_id)
        with self._site.database.reading() as session:
            row = session.execute(asked).first()
        if row is None or row.erased_at is not None:
            raise HTTPException(404)
        if row.unsubscribed_at is None:
            return self._site.page(request, "unsubscribe.html")
        return self._site.page(request, "left.html", undo=f"{token}/undo")

    async def leave(self, request: Request) -> Response:
        """Stop mailing the reader; a second time, or of a deleted user, it is as well.

        Programs, which press the buttons of whole mailings (RFC 8058), look at no page.
        """
        user = self._user(request, always=True)
        await read_body(request)
        left = await self._site.door.leave(user)
        if left is Leave.NEVER_ENROLLED:
            raise HTTPException(404)
        if "text/html" not in request.headers.get("accept", ""):
            return Response("You have left.\n", media_type="text/plain", headers=HEADERS)
        return await run_in_threadpool(self._left, request, left)

    async def come_back(self, request: Request) -> Response:
        """Undo :meth:`leave`."""
        user = self._user(request)
        await read_body(request)
        return await run_in_threadpool(self._come_back, request, user)

    def mail(self, request: Request) -> Response:
        """The mail as it was sent, made from the numbers that were frozen then."""
        read = self._site.links.read_browser
        user_id, period = opened(request, self._site.strikes, read)
        recognise(request, user_id)
        day = select(_subscriptions.c.weekday).where(_subscriptions.c.user_id == user_id)
        with self._site.database.reading() as session:
            snapshot = stored(session, user_id, period)
            weekday = session.scalar(day)
        if snapshot is None:
            raise HTTPException(404)
        if weekday is None:
            weekday = self._site.settings.weekday
        links = replace(self._site.mailer.links(snapshot), browser="")
        html = self._site.mailer.renderer.render(snapshot, links, weekday).html
        return HTMLResponse(html, headers=HEADERS | {"Content-Security-Policy": MAIL_POLICY})

    def counting(self, request: Request) -> Response:
        """How we count."""
        return self._site.page(request, "counting.html")

    def _user(self, request: Request, *, always: bool = False) -> str:
        read = self._site.links.read_unsubscribe
        return recognise(request, opened(request, self._site.strikes, read, always=always))

    def _left(self, request: Request, left: Leave) -> Response:
        undo = f"{request.path_params['token']}/undo" if left is Leave.DONE else None
        return self._site.page(request, "left.html", undo=undo)

    def _come_back(self, request: Request, user_id: str) -> Response:
        with self._site.database.writing() as session:
            if not subscriptions.resubscribe(session, user_id, datetime.now(UTC)):
                raise HTTPException(404)
        return self._site.page(request, "back.html", leave=f"../{request.path_params['token']}")
