"""Outages of the database: logged once when they begin and once when they end, with growing pauses in between."""

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from voicestt.journal.problems import (
    BadJournal,
    NewerJournal,
    advice_for,
    words_of,
)
from voicestt.journal.write_queue import WriteQueue
from voicestt.runtime.backoff import Backoff

_PAUSES = Backoff(first=0.1, longest=5.0)
_IN_MEMORY = "in memory, and are lost if the server ends before it works again"
_IN_A_FILE = "in a file beside it, and the next server that can write the journal takes them from there"


class JournalOutage:
    """Tracks an outage of the database `name`, and the pause before the next attempt.

    `waiting` is the queue of events to be written. Other threads may read `why` and `since` (seconds since 1970);
    both are None as long as the database can be written.
    """

    _log = Logger()

    def __init__(self, name: str, waiting: WriteQueue[Any], seconds: Callable[[], float] = time.monotonic) -> None:
        self.why: str | None = None
        self.since: float | None = None
        self._name = name
        self._waiting = waiting
        self._seconds = seconds
        self._began: float | None = None
        self._failures = 0
        self._dropped_before = 0

    @property
    def lasts(self) -> bool:
        """True if the last attempt failed."""
        return self._began is not None

    def failed(self, problem: Exception) -> float:
        """Record a failed attempt, and return the seconds until the next one."""
        self.why = str(problem) if isinstance(problem, BadJournal) else words_of(problem)
        if self._began is None:
            self._began = self._seconds()
            self.since = time.time()
            self._dropped_before = self._waiting.dropped
            self._log.error(
                "🔴 The journal ({name}) cannot be written: {problem}. Calls go on; events wait {where}. "
                "What to do: {advice}.",
                name=self._name,
                problem=self.why.rstrip("."),
                where=_IN_A_FILE if isinstance(problem, NewerJournal) else _IN_MEMORY,
                advice=advice_for(problem),
            )
        pause = _PAUSES.pause(self._failures)
        self._failures += 1
        return pause

    def worked(self) -> None:
        """Record a successful attempt, which ends an outage."""
        if self._began is None:
            return
        self._log.warn(
            "🟢 The journal ({name}) can be written again after {seconds:.0f} s: the {waiting} events that wait "
            "are written now, {dropped} were lost.",
            name=self._name,
            seconds=self._seconds() - self._began,
            waiting=len(self._waiting),
            dropped=self._waiting.dropped - self._dropped_before,
        )
        self._began = self.since = self.why = None
        self._failures = 0
