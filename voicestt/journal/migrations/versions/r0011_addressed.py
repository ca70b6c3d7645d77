"""Migration 0011: the receivers that a call's number names."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; calls of before go to all receivers."""
    op.add_column("voicestt_sessions", sa.Column("addressed", sa.Text))
