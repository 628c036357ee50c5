"""Notes in JSON, which some hosted mail services send by mail instead of a bounce.

Amazon SES writes them through SNS: a JSON text within a JSON text, wrapped by the mail and so not
always JSON any more. Only a few fields are wanted, so they are looked for rather than parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TYPE = re.compile(r'"(?:notificationType|eventType)" ?: ?"(\w{1,40})"')
_RECIPIENTS = re.compile(r'"(?:bouncedRecipients|complainedRecipients)" ?: ?\[')
_FIELD = re.compile(r'"(emailAddress|status|action|diagnosticCode)" ?: ?"([^"]{0,1000})"')


@dataclass(frozen=True, slots=True)
class Note:
    """``kind`` is ``bounce``, ``complaint``, ``delivery`` …; one mapping of fields a recipient."""

    kind: str
    recipients: tuple[dict[str, str], ...]


def note(text: str) -> Note | None:
    """The note that ``text`` is, if it is one."""
    if not text.lstrip().startswith("{"):
        return None
    flat = re.sub(r"!?\n ?", "", text.replace('\\"', '"'))
    kind, people = _TYPE.search(flat), _RECIPIENTS.search(flat)
    if kind is None:
        return None
    each = flat[people.end() :].partition("]")[0].split("}")[:100] if people else []
    fields = tuple(dict(_FIELD.findall(one)) for one in each)
    return Note(kind[1].lower(), tuple(one for one in fields if "emailAddress" in one))
