"""Whether mail programs can show an HTML text as it is meant."""

from __future__ import annotations

from dataclasses import dataclass

from digest.clients.support import CLIENTS, CLOSED, HTML_LIMIT, STYLE_LIMIT, TABLE
from digest.clients.uses import Feature, Use, Uses

_WORDS = {
    "element": "the element <{}>",
    "attribute": "the attribute “{}”",
    "property": "the property “{}”",
    "function": "the function “{}()”",
    "unit": "the unit “{}”",
    "meta": "the <meta> “{}”",
    "at-rule": "the rule “@{}”",
    "media-feature": "the media feature “{}”",
    "selector": "the selector “{}”",
    "comment": "the comment “{}”",
    "!important": "“!important” {}",
}


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Something that mail programs do not support, where it stands, and what is the matter."""

    what: str
    place: str
    why: str

    def __str__(self) -> str:
        where = f" in “{self.place}”" if self.place else ""
        return f"{self.what}{where}: {self.why}"


def unsupported(html: str) -> list[Unsupported]:
    """What ``html`` uses and should not, each once, with the first place where it stands.

    Right is what the table of ``support.toml`` has a row of, and what every program supports that
    comes to it or that the mail gets on without.
    """
    uses = Uses(html)
    found: dict[tuple[Feature, str], Unsupported] = {}
    for use in uses.found:
        why = _matter(use)
        if why:
            found.setdefault((use.feature, why), Unsupported(_named(use.feature), use.place, why))
    return [*found.values(), *_too_long(html, uses.style)]


def _matter(use: Use) -> str:
    """What is wrong with this use; "" where nothing is."""
    row = TABLE.get(use.feature)
    if row is None:
        if use.feature.kind.startswith("value.") and use.feature.kind not in CLOSED:
            return ""
        return "it is not in the table of what mail programs support"
    lacking = [
        name
        for client, name in CLIENTS.items()
        if row.lacks(client, use.element) and _comes_to(client, use)
    ]
    if not lacking or row.falls_back(use.element):
        return ""
    return f"not supported by {', '.join(lacking)}"


def _comes_to(client: str, use: Use) -> bool:
    """Whether the program knows everything around the use, and so reads it at all."""
    around = (TABLE.get(feature) for feature in use.within)
    return all(row is None or not row.lacks(client, "") for row in around)


def _named(feature: Feature) -> str:
    _, value, name = feature.kind.partition("value.")
    if value:
        return f"“{name}: {feature.name}”"
    return _WORDS[feature.kind].format(feature.name)


def _too_long(html: str, style: str) -> list[Unsupported]:
    sizes = (
        ("the HTML", len(html.encode()), HTML_LIMIT),
        ("all that is in <style>", len(style.encode()), STYLE_LIMIT),
    )
    return [
        Unsupported(what, "", f"{size:,} bytes are more than the {limit:,} that are shown whole")
        for what, size, limit in sizes
        if size >= limit
    ]
