"""Readers whose mistakes stop nobody."""

from collections.abc import Sequence

from twisted.logger import Logger

from voicestt.journal.port import Readers, Written


class Guarded:
    """The Readers, and what they raise goes to the log."""

    _log = Logger()

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def written(self, entries: Sequence[Written]) -> None:
        """These are in the database."""
        try:
            self._readers.written(entries)
        except Exception:  # noqa: BLE001 - a reader's mistake must not stop the calls
            self._log.failure("A reader of the journal failed; its other readers may not have been told either.")

    def late(self, facts: Sequence[object]) -> None:
        """These wait."""
        try:
            self._readers.late(facts)
        except Exception:  # noqa: BLE001 - likewise
            self._log.failure("A reader of the journal failed; its other readers may not have been told either.")
