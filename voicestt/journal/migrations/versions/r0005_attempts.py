"""Migration 0005: the table of delivery attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "voicestt_attempts",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("answer", sa.Text, nullable=False),
    )
