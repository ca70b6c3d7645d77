"""The port to the caller's ear, and its rules: what can be done on a live call besides listening.

1. Everything happens in the reactor's thread, and nothing blocks.
2. Audio is mu-law, 8 kHz, mono: one byte is 1/8000 s.
3. What is said is played in order. Little of it is on its way at any time, so `clear` takes effect at once.
4. On a line whose call is over nothing happens: `say` and `clear` do nothing, a mark is reached as cleared.
"""

from collections.abc import Callable
from typing import Protocol

from voicestt.audio.ledger import AudioTotals

MOST_WAITING_SECONDS = 600
"""Twilio drops what waits for more than ten minutes (31931); more than that is refused here, in words."""


class TooMuchAudio(ValueError):
    """More was to be said than may wait; none of it will be."""


class Line(Protocol):
    """A live call."""

    @property
    def is_open(self) -> bool:
        """Whether anything can still be said."""
        ...

    @property
    def waiting(self) -> float:
        """Seconds of audio that were said and have not been played yet, as far as our own clock knows."""
        ...

    @property
    def account(self) -> AudioTotals:
        """What became of the caller's audio so far."""
        ...

    def say(self, audio: bytes) -> None:
        """Plays `audio`, any length, after what waits already.

        Raises:
            TooMuchAudio: if more than `MOST_WAITING_SECONDS` would wait.
        """
        ...

    def clear(self) -> None:
        """Silence, at once: nothing of what waits is played, and pending marks are reached as cleared."""
        ...

    def mark(self, name: str, reached: Callable[[bool], None]) -> None:
        """`reached` is called once: False when all that was said before was played, True when it was cleared."""
        ...

    def end(self, reason: str) -> None:
        """Closes the stream; Twilio goes on with what follows `<Connect>` in the TwiML."""
        ...
