"""Database errors in words, without a password, a phone number or a text that was said."""

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)

_POISONED_STATES = ("22", "23", "54")
"""SQLSTATE classes of errors in the data: data exception, integrity violation, program limit exceeded."""


_LOOK = "look at the database's own log"
_ADVICE = {
    "newer version": "install that version of voicestt again, or name another journal in JOURNAL_URL",
    "locked": "find the other program that holds the file open, and end it",
    "full": "free the disk",
    "no space": "free the disk",
    "i/o error": "look at the disk",
    "readonly": "let the server's user write the file and its folder",
    "read-only": "let the server's user write it, or wait until the database has a primary again",
    "password": "correct the user and the password in JOURNAL_URL",
    "does not exist": "make the database, or correct JOURNAL_URL",
    "timeout": "look at what the database is busy with: something holds a lock, or its disk is slow",
    "too many": "raise the database's max_connections, or end what holds its connections",
    "remaining connection": "raise the database's max_connections, or end what holds its connections",
    "starting up": "wait: the database is starting",
    "refused": "start the database",
    "connection": "start the database, or mend the network to it",
}
"""Advice by a word in the database's message; the first that occurs counts."""


class BadJournal(ValueError):
    """The journal cannot be used as JOURNAL_URL names it; the message says why and what to do."""


class JournalUnavailable(BadJournal):
    """The journal cannot be used at present, although JOURNAL_URL is right.

    A server keeps its events in memory until it can.
    """


class NewerJournal(JournalUnavailable):
    """The journal was written by a newer version of voicestt."""


class JournalClosed(Exception):
    """The journal was closed before it could answer."""


def is_poisoned(problem: Exception) -> bool:
    """Return True if the data is to blame and not the database: the same write fails however often it is tried."""
    if not isinstance(problem, DBAPIError):
        # SQLAlchemy's own say that there is no connection, except for a value that it cannot hand on.
        others = SQLAlchemyError | OSError | MemoryError
        return isinstance(problem, StatementError) or not isinstance(problem, others)
    if problem.connection_invalidated:
        return False
    state = _state_of(problem)
    return isinstance(problem, DataError | IntegrityError) or state.startswith(_POISONED_STATES)


def words_of(problem: BaseException) -> str:
    """Describe the problem in one line.

    If an event's data is to blame, only the kind of error is told: the database's own words quote the data.
    """
    if not isinstance(problem, DBAPIError) or problem.orig is None:
        return type(problem).__name__
    kind = type(problem.orig).__name__
    if isinstance(problem, DataError | IntegrityError | ProgrammingError | InterfaceError):
        return f"{kind} {_state_of(problem)}".rstrip()
    return (str(problem.orig).strip().splitlines() or [kind])[0]


def advice_for(problem: BaseException) -> str:
    """Advice for a database that cannot be used, chosen by the words of its error."""
    words = str(getattr(problem, "orig", None) or problem).lower()
    return next((advice for sign, advice in _ADVICE.items() if sign in words), _LOOK)


def _state_of(problem: DBAPIError) -> str:
    return getattr(problem.orig, "sqlstate", None) or ""
