"""A wrapper around the journal's readers that logs their exceptions."""

from collections.abc import Sequence

from twisted.logger import Logger

from voicestt.journal.port import Readers, Written


class Guarded:
    """Calls the readers, and logs what they raise instead of letting it stop the calls."""

    _log = Logger()

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def written(self, entries: Sequence[Written]) -> None:
        """Tells the readers of entries that are in the database."""
        try:
            self._readers.written(entries)
        except Exception:  # noqa: BLE001 - a reader's mistake must not stop the calls
            self._log.failure("A reader of the journal failed; its other readers may not have been told either.")

    def late(self, facts: Sequence[object]) -> None:
        """Tells the readers of facts whose events have waited too long for the database."""
        try:
            self._readers.late(facts)
        except Exception:  # noqa: BLE001 - likewise
            self._log.failure("A reader of the journal failed; its other readers may not have been told either.")
