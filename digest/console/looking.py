"""What is said to whoever looks: at a week, at one user, at what comes next, at what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from digest.checks import Finding
from digest.console.sending import print_doubt
from digest.console.terminal import out
from digest.models import State


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
