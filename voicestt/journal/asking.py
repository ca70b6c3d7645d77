"""The thread that reads the journal.

It has a connection of its own, so the journal can be read and delivered from while nothing can be written.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from voicestt.journal.database import Database
from voicestt.journal.problems import is_poisoned

Ask = Callable[[Connection], Any]

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 5.0


class AskingThread:
    """Answers read queries one after the other, and retries with growing pauses while the database cannot be read.

    `tell` is called in this thread with the caller's Deferred and the answer, or a Failure if the query itself is
    to blame.
    """

    def __init__(self, database: Database, tell: Callable[[Deferred[Any], object], object]) -> None:
        self._database = database
        self._tell = tell
        self._asks: deque[tuple[Ask, Deferred[Any]]] = deque()
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._pause = _FIRST_SECONDS
        self._thread = threading.Thread(target=self._run, name="journal's reader", daemon=True)

    def start(self) -> None:
        """Starts the thread; the tables must exist before the first query."""
        self._thread.start()

    def ask(self, ask: Ask, done: Deferred[Any]) -> None:
        """Queues a query; `done` fires with its answer after the queries before it."""
        self._asks.append((ask, done))
        self._bell.set()

    def stop(self) -> None:
        """Stops answering, without waiting for the thread to end."""
        self._closing.set()
        self._bell.set()

    def join(self, seconds: float) -> None:
        """Waits up to `seconds` for the thread to end, after `stop`."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._bell.wait()
            self._bell.clear()
            while self._asks and not self._closing.is_set():
                self._try_first()
        self._database.close()

    def _try_first(self) -> None:
        ask, done = self._asks[0]
        try:
            answer = self._answer(ask)
        except Exception:  # noqa: BLE001 - whatever the database has: it is asked again
            self._database.close()
            self._closing.wait(self._pause)
            self._pause = min(_LONGEST_SECONDS, self._pause * 2)
            return
        self._pause = _FIRST_SECONDS
        self._asks.popleft()
        self._tell(done, answer)

    def _answer(self, ask: Ask) -> object:
        try:
            with self._database.reading() as connection:
                return ask(connection)
        except Exception as problem:
            if not is_poisoned(problem):
                raise
            return Failure()
