"""Migration 0004: indexes to read the events of one call, and all events but partials."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    """Create the indexes."""
    op.create_index("voicestt_events_call", "voicestt_events", ["call_sid", "number"])
    is_no_partial = sa.text("type != 'partial'")
    op.create_index(
        "voicestt_events_no_partials",
        "voicestt_events",
        ["number", "type"],
        sqlite_where=is_no_partial,
        postgresql_where=is_no_partial,
    )
