"""Where settings stand besides the environment: ``digest.toml``, and files of a secret each."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic_settings import PydanticBaseSettingsSource

from digest.errors import ConfigError

PREFIX = "DIGEST_"
FROM = PREFIX + "FROM"  # `from` is a word of Python, so the field has another name
FILE = Path("digest.toml")


def setting_name(field: str) -> str:
    """What the operator calls the field: its name in capitals, as in ``DIGEST_`` + name."""
    return "FROM" if field in {"sender", FROM} else field.upper()


class TomlFile(PydanticBaseSettingsSource):
    """``digest.toml``: names in either case."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the file is read whole."""
        raise AssertionError(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """What the file says, if there is one."""
        if FILE.is_dir():
            raise ConfigError(
                str(FILE), "is a folder", hint="settings stand in a file of this name"
            )
        if not FILE.exists():
            return {}
        with FILE.open("rb") as file:
            values = {name.lower(): value for name, value in tomllib.load(file).items()}
        if "from" in values:
            values[FROM] = values.pop("from")
        return values


class SecretFiles(PydanticBaseSettingsSource):
    """``DIGEST_<NAME>_FILE``: the value stands in that file."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the environment is read whole."""
        raise AssertionError(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """What stands in the files that the environment names."""
        paths = {
            field: os.environ.get(f"{PREFIX}{setting_name(field)}_FILE")
            for field in self.settings_cls.model_fields
        }
        return {
            FROM if field == "sender" else field: _value_in(Path(path), setting_name(field))
            for field, path in paths.items()
            if path
        }


def _value_in(path: Path, setting: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{setting}_FILE", str(error), hint="it must name a readable text file"
        ) from error
