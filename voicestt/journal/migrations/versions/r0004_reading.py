"""Events of one call, and events but partials, are found without a look at all others."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    """Makes the indexes."""
    op.create_index("voicestt_events_call", "voicestt_events", ["call_sid", "number"])
    is_no_partial = sa.text("type != 'partial'")
    op.create_index(
        "voicestt_events_no_partials",
        "voicestt_events",
        ["number", "type"],
        sqlite_where=is_no_partial,
        postgresql_where=is_no_partial,
    )
