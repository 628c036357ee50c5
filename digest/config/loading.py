"""The settings of this process, and what else its environment says."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr, ValidationError

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
        raise _in_words(error.errors()[0]) from error
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


def _in_words(error: Mapping[str, Any]) -> ConfigError:
    """What pydantic says of a setting, as a sentence with the value that was given."""
    name = str(error["loc"][0]) if error["loc"] else "settings"
    field = Settings.model_fields.get("sender" if name == FROM else name)
    if field is not None:
        said = _sentence(error, secret=_is_secret(name, field.annotation))
        return ConfigError(setting_name(name), said, hint=field.description or "")
    if isinstance(error["input"], dict):
        return ConfigError(
            str(FILE),
            "settings stand at top level, without a table",
            hint=f"leave the line [{name}] out",
        )
    hint = _did_you_mean(name, {setting_name(known) for known in Settings.model_fields})
    return ConfigError(setting_name(name), "is not a setting", hint=hint)


def _sentence(error: Mapping[str, Any], *, secret: bool) -> str:
    said, given = str(error["msg"]).removeprefix("Value error, "), f"“{error['input']}”"
    for subject in ("Input should ", "String should "):
        if said.startswith(subject):
            said = "must " + said.removeprefix(subject)
    if secret or isinstance(error["input"], (dict, list)) or given in said:
        return said
    return f"{given} {said}" if said.startswith("must ") else f"{given}: {said}"


def _is_secret(name: str, annotation: Any) -> bool:
    """Whether the value may hold a password; so may the URL of a database."""
    return name == "database_url" or SecretStr in (annotation, *get_args(annotation))


def _did_you_mean(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name.upper(), sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else "see docs/configuration.md"
