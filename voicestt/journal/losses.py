"""Log messages about events that will never be in the journal."""

from collections import Counter
from collections.abc import Sequence

from twisted.logger import Logger

from voicestt.events import type_of
from voicestt.journal.waiting import Entry


class Losses:
    """Logs how many events of each kind are lost, and why."""

    _log = Logger()

    def given_up(self, gone: Sequence[Entry]) -> None:
        """Logs events that were dropped because too many waited."""
        self._log.error(
            "🔴 The journal cannot be written for so long that too many events wait: {count} of them are given up "
            "({kinds}), and will neither be in it nor delivered. Handlers were told of them.",
            count=len(gone),
            kinds=_kinds(gone),
        )

    def too_late(self, entry: Entry) -> None:
        """Logs an event that was put while the journal was closed."""
        self._log.error(
            "The journal is closed: an event ({kind}) is not written.",
            kind="none" if entry.event is None else type_of(entry.event),
        )

    def at_the_end(self, lost: Sequence[Entry]) -> None:
        """Logs events that still waited when the server ended."""
        self._log.error(
            "🔴 The journal could not be written before the server ended: {count} events are lost ({kinds}).",
            count=len(lost),
            kinds=_kinds(lost),
        )


def _kinds(entries: Sequence[Entry]) -> str:
    counts = Counter("nothing" if entry.event is None else type_of(entry.event) for entry in entries)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
