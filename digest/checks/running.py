"""The order of a check, and what must be right before a send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import inspect
from sqlmodel import Session, SQLModel

from digest import clients, config, ledger
from digest.bounces import opened
from digest.bounces import parse_url as parse_bounces_url
from digest.checks.finding import Finding
from digest.config import Settings
from digest.database import Database
from digest.errors import DatabaseError, DigestError, DnsUnavailable, TemplateError
from digest.mail import Mailer
from digest.sections import sections
from digest.smtp import Connection, Server, Timeouts, parse_url

log = logging.getLogger(__name__)
_T = TypeVar("_T")
PATIENCE = Timeouts(connect=15, greet=15)
"""Somebody is waiting for the answer; a send has more."""


def require_sending(settings: Settings) -> None:
    """Raise the first thing that forbids sending to the configured server."""
    for problem in _sending(settings):
        raise problem
    server = _server_of(settings)
    if settings.dkim_keys and server is not None and not server.is_loopback:
        for problem in _unpublished(settings, server):
            raise problem


def run_checks(now: datetime, timeouts: Timeouts = PATIENCE) -> list[Finding]:
    """Look at everything that a send needs; ``timeouts`` are for the mail server."""
    findings: list[Finding] = []
    settings = _look(findings, "configuration", config.load, "can be read")
    findings += [Finding("environment", "", problem) for problem in config.unknown_environment()]
    if settings is None:
        return findings
    findings += [Finding("sending", "", problem) for problem in _sending(settings)]
    _look(findings, "database", lambda: _database(settings, now), _where(settings))
    ready = _look(
        findings, "mails", lambda: Mailer(settings, sections()), "templates and keys can be used"
    )
    _look(
        findings,
        "mail server",
        lambda: asyncio.run(_server(settings, timeouts)),
        _server_name(settings),
    )
    if settings.bounces_url is not None:
        _look(findings, "bounces", lambda: _bounces(settings), "the mailbox can be read")
    if ready is not None:
        findings += _unshown(ready)
        findings += _authenticity(settings, now)
    return findings


def _unshown(mailer: Mailer) -> Iterator[Finding]:
    """What of the templates, the operator's own among them, some mail programs do not show."""
    for file, markup in mailer.renderer.markup():
        for problem in clients.unsupported(markup):
            hint = "readers who use it see something else; leave it out, or say the same plainly"
            yield Finding(
                "mails", "", TemplateError(file, None, f"{problem}", hint=hint), advice=True
            )


def _authenticity(settings: Settings, now: datetime) -> Iterator[Finding]:
    """What the DNS says of the sender; on the way to this machine only, it is advice."""
    server = _server_of(settings)
    if server is None or settings.sender == config.NO_SENDER:
        return
    from digest.checks import authenticity, names, sender  # noqa: PLC0415 - see _unpublished

    try:
        asked = names.Names(settings.dns_server)
        for finding in authenticity.look_up(sender.Sender.of(settings, server.host), asked, now):
            yield replace(finding, advice=finding.advice or server.is_loopback)
    except DigestError as error:
        yield Finding("DNS", "", error, advice=isinstance(error, DnsUnavailable))


def _unpublished(settings: Settings, server: Server) -> Iterator[DigestError]:
    """Keys whose signatures nobody can verify; nothing where the DNS does not answer."""
    # DNS and DKIM take a tenth of a second to load, which every start would pay for.
    from digest.checks import names, sender, signatures  # noqa: PLC0415

    try:
        asked = names.Names(settings.dns_server)
        yield from signatures.unpublished(sender.Sender.of(settings, server.host), asked)
    except DnsUnavailable as error:
        log.warning("%s", error.message)


def _server_of(settings: Settings) -> Server | None:
    """The configured server, if there is one; what is wrong with it is said elsewhere."""
    if settings.smtp_url is None:
        return None
    try:
        return parse_url(settings.smtp_url.get_secret_value())
    except DigestError:
        return None


def _sending(settings: Settings) -> Iterator[DigestError]:
    if settings.smtp_url is None:
        return
    try:
        server = parse_url(settings.smtp_url.get_secret_value())
    except DigestError as error:
        yield error
        return
    if not server.is_loopback:
        yield from settings.problems()


def _look(findings: list[Finding], name: str, act: Callable[[], _T], fact: str) -> _T | None:
    try:
        found = act()
    except DigestError as error:
        findings.append(Finding(name, fact, error))
        return None
    findings.append(Finding(name, fact))
    return found


def _database(settings: Settings, now: datetime) -> None:
    """Open it, bring its tables up to date, see whether all are there, and ask it something."""
    with closing(Database(settings.database_url)) as database:
        database.migrate()
        with database.reading() as session:
            if missing := _missing(session):
                raise DatabaseError(
                    f"{database}: {', '.join(missing)} missing",
                    hint="they were removed by another program: restore them from a backup",
                )
            ledger.waiting(session, now)


def _missing(session: Session) -> list[str]:
    """The tables and columns of the models that are not in the database."""
    found = {
        name: {column["name"] for column in columns}
        for (_, name), columns in inspect(session.connection()).get_multi_columns().items()
    }
    missing = []
    for needed in SQLModel.metadata.sorted_tables:
        if needed.name not in found:
            missing.append(f"table {needed.name}")
            continue
        lost = {column.name for column in needed.columns} - found[needed.name]
        missing += [f"column {needed.name}.{column}" for column in sorted(lost)]
    return missing


def _where(settings: Settings) -> str:
    """The database without its password."""
    try:
        return str(Database(settings.database_url))
    except DigestError:
        return "DATABASE_URL"


def _server_name(settings: Settings) -> str:
    if settings.smtp_url is None:
        return f"none is set: mail is kept in {settings.mailbox}/"
    try:
        server = parse_url(settings.smtp_url.get_secret_value())
    except DigestError:
        return "SMTP_URL"
    if not server.is_loopback:
        return str(server)
    # It may pass mail on, which cannot be seen from here.
    unset = ", ".join(problem.setting for problem in settings.problems())
    trial = f"; a trial: before it passes mail on to people, set {unset}" if unset else ""
    return f"{server} on this machine{trial}"


def _bounces(settings: Settings) -> None:
    """Open the mailbox as the daemon would; read nothing."""
    if settings.bounces_url is not None:
        with opened(parse_bounces_url(settings.bounces_url.get_secret_value())):
            pass


async def _server(settings: Settings, timeouts: Timeouts) -> None:
    """Connect, secure and authenticate as a send would; offer nothing."""
    if settings.smtp_url is None:
        return
    server: Server = parse_url(settings.smtp_url.get_secret_value())
    connection = Connection(server, timeouts=timeouts, hostname="localhost")
    await connection.open()
    await connection.quit()
