"""The bounded queue of events from the reactor's thread to the journal's writer thread."""

import threading
from collections import deque
from dataclasses import dataclass

from voicestt.events import Event, Final, Partial
from voicestt.journal.former import MemoryToWrite

MOST = 200_000
MOST_BYTES = 128 * 1024 * 1024
_ROOM_SHARE = 20
# Rounded: 200,000 finals of a few words, each with its fact and its entry, were measured to take 295 MB.
_EVENT_BYTES = 1_200
_WORD_BYTES = 300


@dataclass(slots=True, eq=False)
class Entry:
    """An entry of the queue, with an event and its fact.

    `at` is when it was put, on the reactor's clock. `is_over`: it is written, or never will be. `memory` is to be
    written in its place instead of an event.
    """

    event: Event | None
    fact: object
    at: float
    is_over: bool = False
    was_late: bool = False
    memory: MemoryToWrite | None = None


def size_of(event: Event | None) -> int:
    """Estimates the bytes of memory that an event takes, with all that it refers to."""
    if not isinstance(event, Final | Partial):
        return _EVENT_BYTES
    # Four bytes a character at most, in the event and in the fact, if these do not share it.
    words = len(event.words or ()) if isinstance(event, Final) else 0
    return _EVENT_BYTES + 4 * len(event.text) + _WORD_BYTES * words


class WriteQueue:
    """A thread-safe queue of at most `most` entries and about `most_bytes`.

    `dropped` counts the entries that had to make room for others.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.dropped = 0
        self.bytes = 0
        self._most = most
        self._most_bytes = most_bytes
        self._entries: deque[Entry] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> list[Entry]:
        """Adds an entry, and returns those dropped for it: partials first, then the oldest of the others."""
        with self._lock:
            gone = self._make_room() if self._is_full else []
            self._entries.append(entry)
            self.bytes += size_of(entry.event)
        return gone

    def take(self, most: int) -> list[Entry]:
        """Removes and returns the first `most` entries."""
        with self._lock:
            entries = self._entries
            taken = [entries.popleft() for _ in range(min(most, len(entries)))]
            self.bytes -= sum(size_of(entry.event) for entry in taken)
        return taken

    @property
    def _is_full(self) -> bool:
        return len(self._entries) >= self._most or self.bytes >= self._most_bytes

    def _make_room(self) -> list[Entry]:
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
