"""The tokens of addresses: what they say, and how often somebody may be wrong."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from digest.errors import LinkError, LinkExpired

BURST = 60
"""Wrong tokens that an address may bring at once; one more is allowed every second."""
REMEMBERED = 10_000
"""Addresses of which is known how often they were wrong; the least recent is forgotten."""
_T = TypeVar("_T")


class Strikes:
    """Counts wrong tokens per address, in a bucket that empties by one a second.

    ``clock`` gives seconds. Memory is bounded: the one forgotten was wrong longest ago.
    """

    def __init__(self, clock: Callable[[], float], *, remembered: int = REMEMBERED) -> None:
        self._clock = clock
        self._remembered = remembered
        self._wrong: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def too_many(self, address: str) -> bool:
        """Whether ``address`` has to wait."""
        with self._lock:
            return self._level(address) >= BURST

    def count(self, address: str) -> None:
        """One more was wrong."""
        with self._lock:
            self._wrong[address] = (self._level(address) + 1, self._clock())
            self._wrong.move_to_end(address)
            if len(self._wrong) > self._remembered:
                self._wrong.popitem(last=False)

    def _level(self, address: str) -> float:
        level, at = self._wrong.get(address, (0.0, 0.0))
        return max(0.0, level - (self._clock() - at))


def opened(
    request: Request, strikes: Strikes, read: Callable[[str], _T], *, always: bool = False
) -> _T:
    """What the token of the address says, told by ``read``.

    A wrong one is answered 404, and after too many of them everything is 429, but for what must
    ``always`` work. A token that is too old is the reader's own and counts for nothing.
    """
    if not always and strikes.too_many(address_of(request)):
        raise HTTPException(429, headers={"Retry-After": "60"})
    try:
        return read(request.path_params["token"])
    except LinkExpired:
        raise
    except LinkError as error:
        strikes.count(address_of(request))
        raise HTTPException(404) from error


def address_of(request: Request) -> str:
    """Whose request it is: an IPv4 address, or the network of an IPv6 one.

    A proxy's word for it is taken only where the proxy is near: on a loopback or private address.
    Elsewhere anybody could say so.
    """
    client = _parsed(request.client.host if request.client else "")
    if client is None or client.is_private:
        said = request.headers.get("x-forwarded-for", "").rpartition(",")[2]
        client = _parsed(said.strip()) or client
    if isinstance(client, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((client, 64), strict=False))
    return str(client)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
