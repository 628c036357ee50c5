"""All rules, and the sentences of a mail that break one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tests.claims import journeys, people, sentences, times
from tests.claims.writing import Mail, joined

RULES = [*sentences.RULES, *journeys.RULES, *people.RULES, *times.RULES]


def unfounded(mail: Mail, found: Counter[str]) -> Iterator[str]:
    """Claims that the facts do not carry; ``found`` counts those that were looked at."""
    text = joined(mail.text)
    for rule in RULES:
        for match in re.finditer(rule.pattern, text):
            found[rule.name] += 1
            said = [_known(mail, value) for value in match.groups()]
            if not rule.holds(mail, *said):
                yield f"{rule.name}: {match.group()}"


def _known(mail: Mail, value: str | None) -> str | None:
    """The demo's posts have ids without the letter by which titles are told from names."""
    bare = (value or "").removeprefix("p-")
    return bare if value != bare and bare in mail.ground.posts else value
