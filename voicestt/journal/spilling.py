"""Spilling of queued events into a file while a newer version made the tables, and their import after that."""

from collections.abc import Sequence

from sqlalchemy import Connection, select
from twisted.logger import Logger

from voicestt.events import Event
from voicestt.journal.database import Database
from voicestt.journal.leases import Lease
from voicestt.journal.payloads import clean, payload_of
from voicestt.journal.problems import is_poisoned
from voicestt.journal.quarantine import Quarantine
from voicestt.journal.spill import Spill, SpillFile
from voicestt.journal.tables import events
from voicestt.journal.writing import EventWriter


class Spilling:
    """Writes events into `spill`, and logs once when that begins and once for each problem."""

    _log = Logger()

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self._problem = ""
        self._said_of: str | None = None
        self._left_out = 0

    def write(self, events: Sequence[Event | None]) -> bool:
        """Write events to the disk; False if that failed and none of them is there."""
        some = [event for event in events if event is not None]
        try:
            if some:
                self._spill.write(some)
        except OSError as problem:
            self._failed(problem.strerror or str(problem))
            return False
        self._worked()
        return True

    def close(self) -> None:
        """Close the file at the server's end, and log that its events wait for the next server."""
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


class SpillImport:
    """Imports the spill files of this process, by its own `writer`, and those of processes that are gone.

    The sessions of the latter have no owner: whoever looks after the journal takes them over, and closes them.
    """

    _log = Logger()

    def __init__(self, database: Database, lease: Lease, spill: Spill, writer: EventWriter) -> None:
        self._database = database
        self._lease = lease
        self._spill = spill
        self._writer = writer
        self._own: SpillFile | None = None

    def read(self) -> None:
        """Import all spill files; events that an earlier attempt has imported are skipped.

        Raises:
            Exception: where the database is to blame; then it is to be called again.
        """
        while (own := self._own or self._spill.own()) is not None:
            self._own = own  # until it is read: an attempt may fail
            self._read(own, self._writer)
            own.close()
            self._own = None
        for left in self._spill.left():
            try:
                self._read(left, self._writer.for_owner(left.owner))
            finally:
                left.close()

    def _read(self, file: SpillFile, writer: EventWriter) -> None:
        quarantine = Quarantine(self._database, writer)
        count = 0
        for bunch in file.bunches():
            self._write(writer, quarantine, bunch)
            count += len(bunch)
        file.remove()
        self._log.warn(
            "The journal ({name}): the {count} events that waited in {path} are in it now, and are delivered.",
            name=self._database.name,
            count=count,
            path=str(file.path),
        )
        if file.bad:
            self._log.error(
                "{count} lines of {path} are no events of this version, and are not in the journal: the file is "
                "kept as {kept}. What to do: look at it, and delete it.",
                count=file.bad,
                path=str(file.path),
                kept=str(file.unread),
            )

    def _write(self, writer: EventWriter, quarantine: Quarantine, bunch: Sequence[Event]) -> None:
        try:
            with self._database.writing() as connection:
                self._lease.renew(connection, self._database.now(connection))
                known = _known(connection, bunch)
                fresh = [event for event in bunch if known.get(_key_of(event)) != payload_of(event)]
                draft = writer.write(connection, fresh)
            writer.keep(draft)
        except Exception as problem:
            if not is_poisoned(problem):
                raise
            for event in bunch:
                quarantine.write(event)


def _key_of(event: Event) -> tuple[str, int]:
    return clean(event.session), event.sequence


def _known(connection: Connection, bunch: Sequence[Event]) -> dict[tuple[str, int], bytes]:
    """Read the payloads that the journal has for these events, by session and sequence number."""
    keys = [_key_of(event) for event in bunch]
    asked = select(events.c.session, events.c.sequence, events.c.payload).where(
        events.c.session.in_({session for session, _ in keys}),
        events.c.sequence.in_({sequence for _, sequence in keys}),
    )
    return {(row.session, row.sequence): row.payload.encode() for row in connection.execute(asked)}
