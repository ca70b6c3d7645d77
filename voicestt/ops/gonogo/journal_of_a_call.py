"""Reads one call from a journal beside the server that writes it; nothing is made, changed or written."""

from pathlib import Path

from sqlalchemy import make_url, select
from sqlalchemy.exc import SQLAlchemyError

from voicestt.journal.database import Database
from voicestt.journal.problems import BadJournal, words_of
from voicestt.journal.tables import events, sessions


def file_of(journal_url: str) -> Path | None:
    """Finds the file of an SQLite journal; None for another database."""
    url = make_url(journal_url)
    return Path(url.database or "").absolute() if url.drivername == "sqlite" else None


def events_of(journal_url: str, call_sid: str) -> list[bytes]:
    """Reads the events of a call as JSON, in the order of the journal; blocks.

    Raises:
        BadJournal: where the journal cannot be read.
    """
    file = file_of(journal_url)
    if file is not None and not file.is_file():
        # Opening it would create it.
        raise BadJournal(f"there is no file {file}")
    # By the session: there is no index of the CallSids of events, and a journal in use has many.
    its_sessions = select(sessions.c.session).where(sessions.c.call_sid == call_sid)
    asked = select(events.c.payload).where(events.c.session.in_(its_sessions)).order_by(events.c.number)
    database = Database(journal_url)
    try:
        with database.reading() as connection:
            return [payload.encode() for payload in connection.execute(asked).scalars()]
    except SQLAlchemyError as problem:
        raise BadJournal(words_of(problem)) from None
    finally:
        database.close()
