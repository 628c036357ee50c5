"""Which mail server to use, and how: ``SMTP_URL`` read into a value."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from digest.errors import ConfigError

_SETTING = "SMTP_URL"
_FORM = (
    "write smtp://[user:password@]host[:port][?starttls=require|never] or smtps://…, "
    "with @ : / ? # and % in user and password percent-encoded"
)
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")


class Tls(StrEnum):
    """How a connection is protected."""

    AUTO = "auto"
    """STARTTLS where the server offers it."""
    REQUIRE = "require"
    """STARTTLS, or no mail."""
    IMPLICIT = "implicit"
    """TLS from the first byte (smtps://)."""
    NEVER = "never"
    """Plain text."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server to hand messages to; ``str()`` never shows the credentials."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls: Tls = Tls.AUTO

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is this machine, so that nothing leaves it by this connection."""
        if self.host.lower().rstrip(".") == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


def parse_url(text: str) -> Server:
    """The server that ``SMTP_URL`` names; raises :class:`~digest.errors.ConfigError`.

    Ports default to 465 for ``smtps``, 587 with credentials and 25 without. Credentials make
    STARTTLS a requirement, and are refused over plain text, except on the loopback. No error
    repeats the URL, which may hold a password.
    """
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(
            _SETTING, "it holds a space, a control or a non-ASCII character", hint=_FORM
        )
    try:
        url = urlsplit(text)
        port = url.port
        options = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
    except ValueError:
        raise ConfigError(_SETTING, "it is not a URL", hint=_FORM) from None
    _refuse_strange(url, options)
    host, user = url.hostname or "", unquote(url.username or "")
    if not _HOST.fullmatch(host) or port == 0:
        raise ConfigError(_SETTING, "it names no host, or a port that cannot be", hint=_FORM)
    implicit = url.scheme == "smtps"
    server = Server(
        host=host,
        port=port or (465 if implicit else 587 if user else 25),
        user=user,
        password=unquote(url.password or ""),
        tls=Tls.IMPLICIT if implicit else Tls(options.get("starttls", Tls.AUTO)),
    )
    return _protect_credentials(server)


def _refuse_strange(url: SplitResult, options: dict[str, str]) -> None:
    if url.scheme not in {"smtp", "smtps"}:
        raise ConfigError(_SETTING, "it must begin with smtp:// or smtps://", hint=_FORM)
    if url.path not in {"", "/"} or url.fragment:
        raise ConfigError(_SETTING, "something follows the host and the port", hint=_FORM)
    if url.password and not url.username:
        raise ConfigError(_SETTING, "it holds a password but no user", hint=_FORM)
    if options.keys() - {"starttls"}:
        raise ConfigError(_SETTING, "the only option is starttls", hint=_FORM)
    if options and url.scheme == "smtps":
        raise ConfigError(
            _SETTING, "smtps:// is TLS from the start: starttls has no meaning", hint=_FORM
        )
    if options.get("starttls", "require") not in {"require", "never"}:
        raise ConfigError(_SETTING, "starttls is either require or never", hint=_FORM)


def _protect_credentials(server: Server) -> Server:
    if not server.user or server.is_loopback or server.tls in {Tls.IMPLICIT, Tls.REQUIRE}:
        return server
    if server.tls is Tls.NEVER:
        raise ConfigError(
            _SETTING,
            "the password would cross the network in plain text",
            hint="leave starttls=never out, or use smtps://",
        )
    return Server(server.host, server.port, server.user, server.password, Tls.REQUIRE)
