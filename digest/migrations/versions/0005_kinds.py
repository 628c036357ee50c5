"""What authors say of the kinds of their posts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "corrections",
        sa.Column("post_id", sa.String(), nullable=False),
        sa.Column("guessed", sa.String(), nullable=False),
        sa.Column("chosen", sa.String(), nullable=False),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_corrections_post_id_posts")
        ),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_corrections")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("corrections")
