"""A call with a handler, as the reactor's thread sees it."""

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from voicestt.call.line import Line
from voicestt.events import CallEnded, Event, Partial
from voicestt.handler.call import Snapshot
from voicestt.handler.counts import Counts
from voicestt.handler.speaking import Speaking
from voicestt.handler.waiting import NEVER_DROPPED, Put, WaitingEvents
from voicestt.handler.worker import Methods

TOO_SLOW: Final = "its handler is too slow"
"""The reason that a call is ended for by HANDLER_OVERFLOW=hang_up."""


class HandledCall:
    """Queues a call's events for its worker, and handles an overflow of the queue. For the reactor's thread.

    `overflow` is "drop" or "hang_up". `wake` tells the worker that there is something to take, or nothing more.
    `over_since` is when the call's end was told.
    """

    _log = Logger()

    def __init__(
        self,
        call_sid: str,
        line: Line,
        speaking: Speaking,
        events: WaitingEvents,
        methods: Methods,
        overflow: str,
        counts: Counts,
        seen: Snapshot,
        seconds: Callable[[], float],
        wake: Callable[[], object],
    ) -> None:
        self._call_sid = call_sid
        self._line = line
        self._speaking = speaking
        self._events = events
        self._methods = methods
        self._overflow = overflow
        self._counts = counts
        self._seen = seen
        self._seconds = seconds
        self._wake = wake
        self._is_overflowing = False
        self._dropped = 0
        self.over_since: float | None = None

    @property
    def waiting(self) -> int:
        """The number of events that wait."""
        return len(self._events)

    def tell(self, event: Event) -> None:
        """Queue an event of the call, of which `CallEnded` is the last. Cheap, and never blocks."""
        if self.over_since is not None:
            return
        if isinstance(event, CallEnded):
            self._end()
        elif type(event) not in self._methods:
            return
        if not isinstance(event, Partial):  # which are many, and cover nothing
            self._seen.account = self._line.account
        self._speaking.note()
        match self._events.put(event):
            case Put.WAKES:
                self._wake()
            case Put.FULL:
                self._full(event)

    def close(self) -> None:
        """Take no more events; those that wait are still told. There need not have been a `CallEnded`."""
        if self.over_since is None:
            self._end()
        self._events.close()
        self._wake()

    def _end(self) -> None:
        self.over_since = self._seconds()
        self._speaking.close()
        if self._dropped:
            self._log.warn(
                "⚠️ The handler was too slow for the call: {dropped} events were dropped, no final among them.",
                dropped=self._dropped,
                log_system=self._call_sid,
            )

    def _full(self, event: Event) -> None:
        if not isinstance(event, NEVER_DROPPED):
            self._dropped += 1
            self._counts.dropped += 1
        if not self._is_overflowing:
            self._is_overflowing = True
            self._overflows()

    def _overflows(self) -> None:
        words = (
            "⚠️ The handler is too slow for the call: {waiting} events wait. New ones that are no finals are "
            "dropped, and counted. What to do: see what it waits for; HANDLER_QUEUE and HANDLER_OVERFLOW say what "
            "happens."
        )
        if self._overflow == "hang_up":
            words = "⚠️ The handler is too slow for the call, which is ended: {waiting} events wait."
            self._counts.hung_up += 1
        self._log.warn(words, waiting=self.waiting, log_system=self._call_sid)
        if self._overflow == "hang_up":
            self._line.end(TOO_SLOW)
