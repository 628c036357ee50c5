"""Compiled templates on disk: to inline and compile them anew would be half of every start.

Each file's name is a hash of all that it was made from, so nothing old is ever read, and the folder
may be deleted at any time. Like Python's own ``__pycache__`` they are code: a file that somebody
else owns, or could have written, is not read. Where nothing can be kept, all is made anew.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from types import CodeType

KEPT = 40
"""How many files stay: a few versions in all languages."""
_MADE_BY = ("compiled", "emitting", "inline", "mirroring", "sentences", "templating")
"""The modules that make them."""
_LIBRARIES = ("jinja2", "premailer", "cssutils", "lxml")


def named(parts: Iterable[str]) -> str:
    """The name of what is made from ``parts`` by this program and these libraries."""
    here = Path(__file__).parent
    makers = [(here / f"{module}.py").read_text("utf-8") for module in _MADE_BY]
    whole = [sys.version, *map(version, _LIBRARIES), *makers, *parts]
    return sha256("\0".join(f"{len(part)} {part}" for part in whole).encode("utf-8")).hexdigest()


def kept(
    folder: Path | None, name: str, make: Callable[[], dict[str, CodeType]]
) -> dict[str, CodeType]:
    """The code of each template, as it was kept in ``folder``, or made now and kept."""
    found = _load(folder / name) if folder else None
    if found is None and folder and threading.active_count() == 1 and _may_keep(folder):
        _make_apart(folder, name, make)
        found = _load(folder / name)
    if found is None:
        found = make()
        if folder:
            _keep(folder, name, found)
    return found


def _make_apart(folder: Path, name: str, make: Callable[[], dict[str, CodeType]]) -> None:
    """Make it in a copy of this process: the 20 MiB that inlining needs are given back at its end.

    If it fails for any reason nothing is kept, and this process will see the reason for itself.
    """
    try:
        copy = os.fork()
    except OSError:  # there is no room for another process
        return
    if copy:
        with suppress(ChildProcessError):  # whoever started us may have said that none is reported
            os.waitpid(copy, 0)
        return
    try:
        _keep(folder, name, make())
    finally:
        os._exit(0)


def _load(file: Path) -> dict[str, CodeType] | None:
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if found.st_uid != os.geteuid() or others:
                return None
            codes = marshal.loads(opened.read())  # noqa: S302 - ours, as just seen
        os.utime(file)  # what is in use stays
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return dict(codes) if isinstance(codes, dict) else None


def _may_keep(folder: Path) -> bool:
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    return False


def _keep(folder: Path, name: str, codes: Mapping[str, CodeType]) -> None:
    """In place of what was not used for longest."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as new:
            new.write(marshal.dumps(dict(codes)))
        Path(new.name).replace(folder / name)
        by_age = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in by_age[KEPT:]:
            old.unlink(missing_ok=True)
