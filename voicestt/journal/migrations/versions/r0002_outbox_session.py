"""Migration 0002: the outbox by session, to find a call's pending events without reading all others.

It is quick however much waits: rows that are there already get their session later, by `Recovery`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column and the indexes."""
    op.add_column("voicestt_outbox", sa.Column("session", sa.Text, nullable=False, server_default=""))
    op.drop_index("voicestt_outbox_pending", "voicestt_outbox")
    _index("voicestt_outbox_of_session", "voicestt_outbox", "laid_aside_at IS NULL", "session", "number")
    _index("voicestt_outbox_laid_aside", "voicestt_outbox", "laid_aside_at IS NOT NULL", "number")
    is_open = sa.text("ended_at IS NULL")
    op.create_index(
        "voicestt_sessions_open", "voicestt_sessions", ["owner"], sqlite_where=is_open, postgresql_where=is_open
    )


def _index(name: str, table: str, where: str, *columns: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, ["destination", *columns], sqlite_where=condition, postgresql_where=condition)
