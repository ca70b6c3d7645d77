"""Migration 0001: the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "voicestt_instances",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("started", sa.Text, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
    _make_sessions()
    _make_events()
    _make_outbox()


def _make_sessions() -> None:
    op.create_table(
        "voicestt_sessions",
        sa.Column("session", sa.Text, primary_key=True),
        sa.Column("call_sid", sa.Text, nullable=False),
        sa.Column("stream_sid", sa.Text, nullable=False),
        sa.Column("account_sid", sa.Text, nullable=False),
        sa.Column("caller", sa.Text),
        sa.Column("called", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("reason", sa.Text),
        sa.Column("duration", sa.Double),
        sa.Column("finals", sa.Integer),
        sa.Column("closed_by_recovery", sa.Boolean, nullable=False),
    )
    op.create_index("voicestt_sessions_call", "voicestt_sessions", ["call_sid"])
    op.create_index("voicestt_sessions_owner", "voicestt_sessions", ["owner"])
    op.create_index("voicestt_sessions_started", "voicestt_sessions", ["started_at"])
    op.create_index("voicestt_sessions_ended", "voicestt_sessions", ["ended_at"])


def _make_events() -> None:
    op.create_table(
        "voicestt_events",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column(
            "session", sa.Text, sa.ForeignKey("voicestt_sessions.session", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("call_sid", sa.Text, nullable=False),
        sa.Column("written_at", sa.Double, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.UniqueConstraint("session", "sequence", name="voicestt_events_sequence"),
        sqlite_autoincrement=True,
    )
    is_partial = sa.text("type = 'partial'")
    op.create_index(
        "voicestt_events_partials",
        "voicestt_events",
        ["written_at"],
        sqlite_where=is_partial,
        postgresql_where=is_partial,
    )


def _make_outbox() -> None:
    op.create_table(
        "voicestt_outbox",
        sa.Column(
            "number",
            _NUMBER,
            sa.ForeignKey("voicestt_events.number", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("failed_at", sa.Double),
        sa.Column("laid_aside_at", sa.Double),
    )
    is_pending = sa.text("laid_aside_at IS NULL")
    op.create_index(
        "voicestt_outbox_pending",
        "voicestt_outbox",
        ["destination", "number"],
        sqlite_where=is_pending,
        postgresql_where=is_pending,
    )
