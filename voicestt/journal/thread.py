"""The journal's writer thread, which writes events and the results of deliveries.

It begins by making the database ready, however long that takes; what waits goes to a file meanwhile where a newer
version of voicestt made the tables. A turn writes what waits in one transaction; then it sleeps for a moment, so
that many events share a transaction. What fails stays, in order, and is tried again. Reading and maintenance have
threads and connections of their own.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.journal import outbox
from voicestt.journal.database import Database
from voicestt.journal.outage import JournalOutage
from voicestt.journal.outbox import Mark
from voicestt.journal.payloads import StoredPayloads
from voicestt.journal.port import Fact, Record
from voicestt.journal.problems import (
    BadJournal,
    JournalUnavailable,
    NewerJournal,
    is_poisoned,
)
from voicestt.journal.quarantine import Quarantine
from voicestt.journal.spilling import Spilling
from voicestt.journal.write_queue import Entry, WriteQueue
from voicestt.journal.writing import EventWriter

_MOST_AT_ONCE = 500
_CLOSING_PAUSE = 0.2


@dataclass(slots=True)
class TurnResults(Generic[Fact]):
    """The results of a turn for the reactor's thread.

    `written` has entries with their records, `answers` the Deferreds of recorded delivery results with None or a
    Failure.
    """

    written: list[tuple[Entry[Fact], Record | None]] = field(default_factory=list)
    answers: list[tuple[Deferred[None], Failure | None]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.written or self.answers)

    def take(self) -> "TurnResults[Fact]":
        """Move all results into a new object, and leave this one empty."""
        taken = TurnResults(self.written, self.answers)
        self.written, self.answers = [], []
        return taken


@dataclass(frozen=True, slots=True)
class JournalParts(Generic[Fact]):
    """The objects that the writer thread works with.

    `begin` makes the database ready; `end` is the last call before the thread ends.
    """

    database: Database
    waiting: WriteQueue[Fact]
    whole: StoredPayloads
    writer: EventWriter
    outage: JournalOutage
    spilling: Spilling
    begin: Callable[[], None]
    end: Callable[[], None]


class JournalThread(Generic[Fact]):
    """Writes queued events and delivery results in batches, and keeps trying during an outage.

    `tell` and the callbacks are called in this thread: they must hand over to the reactor's.
    """

    _log = Logger()

    def __init__(
        self, parts: JournalParts[Fact], tell: Callable[[TurnResults[Fact]], object], pause: float
    ) -> None:
        self.has_begun = False
        self._parts = parts
        self._results = TurnResults[Fact]()
        self._tell = tell
        self._pause = pause
        self._quarantine = Quarantine(parts.database, parts.writer)
        self._outage = parts.outage
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._give_up_at = 0.0
        self._entries: deque[Entry[Fact]] = deque()
        self._marks: deque[tuple[Mark, Deferred[None]]] = deque()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._began: Callable[[Failure | None], object] = lambda _failure: None
        self._ended: Callable[[], object] = lambda: None

    def start(self, began: Callable[[Failure | None], object]) -> None:
        """Start the thread; `began` is called when the database is ready.

        It is called with None, or with a Failure if the settings are wrong. A database that cannot be used at
        present is waited for, and is an outage like any other.
        """
        self._began = began
        self._thread.start()

    def stop(self, seconds: float, ended: Callable[[], object]) -> None:
        """Write the queued events for at most `seconds`, and then call `ended`."""
        self._ended = ended
        self._give_up_at = time.monotonic() + seconds
        self._closing.set()
        self._bell.set()

    def join(self) -> None:
        """Wait for the thread to end, after `ended`, for a second at most."""
        self._thread.join(1.0)

    def put(self, entry: Entry[Fact]) -> list[Entry[Fact]]:
        """Queue an entry to be written, and return the entries that were dropped to make room."""
        gone = self._parts.waiting.put(entry)
        self._ring()
        return gone

    def mark(self, mark: Mark, done: Deferred[None]) -> None:
        """Queue a delivery result to be written; `done` is answered when it is."""
        self._marks.append((mark, done))
        self._ring()

    def _ring(self) -> None:
        if not self._bell.is_set():
            self._bell.set()

    def _run(self) -> None:
        if not self._begin():
            return
        while not self._is_over():
            if not self._has_work():
                self._bell.wait()
            self._bell.clear()
            self._rest(self._turn())
        self._end()

    def _begin(self) -> bool:
        while not self.has_begun:
            try:
                self._parts.begin()
                self.has_begun = True
            except Exception as problem:  # noqa: BLE001 - it is told to whoever opened, or tried again
                self._parts.database.close()
                if isinstance(problem, BadJournal) and not isinstance(problem, JournalUnavailable):
                    self._began(Failure())
                    return False
                self._wait_to_begin(self._outage.failed(problem), is_newer=isinstance(problem, NewerJournal))
            else:
                self._outage.worked()
            if self._is_over():
                break
        self._began(None)
        return True

    def _wait_to_begin(self, pause: float, *, is_newer: bool) -> None:
        """Wait before the database is tried again.

        If a newer version made the tables, queued events go to the spill file meanwhile.
        """
        until = time.monotonic() + pause
        while is_newer and self._spill() and not self._closing.is_set():
            left = until - time.monotonic()
            if left <= 0:
                return
            self._bell.wait(left)
            self._bell.clear()
            self._closing.wait(min(left, self._pause))
        self._rest(max(0.0, until - time.monotonic()))

    def _spill(self) -> bool:
        """Move all queued events into the spill file; False if that failed."""
        entries, waiting = self._entries, self._parts.waiting
        while entries or len(waiting):
            if not entries:
                entries.extend(waiting.take(_MOST_AT_ONCE))
            if not self._parts.spilling.write([entry.event for entry in entries]):
                return False
            self._results.written += [(entry, None) for entry in entries]
            entries.clear()
            self._tell_results()
        return True

    def _turn(self) -> float:
        try:
            if self._write():
                self._outage.worked()
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is tried again
            self._parts.database.close()
            return self._outage.failed(problem)
        else:
            return self._pause
        finally:
            self._tell_results()

    def _rest(self, pause: float) -> None:
        if not self._closing.is_set():
            self._closing.wait(pause)
        elif self._outage.lasts and self._has_work():
            time.sleep(min(pause, _CLOSING_PAUSE))

    def _has_work(self) -> bool:
        return bool(self._entries or self._marks or len(self._parts.waiting))

    def _is_over(self) -> bool:
        if not self._closing.is_set():
            return False
        return not self._has_work() or time.monotonic() > self._give_up_at

    def _write(self) -> bool:
        """Write a batch; False if the database was not needed.

        Entries without an event only keep the order, and are reported without it.
        """
        if not self._entries:
            self._entries.extend(self._parts.waiting.take(_MOST_AT_ONCE))
        marks = list(self._marks)
        if not marks and all(entry.event is None and entry.memory is None for entry in self._entries):
            self._results.written += [(entry, None) for entry in self._entries]
            self._entries.clear()
            return False
        try:
            records = self._write_together(list(self._entries), [mark for mark, _ in marks])
        except Exception as problem:
            if not is_poisoned(problem):
                raise
            self._write_each()
        else:
            self._results.written += zip(self._entries, records, strict=True)
            self._entries.clear()
            self._marked(len(marks), None)
        return True

    def _write_together(self, entries: list[Entry[Fact]], marks: list[Mark]) -> list[Record | None]:
        parts = self._parts
        with parts.database.writing() as connection:
            draft = parts.writer.write(connection, [entry.event for entry in entries])
            for memory in [entry.memory for entry in entries if entry.memory is not None]:
                memory.write(connection)
            outbox.apply(connection, marks, time.time())
        parts.writer.keep(draft)
        outbox.forget(parts.whole, marks)
        return draft.records

    def _write_each(self) -> None:
        while self._entries:
            entry = self._entries[0]
            record = None if entry.event is None else self._quarantine.write(entry.event)
            if entry.memory is not None:
                with self._parts.database.writing() as connection:
                    entry.memory.write(connection)
            self._results.written.append((entry, record))
            self._entries.popleft()
        marks = [mark for mark, _ in self._marks]
        try:
            self._write_together([], marks)
        except Exception as problem:
            if not is_poisoned(problem):
                raise
            self._marked(len(marks), Failure())
        else:
            self._marked(len(marks), None)

    def _marked(self, count: int, answer: Failure | None) -> None:
        for _ in range(count):
            _mark, done = self._marks.popleft()
            self._results.answers.append((done, answer))

    def _tell_results(self) -> None:
        if self._results:
            self._tell(self._results.take())

    def _end(self) -> None:
        try:
            if self.has_begun:
                self._parts.end()
        except Exception as problem:  # noqa: BLE001 - others find out by themselves that we are gone
            self._outage.failed(problem)
        self._parts.database.close()
        self._parts.spilling.close()
        self._ended()
