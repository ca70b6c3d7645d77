"""The journal's thread: the only one that asks the database.

A turn writes what waits in one transaction, answers what was asked, and does what is due besides; then the thread
sleeps for a moment, so that many events share a transaction. What fails stays, in order, and is tried again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.journal import outbox
from voicestt.journal.chores import Chores
from voicestt.journal.database import Database
from voicestt.journal.mending import Mending
from voicestt.journal.outage import Outage
from voicestt.journal.outbox import Mark
from voicestt.journal.payloads import Whole
from voicestt.journal.port import Record
from voicestt.journal.problems import is_poisoned
from voicestt.journal.waiting import Entry, Waiting
from voicestt.journal.writing import EventWriter

_MOST_AT_ONCE = 500
_CLOSING_PAUSE = 0.2

Ask = Callable[[Connection], Any]


@dataclass(slots=True)
class News:
    """What the reactor's thread is told of a turn: entries with their records, records of others' ends, and
    answers."""

    written: list[tuple[Entry, Record | None]] = field(default_factory=list)
    found: list[Record] = field(default_factory=list)
    answers: list[tuple[Deferred[Any], object]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.written or self.found or self.answers)

    def find(self, records: list[Record]) -> None:
        """Ends that were written for others."""
        self.found += records

    def take(self) -> "News":
        """All of it; nothing stays."""
        taken = News(self.written, self.found, self.answers)
        self.written, self.found, self.answers = [], [], []
        return taken


@dataclass(frozen=True, slots=True)
class Parts:
    """What the thread works with; `begin` makes the database ready."""

    database: Database
    waiting: Waiting
    whole: Whole
    writer: EventWriter
    chores: Chores
    begin: Callable[[], None]


class JournalThread:
    """`tell` and the callbacks are called in this thread: they hand over to the reactor's."""

    _log = Logger()

    def __init__(self, parts: Parts, news: News, tell: Callable[[News], object], pause: float) -> None:
        self._parts = parts
        self._news = news
        self._tell = tell
        self._pause = pause
        self._mending = Mending(parts.database, parts.writer)
        self._outage = Outage(parts.database.name, parts.waiting)
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._give_up_at = 0.0
        self._entries: deque[Entry] = deque()
        self._marks: deque[tuple[Mark, Deferred[Any]]] = deque()
        self._asks: deque[tuple[Ask, Deferred[Any]]] = deque()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._began: Callable[[Failure | None], object] = lambda _failure: None
        self._ended: Callable[[], object] = lambda: None

    def start(self, began: Callable[[Failure | None], object]) -> None:
        """`began` is called with None, or with why it could not begin."""
        self._began = began
        self._thread.start()

    def stop(self, seconds: float, ended: Callable[[], object]) -> None:
        """Writes what waits for at most so long; `ended` is called when it is through."""
        self._ended = ended
        self._give_up_at = time.monotonic() + seconds
        self._closing.set()
        self._bell.set()

    def join(self) -> None:
        """Waits for the thread, after `ended`."""
        self._thread.join(1.0)

    def put(self, entry: Entry) -> list[Entry]:
        """Writes it soon; gives those that had to go for it."""
        gone = self._parts.waiting.put(entry)
        self._ring()
        return gone

    def mark(self, mark: Mark, done: Deferred[Any]) -> None:
        """Writes it soon."""
        self._marks.append((mark, done))
        self._ring()

    def ask(self, ask: Ask, done: Deferred[Any]) -> None:
        """Answers it soon, after what was put and marked before."""
        self._asks.append((ask, done))
        self._ring()

    def _ring(self) -> None:
        if not self._bell.is_set():
            self._bell.set()

    def _run(self) -> None:
        try:
            self._parts.begin()
        except Exception:  # noqa: BLE001 - it is told to whoever opened
            self._parts.database.close()
            self._began(Failure())
            return
        self._began(None)
        self._tell_news()
        while not self._is_over():
            if not self._has_work():
                self._bell.wait(self._parts.chores.rest())
            self._bell.clear()
            self._rest(self._turn())
        self._end()

    def _turn(self) -> float:
        try:
            self._write()
            self._answer()
            if self._outage.lasts:
                self._parts.chores.prove()
            self._parts.chores.do_due()
            self._outage.worked()
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is tried again
            self._parts.database.close()
            return self._outage.failed(problem)
        else:
            return self._pause
        finally:
            self._tell_news()

    def _rest(self, pause: float) -> None:
        if not self._closing.is_set():
            self._closing.wait(pause)
        elif self._outage.lasts:
            time.sleep(min(pause, _CLOSING_PAUSE))

    def _has_work(self) -> bool:
        return bool(self._entries or self._marks or self._asks or len(self._parts.waiting))

    def _is_over(self) -> bool:
        if not self._closing.is_set():
            return False
        return not self._has_work() or time.monotonic() > self._give_up_at

    def _write(self) -> None:
        if not self._entries:
            self._entries.extend(self._parts.waiting.take(_MOST_AT_ONCE))
        marks = list(self._marks)
        if not self._entries and not marks:
            return
        try:
            records = self._write_together([entry.event for entry in self._entries], [mark for mark, _ in marks])
        except Exception as problem:
            if not is_poisoned(problem):
                raise
            self._write_each()
        else:
            self._news.written += zip(self._entries, records, strict=True)
            self._entries.clear()
            self._marked(len(marks), None)

    def _write_together(self, events: list[Any], marks: list[Mark]) -> list[Record | None]:
        parts = self._parts
        with parts.database.writing() as connection:
            draft = parts.writer.write(connection, events)
            outbox.apply(connection, marks, time.time())
        parts.writer.keep(draft)
        outbox.forget(parts.whole, marks)
        return draft.records

    def _write_each(self) -> None:
        while self._entries:
            entry = self._entries[0]
            record = None if entry.event is None else self._mending.write(entry.event)
            self._news.written.append((entry, record))
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

    def _marked(self, count: int, answer: object) -> None:
        for _ in range(count):
            _mark, done = self._marks.popleft()
            self._news.answers.append((done, answer))

    def _answer(self) -> None:
        while self._asks:
            ask, done = self._asks[0]
            try:
                with self._parts.database.reading() as connection:
                    answer = ask(connection)
            except Exception as problem:
                if not is_poisoned(problem):
                    raise
                answer = Failure()
            self._asks.popleft()
            self._news.answers.append((done, answer))

    def _tell_news(self) -> None:
        if self._news:
            self._tell(self._news.take())

    def _end(self) -> None:
        try:
            self._parts.chores.end()
        except Exception as problem:  # noqa: BLE001 - others find out by themselves that we are gone
            self._outage.failed(problem)
        self._parts.database.close()
        self._ended()
