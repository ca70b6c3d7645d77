"""What can be wrong with a database, in words: without a password, a phone number or a text that was said."""

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
"""SQLSTATE's classes: data, integrity, and what goes beyond a limit of the program."""


class BadJournal(ValueError):
    """The journal cannot be used as JOURNAL_URL names it; the message says why and what to do."""


class JournalClosed(Exception):
    """The journal was closed before it could answer."""


def is_poisoned(problem: Exception) -> bool:
    """Whether what was to be written is to blame: it fails again, however often it is tried."""
    if not isinstance(problem, DBAPIError):
        # SQLAlchemy's own say that there is no connection, except for a value that it cannot hand on.
        others = SQLAlchemyError | OSError | MemoryError
        return isinstance(problem, StatementError) or not isinstance(problem, others)
    if problem.connection_invalidated:
        return False
    state = _state_of(problem)
    return isinstance(problem, DataError | IntegrityError) or state.startswith(_POISONED_STATES)


def words_of(problem: BaseException) -> str:
    """One line. Of what is wrong with an event's data only the kind is told: the database's words quote it."""
    if not isinstance(problem, DBAPIError) or problem.orig is None:
        return type(problem).__name__
    kind = type(problem.orig).__name__
    if isinstance(problem, DataError | IntegrityError | ProgrammingError | InterfaceError):
        return f"{kind} {_state_of(problem)}".rstrip()
    return (str(problem.orig).strip().splitlines() or [kind])[0]


def _state_of(problem: DBAPIError) -> str:
    return getattr(problem.orig, "sqlstate", None) or ""
