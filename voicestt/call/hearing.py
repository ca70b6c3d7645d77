"""Record of what the caller heard of what was said: each piece from when it was heard to when it was over or cut.

It goes by this process's own clock and the playout's account of what is ahead of the caller's ear. Audio without a
text that follows audio without a gap or a mark between is one piece: applications may say their audio in frames.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voicestt.audio import mulaw
from voicestt.runtime.clock import Clock, Timer

LONGEST_JOINED_SECONDS: Final = 30
"""Audio is joined to the piece before it until that is as long."""

_HAIR = 1e-6


@dataclass(frozen=True, slots=True)
class HeardAudio:
    """A piece of what was said, heard from `start` to `end`, by the clock.

    `text` is None where only the audio is known, whose whole length is `seconds`; `cleared`: it was cut at `end`.
    """

    text: str | None
    seconds: float
    start: float
    end: float
    cleared: bool


@dataclass(slots=True)
class _Piece:
    """The bytes from `begin` to `end` of all that was said; `until` is when what was sent of it is over."""

    text: str | None
    begin: int
    end: int
    start: float | None = None
    until: float = 0.0

    def heard(self, end: float, *, cleared: bool) -> HeardAudio:
        start = end if self.start is None else self.start
        return HeardAudio(self.text, mulaw.seconds(self.end - self.begin), start, end, cleared)


class HearingTrack:
    """Follows one caller's audio from `said` by `sent` to the end of its sound, and tells each piece once."""

    def __init__(self, clock: Clock, tell: Callable[[HeardAudio], object]) -> None:
        self._clock = clock
        self._tell = tell
        self._timer = Timer(clock)
        self._pieces: deque[_Piece] = deque()
        self._said = self._sent = 0
        self._joins = False

    def said(self, size: int, text: str | None) -> None:
        """Note that `size` bytes of audio wait to be sent, which say `text`."""
        self._tell_what_is_over()
        if not size:
            return
        last = self._pieces[-1] if self._pieces else None
        if last is not None and self._is_joined(last, text):
            last.end += size
        else:
            self._pieces.append(_Piece(text, self._said, self._said + size))
        self._said += size
        self._joins = text is None

    def marked(self) -> None:
        """Note a mark: what is said after it is a piece of its own."""
        self._joins = False

    def sent(self, size: int, heard_from: float) -> None:
        """Note that the next `size` bytes were sent, whose first is heard at `heard_from`."""
        begin, end = self._sent, self._sent + size
        for piece in self._pieces:
            if piece.begin >= end:
                break
            if piece.end > begin:
                if piece.start is None:
                    piece.start = heard_from + mulaw.seconds(max(piece.begin, begin) - begin)
                piece.until = heard_from + mulaw.seconds(min(piece.end, end) - begin)
        self._sent = end
        self._wait()

    def cut(self) -> None:
        """Tell what the caller heard of pieces that are cut now; what was not heard at all is told by nobody."""
        self._tell_what_is_over()
        now = self._clock.seconds()
        pieces, self._pieces = self._pieces, deque()
        self._sent = self._said
        self._joins = False
        self._timer.cancel()
        for piece in pieces:
            if piece.start is not None and piece.start < now - _HAIR:
                self._tell(piece.heard(min(now, piece.until), cleared=True))

    def _is_joined(self, last: _Piece, text: str | None) -> bool:
        is_short = last.end - last.begin < LONGEST_JOINED_SECONDS * mulaw.BYTES_PER_SECOND
        return self._joins and text is None and is_short

    def _wait(self) -> None:
        """Set the timer for the first piece's end, if all of it was sent."""
        if self._pieces and self._pieces[0].end <= self._sent:
            self._timer.set(max(0.0, self._pieces[0].until - self._clock.seconds()), self._tell_what_is_over)

    def _tell_what_is_over(self) -> None:
        now = self._clock.seconds()
        while self._pieces and (first := self._pieces[0]).end <= self._sent and first.until <= now + _HAIR:
            self._pieces.popleft()
            self._tell(first.heard(first.until, cleared=False))
        self._timer.cancel()
        self._wait()
