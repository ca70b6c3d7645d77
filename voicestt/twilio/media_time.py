"""Conversion of positions in a call's audio into times, where frames may be missing.

Positions are counts of bytes. Where the carrier suppresses silence, or the line is on hold, no frames come, and
Twilio's timestamps go on. Frames that only come late (a network that stood still) have the timestamps that they
would have had, so they are no gap.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass
from typing import Final

from voicestt.audio import mulaw

_BYTES_PER_MS: Final = mulaw.BYTES_PER_SECOND // 1000
_JITTER: Final = mulaw.BYTES_PER_SECOND // 10
_AHEAD: Final = 5.0  # seconds: a timestamp that is further ahead of our own clock is ignored
_KEPT: Final = 4_096


@dataclass(slots=True)
class TimeOrigin:
    """The zero of a call's time, common to its tracks: that of the first frame of either.

    `position` is by Twilio's timestamp, in bytes, `clock` by our own, in seconds; None before there is one.
    """

    position: int | None = None
    clock: float | None = None

    def elapsed(self, now: float) -> float:
        """Return the seconds since the first frame, of whichever track; the first call sets it."""
        if self.clock is None:
            self.clock = now
        return now - self.clock


class MediaTime:
    """The time of one track, in seconds since the call's `origin`; it never goes back."""

    def __init__(self, origin: TimeOrigin | None = None) -> None:
        self._origin = origin or TimeOrigin()
        self._gaps = deque([0], maxlen=_KEPT)  # the positions after the gaps
        self._missing = deque([0], maxlen=_KEPT)  # the bytes missing up to each of them

    def frame(self, position: int, timestamp: object, elapsed: float) -> None:
        """Record the `timestamp` of a frame that begins at `position`.

        It is Twilio's: milliseconds, in a string, as it came. `elapsed` are the seconds since the call's first
        frame by our own clock. What is no number, or cannot be right, changes nothing.
        """
        try:
            said = int(timestamp) * _BYTES_PER_MS - position  # type: ignore[call-overload]
        except (TypeError, ValueError, OverflowError):
            return
        if self._origin.position is None:
            self._origin.position = said
        missing = said - self._origin.position
        latest = (elapsed + _AHEAD) * mulaw.BYTES_PER_SECOND
        if self._missing[-1] + _JITTER < missing <= latest - position:
            self._gaps.append(position)
            self._missing.append(missing)

    def of_start(self, position: int) -> float:
        """Return the time of audio that begins at `position`: after a gap, if there is one."""
        return self._of(position, bisect_right(self._gaps, position))

    def of_end(self, position: int) -> float:
        """Return the time of audio that ends at `position`: before a gap, if there is one."""
        return self._of(position, bisect_left(self._gaps, position))

    def _of(self, position: int, after: int) -> float:
        return mulaw.seconds(position + self._missing[max(0, after - 1)])
