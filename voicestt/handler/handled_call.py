"""A call with a handler, as the reactor's thread sees it, and the queue of its events for the handler."""

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from threading import Lock
from typing import Final as Constant

from twisted.logger import Logger

from voicestt.call.line import Line
from voicestt.events import CallEnded, CallStarted, Event, Final, Partial
from voicestt.handler.call import Snapshot
from voicestt.handler.counts import Counts
from voicestt.handler.protocol import Methods
from voicestt.handler.speaking import Speaking

NEVER_DROPPED = (Final, CallStarted, CallEnded)


class Put(Enum):
    """The outcome of putting an event in the queue."""

    WAITS = auto()
    WAKES = auto()
    """It waits, and whoever takes has found nothing before: tell it that there is something."""
    FULL = auto()
    """As many wait as may. It was dropped, unless it is one that never is."""
    CLOSED = auto()


class WaitingEvents:
    """A queue of at most `most` events, put by one thread and taken by another.

    A newer partial takes the place of a waiting one of its track, at the end of the queue: what it corrects is
    past. A final takes the waiting partial of its utterance, or of an earlier one, out of the queue. Finals and a
    call's start and end are taken whatever waits.

    Its lock is held for a few operations on memory and never while anything else is done.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._events: OrderedDict[int, Event] = OrderedDict()
        self._put = 0
        self._partials: dict[str, int] = {}
        self._is_awaited = False
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_closed(self) -> bool:
        """True once no more events are accepted."""
        return self._is_closed

    def put(self, event: Event) -> Put:
        """Append `event`, if there is room or it is never dropped."""
        with self._lock:
            if self._is_closed:
                return Put.CLOSED
            self._make_place(event)
            is_full = len(self._events) >= self._most
            if is_full and not isinstance(event, NEVER_DROPPED):
                return Put.FULL
            self._append(event)
            if is_full:
                return Put.FULL
            wakes, self._is_awaited = self._is_awaited, False
            return Put.WAKES if wakes else Put.WAITS

    def take(self) -> Event | None:
        """Take the event that has waited longest. None: there is none, and the next that is put WAKES."""
        with self._lock:
            if not self._events:
                self._is_awaited = True
                return None
            _, event = self._events.popitem(last=False)
            if isinstance(event, Partial):
                self._partials.pop(event.track, None)
            return event

    def close(self) -> None:
        """Accept no more events; those that wait can still be taken."""
        with self._lock:
            self._is_closed = True

    def forget(self) -> int:
        """Accept no more events and drop those that wait; return their number."""
        with self._lock:
            self._is_closed = True
            forgotten = len(self._events)
            self._events.clear()
            self._partials.clear()
            return forgotten

    def _make_place(self, event: Event) -> None:
        if not isinstance(event, Partial | Final) or event.track not in self._partials:
            return
        if isinstance(event, Partial) or self._waits_before(event):
            del self._events[self._partials.pop(event.track)]

    def _waits_before(self, final: Final) -> bool:
        partial = self._events[self._partials[final.track]]
        return isinstance(partial, Partial) and partial.utterance <= final.utterance

    def _append(self, event: Event) -> None:
        self._put += 1
        self._events[self._put] = event
        if isinstance(event, Partial):
            self._partials[event.track] = self._put


TOO_SLOW: Constant = "its handler is too slow"
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
        if not isinstance(event, Partial):  # partials are many, and cover no audio
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
