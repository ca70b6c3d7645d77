"""The journal's maintenance thread: it renews the lease, takes over from dead servers, deletes and sums up.

It has a thread and a connection of its own, and little patience: a chore that fails is tried again later, ever
less often, and is no outage of the journal. No event waits for it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from voicestt.journal.database import Database
from voicestt.journal.leases import Lease
from voicestt.journal.outbox import changes_noted
from voicestt.journal.problems import advice_for, words_of
from voicestt.journal.recovery import Recovery
from voicestt.journal.retention import Retention
from voicestt.journal.summaries import Summaries
from voicestt.runtime.backoff import Backoff

HURRY_SECONDS = 3.0
"""Time limit of a chore's transaction."""

_LONGEST_SECONDS = 60.0
_LONGEST_SHARE = 64  # of the interval of renewals
_QUIET_FAILURES = 2
"""Failures in a row that are not logged: another process held a lock, or a connection was cut."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals of the journal's threads, in seconds.

    `batch` is the pause between two batches, `renew` between renewals of the lease, `look` between looks for dead
    servers, `delete` between rounds of deleting and `summarise` between looks for calls that have ended. Others
    are judged by their age only when our own lease was renewed for `settled` without a gap: after an outage of the
    database everybody looks old.
    """

    batch: float = 0.05
    renew: float = 5.0
    look: float = 15.0
    delete: float = 3_600.0
    settled: float = 20.0
    summarise: float = 1.0


class Maintenance:
    """Runs the chores in a thread, from `start` to `stop`.

    `changed` is called in it when deliveries were changed by hand; `figures` returns the state of the deliveries,
    as JSON.
    """

    _log = Logger()

    def __init__(
        self,
        database: Database,
        lease: Lease,
        recovery: Recovery,
        retention: Retention,
        pace: Pace,
        changed: Callable[[], object] = lambda: None,
        figures: Callable[[], str | None] = lambda: None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._lease = lease
        self._recovery = recovery
        self._retention = retention
        self._pace = pace
        self._changed = changed
        self._figures = figures
        self._changes = 0  # so it is read once after the start, if anything was ever changed: perhaps just now
        self._seconds = seconds
        self._renewed_at = self._settling_since = seconds()
        self._pauses = Backoff(pace.renew, min(_LONGEST_SECONDS, pace.renew * _LONGEST_SHARE))
        self._failures: dict[Callable[[], float], int] = {}
        self._summaries = Summaries(database)
        chores = {self._look: seconds(), self._delete: seconds(), self._summarise: seconds() + pace.summarise}
        self._due = {self._renew: seconds() + pace.renew, **chores}
        self._closing = threading.Event()
        self._bell = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal's chores", daemon=True)

    def start(self) -> None:
        """Start the thread; the tables and the lease must exist."""
        self._thread.start()

    def look(self) -> None:
        """Look for dead servers at once; may be called in any thread."""
        self._bell.set()

    def stop(self) -> None:
        """Stop after the current chore, without waiting for the thread to end."""
        self._closing.set()
        self._bell.set()

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for the thread to end, after `stop`."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._rest():
            for chore, due in list(self._due.items()):
                if due <= self._seconds() and not self._closing.is_set():
                    self._due[chore] = self._seconds() + self._do(chore)
        self._database.close()

    def _rest(self) -> bool:
        """Wait until something is due, or asked for; True if the thread is to end."""
        if self._bell.wait(max(0.0, min(self._due.values()) - self._seconds())):
            self._bell.clear()
            self._due[self._look] = self._seconds()
        return self._closing.is_set()

    def _do(self, chore: Callable[[], float]) -> float:
        try:
            pause = chore()
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is tried again
            self._database.close()
            return self._failed(chore, problem)
        self._failures[chore] = 0
        return pause

    def _failed(self, chore: Callable[[], float], problem: Exception) -> float:
        failures = self._failures[chore] = self._failures.get(chore, 0) + 1
        if failures == _QUIET_FAILURES + 1:
            self._log.warn(
                "The journal ({name}): {chore} failed {count} times in a row ({problem}), and is tried again. "
                "The writing of events is apart from this: where it fails too, the log says so. "
                "What to do, where it lasts: {advice}.",
                name=self._database.name,
                chore=_NAMES[chore.__name__],
                count=failures,
                problem=words_of(problem),
                advice=advice_for(problem),
            )
        return self._pauses.pause(failures - 1)

    def _renew(self) -> float:
        with self._database.writing() as connection:
            self._database.hurry(connection, HURRY_SECONDS)
            is_ours = self._lease.renew(connection, self._database.now(connection), self._figures())
            noted = changes_noted(connection)
        self._see(noted)
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

    def _see(self, noted: int) -> None:
        """Report deliveries that were changed by hand, and schedules a look for sessions to adopt."""
        if noted != self._changes:
            self._changed()
            self._due[self._look] = self._seconds()
        self._changes = noted

    def _look(self) -> float:
        began = self._seconds()
        by_age = began - self._settling_since >= self._pace.settled
        for _ in self._recovery.look(by_age=by_age):
            # Between two bunches others get half of the time at least to write, and the lease is renewed.
            took = min(self._seconds() - began, _LONGEST_BETWEEN)
            if self._closing.wait(max(took, min(self._pace.batch, _BETWEEN_SECONDS))):
                break
            if self._due[self._renew] <= self._seconds():
                self._due[self._renew] = self._seconds() + self._do(self._renew)
            began = self._seconds()
        return self._pace.look

    def _delete(self) -> float:
        return self._pace.batch if self._retention.step() else self._pace.delete

    def _summarise(self) -> float:
        return self._pace.batch if self._summaries.step() else self._pace.summarise


_BETWEEN_SECONDS = 0.02
_LONGEST_BETWEEN = 1.0
_NAMES = {
    "_renew": "keeping the lease",
    "_look": "looking after what other servers left",
    "_delete": "deleting what is old",
    "_summarise": "summarising calls for lists and searches",
}
