"""The web application and the server that answers for it."""

from __future__ import annotations

import logging
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from digest.config import Settings
from digest.database import Database
from digest.errors import DatabaseError, LinkExpired, UsageError
from digest.web.choosing import Chooser
from digest.web.correcting import Corrector
from digest.web.guard import Guard
from digest.web.guessing import Guesser
from digest.web.keeping import Keeper
from digest.web.omitting import Omitter
from digest.web.operators import Operator
from digest.web.reader import Reader
from digest.web.site import Site
from digest.web.speech import recognise
from digest.wording import Wording

MAX_PORT = 65_535
_log = logging.getLogger("digest.web")


def create_app(settings: Settings, database: Database) -> Starlette:
    """All pages over ``database``; raises a DigestError where settings or templates are wrong."""
    site = Site.prepare(settings, database)

    def problem(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        page = site.pages.problem(_words(request), status)
        page.headers.update(getattr(error, "headers", None) or {})
        return page

    def out_of_reach(request: Request, error: Exception) -> Response:
        _log.error("the database cannot be used: %s", error)
        return site.pages.problem(site.speech.asked(request), 503)

    def expired(request: Request, error: Exception) -> Response:
        user = recognise(request, error.user_id if isinstance(error, LinkExpired) else "")
        leave = site.links.unsubscribe(user)
        return site.pages.page(_words(request), "expired.html", 410, leave=leave)

    def _words(request: Request) -> Wording:
        try:
            return site.speech.to(request)
        except DatabaseError:
            return site.speech.asked(request)

    doors = (Reader, Chooser, Corrector, Omitter, Keeper, Guesser, Operator)
    app = Starlette(
        routes=[route for door in doors for route in door(site).routes()],
        middleware=[Middleware(Guard)],
        exception_handlers={
            HTTPException: problem,
            LinkExpired: expired,
            DatabaseError: out_of_reach,
            Exception: problem,
        },
    )
    app.router.redirect_slashes = False
    return app


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there (port 0: any free one); a UsageError says why it cannot."""
    if not 0 <= port <= MAX_PORT:
        raise UsageError(f"{port} is not a port", hint=f"name a --port from 0 to {MAX_PORT}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error}",
            hint="name another --host or --port, or stop the program that uses it",
        ) from error


def server(settings: Settings, database: Database) -> uvicorn.Server:
    """The server, not yet running: ``run(sockets=[listen(…)])``, stopped by ``should_exit``."""
    # It would write every reader's token, whatever handlers the program around us adds.
    logging.getLogger("uvicorn.access").disabled = True
    config = uvicorn.Config(
        create_app(settings, database),
        access_log=False,
        log_config=None,
        proxy_headers=False,  # the operator's pages trust the socket's own address only
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def serve(settings: Settings, database: Database, host: str, port: int) -> None:
    """Answer on ``host``:``port`` until stopped by SIGINT or SIGTERM."""
    with listen(host, port) as listening:
        server(settings, database).run(sockets=[listening])
