"""A snapshot to a whole message, ready for a mail server; pure once it is set up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from digest import message
from digest.address import Address, BadAddress, parse
from digest.audience import Author
from digest.compose import Snapshot
from digest.config import Settings, cache_folder
from digest.errors import ConfigError
from digest.links import Asked, Links
from digest.message import Envelope, Letterhead
from digest.render import Brand, MailLinks, Rendered, Renderer
from digest.sections import Section

if TYPE_CHECKING:
    from digest.dkim import Signer

_MAX_BOUNCE_LOCAL = 64 - len("+2026-W46.") - 20
"""A local part has at most 64 octets (RFC 5321, 4.5.3.1.1)."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message: its envelope addresses, its Message-ID, its parts and its bytes."""

    mail_from: str
    rcpt_to: str
    message_id: str
    rendered: Rendered
    content: bytes


class Mailer:
    """Templates, letterhead and keys of one process; makes a mail from a snapshot."""

    def __init__(self, settings: Settings, sections: Sequence[Section]) -> None:
        self._secret = settings.secret()
        self._links = Links(settings.base_url, settings.signing_keys())
        self.renderer = Renderer(
            brand(settings),
            overrides=settings.templates,
            extra=[section.templates for section in sections if section.templates],
            locale=settings.locale,
            cache=cache_folder(),
        )
        self._sender = _from_address(settings.sender)
        site = urlsplit(settings.base_url).hostname or ""
        self._host = self._sender.domain
        self._signer = signer(settings)
        self._bounces = _bounce_address(settings.bounce_address)
        self._letterhead = Letterhead(
            from_name=settings.site_name,
            from_address=settings.sender,
            list_name=f"{settings.site_name} weekly digest",
            list_id=f"weekly.digest.{self._host}",
            reply_to=settings.reply_to,
            list_help=self._links.counting(),
        )
        # Campaign, list, kind and a stable sender of 5 to 15 characters; nothing about readers.
        self._feedback = (
            f"{{period}}:weekly:digest:{(site or self._host).replace('.', '')[:15]:_<5}"
        )

    def links(self, snapshot: Snapshot) -> MailLinks:
        """The addresses that the mail of a snapshot carries."""
        user, period, asked = snapshot.user, snapshot.period, snapshot.asked
        return MailLinks(
            unsubscribe=self._links.unsubscribe(user),
            browser=self._links.browser(user, period),
            counting=self._links.counting(),
            preferences=self._links.preferences(user, period),
            guess=self._links.guess(Asked(user, period, asked)) if asked else "",
        )

    def mail(self, author: Author, snapshot: Snapshot, date: datetime) -> Mail:
        """The mail of one snapshot; the same arguments always give the same bytes."""
        links = self.links(snapshot)
        rendered = self.renderer.render(snapshot, links, author.weekday)
        to: Address = parse(author.email)
        name = message.message_id(snapshot.period, snapshot.user, self._secret, self._host)
        mail_from = self._envelope_sender(name)
        envelope = Envelope(
            to=to,
            to_name=snapshot.name,
            message_id=name,
            date=date,
            unsubscribe_url=links.unsubscribe,
            unsubscribe_mailto=self._leaving_by_mail(mail_from),
            browser_url=links.browser,
            feedback_id=self._feedback.format(period=snapshot.period),
            language=rendered.language,
        )
        content = message.build(
            self._letterhead, envelope, rendered.subject, rendered.text, rendered.html
        )
        if self._signer is not None:
            content = self._signer.signed(content, date)
        return Mail(mail_from, str(to), name, rendered, content)

    def _envelope_sender(self, message_id: str) -> str:
        """Where a bounce of this one mail goes (VERP): the same at every attempt."""
        if self._bounces is None:
            return str(self._sender)
        token = message_id.strip("<>").partition("@")[0]
        return f"{self._bounces.local}+{token}@{self._bounces.domain}"

    def _leaving_by_mail(self, mail_from: str) -> str:
        """For mail programs that know no one-click: ``digest bounces`` reads what they send."""
        if self._bounces is None:
            return ""
        return f"mailto:{quote(mail_from, safe='@+')}?subject=unsubscribe"


def signer(settings: Settings) -> Signer | None:
    """What signs the mails of ``settings`` with DKIM, if anything; a ConfigError where it cannot.

    The domain is the one of From, or another that DMARC takes for it.
    """
    if not settings.dkim_keys:
        return None
    from digest.dkim import Signer, read_keys  # noqa: PLC0415 - slow to load, and few need it

    return Signer(_signing_domain(settings), read_keys(settings.dkim_keys))


def _signing_domain(settings: Settings) -> str:
    try:
        return parse(
            f"a@{settings.dkim_domain}" if settings.dkim_domain else settings.sender
        ).domain
    except BadAddress as error:
        name = "DKIM_DOMAIN" if settings.dkim_domain else "FROM"
        raise ConfigError(name, error.reason, hint="for example example.org") from error


def _from_address(text: str) -> Address:
    try:
        return parse(text)
    except BadAddress as error:
        raise ConfigError("FROM", f"“{text}”: {error.reason}", hint=error.hint) from error


def _bounce_address(text: str) -> Address | None:
    if not text:
        return None
    try:
        address = parse(text)
    except BadAddress as error:
        raise ConfigError("BOUNCE_ADDRESS", error.reason, hint=error.hint) from error
    if address.smtputf8 or len(address.local) > _MAX_BOUNCE_LOCAL:
        raise ConfigError(
            "BOUNCE_ADDRESS",
            f"the part before the @ must be ASCII of at most {_MAX_BOUNCE_LOCAL} characters",
            hint="+, a week and a token follow it; for example bounces@example.org",
        )
    return address


def brand(settings: Settings) -> Brand:
    """What the templates show of the site."""
    return Brand(
        site_name=settings.site_name,
        base_url=settings.base_url,
        accent=settings.accent,
        logo_url=settings.logo_url,
        postal_address=settings.postal_address,
        write_url=settings.write_url,
    )
