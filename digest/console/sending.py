"""What is said of mails that were sent, of those still to send, and of those in doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.markup import escape

from digest.console.terminal import err, out, print_error
from digest.ledger import Decision
from digest.models import State
from digest.run import Report

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
