"""The journal's three threads, one each to write, to read and for maintenance.

Each has its own connection.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from voicestt.events import Event
from voicestt.journal.addresses import Addresses
from voicestt.journal.database import Database
from voicestt.journal.leases import Lease, this_process
from voicestt.journal.maintenance import Maintenance, Pace
from voicestt.journal.outage import JournalOutage
from voicestt.journal.outbox import Mark
from voicestt.journal.payloads import StoredPayloads, redaction
from voicestt.journal.port import Destination, Fact, Standing
from voicestt.journal.reading import Ask, ReaderThread
from voicestt.journal.recovery import Recovery
from voicestt.journal.retention import Retention
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.spill import Place, Spill
from voicestt.journal.spilling import SpillImport, Spilling
from voicestt.journal.thread import JournalParts, JournalThread, TurnResults
from voicestt.journal.write_queue import Entry, WriteQueue
from voicestt.journal.writing import EventWriter

_JOIN_SECONDS = 0.5
_LAST_CHORE_SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """The configuration of a journal.

    `days` is JOURNAL_DAYS, `redact` JOURNAL_REDACT and `spill_dir` JOURNAL_SPILL_DIR.
    `addresses` are those of sessions that are not written yet.
    """

    url: str
    destinations: Sequence[Destination]
    days: float
    redact: str
    spill_dir: str | None
    pace: Pace
    addresses: Addresses = field(default_factory=Addresses)


@dataclass(frozen=True, slots=True)
class Callbacks(Generic[Fact]):
    """The callbacks of the threads.

    Each is called in the thread in which something happens, and must hand over to the reactor's.
    """

    wrote: Callable[[TurnResults[Fact]], object]
    answered: Callable[[Deferred[Any], object], object]
    ended: Callable[[Sequence[Event]], object]
    found: Callable[[str, Sequence[str]], object]
    counted: Callable[[str, Standing], object]
    changed: Callable[[], object]
    figures: Callable[[], str | None]


class JournalThreads(Generic[Fact]):
    """Creates and controls the journal's threads.

    Create it when the journal is opened and not before, as a daemon forks in between.

    Raises:
        BadJournal: for a URL that names no database, or whose library is missing.
    """

    def __init__(
        self,
        settings: JournalOptions,
        waiting: WriteQueue[Fact],
        whole: StoredPayloads,
        callbacks: Callbacks[Fact],
    ) -> None:
        database, lease = Database(settings.url), Lease(this_process())
        self.owner = lease.id
        self.outage = JournalOutage(database.name, waiting)
        self._maintenance = _maintenance(settings, lease, callbacks)
        self._reader = ReaderThread(Database(settings.url), callbacks.answered)
        redact = redaction(settings.redact)
        writer = EventWriter(database, lease.id, settings.destinations, redact, whole, settings.addresses)
        self.spill = Spill(_place(settings, database), redact, addresses=settings.addresses)
        parts = JournalParts(
            database,
            waiting,
            whole,
            writer,
            self.outage,
            Spilling(self.spill),
            partial(_begin, database, lease, SpillImport(database, lease, self.spill, writer)),
            partial(_end, database, lease, self._maintenance),
        )
        self._writing = JournalThread(parts, callbacks.wrote, settings.pace.batch)
        self.put: Callable[[Entry[Fact]], list[Entry[Fact]]] = self._writing.put
        self.mark: Callable[[Mark, Deferred[None]], None] = self._writing.mark
        self.ask: Callable[[Ask[Any], Deferred[Any]], None] = self._reader.ask
        self.look_for_dead: Callable[[], None] = self._maintenance.look

    @property
    def has_begun(self) -> bool:
        """True once the database was made ready."""
        return self._writing.has_begun

    def start(self, began: Callable[[Failure | None], object]) -> None:
        """Start the writer thread, see `JournalThread.start`."""
        self._writing.start(began)

    def start_others(self) -> None:
        """Start the reader and maintenance threads.

        Called when the writer has begun: before that, there may be no tables.
        """
        self._reader.start()
        self._maintenance.start()

    def stop(self, seconds: float, ended: Callable[[], object]) -> None:
        """Stop the threads; the writer writes the queued events for at most `seconds`, and then calls `ended`."""
        self._reader.stop()
        self._maintenance.stop()
        self._writing.stop(seconds, ended)

    def join(self) -> None:
        """Wait for all threads to end, after `ended`."""
        self._writing.join()
        self._reader.join(_JOIN_SECONDS)
        self._maintenance.join(_JOIN_SECONDS)


def _maintenance(settings: JournalOptions, lease: Lease, callbacks: Callbacks[Any]) -> Maintenance:
    database = Database(settings.url)
    names = [destination.name for destination in settings.destinations]
    recovery = Recovery(database, lease, names, callbacks.ended, callbacks.found, callbacks.counted)
    retention = Retention(database, settings.days)
    return Maintenance(database, lease, recovery, retention, settings.pace, callbacks.changed, callbacks.figures)


def _place(settings: JournalOptions, database: Database) -> Place:
    place = database.spill
    return place if settings.spill_dir is None else replace(place, folder=Path(settings.spill_dir).absolute())


def _begin(database: Database, lease: Lease, spill_import: SpillImport) -> None:
    bring_up_to_date(database)
    with database.writing() as connection:
        lease.renew(connection, database.now(connection))
    spill_import.read()


def _end(database: Database, lease: Lease, maintenance: Maintenance) -> None:
    # A lease that were renewed after its end would begin anew.
    maintenance.join(_LAST_CHORE_SECONDS)
    with database.writing() as connection:
        lease.end(connection, database.now(connection))
