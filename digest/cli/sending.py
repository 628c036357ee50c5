"""Commands about mails: to send them, to see one before, and to settle those in doubt."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

import typer

from digest import (
    checks,
    config,
    console,
    ledger,
    look,
    planning,
    process,
    subscriptions,
    workers,
)
from digest.cli.app import SENDING, app
from digest.cli.opening import clock, number_of_users, opened
from digest.cli.options import LISTED, AsJson, Limit, UserId, Users, Week
from digest.config import Settings
from digest.deciding import Workshop, workshop
from digest.errors import DatabaseError, UsageError
from digest.faults import Point, reach
from digest.ledger import Scope
from digest.models import State
from digest.window import Period


@app.command(rich_help_panel=SENDING)
def send(
    week: Week = None,
    user: Users = None,
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
    with opened(settings) as database:
        shop = workshop(database, settings)
        if dry_run:
            report = look.rehearse(shop, clock(), period, users, limit)
            console.print_report(report, monotonic() - began, "", dry=True)
            return 0
        scope, recovered, waiting = _prepare(shop, period, users, limit, retry_failed=retry_failed)
        process.tune_memory()
        with console.progress("Sending", "mails") as update:
            report = workers.send(
                shop,
                scope,
                clock,
                workers=processes
                or workers.fitting(settings.workers, waiting, workers.WORTH_A_FORK),
                limit=limit,
                progress=lambda r: update(r.total, waiting, ""),
            )
        report.recovered = recovered
        if report.total or report.stopped or report.interrupted:
            console.print_report(report, monotonic() - began, _where(settings))
        elif not number_of_users(database):
            console.print_nobody(database.place)
        else:
            console.print_nothing(look.standing(database, period, clock()), period)
        if not isinstance(report.stopped, DatabaseError):
            console.print_next_attempt(look.next_attempt(database, scope))
            if settings.on_unknown == "hold":
                console.print_doubt(look.doubts(database, Scope(), 0)["in_doubt"])
    if report.interrupted:
        return 130
    return 2 if report.never_began else 1 if report.incomplete else 0


def _prepare(
    shop: Workshop,
    period: str | None,
    users: tuple[str, ...],
    limit: int | None,
    *,
    retry_failed: bool,
) -> tuple[Scope, ledger.Recovered, int]:
    """Close the books of dead runs, and open the deliveries of this one: how many are to do."""
    now, settings = clock(), shop.settings
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


@app.command(rich_help_panel=SENDING)
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
    with opened(settings) as database:
        made = look.preview(workshop(database, settings), user, week, clock())
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


@app.command(rich_help_panel=SENDING)
def settle(
    week: Week = None,
    user: Users = None,
    limit: Limit = LISTED,
    *,
    resend: Annotated[bool, typer.Option("--resend", help="they go again")] = False,
    sent: Annotated[bool, typer.Option("--sent", help="the mail server has them")] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="they go no more")] = False,
    as_json: AsJson = False,
) -> int:
    """List the mails that are in doubt, or settle them; all, or those of WEEK and USER."""
    settings, now, users = config.load(), clock(), tuple(user or ())
    decision = _decision({"resend": resend, "sent": sent, "give-up": give_up})
    scope = Scope((str(Period.parse(week)),) if week else (), users)
    with opened(settings) as database:
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


def _decision(asked: dict[str, bool]) -> ledger.Decision | None:
    chosen = [ledger.Decision(name) for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise UsageError("a mail has one fate", hint="either --resend, or --sent, or --give-up")
    return chosen[0] if chosen else None
