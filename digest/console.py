"""What the command line says: tables, progress, summaries. Words go to people, JSON to programs."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from digest.bounces import Row
from digest.checks import Finding
from digest.errors import DigestError
from digest.ledger import Decision
from digest.models import State
from digest.run import Report

if TYPE_CHECKING:
    from digest import ingest

EVERY_SECONDS = 5
"""How often long work says where it is when nobody watches a bar."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Update = Callable[[int, int | None, str], None]

_WORDS = {
    State.SENT: "sent",
    State.PENDING: "would be sent",
    State.CLAIMED: "being prepared by a run that is under way",
    State.SENDING: "being sent by a run that is under way",
    State.DEFERRED: "deferred: the server asked to wait",
    State.FAILED: "failed",
    State.UNKNOWN: "in doubt: the connection broke while the mail was handed over",
    State.SKIPPED: "skipped",
    State.SUPPRESSED: "suppressed",
}


def configure_logging(*, verbose: bool) -> None:
    """Log to standard error; no addresses and no names at the default level."""
    level, form = logging.DEBUG if verbose else logging.INFO, "%(message)s"
    handler: logging.Handler = RichHandler(console=err, show_path=False, rich_tracebacks=True)
    if not err.is_terminal:
        # A file or journal wants whole lines; and to lay one out costs more than serving a page.
        handler, form = logging.StreamHandler(err.file), "%(asctime)s %(levelname)-8s %(message)s"
    logging.basicConfig(level=level, format=form, datefmt="[%X]", handlers=[handler])
    for name in ("apscheduler", "alembic", "aiosmtplib", "mail.log", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


def logging_as_here() -> Callable[[], None]:
    """What makes a new process log as :func:`configure_logging` made this one; can be pickled."""
    return partial(configure_logging, verbose=logging.getLogger().level == logging.DEBUG)


def print_error(error: DigestError) -> None:
    """What happened, and what to do about it."""
    err.print(f"[bold red]digest:[/] {escape(error.message)}", soft_wrap=True)
    if error.hint:
        err.print(f"        {escape(error.hint)}", style="dim", soft_wrap=True)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def progress(what: str, unit: str) -> Iterator[Update]:
    """A bar on a terminal, one line every few seconds elsewhere; call with done, total, detail."""
    if err.is_terminal:
        with _bar(what) as update:
            yield update
        return
    began = last = monotonic()

    def line(done: int, total: int | None, detail: str) -> None:
        nonlocal last
        if monotonic() - last >= EVERY_SECONDS:
            last = monotonic()
            of = f" of {total:,}" if total else ""
            text = f"{what}: {done:,}{of} {unit} {detail} after {last - began:.0f} s"
            err.print(" ".join(text.split()))

    yield line


@contextmanager
def _bar(what: str) -> Iterator[Update]:
    """A bar that starts at its first update: it has a thread, and workers are forked before."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    task = bar.add_task(what, total=None, detail="")

    def update(done: int, total: int | None, detail: str) -> None:
        bar.start()
        bar.update(task, completed=done, total=total, detail=detail)

    try:
        yield update
    finally:
        bar.stop()


def describe(states: Mapping[tuple[str, str], int]) -> list[str]:
    """Lines like “29 sent” and “1 skipped (quiet)”, the good news first."""
    order = list(_WORDS)
    rows = sorted(states.items(), key=lambda row: (order.index(State(row[0][0])), -row[1], row[0]))
    return [
        f"{count:,} {_WORDS[State(state)]}{f' ({reason})' if reason else ''}"
        for (state, reason), count in rows
    ]


def print_report(report: Report, seconds: float, where: str, *, dry: bool = False) -> None:
    """What a run did, and where to look."""
    if report.recovered.returned or report.recovered.in_doubt:
        out.print(
            f"An earlier run had died: {report.recovered.returned:,} claims were taken back, "
            f"{report.recovered.in_doubt:,} mails are in doubt."
        )
    for line in describe(report.states):
        out.print(line)
    if report.total and not dry:
        sent = report.states[State.SENT, ""]
        rate = f" ({sent / max(seconds, 1e-9):,.0f} mails a second)" if sent else ""
        out.print(f"in {seconds:.1f} s{rate}")
        if sent:
            out.print(where, soft_wrap=True)
    if report.interrupted:
        err.print("Interrupted: what was not sent is still pending; the next send goes on.")
    if report.stopped is not None:
        print_error(report.stopped)
    states = {state for state, _ in report.states}
    if states & {State.FAILED, State.DEFERRED, State.UNKNOWN}:
        again = " Failed ones again: --retry-failed." if State.FAILED in states else ""
        out.print(f"Why, for one user: digest explain USER.{again}")


_DECIDED = {
    Decision.RESEND: "pending again: the next send takes them",
    Decision.SENT: "recorded as sent",
    Decision.GIVE_UP: "given up; only --retry-failed opens them again",
}


def print_next_attempt(at: datetime | None) -> None:
    """From when a later send takes what was deferred, if anything was."""
    if at is not None:
        # Rounded up: a send at the minute that is named must find something to do.
        minute = (at + timedelta(seconds=59)).astimezone(UTC)
        out.print(
            f"Deferred ones are offered again from {minute:%Y-%m-%d %H:%M} UTC, by the daemon or "
            "the next digest send.",
            soft_wrap=True,
        )


def print_doubt(number: int) -> None:
    """That somebody has to look, if so."""
    if number:
        what = "1 mail is" if number == 1 else f"{number:,} mails are"
        out.print(f"{what} in doubt. Which, and what to do about it: digest settle", soft_wrap=True)


def print_settled(decision: Decision | None, number: int, left: Mapping[str, Any]) -> None:
    """What was decided, and what is still in doubt."""
    if decision is not None:
        out.print(f"{number:,} {_DECIDED[decision]}")
    if left["deliveries"]:
        print_members(left["deliveries"], left["in_doubt"])
        out.print("Grep the mail server's log, then: digest settle --sent, --resend or --give-up")
    elif decision is None:
        out.print("Nothing is in doubt.")
    elif not number:
        out.print("None was in doubt there. Which are: digest settle")


def print_members(rows: Sequence[Mapping[str, Any]], total: int) -> None:
    """Users in one state, a line each: what happened, and what the server said last."""
    for row in rows:
        words = [row["user"], row["week"], row.get("reason", "")]
        if row.get("since"):
            words.append(f"since {datetime.fromisoformat(row['since']):%Y-%m-%d %H:%M} UTC")
        words += [row.get("message_id") or "", row.get("reply", "")]
        out.print(escape("  ".join(word for word in words if word)), soft_wrap=True)
    if total > len(rows):
        out.print(f"and {total - len(rows):,} more")


def print_pruned(gone: Mapping[str, int], *, dry: bool) -> None:
    """What was deleted, or would be."""
    for name, rows in sorted(gone.items()):
        out.print(f"{rows:,} rows of {name} {'would go' if dry else 'are gone'}")
    if not gone:
        out.print("Nothing to prune: the KEEP_…_WEEKS keep all there is.")


def print_nobody(place: str) -> None:
    """That there are no users, and where: it may be another database than is meant."""
    out.print(f"There is nobody to write to in {escape(place)}.", soft_wrap=True)
    out.print(
        "First digest import, or digest demo; or start where its database is, or set DATABASE_URL."
    )


def print_nothing(standing: Mapping[tuple[str, str], int], week: str | None) -> None:
    """Why a send had nothing to do."""
    said = ", ".join(describe(standing)) or "nobody was planned"
    out.print(f"Nothing to send: of {week or 'the last full week'} {said}.", soft_wrap=True)
    out.print("A mail goes once per user and week; the next sends: digest schedule")


def print_status(status: Mapping[str, Any]) -> None:
    """Counts per state, with their reasons; the sum is the audience."""
    table = Table(title=f"Week {status['week']}", title_justify="left", show_edge=False)
    table.add_column("state")
    table.add_column("users", justify="right")
    table.add_column("reason")
    for state, count in status["states"].items():
        prefix = f"{state}:"
        reasons = [
            f"{why.removeprefix(prefix)} {number:,}"
            for why, number in status["reasons"].items()
            if why.startswith(prefix)
        ]
        table.add_row(state, f"{count:,}", ", ".join(reasons))
    table.add_section()
    table.add_row("audience", f"{status['audience']:,}", "")
    out.print(table)
    print_doubt(status["states"].get(State.UNKNOWN, 0))


def print_explanation(explanation: Mapping[str, Any]) -> None:
    """Every gate in order, the one that decided, and the sections of the mail."""
    head = f"{explanation['user']}, week {explanation['period']}: [bold]{explanation['state']}[/]"
    out.print(head + (f" ({escape(explanation['reason'])})" if explanation["reason"] else ""))
    for gate in explanation["gates"]:
        sign = "[green]yes[/]" if gate["passed"] else "[red]no [/]"
        decided = "  ← decided" if gate["name"] == explanation["decided_by"] else ""
        out.print(f"  {sign}  {gate['name']}: {escape(gate['fact'])}{decided}", soft_wrap=True)
    if explanation["state"] == State.UNKNOWN:
        which = f"--user {explanation['user']} --week {explanation['period']}"
        out.print(
            f"  To say what became of it: digest settle {escape(which)} --sent, --resend or "
            "--give-up",
            soft_wrap=True,
        )
    for bounce in explanation["bounces"]:
        told = f"{bounce['class']} {bounce['status']} on {bounce['received_at'][:10]}"
        out.print(f"  came back: {escape(told)}: {escape(bounce['why'])}", soft_wrap=True)
    for one in explanation["editing"]:
        place = "in the mail" if one["in"] else "not in it  "
        told = ", and its fact is the subject" if one["subject"] else ""
        out.print(f"  {place}  {one['section']}: {one['why']}{told}", soft_wrap=True)


def print_backtest(weeks: Sequence[Mapping[str, Any]]) -> None:
    """One block per rebuilt week: who would get what, how large, and what differs."""
    for week in weeks:
        states = ", ".join(f"{name.replace(':', ' ')} {n:,}" for name, n in week["states"].items())
        out.print(f"[bold]{week['week']}[/]  {escape(states) or 'nobody'}", soft_wrap=True)
        for name in ("sections", "subjects"):
            said = ", ".join(f"{part} {count:,}" for part, count in week[name].items())
            out.print(f"  {name}: {said}", soft_wrap=True)
        size = week["html_bytes"]
        if size["largest"]:
            largest = f"largest {size['largest']:,} ({escape(size['user'])})"
            out.print(f"  HTML: {size['median']:,} bytes typical, {largest}", soft_wrap=True)
        if week["compared"]:
            out.print(f"  of {week['compared']:,} mails made before {week['changed']:,} differ")
        for change in week["changes"]:
            out.print(f"    {escape(change['user'])}: {escape(_change(change))}", soft_wrap=True)


def _change(change: Mapping[str, Any]) -> str:
    parts = [f"{name} {then} → {now}" for name, (then, now) in change["figures"].items()]
    parts += [f"without {name}" for name in change["gone"]]
    return ", ".join([*parts, *(f"with {name}" for name in change["new"])])


def print_bounces(rows: Sequence[Row]) -> None:
    """One line per mail, and how many there were of each class."""
    table = Table(show_edge=False)
    for name in ("file", "class", "status", "recipient", "action", "why"):
        table.add_column(name, overflow="fold")
    for row in rows:
        told = row.as_json()
        sent = f"{told['delivery']['user']} {told['delivery']['period']}" if row.done.sent else ""
        table.add_row(
            *(escape(str(told[name] or "")) for name in ("file", "class", "status", "recipient")),
            escape(f"{told['action']} {sent}".strip()),
            escape(told["why"][:200]),
        )
    if rows:
        out.print(table)
    counted = Counter(row.report.kind.value for row in rows)
    said = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counted.items()))
    out.print(f"{len(rows):,} mails{f': {said}' if said else ''}.")


def print_schedule(rows: list[dict[str, str]], now: datetime) -> None:
    """The next sends, in order of time."""
    table = Table(show_edge=False)
    for name in ("user", "local time", "zone", "UTC", "in"):
        table.add_column(name)
    for row in rows:
        left = datetime.fromisoformat(row["utc"]) - now
        hours = left.total_seconds() / 3600
        away = f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"
        utc = datetime.fromisoformat(row["utc"])
        local = datetime.fromisoformat(row["local"])
        table.add_row(
            escape(row["user"]),
            f"{local:%a %d %b %Y %H:%M %z}",
            row["timezone"],
            f"{utc:%d %b %H:%M}",
            away,
        )
    out.print(table)


def print_checks(found: list[Finding]) -> None:
    """One line per thing looked at; where something is wrong, what to do about it."""
    for finding in found:
        if finding.problem is None:
            out.print(f"[green]ok[/]   {finding.name}: {escape(finding.fact)}", soft_wrap=True)
        else:
            sign = "[red]wrong[/]" if finding.is_wrong else "[yellow]note[/] "
            out.print(f"{sign} {finding.name}: {escape(finding.problem.message)}", soft_wrap=True)
            if finding.problem.hint:
                out.print(f"      {escape(finding.problem.hint)}", style="dim", soft_wrap=True)


def print_import(report: ingest.Report) -> None:
    """What was read, what it changed, and the first of what went wrong."""
    table = Table(show_edge=False)
    table.add_column("table")
    table.add_column("rows read", justify="right")
    table.add_column("new or changed", justify="right")
    for name, tally in report.tables.items():
        table.add_row(name, f"{tally.read:,}", f"{tally.changed:,}")
    out.print(table)
    for problem in report.problems:
        err.print(escape(str(problem)), soft_wrap=True)
    if report.rejected:
        err.print(f"Rejected rows: {report.rejected:,}, kept in {report.rejects}")
    if report.mended:
        err.print(f"Rows kept after mending: {report.mended:,}")
    if not report.changed:
        out.print("Nothing new: all of it was here already.")
