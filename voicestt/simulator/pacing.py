"""Frames at their hour: the n-th is due at start + n * 20 ms, whatever happened to the ones before."""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

FRAME_SECONDS = 0.020


class Pacer:
    """Calls `send(number)` for `count` frames on an absolute clock; late frames are caught up with, none lost.

    `clock` schedules, `monotonic` tells the time: a reactor's own time may jump when the machine's is set.
    """

    def __init__(self, clock: IReactorTime, monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._timer: IDelayedCall | None = None
        self._done: Deferred[None] | None = None
        self.latest = 0.0

    async def run(self, count: int, send: Callable[[int], None]) -> None:
        """Returns when all frames are sent and the last has lasted its 20 ms, or after `stop`."""
        self._count, self._send, self._next = count, send, 0
        self._start = self._monotonic()
        self._done = done = Deferred[None]()
        self._tick()
        await done

    def stop(self) -> None:
        """No further frame. Harmless when none is to come."""
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
        return self._start + number * FRAME_SECONDS - 1e-9

    def _finish(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done.callback(None)
