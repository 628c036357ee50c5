"""The table of ``support.toml`` as values: which mail program supports what, and what it costs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One feature.

    ``lacking`` names the programs that do not support it, with the elements on which they do all
    the same; ``fallbacks`` says how a mail gets on without, by element ("" for every element).
    """

    source: str
    lacking: Mapping[str, frozenset[str]]
    fallbacks: Mapping[str, str]

    def lacks(self, client: str, element: str) -> bool:
        """Whether ``client`` does not support it on ``element``; "" is an unknown element."""
        return client in self.lacking and element not in self.lacking[client]

    def falls_back(self, element: str) -> bool:
        """Whether a mail gets on without it on ``element``."""
        return "" in self.fallbacks or element in self.fallbacks


def _row(written: Mapping[str, Any]) -> Row:
    known = dict(written)
    source, fallback = known.pop("source"), known.pop("fallback", {})
    on = {client: frozenset[str](() if said == "no" else said) for client, said in known.items()}
    return Row(source, on, {"": fallback} if isinstance(fallback, str) else fallback)


def _rows(kinds: Mapping[str, Any]) -> dict[tuple[str, str], Row]:
    """By kind and name; the words of a property have the kind ``value.margin``."""
    values = {f"value.{name}": rows for name, rows in kinds["value"].items()}
    named = {kind: rows for kind, rows in kinds.items() if kind != "value"} | values
    return {
        (kind, name): _row(written)
        for kind, rows in named.items()
        for name, written in rows.items()
    }


_WRITTEN = tomllib.loads(
    resources.files("digest.clients").joinpath("support.toml").read_text("utf-8")
)
CLIENTS: Mapping[str, str] = _WRITTEN.pop("clients")
"""The programs, with the names that people know them by."""
_LIMITS = _WRITTEN.pop("limit")
HTML_LIMIT: int = _LIMITS["html"]
"""Bytes of an HTML part; what is longer is cut."""
STYLE_LIMIT: int = _LIMITS["style"]
"""Bytes of all ``<style>`` of a mail; what is longer is dropped."""
TABLE: Mapping[tuple[str, str], Row] = _rows(_WRITTEN)
CLOSED: frozenset[str] = frozenset(kind for kind, _ in TABLE if kind.startswith("value."))
"""The kinds of words of which only those in the table may be used."""
