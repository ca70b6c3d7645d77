"""What waits to be written: handed from the reactor's thread to the journal's, and never without bound."""

import threading
from collections import deque
from dataclasses import dataclass

from voicestt.events import Event, Partial

MOST = 200_000
_ROOM_SHARE = 20


@dataclass(slots=True, eq=False)
class Entry:
    """What was put at `at`, on the reactor's clock. `is_over`: it is written, or never will be."""

    event: Event | None
    fact: object
    at: float
    is_over: bool = False
    was_late: bool = False


class Waiting:
    """A queue of entries, of at most `most`; `dropped` had to go."""

    def __init__(self, most: int = MOST) -> None:
        self.dropped = 0
        self._most = most
        self._entries: deque[Entry] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> list[Entry]:
        """Takes it; gives those that had to go for it: partials first, then the oldest of the others."""
        with self._lock:
            gone = self._make_room() if len(self._entries) >= self._most else []
            self._entries.append(entry)
        return gone

    def take(self, most: int) -> list[Entry]:
        """The first `most`."""
        with self._lock:
            entries = self._entries
            return [entries.popleft() for _ in range(min(most, len(entries)))]

    def _make_room(self) -> list[Entry]:
        # For many at once: looking through all of them for each would take the reactor's time.
        room = max(1, self._most // _ROOM_SHARE)
        gone = [entry for entry in self._entries if isinstance(entry.event, Partial)]
        kept = deque(entry for entry in self._entries if not isinstance(entry.event, Partial))
        while kept and len(gone) < room:
            gone.append(kept.popleft())
        self._entries = kept
        self.dropped += len(gone)
        return gone
