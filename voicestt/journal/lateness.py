"""A timer that reports events which wait too long to be written to the database."""

from collections import deque
from collections.abc import Callable
from itertools import chain
from typing import Any

from twisted.internet.task import LoopingCall

from voicestt.journal.waiting import Entry

LATE_SECONDS = 2.0
_EVERY_SECONDS = 0.25


class LateFacts:
    """Watches entries, and reports the facts of those that wait for `LATE_SECONDS`, each once, in order.

    An entry without a fact, such as recovery's end of another server's call, is nothing to report.
    """

    def __init__(self, clock: Any, late: Callable[[list[object]], object]) -> None:
        self._clock = clock
        self._late = late
        self._entries: deque[Entry] = deque()
        self._late_ones: deque[Entry] = deque()
        self._looking = LoopingCall(self.look)
        self._looking.clock = clock

    def start(self) -> None:
        """Starts to look for late entries, every `_EVERY_SECONDS`."""
        self._looking.start(_EVERY_SECONDS, now=False)

    def stop(self) -> None:
        """Stops looking, if it was started."""
        if self._looking.running:
            self._looking.stop()

    def watch(self, entry: Entry) -> None:
        """Adds an entry that begins to wait."""
        self._entries.append(entry)

    def look(self) -> None:
        """Reports the entries that are late by now."""
        self._tell(self._clock.seconds() - LATE_SECONDS)

    def tell_all(self) -> None:
        """Reports all waiting entries, late or not."""
        self._tell(self._clock.seconds())

    def forget(self) -> None:
        """Drops all finished entries, also those behind unfinished ones: in an outage they may be many."""
        self._late_ones = deque(entry for entry in self._late_ones if not entry.is_over)
        self._entries = deque(entry for entry in self._entries if not entry.is_over)

    def waiting(self) -> list[Entry]:
        """The entries that are not finished, in order."""
        return [entry for entry in chain(self._late_ones, self._entries) if not entry.is_over]

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


def _forget(entries: deque[Entry]) -> None:
    while entries and entries[0].is_over:
        entries.popleft()
