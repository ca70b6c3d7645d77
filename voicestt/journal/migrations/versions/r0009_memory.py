"""A handler's memory of its call, which travels with the call to another process."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column; calls of before have none."""
    op.add_column("voicestt_sessions", sa.Column("memory", sa.Text))
