"""Reading of the journal for people who look, by a thread and a connection of its own: no delivery waits for it.

The thread begins with the first query. A query is asked once, and answered or refused; those that wait for too
long, or are too many, are refused at once. Changes by hand (erasing a call) go the same way.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.journal.database import Database
from voicestt.journal.problems import advice_for, words_of
from voicestt.runtime.reactor import ReactorLike

Answer = TypeVar("Answer")

MOST_WAITING: Final = 30
"""Queries that may wait; more are refused."""

LONGEST_SECONDS: Final = 5.0
"""Time after which a query that waits is refused, and one that runs is broken off."""

_SQLITE_STEPS = 20_000  # of its virtual machine, between two looks at the clock
_JOIN_SECONDS = 0.5


class JournalBusy(Exception):
    """The journal was not asked, or gave no answer in time; the message says why, for people."""


@dataclass(slots=True, eq=False)
class _Query:
    ask: Callable[[Database], Any]
    done: Deferred[Any]
    give_up_at: float


class JournalBrowser:
    """Asks the journal at `url` for people who look, one query after the other.

    Raises:
        BadJournal: for a URL that names no database, or whose library is missing.
    """

    _log = Logger()

    def __init__(self, reactor: ReactorLike, url: str) -> None:
        self._reactor = reactor
        self._database = Database(url)
        self._queries: deque[_Query] = deque()
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    async def ask(self, query: Callable[[Connection], Answer]) -> Answer:
        """Return the answer of a query that only reads.

        Raises:
            JournalBusy: where there is none, in words.
        """
        return await self.do(lambda database: _read(database, query))

    async def do(self, change: Callable[[Database], Answer]) -> Answer:
        """Return the result of work with the database, in the thread.

        Raises:
            JournalBusy: where it cannot be done now, in words. What the work itself raises is passed on.
        """
        if self._closing.is_set():
            raise JournalBusy("The server is stopping.")
        if len(self._queries) >= MOST_WAITING:
            raise JournalBusy("Too many questions wait for the journal. Ask again in a moment.")
        done: Deferred[Answer] = Deferred()
        self._queries.append(_Query(change, done, time.monotonic() + LONGEST_SECONDS))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal's browser", daemon=True)
            self._thread.start()
        self._bell.set()
        return await done

    def stop(self) -> None:
        """Answer nothing more; what waits is refused."""
        self._closing.set()
        self._bell.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        while self._queries:
            self._queries.popleft().done.errback(JournalBusy("The server is stopping."))

    def _run(self) -> None:
        while not self._closing.is_set():
            self._bell.wait()
            self._bell.clear()
            while self._queries and not self._closing.is_set():
                self._answer(self._queries.popleft())
        self._database.close()

    def _answer(self, query: _Query) -> None:
        answer: object
        if time.monotonic() > query.give_up_at:
            answer = Failure(JournalBusy("The journal is slow just now. Ask again in a moment."))
        else:
            try:
                answer = query.ask(self._database)
            except DBAPIError as problem:
                self._database.close()
                answer = Failure(JournalBusy(self._words_of(problem)))
            except Exception:  # noqa: BLE001 - whatever it is, the asker is told
                answer = Failure()
        self._reactor.callFromThread(query.done.callback, answer)

    def _words_of(self, problem: DBAPIError) -> str:
        words = words_of(problem)
        self._log.warn(
            "The journal ({name}) did not answer somebody who looks into it ({problem}). Calls and deliveries are "
            "not concerned. What to do, where it lasts: {advice}.",
            name=self._database.name,
            problem=words,
            advice=advice_for(problem),
        )
        return f"The journal does not answer ({words})."


def _read(database: Database, query: Callable[[Connection], Answer]) -> Answer:
    with database.reading() as connection:
        if connection.dialect.name == "sqlite":
            return _read_sqlite(connection, query)
        database.hurry(connection, LONGEST_SECONDS)
        return query(connection)


def _read_sqlite(connection: Connection, query: Callable[[Connection], Answer]) -> Answer:
    driver: Any = connection.connection.driver_connection
    until = time.monotonic() + LONGEST_SECONDS
    driver.set_progress_handler(lambda: time.monotonic() > until, _SQLITE_STEPS)
    try:
        return query(connection)
    finally:
        driver.set_progress_handler(None, 0)
