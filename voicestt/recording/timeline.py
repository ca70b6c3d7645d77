"""The time line of a recorded call: where audio lies, in samples since the caller's audio began. Pure.

The caller's audio lies where the words of the call's events say that it is: counted in audio, and by Twilio's
timestamps where frames are missing; so does the callee's, in a stream of both tracks. What we play lies where the
caller's audio was when it was sent: behind what was sent before it, and cut off where it was cleared. Our clock
and the line's are not the same: the smallest delay of a frame that was seen tells how far they are apart, and may
grow by a hair each second, as clocks drift.
"""

from dataclasses import dataclass
from typing import Final

from voicestt.audio import mulaw
from voicestt.twilio.media_time import MediaTime, TimeOrigin

CALLER: Final = 0
OURS: Final = 1
"""The channel of what the caller hears: what we play, or the callee."""
_DRIFT: Final = 100e-6  # of a second in a second, more than any two clocks of telephone lines differ by


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio of the channel `track` (mu-law), which begins at the sample `start`."""

    track: int
    start: int
    audio: bytes


class CallTimeline:
    """Places the audio of one call; all times `at` are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self._origin = TimeOrigin()
        self._times = {CALLER: MediaTime(self._origin), OURS: MediaTime(self._origin)}
        self._zero = self._looked = 0.0
        self._has_frames = self._has_any = False
        self._ours_end = 0

    @property
    def zero(self) -> float:
        """The time of the sample 0."""
        return self._zero

    def caller(self, at: float, audio: bytes, position: int, timestamp: object) -> Piece:
        """Place a frame of the caller's; `position` are the caller's bytes before it, `timestamp` is Twilio's."""
        return self._frame(CALLER, at, audio, position, timestamp)

    def callee(self, at: float, audio: bytes, position: int, timestamp: object) -> Piece:
        """Place a frame of the callee's, as one of the caller's, in the place of what we play."""
        return self._frame(OURS, at, audio, position, timestamp)

    def ours(self, at: float, audio: bytes) -> Piece:
        """Place audio that is sent to the caller, who hears it after what was sent before."""
        start = max(self._ours_end, self._now(at))
        self._ours_end = start + len(audio)
        return Piece(OURS, start, audio)

    def cut(self, at: float) -> Piece | None:
        """Return silence in the place of what was sent and is not heard any more; None if all was heard."""
        start = self._now(at)
        length = self._ours_end - start
        self._ours_end = min(self._ours_end, start)
        return Piece(OURS, start, mulaw.SILENCE * length) if length > 0 else None

    def _frame(self, track: int, at: float, audio: bytes, position: int, timestamp: object) -> Piece:
        time = self._times[track]
        time.frame(position, timestamp, self._origin.elapsed(at))
        start = time.of_start(position)
        self._see(at, start)
        return Piece(track, round(start * mulaw.BYTES_PER_SECOND), audio)

    def _now(self, at: float) -> int:
        """Return the sample that the line is at."""
        if not self._has_any:
            self._has_any = True
            self._zero = at
        return max(0, round((at - self._zero) * mulaw.BYTES_PER_SECOND))

    def _see(self, at: float, start: float) -> None:
        zero = at - start
        if self._has_frames:
            zero = min(zero, self._zero + _DRIFT * (at - self._looked))
        self._zero = zero
        self._looked = at
        self._has_frames = self._has_any = True
