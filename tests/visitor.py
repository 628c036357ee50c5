"""Somebody who opens pages: without cookies and scripts, and from an address of their own."""

from __future__ import annotations

import asyncio
import itertools

import httpx
from starlette.applications import Starlette

BASE = "http://127.0.0.1:8025"
_hosts = itertools.count(1)
_LIKES = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Client:
    """Asks the application as a browser at ``address`` would, without a socket in between."""

    def __init__(self, app: Starlette, address: str | None = None) -> None:
        """Each on an address of its own on this machine: wrong links are counted by address."""
        if address is None:
            address = f"127.0.{next(_hosts) // 250}.{next(_hosts) % 250}"
        self._transport = httpx.ASGITransport(
            app, raise_app_exceptions=False, client=(address, 50000)
        )

    def request(self, method: str, url: str, **options: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            there = {"transport": self._transport, "base_url": BASE, "headers": _LIKES}
            async with httpx.AsyncClient(**there) as client:  # type: ignore[arg-type]
                return await client.request(method, url, **options)  # type: ignore[arg-type]

        return asyncio.run(ask())

    def get(self, url: str, **options: object) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: object) -> httpx.Response:
        return self.request("POST", url, **options)
