"""The sections of each mail, so that the next one can tell something else."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snapshots", sa.Column("told", sa.String(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("snapshots", "told")
