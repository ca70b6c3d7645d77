"""The bounded queue of events from the reactor's thread to the writer's, and those that wait there too long."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from voicestt.events import Event, Final, Partial, type_of
from voicestt.journal.former import MemoryToWrite
from voicestt.journal.port import Fact, Readers, Record, Written
from voicestt.runtime.histogram import Histogram

MOST = 200_000
MOST_BYTES = 128 * 1024 * 1024
_ROOM_SHARE = 20
# Rounded: 200,000 finals of a few words, each with its fact and its entry, were measured to take 295 MB.
_EVENT_BYTES = 1_200
_WORD_BYTES = 300

LATE_SECONDS = 2.0
_EVERY_SECONDS = 0.25


@dataclass(slots=True, eq=False)
class Entry(Generic[Fact]):
    """An entry of the queue, with an event and its fact.

    `at` is when it was put, on the reactor's clock. `is_over`: it is written, or never will be. `memory` is to be
    written in its place instead of an event. `flushed` is of one that only marks a place in the queue, and fires
    when it is over.
    """

    event: Event | None
    fact: Fact | None
    at: float
    is_over: bool = False
    was_late: bool = False
    memory: MemoryToWrite | None = None
    flushed: Deferred[None] | None = None

    def end(self) -> None:
        """End its wait, and tell whoever waits for it."""
        self.is_over = True
        if self.flushed is not None and not self.flushed.called:
            self.flushed.callback(None)


def size_of(event: Event | None) -> int:
    """Estimate the bytes of memory that an event takes, with all that it refers to."""
    if not isinstance(event, Final | Partial):
        return _EVENT_BYTES
    # Four bytes a character at most, in the event and in the fact, if these do not share it.
    words = len(event.words or ()) if isinstance(event, Final) else 0
    return _EVENT_BYTES + 4 * len(event.text) + _WORD_BYTES * words


class WriteQueue(Generic[Fact]):
    """A thread-safe queue of at most `most` entries and about `most_bytes`.

    `dropped` counts the entries that had to make room for others.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.dropped = 0
        self.bytes = 0
        self._most = most
        self._most_bytes = most_bytes
        self._entries: deque[Entry[Fact]] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry[Fact]) -> list[Entry[Fact]]:
        """Add an entry, and return those dropped for it: partials first, then the oldest of the others."""
        with self._lock:
            gone = self._make_room() if self._is_full else []
            self._entries.append(entry)
            self.bytes += size_of(entry.event)
        return gone

    def take(self, most: int) -> list[Entry[Fact]]:
        """Remove and return the first `most` entries."""
        with self._lock:
            entries = self._entries
            taken = [entries.popleft() for _ in range(min(most, len(entries)))]
            self.bytes -= sum(size_of(entry.event) for entry in taken)
        return taken

    @property
    def _is_full(self) -> bool:
        return len(self._entries) >= self._most or self.bytes >= self._most_bytes

    def _make_room(self) -> list[Entry[Fact]]:
        # Room for many at once: a search through the whole queue for each entry would take the reactor's time.
        room = max(1, len(self._entries) // _ROOM_SHARE)
        gone = [entry for entry in self._entries if isinstance(entry.event, Partial)]
        kept = deque(entry for entry in self._entries if not isinstance(entry.event, Partial))
        while kept and len(gone) < room:
            gone.append(kept.popleft())
        self._entries = kept
        self.dropped += len(gone)
        self.bytes -= sum(size_of(entry.event) for entry in gone)
        return gone


class GuardedReaders(Generic[Fact]):
    """Calls the readers, and logs what they raise instead of letting it stop the calls."""

    _log = Logger()

    def __init__(self, readers: Readers[Fact]) -> None:
        self._readers = readers

    def written(self, entries: Sequence[Written[Fact]]) -> None:
        """Tell the readers of entries that are in the database."""
        try:
            self._readers.written(entries)
        except Exception:  # noqa: BLE001 - a reader's mistake must not stop the calls
            self._log.failure("A reader of the journal failed; its other readers may not have been told either.")

    def late(self, facts: Sequence[Fact]) -> None:
        """Tell the readers of facts whose events have waited too long for the database."""
        try:
            self._readers.late(facts)
        except Exception:  # noqa: BLE001 - likewise
            self._log.failure("A reader of the journal failed; its other readers may not have been told either.")


class LateFacts(Generic[Fact]):
    """Watches entries, and reports the facts of those that wait for `LATE_SECONDS`, each once, in order.

    An entry without a fact, such as recovery's end of another server's call, is nothing to report. `delay` is
    from an event's `put` until it is known to be in the database.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, late: Callable[[list[Fact]], object]) -> None:
        self._clock = clock
        self._late = late
        self._entries: deque[Entry[Fact]] = deque()
        self._late_ones: deque[Entry[Fact]] = deque()
        self._looking = LoopingCall(self.look)
        self.delay = Histogram()
        self._looking.clock = clock

    def start(self) -> None:
        """Start to look for late entries, every `_EVERY_SECONDS`."""
        self._looking.start(_EVERY_SECONDS, now=False)

    def stop(self) -> None:
        """Stop looking, if it was started."""
        if self._looking.running:
            self._looking.stop()

    def watch(self, entry: Entry[Fact]) -> None:
        """Add an entry that begins to wait."""
        self._entries.append(entry)

    def look(self) -> None:
        """Report the entries that are late by now."""
        self._tell(self._clock.seconds() - LATE_SECONDS)

    def tell_all(self) -> None:
        """Report all waiting entries, late or not."""
        self._tell(self._clock.seconds())

    def forget(self) -> None:
        """Drop all finished entries, also those behind unfinished ones: in an outage they may be many."""
        self._late_ones = deque(entry for entry in self._late_ones if not entry.is_over)
        self._entries = deque(entry for entry in self._entries if not entry.is_over)

    def waiting(self) -> list[Entry[Fact]]:
        """Return the entries that are not finished, in order."""
        return [entry for entry in chain(self._late_ones, self._entries) if not entry.is_over]

    def written(self, entry: Entry[Fact], record: Record | None) -> Written[Fact]:
        """Return what the readers are told of an entry; `record` is None if the journal refused its event."""
        entry.is_over = True
        if record is not None:
            self.delay.record(max(0.0, self._clock.seconds() - entry.at))
        if record is None and entry.event is not None and not entry.was_late:
            # No reader may take it for written.
            entry.was_late = True
            self._tell_of(entry)
        return Written(record, entry.fact, entry.was_late)

    def drop(self, gone: Sequence[Entry[Fact]]) -> None:
        """Report entries that had to make room for others, and log it."""
        self.tell_all()
        for entry in gone:
            entry.end()
        self.forget()
        self._log.error(
            "🔴 The journal cannot be written for so long that too many events wait: {count} of them are given up "
            "({kinds}), and will neither be in it nor delivered. Handlers were told of them.",
            count=len(gone),
            kinds=_kinds(gone),
        )

    def refuse(self, entry: Entry[Fact]) -> None:
        """Report an entry that was put while the journal was closed, and log it."""
        if entry.flushed is None:
            self._log.error(
                "The journal is closed: an event ({kind}) is not written.",
                kind="none" if entry.event is None else type_of(entry.event),
            )
            self._tell_of(entry)
        entry.end()

    def give_up(self) -> None:
        """Report all entries that still wait when the server ends, and log it."""
        left = self.waiting()
        lost = [entry for entry in left if entry.event is not None]
        self.tell_all()
        for entry in left:
            entry.end()
        if lost:
            self._log.error(
                "🔴 The journal could not be written before the server ended: {count} events are lost ({kinds}).",
                count=len(lost),
                kinds=_kinds(lost),
            )

    def _tell_of(self, entry: Entry[Fact]) -> None:
        if entry.fact is not None:
            self._late([entry.fact])

    def _tell(self, until: float) -> None:
        _forget(self._late_ones)
        facts = []
        while self._entries and (self._entries[0].is_over or self._entries[0].at <= until):
            entry = self._entries.popleft()
            if not entry.is_over:
                entry.was_late = True
                self._late_ones.append(entry)
                if entry.fact is not None:
                    facts.append(entry.fact)
        if facts:
            self._late(facts)


def _forget(entries: deque[Entry[Any]]) -> None:
    while entries and entries[0].is_over:
        entries.popleft()


def _kinds(entries: Sequence[Entry[Any]]) -> str:
    counts = Counter("nothing" if entry.event is None else type_of(entry.event) for entry in entries)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
