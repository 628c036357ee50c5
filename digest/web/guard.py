"""What holds for every request: safe headers, a bounded body, and a log without secrets."""

from __future__ import annotations

import ipaddress
import logging
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_log = logging.getLogger("digest.web")


class Guard:
    """Middleware: adds :data:`HEADERS`, and logs method, route and status.

    The path never reaches the log, because it carries the reader's token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                _log.info("%s %s %s", scope["method"], _route_name(scope), message["status"])
            await send(message)

        await self._app(scope, receive, guarded)


async def read_body(request: Request) -> bytes:
    """The body of ``request``; longer than :data:`MAX_BODY_BYTES` is answered 413, unread."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413)
    return bytes(body)


def on_this_machine(request: Request) -> bool:
    """Whether the request was typed here: from the loopback, to the loopback, and not forwarded.

    The Host header is looked at because a page elsewhere can point its own name at 127.0.0.1, and
    the others because a proxy on this machine makes the whole world look local.
    """
    client = request.client.host if request.client else ""
    asked = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    forwarded = any(name in request.headers for name in _FORWARDED)
    return not forwarded and _loopback(client) and (asked == "localhost" or _loopback(asked))


def _loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _route_name(scope: Scope) -> str:
    route = scope.get("route")
    return route.name if isinstance(route, Route) else "none"
