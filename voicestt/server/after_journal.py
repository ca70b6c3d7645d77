"""The readers of the journal: an event that is written goes to the log, the listening pages and the deliveries.

A final that the log shows in green is in the database; where the database cannot be written for a while, the log
shows words all the same, and says that they are not safe yet.
"""

from collections.abc import Callable, Sequence

from voicestt.call.facts import Event
from voicestt.journal.port import Record, Written
from voicestt.server.call_log import CallLog


class PersistedEvents:
    """Readers of the journal. `published` takes the records for applications.

    A fact that can be called is, when everything before it has been written, shown and published.
    """

    def __init__(self, log: CallLog, published: Callable[[Sequence[Record]], None]) -> None:
        self._log = log
        self._published = published

    def written(self, entries: Sequence[Written]) -> None:
        """See `voicestt.journal.port.Readers`."""
        for entry in entries:
            if not entry.was_late and isinstance(entry.fact, Event):
                self._log.tell(entry.fact, entry.record.session if entry.record is not None else None)
        records = [entry.record for entry in entries if entry.record is not None]
        if records or not entries:
            self._published(records)
        # Who is called may send the listeners away: first they are told.
        for entry in entries:
            if callable(entry.fact):
                entry.fact()

    def late(self, facts: Sequence[object]) -> None:
        """See `voicestt.journal.port.Readers`."""
        for fact in facts:
            if isinstance(fact, Event):
                self._log.tell_unwritten(fact)
