"""The settings of this process, and what else its environment says."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from digest import faults
from digest.config.settings import Settings
from digest.config.sources import FILE, FROM, PREFIX, setting_name
from digest.errors import ConfigError, DigestError

FAULT = "FAULT"
"""Where a test asks the process to die (``DIGEST_FAULT``): no setting, and in no file."""


def load(**overrides: Any) -> Settings:
    """The settings of this process; a :class:`ConfigError` names the first that cannot work."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(setting_name(name), message, hint=_hint(name)) from error
    except DigestError:
        raise
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            str(FILE), str(error), hint="it must be readable and valid TOML"
        ) from error


def cache_folder() -> Path | None:
    """Where to keep what can be made anew (XDG Base Directory); None for a user without a home."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(root) if Path(root).is_absolute() else Path.home() / ".cache") / "digest"
    except RuntimeError:
        return None


def arm_faults() -> None:
    """Let this process die at the point that ``DIGEST_FAULT`` names, if it names one."""
    faults.arm(os.environ.get(PREFIX + FAULT, ""))


def unknown_environment() -> list[ConfigError]:
    """Variables that look like settings and are none: most likely spelling mistakes."""
    known = {setting_name(field) for field in Settings.model_fields}
    found = []
    for variable in sorted(os.environ):
        name = variable.removeprefix(PREFIX).removesuffix("_FILE")
        if variable.startswith(PREFIX) and name not in {*known, FAULT}:
            found.append(ConfigError(variable, "is not a setting", hint=_did_you_mean(name, known)))
    return found


def _hint(field: str) -> str:
    known = Settings.model_fields.get("sender" if field == FROM else field)
    return (
        (known.description or "")
        if known
        else _did_you_mean(field.upper(), {setting_name(name) for name in Settings.model_fields})
    )


def _did_you_mean(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name.upper(), sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else "see docs/configuration.md"
