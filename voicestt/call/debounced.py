"""A CallObserver before another: it passes partials on at most every so often, finals at once."""

from voicestt.call.facts import (
    CallEnded,
    CallObserver,
    Event,
    Final,
    Partial,
)
from voicestt.runtime.clock import Clock, Timer


class Debounced:
    """Debounce of one call's partials.

    At most one in `interval` seconds; the newest always gets through, a repeat never; none comes after its final.
    """

    def __init__(self, clock: Clock, interval: float, audience: CallObserver) -> None:
        self._clock = clock
        self._interval = interval
        self._audience = audience
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
        self._audience.tell(event)

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
        self._audience.tell(partial)
        # Read after telling: what is told next is then never sooner than the interval by anybody's clock.
        self._last_at = self._clock.seconds()

    def _drop_waiting(self) -> None:
        self._waiting = None
        self._last_text = None
        self._timer.cancel()
