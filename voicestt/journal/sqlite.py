"""The journal in a file: SQLite with a write-ahead log."""

import os
import sqlite3
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.engine import URL

from voicestt.journal.problems import BadJournal, JournalUnavailable
from voicestt.journal.spill import Place
from voicestt.journal.tables import events

READS = "voicestt_reads"
"""The execution option of a connection that only reads."""

_BUSY_SECONDS = 2.0
_BEGIN_SECONDS = 5.0
_INCREMENTAL = 2
_PAGES_AT_ONCE = 250  # of 4 KB
_SPARE_PAGES = 1_000

_LAST_NUMBER = text(f"SELECT seq FROM sqlite_sequence WHERE name = '{events.name}'")  # noqa: S608 - our own name


def settled(connection: Connection) -> tuple[int, int]:
    """Return the largest number of an event, twice.

    Only one connection writes at a time, so no smaller number is under way.
    """
    last = int(connection.execute(_LAST_NUMBER).scalar() or 0)
    return last, last


class SQLite:
    """SQLite's part of `voicestt.journal.database`."""

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:" or url.database.startswith("file:") or url.query:
            raise BadJournal(
                "JOURNAL_URL: sqlite:/// is followed by the path of a file and nothing else. For no journal: off"
            )
        # A daemon changes its folder; and a message that names a file should say which.
        self._path = Path(url.database).absolute()
        self._url = url.set(database=str(self._path))
        self.name = str(self._path)

    @property
    def spill(self) -> Place:
        """The place of the spill files: beside the database file."""
        return Place(self._path.parent, self._path.name)

    def engine(self) -> Engine:
        """Create an engine that opens one connection at a time."""
        engine = create_engine(
            self._url,
            connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None, "check_same_thread": False},
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
        )
        event.listen(engine, "connect", self._set_up)
        event.listen(engine, "begin", self._begin)
        return engine

    def is_there(self) -> bool:
        """Return True if the file exists."""
        return self._path.is_file()

    def make_ready(self, engine: Engine) -> None:
        """Create the file where it is missing, and set its permanent options.

        Raises:
            BadJournal: where it cannot be used.
            JournalUnavailable: where it cannot be used at present.
        """
        self._check_path()
        give_up = time.monotonic() + _BEGIN_SECONDS
        while True:
            try:
                # A change of the whole file waits for no lock: of two that start together one is refused.
                with engine.connect() as connection:
                    cursor = connection.connection.cursor()
                    # This has no effect on a file that has tables.
                    cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
                    cursor.execute("PRAGMA journal_mode = WAL")
                    return
            except sqlite3.OperationalError as problem:
                if "locked" not in str(problem) or time.monotonic() > give_up:
                    raise JournalUnavailable(self._refused(problem)) from None
                time.sleep(0.05)
            except sqlite3.DatabaseError as problem:
                raise BadJournal(self._refused(problem)) from None

    def hurry(self, _connection: Connection, _seconds: float) -> None:
        """Do nothing: any wait for a lock ends after `_BUSY_SECONDS`."""

    def lock_schema(self, connection: Connection) -> None:
        """Do nothing: a write transaction excludes all others."""

    def now(self, _connection: Connection) -> float:
        """Return this machine's time, as all users of a file are on the same machine."""
        return time.time()

    def numbers(self, connection: Connection, count: int) -> Sequence[int]:
        """Return the next numbers; nobody else takes one before the transaction ends."""
        last = connection.execute(_LAST_NUMBER).scalar() or 0
        return range(last + 1, last + 1 + count)

    def insertion(self, table: Table, columns: Sequence[str]) -> str:
        """Return the statement that inserts `:rows`, a JSON array of arrays."""
        values = ", ".join(f"json_extract(value, '$[{index}]')" for index in range(len(columns)))
        # Without "WHERE" the "ON" of "ON CONFLICT" would be a join's.
        return (
            f"INSERT INTO {table.name} ({', '.join(columns)}) "  # noqa: S608 - our own names
            f"SELECT {values} FROM json_each(:rows) WHERE true"
        )

    def shrink(self, connection: Connection) -> bool:
        """Give some free pages back to the disk; True if there are more to give back."""
        free = int(connection.execute(text("PRAGMA freelist_count")).scalar_one())
        is_possible = connection.execute(text("PRAGMA auto_vacuum")).scalar_one() == _INCREMENTAL
        if not is_possible or free <= _SPARE_PAGES:
            return False
        # Each of its steps is a row to SQLite, and one without columns to SQLAlchemy, which refuses to fetch it.
        connection.connection.cursor().execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
        return free - _PAGES_AT_ONCE > _SPARE_PAGES

    @staticmethod
    def _set_up(connection: Any, _record: object) -> None:
        # FULL: what was committed survives a power cut, too.
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "journal_size_limit = 67108864"):
            connection.execute(f"PRAGMA {pragma}")

    @staticmethod
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READS)
        # A transaction that reads first and then writes is refused where another wrote in between.
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    def check_place(self) -> None:
        """Check that a file can be at this path.

        Raises:
            BadJournal: where its folder is missing, or something else is there.
        """
        folder = self._path.parent
        if not folder.is_dir():
            raise BadJournal(
                f"JOURNAL_URL: there is no folder {folder} for the journal's file. Make it, or correct the path."
            )
        if self._path.exists() and not self._path.is_file():
            raise BadJournal(
                f"JOURNAL_URL: {self._path} is no file. Name one, such as sqlite:///{self.name}/journal.db"
            )

    def _check_path(self) -> None:
        self.check_place()
        try:
            # It holds what people said: nobody else reads it. SQLite gives its other files the same rights.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR))
        except OSError as problem:
            kind = BadJournal if isinstance(problem, PermissionError) else JournalUnavailable
            raise kind(self._refused(problem)) from None

    def _refused(self, problem: Exception) -> str:
        words = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        return (
            f"JOURNAL_URL: the journal's file {self._path} cannot be used ({words}). The server's user must be "
            "allowed to write it and its folder; a file that is no SQLite database must be moved away."
        )
