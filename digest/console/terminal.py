"""The two consoles: errors, logs and progress on one, results on the other, or JSON there."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from digest.errors import DigestError

EVERY_SECONDS = 5
"""How often long work says where it is when nobody watches a bar."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Update = Callable[[int, int | None, str], None]


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
