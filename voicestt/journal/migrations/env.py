"""What Alembic runs: the migrations, on the connection and in the transaction of who called it."""

from alembic import context

from voicestt.journal.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()
