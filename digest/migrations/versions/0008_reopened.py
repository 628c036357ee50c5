"""When a delivery was opened again: only then does it begin to be late."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("reopened_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("deliveries", "reopened_at")
