"""The rhythm of a call's frames, from when they are read: they come in step, and are read some time after.

A frame is read at the earliest when it comes, so the earliest reading, by the audio's own time, is the nearest to
the truth: as in the jitter buffers of RTP (RFC 3550 section 6.4.1 has the time a packet took, up to a constant).
"""

from math import ceil, inf

from voicestt.audio import mulaw

_READS = 32  # the earliest of the last 32 to 64 counts: five to ten seconds, in which no clock drifts far
_GAP_SECONDS = 0.2  # frames that are so late have a new rhythm


class FrameArrivals:
    """Estimates when frames of 20 ms come, from the times they were read; all times are of one clock."""

    def __init__(self) -> None:
        self._reads = 0
        self._earliest = self._earliest_before = inf

    def until(self, missing: int, received: int, now: float) -> float:
        """Return the seconds from `now` to the frame that brings the `missing` bytes; `received` have been read.

        Never more than so many frames take; negative where the frame must have come, or is late.
        """
        began = now - mulaw.seconds(received)
        if began - min(self._earliest, self._earliest_before) > _GAP_SECONDS:
            self._reads, self._earliest, self._earliest_before = 0, inf, inf
        self._reads += 1
        if self._reads > _READS:
            self._reads, self._earliest_before, self._earliest = 1, self._earliest, inf
        self._earliest = min(self._earliest, began)
        age = began - min(self._earliest, self._earliest_before)
        return mulaw.seconds(ceil(missing / mulaw.BYTES_PER_FRAME) * mulaw.BYTES_PER_FRAME) - age
