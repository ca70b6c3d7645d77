"""Alembic's environment: runs the migrations on the caller's connection, in its transaction."""

from alembic import context

from voicestt.journal.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()
