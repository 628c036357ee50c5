"""Commands that stay: the daemon and the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from socket import socket
from typing import Annotated

import typer

from digest import checks, config, console, process
from digest.cli.app import SERVING, app
from digest.cli.opening import clock, opened
from digest.cli.options import Host, Port
from digest.config import Settings
from digest.database import Database
from digest.deciding import workshop
from digest.run import Report


@app.command(rich_help_panel=SERVING)
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
    with opened(settings) as database, ExitStack() as open_until_the_end:
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
                await scheduler.serve(shop, clock, stop, done=_log_report)

        process.tune_memory()
        process.until_stopped(main)
    return 0


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


def _log_report(report: Report) -> None:
    for line in console.describe(report.states):
        console.err.print(line)
    if report.stopped is not None:
        console.print_error(report.stopped)


@app.command(rich_help_panel=SERVING)
def web(host: Host = "127.0.0.1", port: Port = 8025) -> int:
    """Serve the pages: unsubscribe, mails in the browser, and the kept mails for the operator."""
    from digest import web as pages

    settings = config.load()
    with opened(settings) as database:
        console.out.print(f"Pages: http://{host}:{port}/ (stop with Ctrl-C)")
        pages.serve(settings, database, host, port)
    return 0
