"""The command line.

Exit codes: 0 done; 1 done, or stopped on the way, but some rows or mails are left; 2 wrong usage or
configuration, or what is needed is not there, and nothing was sent; 130 interrupted.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket
from time import monotonic
from typing import Annotated, Literal

import typer
from sqlalchemy import func, select

from digest import bounces as returned
from digest import checks, config, console, ledger, look, planning, subscriptions, workers
from digest.address import key_of
from digest.config import Settings
from digest.database import Database
from digest.deciding import Workshop, workshop
from digest.errors import DatabaseError, DigestError, UsageError
from digest.faults import Point, reach
from digest.ledger import Scope
from digest.models import State, User, table
from digest.run import Report
from digest.window import Period

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Tells every author, once a week, by e-mail: who saw what you posted, what did best.",
)

UserId = Annotated[str, typer.Argument(help="the user's id, as the platform knows it")]
Host = Annotated[str, typer.Option(help="address to listen on")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="port to listen on")]
Week = Annotated[str | None, typer.Option(help="an ISO week such as 2026-W46")]
LISTED = 100
"""Users in a list, unless more are asked for."""
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def main() -> None:
    """Run the command line; every error is said in words and ends in its exit code."""
    try:
        app()  # ends in SystemExit, also where the words on the command line are wrong
    except DigestError as error:
        console.print_error(error)
    except OSError as error:  # a full disk, or a folder that is not ours
        console.print_error(
            UsageError(str(error), hint="make room, or make it writable for this user")
        )
    sys.exit(2)


def _exit(code: int, **_: object) -> None:
    """What a command returns is the exit code."""
    raise typer.Exit(code)


@app.callback(result_callback=_exit)
def _common(
    *, verbose: Annotated[bool, typer.Option("--verbose", "-v", help="log more")] = False
) -> None:
    console.configure_logging(verbose=verbose)
    config.arm_faults()


@app.command()
def demo(
    users: Annotated[int, typer.Option(min=1, help="how many authors")] = 30,
    *,
    if_empty: Annotated[bool, typer.Option(help="leave a database with users as it is")] = False,
) -> int:
    """Fill the database with a made-up community; same seed, same data."""
    from digest import demo as community

    settings = config.load()
    with _database(settings) as database:
        present = _users(database)
        if if_empty and present:
            return 0
        if _users(database, table(User).c.email.not_like(f"%@{community.DOMAIN}")):
            raise UsageError(
                "the database holds real users, and made-up ones would be mixed with them",
                hint="set DIGEST_DATABASE_URL to another file, e.g. sqlite:///var/demo.db",
            )
        report = community.populate(database, users=users, now=_now())
        _enrol(database, settings)
        posts, views = report.tables["posts"].read, report.tables["views"].read
        console.out.print(
            f"A made-up community: {users:,} authors, {posts:,} posts, {views:,} rows of views."
        )
    return 0


@app.command("import")
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
    kept = rejects or settings.var / "rejects" / f"{path.name}-{_now():%Y%m%dT%H%M%S}.jsonl"
    with _database(settings) as database:
        with console.progress(f"Importing {path.name}", "units") as update:
            report = importing.ingest(
                database,
                path,
                format_name=format_,
                strict=strict,
                rejects=kept,
                progress=lambda p: update(p.done, p.total, f"{p.phase} {p.name}"),
            )
        _enrol(database, settings)
    console.print_import(report)
    return 1 if report.rejected else 0


@app.command()
def send(
    week: Week = None,
    user: Annotated[list[str] | None, typer.Option(help="only this user (repeatable)")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many users")] = None,
    processes: Annotated[
        int, typer.Option("--workers", min=0, help="processes that send side by side [as it pays]")
    ] = 0,
    *,
    dry_run: Annotated[bool, typer.Option(help="make every mail, send and store none")] = False,
    retry_failed: Annotated[bool, typer.Option(help="offer failed ones again")] = False,
) -> int:
    """Send every user's digest of their last full week, or of WEEK; each goes once."""
    settings, began, users = config.load(), monotonic(), tuple(user or ())
    period = str(Period.parse(week)) if week else None
    with _database(settings) as database:
        shop = workshop(database, settings)
        if dry_run:
            report = look.rehearse(shop, _now(), period, users, limit)
            console.print_report(report, monotonic() - began, "", dry=True)
            return 0
        scope, recovered, waiting = _prepare(shop, period, users, limit, retry_failed=retry_failed)
        workers.calm_collector()
        with console.progress("Sending", "mails") as update:
            report = workers.send(
                shop,
                scope,
                _now,
                workers=processes
                or workers.fitting(settings.workers, waiting, workers.WORTH_A_FORK),
                limit=limit,
                progress=lambda r: update(r.total, waiting, ""),
            )
        report.recovered = recovered
        if report.total or report.stopped or report.interrupted:
            console.print_report(report, monotonic() - began, _where(settings))
        elif not _users(database):
            console.out.print("There is nobody to write to: first digest import, or digest demo")
        else:
            console.print_nothing(look.standing(database, period, _now()), period)
        if settings.on_unknown == "hold" and not isinstance(report.stopped, DatabaseError):
            console.print_doubt(look.doubts(database, Scope(), 0)["in_doubt"])
    if report.interrupted:
        return 130
    return 2 if report.never_began else 1 if report.incomplete else 0


@app.command()
def preview(
    user: UserId,
    week: Week = None,
    form: Annotated[
        Literal["html", "text", "eml", "json"], typer.Option("--format", help="json: the snapshot")
    ] = "html",
    output: Annotated[Path | None, typer.Option(help="write to this file")] = None,
) -> int:
    """Show one user's mail exactly as a send would make it; nothing is stored or sent."""
    settings = config.load()
    with _database(settings) as database:
        made = look.preview(workshop(database, settings), user, week, _now())
    content = {
        "html": made.mail.rendered.html.encode(),
        "text": made.mail.rendered.text.encode(),
        "eml": made.mail.content,
        "json": _json(made.snapshot.as_json()),
    }[form]
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        _write(output, content)
    return 0


@app.command()
def daemon(
    host: Host = "127.0.0.1",
    port: Port = 8025,
    *,
    web: Annotated[bool, typer.Option(help="serve the pages too")] = False,
) -> int:
    """Send every digest at its own hour, until stopped."""
    from digest import scheduler
    from digest import web as pages

    settings = config.load()
    with _database(settings) as database, ExitStack() as open_until_the_end:
        shop = workshop(database, settings)
        checks.require_sending(settings)
        serving = None
        if web:
            listening = open_until_the_end.enter_context(pages.listen(host, port))
            serving = _pages(settings, database, listening)
            console.out.print(f"Pages: http://{host}:{listening.getsockname()[1]}/")

        async def main(stop: asyncio.Event) -> None:
            console.out.print(
                f"Looking every {settings.tick_seconds:g} s who is due. Stop with Ctrl-C: what is "
                "under way is finished first.",
                soft_wrap=True,
            )
            async with asyncio.TaskGroup() as group:
                if serving is not None:
                    group.create_task(serving(stop))
                await scheduler.serve(shop, _now, stop, done=_log_report)

        workers.calm_collector()
        workers.until_stopped(main)
    return 0


@app.command()
def web(host: Host = "127.0.0.1", port: Port = 8025) -> int:
    """Serve the pages: unsubscribe, mails in the browser, and the kept mails for the operator."""
    from digest import web as pages

    settings = config.load()
    with _database(settings) as database:
        console.out.print(f"Pages: http://{host}:{port}/ (stop with Ctrl-C)")
        pages.serve(settings, database, host, port)
    return 0


@app.command()
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
    with _database(settings) as database:
        if paths:
            found = returned.mails(paths, sys.stdin.buffer)
            rows = list(returned.take(database, settings, found, _now))
        else:
            rows = list(returned.collect(database, settings, _now))
    if as_json:
        console.print_json([row.as_json() for row in rows])
    else:
        console.print_bounces(rows)
    return 1 if any(row.unreadable for row in rows) else 0


@app.command()
def settle(
    week: Week = None,
    user: Annotated[list[str] | None, typer.Option(help="only this user (repeatable)")] = None,
    limit: Annotated[int, typer.Option(min=1, help="list at most so many")] = LISTED,
    *,
    resend: Annotated[bool, typer.Option("--resend", help="they go again")] = False,
    sent: Annotated[bool, typer.Option("--sent", help="the mail server has them")] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="they go no more")] = False,
    as_json: AsJson = False,
) -> int:
    """List the mails that are in doubt, or settle them; all, or those of WEEK and USER."""
    settings, now, users = config.load(), _now(), tuple(user or ())
    decision = _decision({"resend": resend, "sent": sent, "give-up": give_up})
    scope = Scope((str(Period.parse(week)),) if week else (), users)
    with _database(settings) as database:
        with database.writing() as session:
            planning.require_known(session, users)
            lease = timedelta(seconds=settings.lease_seconds)
            ledger.recover(session, settings.locks, now, lease, "hold")  # nothing goes meanwhile
            settled = ledger.resolve(session, decision, scope, now) if decision else []
        left = look.doubts(database, scope, limit)
    if as_json:
        done = [{"user": user_id, "week": period} for user_id, period in settled]
        console.print_json({"settled": done, **left})
    else:
        console.print_settled(decision, len(settled), left)
    return 0


@app.command()
def prune(
    *,
    dry_run: Annotated[bool, typer.Option(help="count what would go, delete nothing")] = False,
    as_json: AsJson = False,
) -> int:
    """Delete old views, snapshots and deliveries, as KEEP_…_WEEKS say; the daemon does it daily."""
    from digest import pruning

    settings, now = config.load(), _now()
    with _database(settings) as database:
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


@app.command()
def status(
    week: Week = None,
    state: Annotated[str | None, typer.Option(help="also list the users in this state")] = None,
    limit: Annotated[int, typer.Option(min=1, help="list at most so many")] = LISTED,
    *,
    as_json: AsJson = False,
) -> int:
    """Count the deliveries of a week per state and reason; they sum to the audience."""
    settings = config.load()
    if state is not None and state not in {*State, look.UNPLANNED}:
        states = ", ".join([*State, look.UNPLANNED])
        raise UsageError(f"there is no state {state}", hint=f"one of: {states}")
    with _database(settings) as database:
        found = look.status(database, str(Period.parse(week)) if week else None)
        if state is not None:
            found["users"] = look.members(database, found["week"], state, limit)
    if as_json:
        console.print_json(found)
    else:
        console.print_status(found)
        if state is not None:
            console.print_members(found["users"], found["states"].get(state, 0))
    return 0


@app.command()
def explain(user: UserId, week: Week = None, *, as_json: AsJson = False) -> int:
    """Show every gate between a user and their mail, and the one that decided."""
    settings = config.load()
    with _database(settings) as database:
        found = look.explain(workshop(database, settings), user, week, _now())
    if as_json:
        console.print_json(found)
    else:
        console.print_explanation(found)
    return 0


@app.command()
def backtest(
    weeks: Annotated[int, typer.Option(min=1, max=26, help="how many full weeks")] = 4,
    user: Annotated[list[str] | None, typer.Option(help="only this user (repeatable)")] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Rebuild past weeks from the data: who would get what, and what differs from what was sent."""
    from digest import backtest as rebuilding

    settings = config.load()
    with _database(settings) as database:
        shop = workshop(database, settings)
        with console.progress("Rebuilding", "mails") as update:
            found = list(
                rebuilding.backtest(
                    shop,
                    _now(),
                    weeks,
                    tuple(user or ()),
                    progress=lambda done, week: update(done, None, week),
                )
            )
    if as_json:
        console.print_json([week.as_json() for week in found])
    else:
        console.print_backtest([week.as_json() for week in found])
    return 0


@app.command()
def schedule(
    user: Annotated[str | None, typer.Option(help="the next sends of this user")] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """List the next sends in each reader's own time, changes of the clock included."""
    settings, now = config.load(), _now()
    with _database(settings) as database:
        _enrol(database, settings)
        with database.reading() as session:
            if user is not None:
                planning.require_known(session, [user])
            rows = look.upcoming(session, settings, user, now)
    if as_json:
        console.print_json(rows)
    else:
        console.print_schedule(rows, now)
    return 0


@app.command()
def check() -> int:
    """Look at configuration, database, templates and mail server; say what is wrong."""
    found = checks.run_checks(_now())
    console.print_checks(found)
    return 2 if any(finding.is_wrong for finding in found) else 0


# --- shared by the commands ----------------------------------------------------------------------


def _now() -> datetime:
    """The one place where the command line reads the clock."""
    return datetime.now(UTC)


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    with suppress(OSError):  # whoever needs it says what is wrong; addresses and mails live there
        settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_url, patience=settings.database_patience_seconds)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def _lift(settings: Settings, address: str) -> int:
    key = key_of(address)
    if key is None:
        raise UsageError("that is no address", hint="write it as name@host.example")
    with _database(settings) as database, database.writing() as session:
        lifted = returned.lift(session, key)
    console.out.print("It is mailed again." if lifted else "It was not suppressed.")
    return 0


def _enrol(database: Database, settings: Settings) -> None:
    with database.writing() as session:
        subscriptions.enrol(session, settings, _now())


def _prepare(
    shop: Workshop,
    period: str | None,
    users: tuple[str, ...],
    limit: int | None,
    *,
    retry_failed: bool,
) -> tuple[Scope, ledger.Recovered, int]:
    """Close the books of dead runs, and open the deliveries of this one: how many are to do."""
    now, settings = _now(), shop.settings
    checks.require_sending(settings)
    with shop.database.writing() as session:
        subscriptions.enrol(session, settings, now)
        lease = timedelta(seconds=settings.lease_seconds)
        recovered = ledger.recover(session, settings.locks, now, lease, settings.on_unknown)
        wanted = tuple(sorted(set(planning.weeks(session, now, period).values())))
        if retry_failed:
            ledger.reopen(session, State.FAILED, now, Scope(wanted, users))
        planning.plan_week(session, now, period=period, users=users, limit=limit)
        scope = Scope((period,) if period else (), users, wanted)
        waiting = ledger.waiting(session, now, scope)
    reach(Point.PLANNED)
    return scope, recovered, waiting if limit is None else min(limit, waiting)


def _decision(asked: dict[str, bool]) -> ledger.Decision | None:
    chosen = [ledger.Decision(name) for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise UsageError("a mail has one fate", hint="either --resend, or --sent, or --give-up")
    return chosen[0] if chosen else None


def _pages(
    settings: Settings, database: Database, listening: socket
) -> Callable[[asyncio.Event], Coroutine[None, None, None]]:
    """The pages in a thread of their own, so that a busy run does not keep a reader waiting."""
    from digest import web as pages

    server = pages.server(settings, database)

    async def until(stop: asyncio.Event) -> None:
        serving = asyncio.create_task(asyncio.to_thread(server.run, [listening]))
        await stop.wait()
        server.should_exit = True
        await serving

    return until


def _where(settings: Settings) -> str:
    if settings.smtp_url is not None:
        return "“Sent” means: accepted by the mail server."
    return (
        f"Kept as files in {settings.mailbox}/ because no mail server is set. "
        f"To see them in a browser: {_command()} web"
    )


def _command() -> str:
    """How this program was called, so that a hint can be typed as it stands."""
    called = sys.argv[0]
    if called.endswith("__main__.py"):
        return "python -m digest"
    on_path = shutil.which("digest")
    known = not Path(called).is_file() or (on_path and Path(on_path).samefile(called))
    return "digest" if known else called


def _log_report(report: Report) -> None:
    for line in console.describe(report.states):
        console.err.print(line)
    if report.stopped is not None:
        console.print_error(report.stopped)


def _users(database: Database, *conditions: object) -> int:
    with database.reading() as session:
        users = table(User)
        return session.scalar(select(func.count()).select_from(users).where(*conditions)) or 0  # type: ignore[arg-type]


def _json(document: object) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="name another --output"
        ) from error
