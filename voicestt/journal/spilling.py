"""Spilling of queued events, with its log messages, while a newer version made the journal's tables."""

from collections.abc import Sequence

from twisted.logger import Logger

from voicestt.events import Event
from voicestt.journal.payloads import payload_or_none
from voicestt.journal.spill import Spill


class Spilling:
    """Writes events into `spill`, and logs once when that begins and once for each problem."""

    _log = Logger()

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self._problem = ""
        self._said_of: str | None = None
        self._left_out = 0

    def write(self, events: Sequence[Event | None]) -> bool:
        """Writes events to the disk; False if that failed and none of them is there."""
        good = [event for event in events if event is not None and payload_or_none(event) is not None]
        try:
            if good:
                self._spill.write(good)
        except OSError as problem:
            self._failed(problem.strerror or str(problem))
            return False
        self._worked()
        return True

    def close(self) -> None:
        """Closes the file at the server's end, and logs that its events wait for the next server."""
        if self._spill.count:
            self._log.error(
                "{count} events wait in {path}. The next server that can write the journal takes them from there; "
                "do not delete it. What to do: see the line above that says why the journal cannot be written.",
                count=self._spill.count,
                path=str(self._spill.path),
            )
        self._spill.close()

    def _worked(self) -> None:
        self._problem = ""
        if self._spill.count and self._said_of != str(self._spill.path):
            self._said_of = str(self._spill.path)
            self._log.warn(
                "Events wait in {path}, and are neither in the journal nor delivered yet. The next server that "
                "can write the journal takes them from there; do not delete it.",
                path=self._said_of,
            )
        if self._spill.left_out and not self._left_out:
            self._log.error("{path} is half full: partials are left out.", path=str(self._spill.path))
        self._left_out = self._spill.left_out

    def _failed(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._log.error(
                "🔴 {path}, where events were to wait for the journal, cannot be written ({problem}). They wait "
                "in memory, and are lost if the server ends. Calls go on. What to do: free the disk, or name a "
                "folder that can be written in JOURNAL_SPILL_DIR.",
                path=str(self._spill.path),
                problem=problem,
            )
