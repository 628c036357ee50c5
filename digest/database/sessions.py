"""Sessions: to read, to write, and to import much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeVar

from sqlalchemy import Connection
from sqlmodel import Session

from digest.database import engines, migrating
from digest.database.patience import Patience
from digest.database.trouble import translated

_T = TypeVar("_T")
PATIENCE_SECONDS = 600.0


class Database:
    """One database: ``reading()`` and ``writing()`` open a session in a transaction."""

    def __init__(self, url: str, *, patience: float = PATIENCE_SECONDS) -> None:
        """Prepare the engine for ``url``; nothing is opened yet.

        ``patience`` is for how many seconds trouble that may pass is waited for.
        """
        self.engine = engines.open_engine(url)
        self._reader, self._writer = engines.reading(self.engine), engines.writing(self.engine)
        self._patience = Patience(patience)
        self._background = _one_thread()

    def __str__(self) -> str:
        """Where it is, without the password."""
        return self.engine.url.render_as_string(hide_password=True)

    @property
    def place(self) -> str:
        """Where it is, without the password; a file by its whole path."""
        url = self.engine.url
        is_file = url.get_backend_name() == "sqlite" and url.database
        return str(Path(url.database or "").absolute()) if is_file else str(self)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database and changes nothing."""
        with translated(self.engine), Session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits at the end, or leaves no trace."""
        with translated(self.engine), Session(self._writer) as session, session.begin():
            yield session

    @contextmanager
    def loading(self, *, whole: bool = False) -> Iterator[Load]:
        """One connection for a large import; its temporary tables outlive its transactions.

        ``whole`` makes everything one transaction: all of it is kept, or nothing.
        """
        with translated(self.engine), self.engine.connect() as connection:
            load = Load(connection, whole=whole)
            if not whole:
                yield load
                return
            with load.transaction(writes=True):
                yield load

    def patiently(self, work: Callable[[], _T], hurried: Callable[[], bool]) -> _T:
        """Do ``work``, which may be done twice: again and again while the database is in trouble.

        Raises the last :class:`~digest.errors.DatabaseUnavailable` when patience is at an end, or
        some seconds after ``hurried`` says yes.
        """
        return self._patience.keep(work, hurried)

    async def in_background(self, work: Callable[[], _T], hurried: Callable[[], bool]) -> _T:
        """:meth:`patiently` in a thread, one after the other; the event loop goes on meanwhile.

        Who is cancelled waits for the thread all the same: it holds a connection, which nobody may
        close under it or forget.
        """
        left, loop = Event(), asyncio.get_running_loop()
        task = partial(self.patiently, work, lambda: left.is_set() or hurried())
        future = loop.run_in_executor(self._background, task)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            left.set()
            await asyncio.wait([future])
            future.exception()  # nobody else will ask
            raise
        return future.result()

    def migrate(self) -> None:
        """Bring the tables to what this version needs; an empty database gets all of them."""
        with translated(self.engine), self._writer.begin() as connection:
            migrating.migrate(connection)

    def close(self) -> None:
        """Give every connection back, and the thread: a process may be copied after it."""
        self._background.shutdown(wait=False)
        self._background = _one_thread()
        self.engine.dispose()


def _one_thread() -> ThreadPoolExecutor:
    """For background work, and not the loop's own threads.

    Those can come to be several, and where the C library gives each a heap of its own, what a
    batch needed is hardly given back from any.
    """
    return ThreadPoolExecutor(1, thread_name_prefix="database")


class Load:
    """The transactions of a large import: staging takes no lock, storing takes it for moments."""

    def __init__(self, connection: Connection, *, whole: bool) -> None:
        """Work on ``connection``; with ``whole`` its one transaction is the caller's."""
        self.session = Session(connection)
        self.whole = whole
        self._connection = connection

    @contextmanager
    def staging(self) -> Iterator[Session]:
        """A transaction that writes to temporary tables only, however long it takes."""
        with nullcontext() if self.whole else self.transaction(writes=False):
            yield self.session

    @contextmanager
    def storing(self) -> Iterator[Session]:
        """A transaction that writes to the real tables; keep it short."""
        with nullcontext() if self.whole else self.transaction(writes=True):
            yield self.session

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:
        """Begin in the way ``writes`` needs, and commit at the end."""
        self._connection.execution_options(writes=writes)
        with self.session.begin():
            yield
