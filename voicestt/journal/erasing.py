"""Erasure of calls from the journal: a piece in each transaction, so that servers can write in between."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, delete, select

from voicestt.journal.database import Database
from voicestt.journal.outbox import note_change
from voicestt.journal.search_index import forget_trigrams
from voicestt.journal.tables import attempts, events, outbox, sessions, texts

_AT_ONCE: Final = 500
_PAUSE_SECONDS: Final = 0.02


class CallGoesOn(Exception):
    """A call that is still going on cannot be erased: its server still writes."""


def ended(those: ColumnElement[bool]) -> Select[str]:
    """Return the statement for the sessions of a condition that have ended."""
    return select(sessions.c.session).where(those, sessions.c.ended_at.is_not(None))


def erase(database: Database, those: ColumnElement[bool], *, merges: bool = True) -> int:
    """Erase the ended calls of a condition on sessions, and what the files have of them; return their number.

    `merges`: trigrams that are only marked as deleted go at once, for which the whole index may have to be
    written. SQLite overwrites what is deleted, and its write-ahead log is emptied, unless somebody reads it just
    now.
    """
    count = 0
    while (is_whole := _erase_some(database, those)) is not None:
        count += is_whole
        time.sleep(_PAUSE_SECONDS)
    if count and merges:
        forget_trigrams(database)
    _forget_pages(database)
    return count


def erase_session(database: Database, session: str, before: Callable[[], object] = lambda: None) -> bool:
    """Erase one session; False if there is none. `before` erases what others keep of it, before it is gone here.

    Raises:
        CallGoesOn: where it has not ended.
    """
    this = sessions.c.session == session
    with database.reading() as connection:
        row = connection.execute(select(sessions.c.ended_at).where(this)).first()
    if row is None:
        return False
    if row.ended_at is None:
        raise CallGoesOn("The call is still going on. Erase it when it has ended.")
    before()
    return erase(database, this, merges=False) > 0


def _erase_some(database: Database, those: ColumnElement[bool]) -> bool | None:
    """Delete some events of the first call, or the call when it has none left; None if there is no call."""
    with database.writing() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")  # deleted text is overwritten in the file
        session = connection.execute(ended(those).limit(1)).scalar()
        if session is None:
            return None
        connection.execute(delete(texts).where(texts.c.session == session))
        some = select(events.c.number).where(events.c.session == session).order_by(events.c.number)
        numbers = list(connection.execute(some.limit(_AT_ONCE)).scalars())
        _delete_events(connection, numbers)
        is_whole = len(numbers) < _AT_ONCE
        if is_whole:
            connection.execute(delete(sessions).where(sessions.c.session == session))
    return is_whole


def _delete_events(connection: Connection, numbers: Sequence[int]) -> None:
    if connection.execute(delete(outbox).where(outbox.c.number.in_(numbers))).rowcount:
        note_change(connection)  # running servers read the outbox again
    connection.execute(delete(attempts).where(attempts.c.number.in_(numbers)))
    connection.execute(delete(events).where(events.c.number.in_(numbers)))


def _forget_pages(database: Database) -> None:
    """Empty SQLite's write-ahead log, which has the deleted text, unless somebody reads it just now."""
    with database.reading() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
