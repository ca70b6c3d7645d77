"""Sockets that are not read while nothing can come of it: the reactor wakes up for batches, not for frames.

A call's audio is handed on 150 ms at a time, but comes in fifty frames a second; reading each as it comes wakes
the reactor seven times for one batch, which is more than half of what a call costs. After a batch has gone the
kernel keeps the next frames, and they are read together when the batch can be full, on a grid that all calls
share. That makes a batch 15 ms later than it could be, by measurement, and a call cost half as much.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer

from voicestt import mulaw
from voicestt.clock import Clock

_GRID = 0.02  # seconds: sockets that wake in the same fiftieth of a second wake together
_LONGEST = 0.15  # a `stop`, a key or a closed socket is noticed at most so much later, and a step of the grid
_MARGIN = 0.01  # before the batch can be full; the grid's rounding up adds as much on average


class RestingReads:
    """Pauses transports, and resumes them together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waking: dict[int, list[Callable[[], object]]] = {}

    def rest(self, transport: IPushProducer, missing: int) -> None:
        """Reads no more from `transport` until about when `missing` bytes of mu-law can have come."""
        seconds = min(mulaw.seconds(missing) - _MARGIN, _LONGEST)
        if seconds <= 0:
            return
        now = self._clock.seconds()
        slot = -int(-(now + seconds) // _GRID)
        waking = self._waking.get(slot)
        if waking is None:
            waking = self._waking[slot] = []
            self._clock.callLater(max(0.0, slot * _GRID - now), lambda: self._wake(slot))
        transport.pauseProducing()
        waking.append(transport.resumeProducing)

    def _wake(self, slot: int) -> None:
        for resume in self._waking.pop(slot):
            resume()
