"""The database cannot be written: said once when it begins and once when it is over, and tried ever less often."""

import time
from collections.abc import Callable

from twisted.logger import Logger

from voicestt.journal.problems import words_of
from voicestt.journal.waiting import Waiting

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 5.0


class Outage:
    """Whether it lasts, and how long to wait. `name` is the database, `waiting` what waits for it."""

    _log = Logger()

    def __init__(self, name: str, waiting: Waiting, seconds: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._waiting = waiting
        self._seconds = seconds
        self._since: float | None = None
        self._pause = _FIRST_SECONDS
        self._dropped_before = 0

    @property
    def lasts(self) -> bool:
        """Whether the last attempt failed."""
        return self._since is not None

    def failed(self, problem: Exception) -> float:
        """An attempt failed; gives the seconds until the next one."""
        if self._since is None:
            self._since = self._seconds()
            self._dropped_before = self._waiting.dropped
            self._log.error(
                "🔴 The journal ({name}) cannot be written: {problem}. Calls go on; events wait in memory, and "
                "are lost if the server ends before it works again. What to do: free the disk, or start the "
                "database.",
                name=self._name,
                problem=words_of(problem),
            )
        pause = self._pause
        self._pause = min(_LONGEST_SECONDS, pause * 2)
        return pause

    def worked(self) -> None:
        """An attempt succeeded."""
        if self._since is None:
            return
        self._log.warn(
            "🟢 The journal ({name}) can be written again after {seconds:.0f} s: the {waiting} events that wait "
            "are written now, {dropped} were lost.",
            name=self._name,
            seconds=self._seconds() - self._since,
            waiting=len(self._waiting),
            dropped=self._waiting.dropped - self._dropped_before,
        )
        self._since = None
        self._pause = _FIRST_SECONDS
