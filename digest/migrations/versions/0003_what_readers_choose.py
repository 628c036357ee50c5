"""What readers choose, and whose data were erased."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _chosen() -> list[sa.Column[Any]]:
    return [
        sa.Column("frequency", sa.String(), server_default="weekly", nullable=False),
        sa.Column("counted_from", sa.String(), nullable=True),
        sa.Column("paused_through", sa.String(), nullable=True),
        sa.Column("adaptive", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("chosen_timezone", sa.String(), nullable=True),
        sa.Column("locale", sa.String(), nullable=True),
        sa.Column("hidden", sa.String(), server_default="", nullable=False),
        sa.Column("numbers", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
    ]


def upgrade() -> None:
    for column in _chosen():
        op.add_column("subscriptions", column)


def downgrade() -> None:
    for column in reversed(_chosen()):
        op.drop_column("subscriptions", column.name)
