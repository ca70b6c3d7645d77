"""The port of audio to the caller, and its rules: all that can be done on a live call.

1. Everything happens in the reactor's thread, and nothing blocks.
2. Audio is mu-law, 8 kHz, mono: one byte is 1/8000 s.
3. Audio is played in the order of `say`. Little of it is on its way at any time, so `clear` takes effect at once.
4. On a line whose call is over `say` and `clear` do nothing, and a mark is reached as cleared.
"""

from collections.abc import Callable
from typing import Protocol

from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import Track
from voicestt.config.recognition_options import RecognitionOptions

MOST_WAITING_SECONDS = 600
"""Twilio drops what waits for more than ten minutes (31931); more than that is refused here, in words."""


class TooMuchAudio(ValueError):
    """The error of more audio than may wait; none of it will be played."""


class Line(Protocol):
    """The line of a live call."""

    @property
    def is_open(self) -> bool:
        """True while anything can still be said."""
        ...

    @property
    def waiting(self) -> float:
        """Seconds of audio that were said and not played yet, as far as our own clock knows."""
        ...

    @property
    def account(self) -> AudioTotals:
        """Totals of the caller's audio so far."""
        ...

    def say(self, audio: bytes, text: str | None = None) -> None:
        """Play `audio`, any length, after what waits already; `text` is what it says, if that is known.

        Raises:
            TooMuchAudio: if more than `MOST_WAITING_SECONDS` would wait.
        """
        ...

    def clear(self) -> None:
        """Fall silent at once: drop the audio that waits; pending marks are reached as cleared."""
        ...

    def mark(self, name: str, reached: Callable[[bool], None]) -> None:
        """Set a mark; `reached` is called once: False if all said before was played, True if it was cleared."""
        ...

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        """Recognise one side by other options, from its next final or silence on, or `at_once`.

        What they do not say stays; ones that say nothing restore those of the call's start.
        """
        ...

    def end(self, reason: str) -> None:
        """Close the stream; Twilio goes on with what follows `<Connect>` in the TwiML."""
        ...
