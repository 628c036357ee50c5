"""Commands about facts: what comes in, and what goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from digest import bounces as returned
from digest import config, console
from digest.address import key_of
from digest.cli.app import FACTS, app
from digest.cli.opening import clock, enrol, number_of_users, opened
from digest.cli.options import AsJson
from digest.config import Settings
from digest.errors import UsageError
from digest.models import User, table


@app.command(rich_help_panel=FACTS)
def demo(
    users: Annotated[int, typer.Option(min=1, help="how many authors")] = 30,
    *,
    if_empty: Annotated[bool, typer.Option(help="leave a database with users as it is")] = False,
) -> int:
    """Fill the database with a made-up community; same seed, same data."""
    from digest import demo as community

    settings = config.load()
    with opened(settings) as database:
        present = number_of_users(database)
        if if_empty and present:
            return 0
        if number_of_users(database, table(User).c.email.not_like(f"%@{community.DOMAIN}")):
            raise UsageError(
                "the database holds real users, and made-up ones would be mixed with them",
                hint="set DIGEST_DATABASE_URL to another file, e.g. sqlite:///var/demo.db",
            )
        report = community.populate(database, users=users, now=clock())
        enrol(database, settings)
        posts, views = report.tables["posts"].read, report.tables["views"].read
        console.out.print(
            f"A made-up community: {users:,} authors, {posts:,} posts, {views:,} rows of views."
        )
    return 0


@app.command("import", rich_help_panel=FACTS)
def import_(
    path: Annotated[Path, typer.Argument(help="a file or folder")],
    format_: Annotated[
        str | None, typer.Option("--format", help="exchange, stackexchange, youtube-trending")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="where rejected rows are kept [var/rejects/….jsonl]")
    ] = None,
    *,
    strict: Annotated[bool, typer.Option(help="import nothing at the first bad row")] = False,
) -> int:
    """Import users, posts, views and reactions; importing the same twice changes nothing."""
    from digest import ingest as importing

    settings = config.load()
    kept = rejects or settings.var / "rejects" / f"{path.name}-{clock():%Y%m%dT%H%M%S}.jsonl"
    with opened(settings) as database:
        with console.progress(f"Importing {path.name}", "units") as update:
            report = importing.ingest(
                database,
                path,
                format_name=format_,
                strict=strict,
                rejects=kept,
                progress=lambda p: update(p.done, p.total, f"{p.phase} {p.name}"),
            )
        enrol(database, settings)
    console.print_import(report)
    return 1 if report.rejected else 0


@app.command(rich_help_panel=FACTS)
def bounces(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH…", help="files, folders, a Maildir, or - for one mail"),
    ] = None,
    lift: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="mail a suppressed address again")
    ] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Read bounces and complaints, and stop mailing the addresses that they are about.

    Without PATH: the mailbox that BOUNCES_URL names.
    """
    settings = config.load()
    if lift is not None:
        if paths or as_json:
            raise UsageError("--lift stands alone", hint="run: digest bounces --lift ADDRESS")
        return _lift(settings, lift)
    if not paths and settings.bounces_url is None:
        raise UsageError("nothing to read", hint="name files or folders, or set BOUNCES_URL")
    with opened(settings) as database:
        if paths:
            found = returned.mails(paths, sys.stdin.buffer)
            rows = list(returned.take(database, settings, found, clock))
        else:
            rows = list(returned.collect(database, settings, clock))
    if as_json:
        console.print_json([row.as_json() for row in rows])
    else:
        console.print_bounces(rows)
    return 1 if any(row.unreadable for row in rows) else 0


def _lift(settings: Settings, address: str) -> int:
    key = key_of(address)
    if key is None:
        raise UsageError("that is no address", hint="write it as name@host.example")
    with opened(settings) as database, database.writing() as session:
        lifted = returned.lift(session, key)
    console.out.print("It is mailed again." if lifted else "It was not suppressed.")
    return 0


@app.command(rich_help_panel=FACTS)
def prune(
    *,
    dry_run: Annotated[bool, typer.Option(help="count what would go, delete nothing")] = False,
    as_json: AsJson = False,
) -> int:
    """Delete old views, snapshots and deliveries, as KEEP_…_WEEKS say; the daemon does it daily."""
    from digest import pruning

    settings, now = config.load(), clock()
    with opened(settings) as database:
        if dry_run:
            gone = pruning.prospect(database, settings, now)
        else:
            with console.progress("Pruning", "rows") as update:
                gone = pruning.prune(
                    database,
                    settings,
                    now,
                    progress=lambda rows: update(rows.total(), None, ""),
                )
    if as_json:
        console.print_json({"pruned": dict(sorted(gone.items()))})
    else:
        console.print_pruned(gone, dry=dry_run)
    return 0
