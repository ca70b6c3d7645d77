"""When in the call a piece of its audio was said: positions are counts of bytes, and frames may be missing.

Where the carrier suppresses silence, or the line is on hold, no frames come, and Twilio's timestamps go on. Frames
that only come late (a network that stood still) have the timestamps that they would have had, so they are no gap.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Final

from voicestt.audio import mulaw

_BYTES_PER_MS: Final = mulaw.BYTES_PER_SECOND // 1000
_JITTER: Final = mulaw.BYTES_PER_SECOND // 10
_AHEAD: Final = 5.0  # seconds before our own clock: a timestamp that is further ahead is no time
_KEPT: Final = 4_096


class MediaTime:
    """Seconds since the first byte, of one call. Time never goes back."""

    def __init__(self) -> None:
        self._origin: int | None = None
        self._gaps = deque([0], maxlen=_KEPT)  # the positions behind them
        self._missing = deque([0], maxlen=_KEPT)  # how many bytes had not come until there

    def frame(self, position: int, timestamp: object, elapsed: float) -> None:
        """A frame that begins at `position` has Twilio's `timestamp`: milliseconds, in a string, as it came.

        `elapsed` are the seconds since the call's first frame by our own clock. What is no number, or cannot be
        right, changes nothing.
        """
        try:
            said = int(timestamp) * _BYTES_PER_MS - position  # type: ignore[call-overload]
        except (TypeError, ValueError, OverflowError):
            return
        if self._origin is None:
            self._origin = said
        missing = said - self._origin
        latest = (elapsed + _AHEAD) * mulaw.BYTES_PER_SECOND
        if self._missing[-1] + _JITTER < missing <= latest - position:
            self._gaps.append(position)
            self._missing.append(missing)

    def of_start(self, position: int) -> float:
        """When that began which begins at `position`: after a gap, if there is one."""
        return self._of(position, bisect_right(self._gaps, position))

    def of_end(self, position: int) -> float:
        """When that ended which ends at `position`: before a gap, if there is one."""
        return self._of(position, bisect_left(self._gaps, position))

    def _of(self, position: int, after: int) -> float:
        return mulaw.seconds(position + self._missing[max(0, after - 1)])
