"""Deletion of recordings that are older than they may be kept, here and in the store. It blocks."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from voicestt.recording.folder import RecordingFolder, is_day, seconds_of, session_in
from voicestt.recording.store import RecordingStore
from voicestt.runtime.believed_clock import BelievedClock

_DAY: Final = 86_400.0


def days_kept(record_days: float, journal_days: float) -> float:
    """Return the days that recordings are kept: none outlives the journal's word of its call; 0 is for ever."""
    return min((days for days in (record_days, journal_days) if days), default=0.0)


class RecordingRetention:
    """Keeps recordings for `days` (0: for ever), counted from when they began; those being written are left."""

    def __init__(
        self,
        folder: RecordingFolder,
        store: RecordingStore | None,
        days: float,
        now: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._store = store
        self._days = days
        self._now = now
        self._clock = BelievedClock("the care of recordings", "RECORD_DIR and RECORD_STORE", seconds)

    def step(self) -> int:
        """Delete what is too old; return how many recordings that were.

        Raises:
            OSError, StoreFailed: where something cannot be deleted; the next time it is tried again.
        """
        now = self._now()
        if not self._clock.is_right(now) or not self._days:
            return 0
        before = now - self._days * _DAY
        return self._delete_here(before) + self._delete_stored(before)

    def _delete_here(self, before: float) -> int:
        deleted = 0
        for day in self._folder.days():
            if _is_after(day.name, before):
                break
            for path in list(self._folder.whole_of(day)):
                if seconds_of(session_in(path.name)) < before:
                    path.unlink(missing_ok=True)
                    deleted += 1
            with suppress(OSError):  # it is not empty
                day.rmdir()
        return deleted

    def _delete_stored(self, before: float) -> int:
        old = list(self._old_names(self._store, before)) if self._store is not None else []
        if self._store is not None:
            self._store.delete(old)
        return len(old)

    @staticmethod
    def _old_names(store: RecordingStore, before: float) -> Iterator[str]:
        for day in store.days():
            if is_day(day) and not _is_after(day, before):
                names = (name for name in store.names(f"{day}/") if session_in(name))
                yield from (name for name in names if seconds_of(session_in(name)) < before)


def _is_after(day: str, before: float) -> bool:
    return day > datetime.fromtimestamp(max(0.0, before), UTC).date().isoformat()
