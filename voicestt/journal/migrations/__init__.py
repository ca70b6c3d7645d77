"""How the journal's tables came to be: Alembic's, run by `voicestt.journal.schema`."""
