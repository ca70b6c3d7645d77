"""A counter in the database of deliveries changed by hand: running servers see it and read the outbox again."""

from sqlalchemy import Connection, select, text

from voicestt.journal.tables import changes

_NAME = "deliveries"
_note = text(
    f"INSERT INTO voicestt_changes (name, number) VALUES ('{_NAME}', 1) "  # noqa: S608 - our own name
    "ON CONFLICT (name) DO UPDATE SET number = voicestt_changes.number + 1"
)
_noted = select(changes.c.number).where(changes.c.name == _NAME)


def note(connection: Connection) -> None:
    """Increments the counter, in the transaction of the change."""
    connection.execute(_note)


def noted(connection: Connection) -> int:
    """Returns the counter, 0 if no delivery was ever changed by hand."""
    return connection.execute(_noted).scalar() or 0
