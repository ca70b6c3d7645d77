"""What the journal's thread does besides: its lease, a look after those who are gone, and what is old."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from voicestt.journal.database import Database
from voicestt.journal.leases import Lease
from voicestt.journal.port import Record
from voicestt.journal.problems import is_poisoned
from voicestt.journal.recovery import Recovery
from voicestt.journal.retention import Retention


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between one and the next: batches, renewals of the lease, looks after others, rounds of deleting.

    Others are judged by their age only when our own lease was renewed for `settled` without a gap: after an outage
    of the database everybody looks old.
    """

    batch: float = 0.05
    renew: float = 5.0
    look: float = 15.0
    delete: float = 3_600.0
    settled: float = 20.0


class Chores:
    """All in the journal's thread. `found` is given the records of ends that were written for others."""

    _log = Logger()

    def __init__(
        self,
        database: Database,
        lease: Lease,
        recovery: Recovery,
        retention: Retention,
        found: Callable[[list[Record]], object],
        pace: Pace,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._lease = lease
        self._recovery = recovery
        self._retention = retention
        self._found = found
        self._pace = pace
        self._seconds = seconds
        self._renewed_at = self._settling_since = 0.0
        self._due: dict[Callable[[], float], float] = {}

    def begin(self) -> None:
        """The lease, and what others left."""
        with self._database.writing() as connection:
            self._lease.begin(connection, self._database.now(connection))
        now = self._renewed_at = self._settling_since = self._seconds()
        self._due = {self._renew: now + self._pace.renew, self._delete: now}
        self._due[self._look] = now + self._do(self._look)

    def end(self) -> None:
        """Others may take over what is left."""
        with self._database.writing() as connection:
            self._lease.end(connection, self._database.now(connection))

    def rest(self) -> float:
        """Seconds until there is something to do."""
        return max(0.0, min(self._due.values()) - self._seconds())

    def do_due(self) -> None:
        """What is due now. What fails is due again later, so that writing does not wait for it."""
        for chore, due in self._due.items():
            if due <= self._seconds():
                self._due[chore] = self._seconds() + self._pace.renew
                self._due[chore] = self._seconds() + self._do(chore)

    def prove(self) -> None:
        """Writes something: whoever comes back from here knows that the database works."""
        self._renew()

    def _do(self, chore: Callable[[], float]) -> float:
        try:
            return chore()
        except Exception as problem:
            if not is_poisoned(problem):
                raise
            self._log.failure("A chore of the journal failed; it is done again later.")
            return self._pace.look

    def _renew(self) -> float:
        with self._database.writing() as connection:
            is_ours = self._lease.renew(connection, self._database.now(connection))
        now = self._seconds()
        if now - self._renewed_at > 3 * self._pace.renew:
            self._settling_since = now
        self._renewed_at = now
        if not is_ours:
            self._log.error(
                "The journal: this process was not seen for a minute, so another took its calls for dead, closed "
                "them and delivers their events. Words that still come are written and delivered after that. What "
                "to do: find out what stopped this process, such as a machine without memory or a paused one."
            )
        return self._pace.renew

    def _look(self) -> float:
        by_age = self._seconds() - self._settling_since >= self._pace.settled
        for records in self._recovery.look(by_age=by_age):
            if records:
                self._found(records)
        return self._pace.look

    def _delete(self) -> float:
        return self._pace.batch if self._retention.step() else self._pace.delete
