"""The queue of one call's events for its handler: in order, bounded, and with the newest partial only."""

from collections import OrderedDict
from enum import Enum, auto
from threading import Lock

from voicestt.events import (
    CallEnded,
    CallStarted,
    Event,
    Final,
    Partial,
)

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

    A newer partial takes the place of a waiting one, at the end of the queue: what it corrects is past. A final
    takes the waiting partial of its utterance, or of an earlier one, out of the queue. Finals and a call's start
    and end are taken whatever waits.

    Its lock is held for a few operations on memory and never while anything else is done.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._events: OrderedDict[int, Event] = OrderedDict()
        self._put = 0
        self._partial: int | None = None
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
            number, event = self._events.popitem(last=False)
            if number == self._partial:
                self._partial = None
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
            self._partial = None
            return forgotten

    def _make_place(self, event: Event) -> None:
        if self._partial is None:
            return
        if isinstance(event, Partial) or (isinstance(event, Final) and self._waits_before(event)):
            del self._events[self._partial]
            self._partial = None

    def _waits_before(self, final: Final) -> bool:
        partial = self._events[self._partial] if self._partial is not None else None
        return isinstance(partial, Partial) and partial.utterance <= final.utterance

    def _append(self, event: Event) -> None:
        self._put += 1
        self._events[self._put] = event
        if isinstance(event, Partial):
            self._partial = self._put
