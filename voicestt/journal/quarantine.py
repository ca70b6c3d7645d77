"""Quarantine for events that the database refuses: a batch that fails is written event by event.

So one bad event does not stop the others.
"""

import time
from collections.abc import Callable

from sqlalchemy.exc import IntegrityError
from twisted.logger import Logger

from voicestt.events import Event, type_of
from voicestt.journal.database import Database
from voicestt.journal.port import Record
from voicestt.journal.problems import is_poisoned, words_of
from voicestt.journal.writing import EventWriter

_QUIET_SECONDS = 10.0


class Quarantine:
    """Writes single events, and skips those that the database refuses."""

    _log = Logger()

    def __init__(
        self, database: Database, writer: EventWriter, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._writer = writer
        self._seconds = seconds
        self._said_at: float | None = None
        self.kept_out = 0

    def write(self, event: Event) -> Record | None:
        """Write the event and return its record; None if it is refused, which is logged.

        Raises:
            Exception: where the database is to blame, and not the event.
        """
        try:
            return self._write(event)
        except IntegrityError:
            return self._write_again(event)
        except Exception as problem:
            if not is_poisoned(problem):
                raise
            self._keep_out(event, problem)
            return None

    def _write(self, event: Event) -> Record | None:
        with self._database.writing() as connection:
            draft = self._writer.write(connection, [event])
        self._writer.keep(draft)
        return draft.records[0]

    def _write_again(self, event: Event) -> Record | None:
        """Resolve a clash of sequence numbers, and write the event if it is not in the journal yet.

        The place may be taken by the event itself, whose commit was not confirmed, or by the end of the call that
        another process wrote because it took this one for dead.
        """
        with self._database.writing() as connection:
            found = self._writer.find(connection, event)
            if found is not None:
                return found
            self._writer.make_way(connection, event)
        try:
            return self._write(event)
        except IntegrityError as problem:
            self._keep_out(event, problem)
            return None

    def _keep_out(self, event: Event, problem: Exception) -> None:
        self.kept_out += 1
        now = self._seconds()
        if self._said_at is not None and now - self._said_at < _QUIET_SECONDS:
            return
        self._said_at = now
        self._log.error(
            "An event ({kind}) of call {call!r} cannot be written to the journal ({problem}): it is kept out of "
            "it and not delivered; handlers are told of it. So far {count} were.",
            kind=type_of(event),
            call=event.call_sid,
            problem=words_of(problem),
            count=self.kept_out,
        )
