"""Import of spill files into the journal, before any new event is written."""

from collections.abc import Sequence

from sqlalchemy import Connection, select
from twisted.logger import Logger

from voicestt.events import Event
from voicestt.journal.database import Database
from voicestt.journal.leases import Lease
from voicestt.journal.mending import Quarantine
from voicestt.journal.payloads import clean, payload_of
from voicestt.journal.problems import is_poisoned
from voicestt.journal.spill import Spill, SpillFile
from voicestt.journal.tables import events
from voicestt.journal.writing import EventWriter


class ReadingIn:
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
        """Imports all spill files; events that an earlier attempt has imported are skipped.

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
        mending = Quarantine(self._database, writer)
        count = 0
        for bunch in file.bunches():
            self._write(writer, mending, bunch)
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

    def _write(self, writer: EventWriter, mending: Quarantine, bunch: Sequence[Event]) -> None:
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
                mending.write(event)


def _key_of(event: Event) -> tuple[str, int]:
    return clean(event.session), event.sequence


def _known(connection: Connection, bunch: Sequence[Event]) -> dict[tuple[str, int], bytes]:
    """Reads the payloads that the journal has for these events, by session and sequence number."""
    keys = [_key_of(event) for event in bunch]
    asked = select(events.c.session, events.c.sequence, events.c.payload).where(
        events.c.session.in_({session for session, _ in keys}),
        events.c.sequence.in_({sequence for _, sequence in keys}),
    )
    return {(row.session, row.sequence): row.payload.encode() for row in connection.execute(asked)}
