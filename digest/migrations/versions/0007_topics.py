"""What topics readers do not want the mail to be about."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "omissions",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("omitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_omissions_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", "topic", name=op.f("pk_omissions")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("omissions")
