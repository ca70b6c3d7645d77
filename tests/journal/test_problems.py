import psycopg.errors
import pytest
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, ProgrammingError, StatementError
from sqlalchemy.exc import TimeoutError as NoConnection

from voicestt.journal.problems import is_poisoned, words_of


def wrapped(kind: type[OperationalError], problem: Exception) -> OperationalError:
    return kind("INSERT INTO voicestt_events", {"payload": "+972501234567"}, problem)


TOO_LONG = wrapped(OperationalError, psycopg.errors.ProgramLimitExceeded("index row size 9000 exceeds 2704"))
GONE = wrapped(OperationalError, psycopg.OperationalError("server closed the connection\nunexpectedly"))
DOUBLE = wrapped(IntegrityError, psycopg.errors.UniqueViolation("Key (session)=(+972501234567) already exists"))  # type: ignore[arg-type]
TEXT = wrapped(DataError, psycopg.errors.CharacterNotInRepertoire('invalid: "+972501234567"'))  # type: ignore[arg-type]
FULL = wrapped(OperationalError, psycopg.errors.DiskFull("could not extend file: No space left on device"))
RIGHTS = wrapped(ProgrammingError, psycopg.errors.InsufficientPrivilege("permission denied"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "problem", [TOO_LONG, DOUBLE, TEXT, TypeError(), StatementError("x", "", {}, TypeError())]
)
def test_an_event_is_to_blame(problem: Exception) -> None:
    assert is_poisoned(problem)


@pytest.mark.parametrize("problem", [GONE, FULL, RIGHTS, NoConnection(), OSError(28, ""), MemoryError()])
def test_the_database_is_to_blame(problem: Exception) -> None:
    assert not is_poisoned(problem)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (GONE, "server closed the connection"),
        (FULL, "could not extend file: No space left on device"),
        (DOUBLE, "UniqueViolation 23505"),
        (TEXT, "CharacterNotInRepertoire 22021"),
        (RIGHTS, "InsufficientPrivilege 42501"),
        (TypeError("+972501234567"), "TypeError"),
    ],
)
def test_words_are_one_line_and_hold_nothing_that_was_to_be_written(problem: Exception, words: str) -> None:
    assert words_of(problem) == words
