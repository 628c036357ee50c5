"""The program: its exit codes, and how every error ends.

Exit codes: 0 done; 1 done, or stopped on the way, but some rows or mails are left; 2 wrong usage or
configuration, or what is needed is not there, and nothing was sent; 130 interrupted.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from digest import config, console
from digest.errors import DigestError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Tells every author, once a week, by e-mail: who saw what you posted, what did best.",
)
FACTS, SENDING, LOOKING, SERVING = "Facts", "Sending", "Looking", "Serving"
"""The groups of commands in the help."""


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


def _say_version(wanted: bool) -> None:
    if wanted:
        console.out.print(f"digest {version('digest')}")
        raise typer.Exit


def _exit(code: int, **_: object) -> None:
    """What a command returns is the exit code."""
    raise typer.Exit(code)


@app.callback(result_callback=_exit)
def _common(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="log more")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="say it, and exit"),
    ] = False,
) -> None:
    console.configure_logging(verbose=verbose)
    config.arm_faults()
