"""The key that is made once, where no setting gives one."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from digest.errors import ConfigError


def kept(path: Path) -> bytes:
    """The key in the file ``path``, which is made if it is not there."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _keep(secrets.token_urlsafe(32).encode(), path)
        return path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            "SECRET_KEY", f"cannot be kept: {error}", hint="set it, or make VAR writable"
        ) from error


def _keep(key: bytes, path: Path) -> None:
    """Write ``path`` whole or not at all, and never over a key that another process has made."""
    handle, name = tempfile.mkstemp(dir=path.parent)  # readable by its owner only
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
