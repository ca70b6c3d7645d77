"""Sends frames on time: the n-th at start + `due(n)`, however late the ones before were."""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from voicestt.emulators.twilio.schedule import EVERY_20_MS


class Pacer:
    """Calls `send(number)` for `count` frames on an absolute clock; late frames are caught up with, none lost.

    `clock` schedules, `monotonic` tells the time: a reactor's own time may jump when the machine's is set.
    `due` gives a frame's due time in seconds after the start; it must not fall.
    """

    def __init__(
        self, clock: IReactorTime, monotonic: Callable[[], float], due: Callable[[int], float] = EVERY_20_MS.due
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._due_after_start = due
        self._timer: IDelayedCall | None = None
        self._done: Deferred[None] | None = None
        self.latest = 0.0

    async def run(self, count: int, send: Callable[[int], None], end: float | None = None) -> None:
        """Sends the frames; returns when one more would be due, at `end` seconds, or after `stop`."""
        self._count, self._send, self._next = count, send, 0
        self._start = self._monotonic()
        self._end = self._due_after_start(count) if end is None else end
        self._done = done = Deferred[None]()
        self._tick()
        await done

    def stop(self) -> None:
        """Stops sending frames; harmless when none is to come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._finish()

    def _tick(self) -> None:
        self._timer = None
        now = self._monotonic()
        while self._done is not None and self._next < self._count and self._due(self._next) <= now:
            self.latest = max(self.latest, now - self._due(self._next))
            number, self._next = self._next, self._next + 1
            self._send(number)
        if self._done is None:
            return
        if self._next == self._count and self._due(self._count) <= now:
            self._finish()
        else:
            self._timer = self._clock.callLater(max(0.0, self._due(self._next) - now), self._tick)

    def _due(self, number: int) -> float:
        """The due time of a frame; past the last frame, the time of the end."""
        return self._start + (self._due_after_start(number) if number < self._count else self._end) - 1e-9

    def _finish(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done.callback(None)
