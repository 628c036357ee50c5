"""Bounces and the addresses they are about."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bounces",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("reported", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("said", sa.String(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_bounces_user_id_users")),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_bounces")),
    )
    op.create_index(op.f("ix_bounces_email_key"), "bounces", ["email_key"], unique=False)
    op.create_index(
        op.f("ix_bounces_user_id_period"), "bounces", ["user_id", "period"], unique=False
    )
    op.add_column("deliveries", sa.Column("sent_to", sa.String(), nullable=True))
    op.create_index(op.f("ix_deliveries_message_id"), "deliveries", ["message_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_deliveries_message_id"), table_name="deliveries")
    op.drop_column("deliveries", "sent_to")
    op.drop_index(op.f("ix_bounces_user_id_period"), table_name="bounces")
    op.drop_index(op.f("ix_bounces_email_key"), table_name="bounces")
    op.drop_table("bounces")
