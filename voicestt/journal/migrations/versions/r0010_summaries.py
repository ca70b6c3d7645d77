"""Migration 0010: summaries of calls and their texts, for lists and searches.

It is quick: the columns are added without a walk through the table, the table of texts is empty, and calls of
before are summed up later, a few at a time, by `voicestt.journal.summaries`. Only five indexes of sessions are
built.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DatabaseError

revision = "0010"
down_revision = "0009"

_COLUMNS = ("summary", "words", "utterances", "degraded", "lost_ms", "incidents")
_TRIGRAMS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE voicestt_texts_trigrams USING fts5"
        "(text, content='voicestt_texts', content_rowid='number', detail=none, tokenize='trigram')",
        "CREATE TRIGGER voicestt_texts_inserted AFTER INSERT ON voicestt_texts BEGIN "
        "INSERT INTO voicestt_texts_trigrams (rowid, text) VALUES (new.number, new.text); END",
        "CREATE TRIGGER voicestt_texts_deleted AFTER DELETE ON voicestt_texts BEGIN "
        "INSERT INTO voicestt_texts_trigrams (voicestt_texts_trigrams, rowid, text) "
        "VALUES ('delete', old.number, old.text); END",
    ),
    "postgresql": (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        "CREATE INDEX voicestt_texts_trigrams ON voicestt_texts USING gin (text gin_trgm_ops)",
    ),
}
# What is deleted leaves the pages of the index at once, and not when they are merged: SQLite 3.42 and later.
_SECURE = "INSERT INTO voicestt_texts_trigrams (voicestt_texts_trigrams, rank) VALUES ('secure-delete', 1)"


def upgrade() -> None:
    """Add the columns, their indexes, the table of texts, and the index of its trigrams where that can be."""
    for name in _COLUMNS:
        op.add_column("voicestt_sessions", sa.Column(name, sa.Integer))
    op.add_column("voicestt_sessions", sa.Column("language", sa.Text))
    op.create_index("voicestt_sessions_caller", "voicestt_sessions", ["caller", "started_at"])
    op.create_index("voicestt_sessions_called", "voicestt_sessions", ["called", "started_at"])
    _index("voicestt_sessions_degraded", "started_at", "degraded > 0")
    _index("voicestt_sessions_lost", "started_at", "lost_ms > 0")
    _index("voicestt_sessions_to_summarise", "ended_at", "ended_at IS NOT NULL AND summary IS NULL")
    op.create_table(
        "voicestt_texts",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(
            "session", sa.Text, sa.ForeignKey("voicestt_sessions.session", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("voicestt_texts_session", "voicestt_texts", ["session"])
    dialect = op.get_bind().dialect.name
    if _is_done(_TRIGRAMS[dialect]) and dialect == "sqlite":
        _is_done([_SECURE])


def _index(name: str, column: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "voicestt_sessions", [column], sqlite_where=condition, postgresql_where=condition)


def _is_done(statements: Sequence[str]) -> bool:
    """Execute all of the statements or none; False if they cannot be here: a library or a right is missing."""
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            for statement in statements:
                connection.exec_driver_sql(statement)
    except DatabaseError:
        return False
    return True
