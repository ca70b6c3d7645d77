"""Alembic migrations of the journal's tables, run by `voicestt.journal.schema`."""
