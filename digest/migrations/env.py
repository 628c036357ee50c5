"""Runs the migrations on the connection that :mod:`digest.database` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel import AutoString, SQLModel

from digest.models import UtcDateTime


def _plain(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write column types that need nothing of ours: a migration must outlive the models."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_item=_plain,
)
with context.begin_transaction():
    context.run_migrations()
