"""What the DNS says; nothing else asks it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import dns.exception
import dns.resolver

from digest.errors import ConfigError, DnsUnavailable

_SECONDS = 6.0
"""How long one question may take, all servers and tries together."""


class Names:
    """Asks the name server ``server`` (an address, or address:port), or those of the system.

    Every question raises :class:`~digest.errors.DnsUnavailable` where nobody answers it. "No such
    name" and "nothing of that kind" are answers: an empty tuple.
    """

    def __init__(self, server: str = "", seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        if server:
            self._resolver = dns.resolver.Resolver(configure=False)
            host, self._resolver.port = _place(server)
            self._resolver.nameservers = [host]
            return
        try:
            self._resolver = dns.resolver.Resolver()
        except dns.exception.DNSException as error:
            raise _unavailable("this machine names no name server") from error

    def texts(self, name: str) -> tuple[str, ...]:
        """The TXT records of ``name``, the pieces of each put together."""
        return tuple(
            b"".join(answer.strings).decode("utf-8", "replace") for answer in self._ask(name, "TXT")
        )

    def mail_hosts(self, name: str) -> tuple[str, ...]:
        """The hosts that take mail for ``name`` by its MX; "." alone: none does (RFC 7505)."""
        return tuple(
            answer.exchange.to_text(omit_final_dot=True) for answer in self._ask(name, "MX")
        )

    def has_address(self, name: str) -> bool:
        """Whether ``name`` is a host."""
        return any(self._ask(name, kind) for kind in ("A", "AAAA"))

    def _ask(self, name: str, kind: str) -> Sequence[Any]:
        try:
            return tuple(self._resolver.resolve(f"{name}.", kind, lifetime=self._seconds))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.resolver.LifetimeTimeout as error:
            raise _unavailable("no name server answers") from error
        except (dns.exception.DNSException, OSError) as error:
            raise _unavailable(f"the name server does not say what it knows of {name}") from error


def _unavailable(what: str) -> DnsUnavailable:
    return DnsUnavailable(
        f"{what}: the sender's records were not looked at",
        hint="run digest check where there is DNS, or name a server in DNS_SERVER",
    )


def _place(server: str) -> tuple[str, int]:
    """Address and port of ``address``, ``address:port`` or ``[address]:port``."""
    host, port = server, "53"
    if server.count(":") == 1 or server.startswith("["):
        host, _, port = server.rpartition(":") if not server.endswith("]") else (server, "", "53")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), _port(port)
    except ValueError:
        raise ConfigError(
            "DNS_SERVER",
            f"“{server}” is not the address of a server",
            hint="an address, and a port where it is not 53: 192.0.2.53 or [2001:db8::53]:5353",
        ) from None


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(text)
    return port
