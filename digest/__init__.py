"""Tells every author, once a week, by e-mail: who saw what you posted, and what did best.

As a library it offers what the command line does::

    from digest import Database, load_settings, preview, workshop

    settings = load_settings()
    database = Database(settings.database_url)
    mail = preview(workshop(database, settings), "alice", "2026-W46", now)
    print(mail.snapshot.views, mail.mail.rendered.subject)

``now`` is an argument everywhere: an aware datetime, or a function that gives one.

Names are loaded when they are first used, so that importing the package stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digest.compose import Snapshot
    from digest.config import Settings
    from digest.config import load as load_settings
    from digest.database import Database
    from digest.deciding import Workshop, workshop
    from digest.errors import DigestError
    from digest.facts import Batch
    from digest.ledger import Scope
    from digest.look import explain, preview, status
    from digest.planning import plan_week
    from digest.run import Report
    from digest.sections import Section
    from digest.subscriptions import enrol
    from digest.window import Period
    from digest.workers import send

__all__ = [
    "Batch",
    "Database",
    "DigestError",
    "Period",
    "Report",
    "Scope",
    "Section",
    "Settings",
    "Snapshot",
    "Workshop",
    "enrol",
    "explain",
    "load_settings",
    "plan_week",
    "preview",
    "send",
    "status",
    "workshop",
]

_HOMES = {
    "Batch": "facts",
    "Database": "database",
    "DigestError": "errors",
    "Period": "window",
    "Report": "run",
    "Scope": "ledger",
    "Section": "sections",
    "Settings": "config",
    "Snapshot": "compose",
    "Workshop": "deciding",
    "enrol": "subscriptions",
    "explain": "look",
    "load_settings": "config",
    "plan_week": "planning",
    "preview": "look",
    "send": "workers",
    "status": "look",
    "workshop": "deciding",
}
_NAMES_THERE = {"load_settings": "load"}


def __getattr__(name: str) -> Any:
    """Load ``name`` from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), _NAMES_THERE.get(name, name))
    globals()[name] = found
    return found
