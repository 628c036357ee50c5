"""What the command line says: tables, progress, summaries. Words go to people, JSON to programs."""

from digest.console.facts import print_bounces, print_import, print_pruned
from digest.console.looking import (
    print_backtest,
    print_checks,
    print_explanation,
    print_schedule,
    print_status,
)
from digest.console.sending import (
    describe,
    print_doubt,
    print_members,
    print_next_attempt,
    print_nobody,
    print_nothing,
    print_report,
    print_settled,
)
from digest.console.terminal import (
    configure_logging,
    err,
    logging_as_here,
    out,
    print_error,
    print_json,
    progress,
)

__all__ = [
    "configure_logging",
    "describe",
    "err",
    "logging_as_here",
    "out",
    "print_backtest",
    "print_bounces",
    "print_checks",
    "print_doubt",
    "print_error",
    "print_explanation",
    "print_import",
    "print_json",
    "print_members",
    "print_next_attempt",
    "print_nobody",
    "print_nothing",
    "print_pruned",
    "print_report",
    "print_schedule",
    "print_settled",
    "print_status",
    "progress",
]
