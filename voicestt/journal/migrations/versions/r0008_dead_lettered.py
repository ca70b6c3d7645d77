"""Dead letters by their name: `laid_aside_at` is `dead_lettered_at`."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Rename the column and its index; conditions of other indexes follow the column."""
    op.drop_index("voicestt_outbox_laid_aside", "voicestt_outbox")
    op.execute("ALTER TABLE voicestt_outbox RENAME COLUMN laid_aside_at TO dead_lettered_at")
    condition = sa.text("dead_lettered_at IS NOT NULL")
    op.create_index(
        "voicestt_outbox_dead_lettered",
        "voicestt_outbox",
        ["destination", "number"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
