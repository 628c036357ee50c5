"""The daemon and a mailbox that does not answer: mails go out, and a stop takes moments."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
from pydantic import SecretStr

from digest import scheduler
from digest.models import State
from tests.office import PATIENCE, Office, ended, now, open_office, serving, until, wait_for


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Ann's hour has come; Ben's has not. Both are mailed, however long ago their posts are."""
    always = {"quiet_weeks": "always", "adaptive_cadence": False}
    with open_office(tmp_path, connections=1, tick_seconds=0.05, **always) as office:
        office.enrol("ann", "ben", now=now())
        be_due(office, "ann")
        yield office


def be_due(office: Office, user: str) -> None:
    office.sql(
        "UPDATE subscriptions SET next_due_at = ?, weekday = ?, hour = ? WHERE user_id = ?",
        f"{now():%Y-%m-%d %H:%M:%S.%f}",
        now().weekday(),
        now().hour,
        user,
    )


class Silent:
    """A server that takes every connection and says nothing.

    ``most`` is how many connections were open at the same time.
    """

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.taken, self.most = 0, 0
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"imap://bounces:secret@127.0.0.1:{self.port}/INBOX"

    def __enter__(self) -> Self:
        self._run(threading.Thread(target=self._accept))
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        for thread in self._threads:
            thread.join(10)
        self._listening.close()

    def hang_up(self) -> None:
        """End every conversation; it counts as over before the other side can know."""
        for connection in list(self._open):
            self._open.discard(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _run(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.taken += 1
                self._open.add(connection)
                self.most = max(self.most, len(self._open))
                self._run(threading.Thread(target=self._listen, args=(connection,)))

    def _listen(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while connection.recv(1024):
                pass
        self._open.discard(connection)


def said(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(
        words in record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING
    )


def test_a_silent_mailbox_keeps_no_tick_waiting_and_is_asked_once_at_a_time(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "digest")
    with Silent() as silent, serving() as smtp:
        office.resettle(bounces_url=SecretStr(silent.url))
        shop = replace(office.shop, settings=office.mailing_to(smtp))

        async def main() -> float:
            stop = asyncio.Event()
            daemon = asyncio.create_task(scheduler.serve(shop, now, stop))
            await until(lambda: silent.taken and office.states().get("ann") == State.SENT)
            be_due(office, "ben")  # a later tick's, while the first reading hangs
            await until(lambda: office.states().get("ben") == State.SENT)
            await until(lambda: caplog.text.count("is being read") >= 3)
            assert said(caplog, "is being read") == 1  # the others are for whoever looks closely
            assert silent.taken == 1
            silent.hang_up()
            await until(lambda: silent.taken == 2)
            stop.set()
            began = time.monotonic()
            await daemon
            return time.monotonic() - began

        seconds = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert seconds < scheduler.LEAVE_SECONDS + 10
    assert silent.most == 1
    assert said(caplog, "does not answer, and is left") == 1
    assert "secret" not in caplog.text
    wait_for(lambda: not any(one.name == "bounces" for one in threading.enumerate()))


def test_the_process_ends_within_seconds_while_a_mailbox_is_silent(office: Office) -> None:
    with Silent() as silent, serving() as smtp:
        daemon = office.start(
            "daemon",
            port=smtp.port,
            bounces_url=silent.url,
            tick_seconds=0.1,
        )
        try:
            wait_for(lambda: silent.taken and office.states().get("ann") == State.SENT)
        finally:
            daemon.send_signal(signal.SIGTERM)
        began = time.monotonic()
        end = ended(daemon)
        seconds = time.monotonic() - began
    assert end.code == 0, end.err
    assert seconds < scheduler.LEAVE_SECONDS + 10
    assert "does not answer, and is left" in " ".join(end.err.split())
    assert "Traceback" not in end.err


def test_trouble_with_the_mailbox_is_said_once_while_it_lasts(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    office.resettle(bounces_url=SecretStr("imap://bounces:secret@127.0.0.1:9/INBOX"))

    async def main() -> None:
        stop = asyncio.Event()
        daemon = asyncio.create_task(scheduler.serve(office.shop, now, stop))
        await until(lambda: caplog.text.count("mailbox of bounces on") >= 3)
        stop.set()
        await daemon

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert said(caplog, "mailbox of bounces on") == 1
