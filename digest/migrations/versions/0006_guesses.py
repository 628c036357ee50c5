"""What authors guessed before they were told."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guesses",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("post_id", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("value > 0", name=op.f("ck_guesses_positive")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_guesses_user_id_users")),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_guesses_post_id_posts")),
        sa.PrimaryKeyConstraint("user_id", "post_id", name=op.f("pk_guesses")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_guesses_at"), "guesses", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_guesses_at"), table_name="guesses")
    op.drop_table("guesses")
