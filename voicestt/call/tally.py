"""A CallObserver before another: it counts a call's events, and adds the counts to the call's end."""

from collections import Counter
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime

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


class DeliveryStats:
    """Delivery statistics of one call: counts of partials and finals, delays, incidents."""

    def __init__(self, clock: IReactorTime, audience: CallObserver) -> None:
        self._clock = clock
        self._audience = audience
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
        self._audience.tell(event)

    def _count_partial(self) -> None:
        self._partials += 1
        if self._first_partial is None:
            self._first_partial = self._clock.seconds() - self._began

    def _delivered(self) -> DeliveryCounts:
        delays = tuple(self._final_delays)
        return DeliveryCounts(self._partials, self._finals, self._first_partial, delays, dict(self._incidents))
