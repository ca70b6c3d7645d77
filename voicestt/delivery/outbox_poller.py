"""Reads the journal for a destination, when there may be new events and not all the time."""

from collections.abc import Callable, Collection
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from voicestt.delivery.circuit_breaker import PAUSES, ROUNDING
from voicestt.journal.port import Outbox, Pending
from voicestt.runtime.backoff import Chance
from voicestt.runtime.clock import Clock

EVERY_SECONDS: Final = 0.05
"""Shortest time between the beginnings of two readings: what is written meanwhile is read together."""

_NEVER_READ_ALL: Final = -1


class OutboxPoller:
    """Reads at most `most` events at a time, one reading at once.

    `found` is called with the events and their stamp.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        outbox: Outbox,
        destination: str,
        most: int,
        chance: Chance,
        found: Callable[[list[Pending], int], object],
    ) -> None:
        self._clock = clock
        self._outbox = outbox
        self._destination = destination
        self._most = most
        self._chance = chance
        self._found = found
        self._written = 0
        self._failures = 0
        self._forgotten = 0
        self._under_way: Deferred[None] | None = None
        self._is_wanted = False
        self._is_current_wanted = False
        self.due = 0.0

    @property
    def is_wanted(self) -> bool:
        """True if there may be events that are not in hand, and no reading is under way."""
        return self._is_wanted and self._under_way is None

    @property
    def is_current_wanted(self) -> bool:
        """True if there may be new events of current calls, and no reading is under way."""
        return self._is_current_wanted and self._under_way is None

    def is_due(self, now: float) -> bool:
        """Return True if the last reading is long enough ago."""
        return now >= self.due - ROUNDING

    def written(self) -> None:
        """Note that events were written, or may have been."""
        self._written += 1
        self._is_wanted = self._is_current_wanted = True

    def let_go(self, stamp: int) -> None:
        """Note that a session is not in hand any more.

        If events were written since `stamp`, when it was read, more of it may be in the journal.
        """
        if stamp < self._written:
            self._is_wanted = self._is_current_wanted = True

    def forget(self) -> None:
        """Discard the result of a reading under way, and ask for another."""
        self._forgotten += 1
        self.written()

    def read(self, busy: Collection[str], *, with_left_over: bool = True) -> None:
        """Begin to read events of sessions that are not in `busy`.

        Only those of current calls if not `with_left_over`.
        """
        self._is_current_wanted = False
        self._is_wanted = self._is_wanted and not with_left_over
        self.due = self._clock.seconds() + EVERY_SECONDS
        reading = self._under_way = Deferred.fromCoroutine(self._read(busy, with_left_over))
        reading.addErrback(lambda failure: failure.trap(CancelledError) and None)
        if reading.called:
            self._under_way = None

    def stop(self) -> None:
        """Cancel a reading that is under way."""
        self._is_wanted = self._is_current_wanted = False
        if self._under_way is not None:
            self._under_way.cancel()

    async def _read(self, busy: Collection[str], with_left_over: bool) -> None:
        forgotten = self._forgotten
        try:
            found = await self._outbox.pending(self._destination, self._most, busy, with_left_over=with_left_over)
        except CancelledError:
            raise
        except Exception as problem:  # noqa: BLE001 - whatever the journal has
            found = []
            self._complain(problem)
        else:
            self._failures = 0
            if len(found) >= self._most:
                self._is_wanted = True
                self.due = self._clock.seconds()
        self._under_way = None
        if forgotten != self._forgotten:
            found = []
        # Only some events of a session were read: when they are settled there may be more.
        self._found(found, _NEVER_READ_ALL)

    def _complain(self, problem: Exception) -> None:
        self._is_wanted = True
        seconds = PAUSES.pause(self._failures, self._chance)
        self.due = self._clock.seconds() + seconds
        self._failures += 1
        self._log.error(
            "The journal could not be read for {destination} ({kind}). Nothing is lost, but its events wait. It "
            "is read again in {seconds:.1f} s. What to do: see the journal's own lines above.",
            destination=self._destination,
            kind=type(problem).__name__,
            seconds=seconds,
        )
