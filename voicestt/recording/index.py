"""Which calls have recordings: for lists, that ask for many at once. It blocks, and remembers."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from voicestt.recording.folder import RecordingFolder, day_of, is_session, session_in
from voicestt.recording.store import RecordingStore, StoreFailed

STORE_SECONDS: Final = 30.0
"""So long a day's names in the store are remembered."""

_MOST_DAYS: Final = 100


class RecordingIndex:
    """The sessions that have recordings in `folder` or in `store`, by days.

    A folder's day is read again when it has changed, a store's after STORE_SECONDS. A store that is away has none.
    """

    def __init__(
        self,
        folder: RecordingFolder,
        store: RecordingStore | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._store = store
        self._seconds = seconds
        self._here: dict[str, tuple[int, frozenset[str]]] = {}
        self._stored: dict[str, tuple[float, frozenset[str]]] = {}

    def has(self, session: str) -> bool:
        """Return True if the stream has a recording."""
        if not is_session(session):
            return False
        day = day_of(session)
        return session in self._sessions_here(day) or session in self._sessions_stored(day)

    def _sessions_here(self, day: str) -> frozenset[str]:
        try:
            changed = (self._folder.path / day).stat().st_mtime_ns
        except OSError:
            return frozenset()
        known = self._here.get(day)
        if known is None or known[0] != changed:
            _make_room(self._here)
            known = changed, frozenset(session_in(path.name) for path in self._folder.of_day(day))
            self._here[day] = known
        return known[1]

    def _sessions_stored(self, day: str) -> frozenset[str]:
        if self._store is None:
            return frozenset()
        known = self._stored.get(day)
        if known is None or known[0] <= self._seconds():
            _make_room(self._stored)
            sessions: frozenset[str] = frozenset()
            with suppress(StoreFailed):
                sessions = frozenset(map(session_in, self._store.names(f"{day}/")))
            known = self._seconds() + STORE_SECONDS, sessions
            self._stored[day] = known
        return known[1]


def _make_room(known: "dict[str, tuple[int, frozenset[str]]] | dict[str, tuple[float, frozenset[str]]]") -> None:
    if len(known) >= _MOST_DAYS:
        known.clear()
