"""Flow control of a call's socket, in both directions.

Reads are coalesced: sockets are not read until a batch can be full, so the reactor wakes once for many frames. A
call's audio is handed on 150 ms at a time, but comes in fifty frames a second; reading each as it comes wakes
the reactor seven times for one batch, which is more than half of what a call costs. After a batch has gone the
kernel keeps the next frames, and they are read together when the batch can be full, on a grid that all calls
share. That makes a batch 15 ms later than it could be, by measurement, and a call cost half as much.

Writes wait for room in the transport: a caller who reads nothing must not make the server keep much.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from voicestt.audio import mulaw
from voicestt.runtime.clock import Clock
from voicestt.runtime.timer_grid import TimerGrid

_LONGEST = 0.15  # a `stop`, a key or a closed socket is noticed at most so much later, and a step of the grid
_MARGIN = 0.01  # before the batch can be full; the grid's rounding up adds as much on average


class Reads(Protocol):
    """A transport whose reading can be paused."""

    def pauseProducing(self) -> None:  # noqa: N802
        """Stop reading."""
        ...

    def resumeProducing(self) -> None:  # noqa: N802
        """Read again."""
        ...


class PausedReads:
    """A transport that is read only while there is no reason to pause."""

    def __init__(self, transport: IPushProducer) -> None:
        self._transport = transport
        self._reasons: set[str] = set()

    def because(self, reason: str) -> Reads:
        """Return a pause and resume for `reason` alone."""
        return _Because(self, reason)

    def pause(self, reason: str) -> None:
        """Add a reason to pause."""
        if not self._reasons:
            self._transport.pauseProducing()
        self._reasons.add(reason)

    def resume(self, reason: str) -> None:
        """Remove a reason to pause; read again after the last."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                self._transport.resumeProducing()


class _Because:
    def __init__(self, reads: PausedReads, reason: str) -> None:
        self._reads = reads
        self._reason = reason

    def pauseProducing(self) -> None:  # noqa: N802
        self._reads.pause(self._reason)

    def resumeProducing(self) -> None:  # noqa: N802
        self._reads.resume(self._reason)


class ReadCoalescer:
    """Pauses transports, and resumes them together."""

    def __init__(self, clock: Clock) -> None:
        self._grid = TimerGrid(clock)

    def rest(self, transport: Reads, missing: int) -> None:
        """Pause `transport` until about when `missing` bytes of mu-law can have come."""
        seconds = min(mulaw.seconds(missing) - _MARGIN, _LONGEST)
        if seconds > 0:
            transport.pauseProducing()
            self._grid.callLater(seconds, transport.resumeProducing)


@implementer(IPushProducer)
class Room:
    """Tracks the transport's room, tells the line of it, and delays a ping's answer until there is some."""

    def __init__(
        self, line: IPushProducer | None = None, answer: Callable[[bytes], object] = lambda _payload: None
    ) -> None:
        self._line = line
        self._answer = answer
        self.is_full = False
        self.ping: bytes | None = None

    def pauseProducing(self) -> None:  # noqa: N802
        """Note that the transport's buffer is full, and pause the line."""
        self.is_full = True
        if self._line is not None:
            self._line.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Note that there is room again: answer the ping that waits, and resume the line."""
        self.is_full = False
        ping, self.ping = self.ping, None
        if ping is not None:
            self._answer(ping)
        if self._line is not None:
            self._line.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802
        """Tell the line that the transport is gone."""
        if self._line is not None:
            self._line.stopProducing()
