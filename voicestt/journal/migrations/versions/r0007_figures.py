"""Migration 0007: the column for the figures of each process's deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column."""
    op.add_column("voicestt_instances", sa.Column("figures", sa.Text))
