"""Sockets that are not read while nothing can come of it: the reactor wakes up for batches, not for frames.

A call's audio is handed on 150 ms at a time, but comes in fifty frames a second; reading each as it comes wakes
the reactor seven times for one batch, a third of what a call costs. After a batch has gone the kernel keeps the
next frames, and reading goes on shortly before the batch can be full: no batch is later for it.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer

from voicestt import mulaw
from voicestt.clock import Clock

_GRID = 0.01  # seconds: sockets that wake in the same hundredth wake together
_LONGEST = 0.12  # a `stop`, a key or a closed socket is noticed at most so much later
_MARGIN = 0.03  # before the batch can be full: a frame and a half, for a network that is not a clock


class RestingReads:
    """Pauses transports, and resumes them together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waking: dict[int, list[Callable[[], object]]] = {}

    def rest(self, transport: IPushProducer, missing: int) -> None:
        """Reads no more from `transport` until nearly `missing` bytes of mu-law can have come, if that is long."""
        seconds = min(mulaw.seconds(missing) - _MARGIN, _LONGEST)
        if seconds < _GRID:
            return
        now = self._clock.seconds()
        slot = int((now + seconds) / _GRID)
        waking = self._waking.get(slot)
        if waking is None:
            waking = self._waking[slot] = []
            self._clock.callLater(max(0.0, slot * _GRID - now), lambda: self._wake(slot))
        transport.pauseProducing()
        waking.append(transport.resumeProducing)

    def _wake(self, slot: int) -> None:
        for resume in self._waking.pop(slot):
            resume()
