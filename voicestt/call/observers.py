"""Observers in front of other observers of a call: a group as one, delivery statistics, debounce of partials."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from twisted.logger import Logger

from voicestt.call.facts import (
    CallEnded,
    CallObserver,
    CallStarted,
    DeliveryCounts,
    Event,
    Final,
    Happened,
    Partial,
)
from voicestt.runtime.clock import Clock, Timer


class ObserverGroup:
    """Tells each of `observers`; one that raises keeps nothing from the others, nor from the call."""

    _log = Logger()

    def __init__(self, observers: Sequence[CallObserver]) -> None:
        self._observers = observers

    def tell(self, event: Event) -> None:
        """Tell all observers, in order."""
        for observer in self._observers:
            try:
                observer.tell(event)
            except Exception:  # noqa: BLE001 - an application's mistake must not cost a call
                self._log.failure("An observer failed at an event; the call goes on.")


class DeliveryStats:
    """Delivery statistics of one call: counts of partials and finals, delays, incidents."""

    def __init__(self, clock: Clock, observer: CallObserver) -> None:
        self._clock = clock
        self._observer = observer
        self._began = clock.seconds()
        self._partials = 0
        self._finals = 0
        self._first_partial: float | None = None
        self._final_delays: list[float] = []
        self._incidents: Counter[str] = Counter()

    def tell(self, event: Event) -> None:
        """Count the event and pass it on; the end of the call carries the counts."""
        match event:
            case CallStarted():
                self._began = self._clock.seconds()
            case Partial():
                self._count_partial()
            case Final(delay=delay):
                self._finals += 1
                if delay is not None:
                    self._final_delays.append(delay)
            case Happened(kind=kind):
                self._incidents[kind] += 1
            case CallEnded():
                event = replace(event, delivered=self._delivered())
        self._observer.tell(event)

    def _count_partial(self) -> None:
        self._partials += 1
        if self._first_partial is None:
            self._first_partial = self._clock.seconds() - self._began

    def _delivered(self) -> DeliveryCounts:
        delays = tuple(self._final_delays)
        return DeliveryCounts(self._partials, self._finals, self._first_partial, delays, dict(self._incidents))


class Debounced:
    """Debounce of one call's partials.

    At most one in `interval` seconds; the newest always gets through, a repeat never; none comes after its final.
    """

    def __init__(self, clock: Clock, interval: float, observer: CallObserver) -> None:
        self._clock = clock
        self._interval = interval
        self._observer = observer
        self._last_at: float | None = None
        self._last_text: str | None = None
        self._waiting: Partial | None = None
        self._timer = Timer(clock)

    def tell(self, event: Event) -> None:
        """Pass the event on; a partial waits for its time."""
        if isinstance(event, Partial):
            self._take(event)
            return
        if isinstance(event, Final | CallEnded):
            self._drop_waiting()
        self._observer.tell(event)

    def _take(self, partial: Partial) -> None:
        if self._waiting is not None:
            self._waiting = partial
        elif partial.text != self._last_text:
            self._waiting = partial
            self._schedule()

    def _schedule(self) -> None:
        wait = 0.0 if self._last_at is None else self._last_at + self._interval - self._clock.seconds()
        if wait <= 0:
            self._deliver()
        else:
            self._timer.set(wait, self._deliver)

    def _deliver(self) -> None:
        partial, self._waiting = self._waiting, None
        if partial is None or partial.text == self._last_text:
            return
        self._last_text = partial.text
        self._observer.tell(partial)
        # Read after telling: the next partial then never comes sooner than the interval, by any observer's clock.
        self._last_at = self._clock.seconds()

    def _drop_waiting(self) -> None:
        self._waiting = None
        self._last_text = None
        self._timer.cancel()
