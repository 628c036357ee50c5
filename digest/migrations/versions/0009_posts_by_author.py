"""What happened to an author's posts is found through one index, without a look at the posts."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _by_author("author_id", "published_at", "id")
    op.drop_index("ix_posts_author_id_published_at", "posts")


def downgrade() -> None:
    _by_author("author_id", "published_at")
    op.drop_index("ix_posts_author_id_published_at_id", "posts")


def _by_author(*columns: str) -> None:
    op.create_index(op.f("_".join(("ix_posts", *columns))), "posts", columns)
