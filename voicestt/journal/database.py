"""The database behind JOURNAL_URL: one interface over SQLite and PostgreSQL.

A batch of rows goes to the database as one JSON text in one statement, and not as a statement for each row: each
statement gives the interpreter's lock away and waits for it again, up to 5 ms beside a reactor that is busy
(measured: 170 ms for 17 events instead of 23), and PostgreSQL's library takes 40 us for a row instead of 6.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Engine, Table, make_url, text
from sqlalchemy.exc import ArgumentError

from voicestt.journal.postgresql import PostgreSQL
from voicestt.journal.problems import BadJournal
from voicestt.journal.spill import Place
from voicestt.journal.sqlite import READS, SQLite
from voicestt.journal.tables import events

_NO_URL = "JOURNAL_URL is not sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or off"

_encode = msgspec.json.Encoder().encode


class _Dialect(Protocol):
    """The operations that differ between SQLite and PostgreSQL.

    `name` identifies the database, without a password.
    """

    name: str

    @property
    def spill(self) -> Place: ...

    def engine(self) -> Engine: ...

    def is_there(self) -> bool: ...

    def check_place(self) -> None: ...

    def make_ready(self, engine: Engine) -> None: ...

    def hurry(self, connection: Connection, seconds: float) -> None: ...

    def lock_schema(self, connection: Connection) -> None: ...

    def now(self, connection: Connection) -> float: ...

    def numbers(self, connection: Connection, count: int) -> Sequence[int]: ...

    def shrink(self, connection: Connection) -> bool: ...

    def insertion(self, table: Table, columns: Sequence[str]) -> str: ...


class Database:
    """One database, used by one thread.

    `name` identifies it in words without a secret; `spill` is the place of the files for events that it cannot
    take.

    Raises:
        BadJournal: for a URL that names none, or whose library is missing.
    """

    def __init__(self, url: str) -> None:
        self._dialect = _dialect_of(url)
        self.name = self._dialect.name
        self.spill = self._dialect.spill
        self._engine = self._dialect.engine()
        self._insertions: dict[tuple[str, tuple[str, ...]], Any] = {}

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction, which is committed when the block ends without an exception.

        In SQLite it is the only writer.
        """
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection that only reads, and so waits for no writer."""
        with self._engine.connect() as connection:
            yield connection.execution_options(**{READS: True})

    def is_there(self) -> bool:
        """Return True if there is a database to read from; a command that only reads must not create the file."""
        return self._dialect.is_there()

    def make_ready(self) -> None:
        """Prepare the database, once before its first use.

        Raises:
            BadJournal: where it cannot be used.
        """
        self._dialect.make_ready(self._engine)

    def hurry(self, connection: Connection, seconds: float) -> None:
        """Limit the statements of this transaction to `seconds`, where the database can do that.

        So nobody waits long for it.
        """
        self._dialect.hurry(connection, seconds)

    def lock_schema(self, connection: Connection) -> None:
        """Keep other processes from changing the tables until the transaction ends."""
        self._dialect.lock_schema(connection)

    def now(self, connection: Connection) -> float:
        """Return the current time by the clock shared by all users of this database, in seconds since 1970."""
        return self._dialect.now(connection)

    def numbers(self, connection: Connection, count: int) -> Sequence[int]:
        """Reserve the next `count` event numbers, in ascending order."""
        return self._dialect.numbers(connection, count)

    def shrink(self, connection: Connection) -> bool:
        """Give some of the space freed by deletions back to the disk; True if there may be more."""
        return self._dialect.shrink(connection)

    def insert(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert `rows`; rows that exist already are skipped, except of events, where they are an error."""
        key = (table.name, tuple(columns))
        if key not in self._insertions:
            clash = "" if table is events else " ON CONFLICT DO NOTHING"
            self._insertions[key] = text(self._dialect.insertion(table, columns) + clash)
        connection.execute(self._insertions[key], {"rows": _encode(rows).decode()})

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._engine.dispose()


def check_url(url: str) -> None:
    """Check what can be checked of a journal's URL without opening the journal.

    Raises:
        BadJournal: where it can never work: the library or the file's folder is missing.
    """
    dialect = _dialect_of(url)
    dialect.engine().dispose()
    dialect.check_place()


def name_of(url: str) -> str:
    """Return the name of the journal at `url` in words, without a secret.

    Raises:
        BadJournal: for a URL that names none.
    """
    return _dialect_of(url).name


def _dialect_of(url: str) -> _Dialect:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # What was pasted is not repeated: it may hold a password.
        raise BadJournal(_NO_URL) from None
    if parsed.drivername == "sqlite":
        return SQLite(parsed)
    if parsed.drivername == "postgresql+psycopg":
        return PostgreSQL(parsed)
    raise BadJournal(_NO_URL)
