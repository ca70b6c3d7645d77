"""Database work of the page, in threads and connections of its own: deliveries and the reactor never wait for it.

One thread reads and one changes. Few may wait: a page that is asked for more than the database gives says so, and
is not answered ever later. A query that takes too long is broken off.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError
from twisted.internet.defer import Deferred
from twisted.web.http import NOT_FOUND, SERVICE_UNAVAILABLE

from voicestt.journal.database import Database
from voicestt.journal.problems import BadJournal, words_of
from voicestt.page.visit import PageError
from voicestt.runtime.reactor import ReactorLike
from voicestt.runtime.thread_pool import DaemonThreadPool

MOST_WAITING: Final = 20
QUERY_SECONDS: Final = 10.0
_STEPS: Final = 20_000  # of SQLite's machine, between two looks at the clock: some tenths of a millisecond
_NONE: Final = "JOURNAL_URL=off: this server keeps no journal, and there is nothing to show."
_BUSY: Final = "The journal is asked for more than it can answer just now: try again in a while."
_LATE: Final = (
    f"The journal did not answer within {QUERY_SECONDS:g} s: ask for less, a shorter time or fewer calls."
)

Value = TypeVar("Value")


class JournalQueries:
    """Runs the page's database work; `url` is JOURNAL_URL."""

    def __init__(self, reactor: ReactorLike, url: str) -> None:
        self._is_off = url == "off"
        self._reading = _DatabaseThread(reactor, url, "page reads")
        self._changing = _DatabaseThread(reactor, url, "page changes")

    async def read(self, ask: Callable[[Connection], Value]) -> Value:
        """Return the answer of `ask`, which reads with a connection, in a thread.

        Raises:
            PageError: where there is no journal, too many wait, it takes too long or the database cannot be read;
                and what `ask` raises.
        """
        self._must_be_on()
        return await self._reading.run(lambda database: _answer_in_time(database, ask))

    async def change(self, change: Callable[[Database], Value]) -> Value:
        """Return the outcome of `change`, which writes, in another thread; it may take its time.

        Raises:
            PageError: as `read` does.
        """
        self._must_be_on()
        return await self._changing.run(change)

    def stop(self) -> None:
        """Begin nothing more."""
        self._reading.stop()
        self._changing.stop()

    def _must_be_on(self) -> None:
        if self._is_off:
            raise PageError(NOT_FOUND, _NONE)


class _DatabaseThread:
    """A thread with a database of its own, opened when it is first needed."""

    def __init__(self, reactor: ReactorLike, url: str, name: str) -> None:
        self._reactor = reactor
        self._url = url
        self._pool = DaemonThreadPool(1, name)
        self._database: Database | None = None
        self._waiting = 0

    async def run(self, work: Callable[[Database], Value]) -> Value:
        if self._waiting >= MOST_WAITING:
            raise PageError(SERVICE_UNAVAILABLE, _BUSY, {"retry-after": "5"})
        done: Deferred[Value] = Deferred()
        self._waiting += 1
        future = self._pool.run(lambda: self._work(work))
        future.add_done_callback(lambda over: self._reactor.callFromThread(_tell, done, over))
        try:
            return await done
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        self._pool.stop()
        if self._database is not None and not self._waiting:
            self._database.close()

    def _work(self, work: Callable[[Database], Value]) -> Value:
        try:
            self._database = self._database or Database(self._url)
            return work(self._database)
        except BadJournal as problem:
            raise PageError(SERVICE_UNAVAILABLE, str(problem)) from None
        except DatabaseError as problem:
            if self._database is not None:
                self._database.close()
            words = f"The journal cannot be used now ({words_of(problem)}). Calls are taken all the same."
            raise PageError(SERVICE_UNAVAILABLE, words) from None


def _answer_in_time(database: Database, ask: Callable[[Connection], Value]) -> Value:
    until = time.monotonic() + QUERY_SECONDS
    try:
        with database.reading() as connection, _breaking_off(connection, until):
            database.hurry(connection, QUERY_SECONDS)
            return ask(connection)
    except DatabaseError:
        if time.monotonic() >= until:
            raise PageError(SERVICE_UNAVAILABLE, _LATE) from None
        raise


@contextmanager
def _breaking_off(connection: Connection, until: float) -> Iterator[None]:
    """Break a query of SQLite's off at `until`, which knows no time limit of its own."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    driver.set_progress_handler(lambda: time.monotonic() >= until, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _tell(done: Deferred[Any], over: Future[Any]) -> None:
    if done.called:
        return
    problem = None if over.cancelled() else over.exception()
    if over.cancelled():
        done.errback(PageError(SERVICE_UNAVAILABLE, "The server is stopping."))
    elif problem is not None:
        done.errback(problem)
    else:
        done.callback(over.result())
