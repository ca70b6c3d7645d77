"""The port to whatever turns audio into words, and its rules.

A recogniser is opened for a call and gives a session; the session is written to, and speaks to its listener.

1. Nothing here blocks, and everything happens in the reactor's thread; what blocks hides behind the port.
2. Audio is mu-law, 8 kHz, mono, as it came from the line: one byte is 1/8000 s, so a count of bytes is a time.
   Positions are bytes since the session's own start.
3. After `finish` the pending words still come as finals, then `ended(None)`. Until `ended` nothing is over.
4. `ended` is said exactly once, with an error if the recogniser stopped by itself; nothing is heard after it.
   After `abort` neither `heard` nor `ended` is said.
5. The listener is never called from within `open`, `write`, `finish` or `abort`.

Wrappers (fallback, rotation) are recognisers themselves.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Result:
    """Words of one utterance: a partial, which a later one replaces, or its final.

    `end` is the position in bytes up to which the words reach, 0 where the recogniser does not say;
    `stability` and `confidence` are 0.0 to 1.0, 0.0 where they are not said.
    """

    text: str
    is_final: bool
    end: int = 0
    stability: float = 0.0
    confidence: float = 0.0


class RecogniserError(Exception):
    """A recogniser stopped by itself. `status` is gRPC's word for it ("UNAVAILABLE"), `words` say the rest."""

    def __init__(self, status: str, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status
        self.words = words


class Listener(Protocol):
    """Who takes a session's results."""

    def heard(self, result: Result) -> None:
        """A partial or a final."""
        ...

    def ended(self, error: RecogniserError | None) -> None:
        """The session is over: None after `finish`, otherwise what went wrong."""
        ...


@runtime_checkable
class Session(Protocol):
    """One stream of audio on its way to becoming words."""

    def write(self, audio: bytes) -> None:
        """More audio, mu-law, any length."""
        ...

    def finish(self) -> None:
        """No more audio: the last finals come, then the end."""
        ...

    def abort(self) -> None:
        """Nobody listens any more."""
        ...


class Recogniser(Protocol):
    """Something that opens sessions."""

    def open(self, listener: Listener) -> Session:
        """A new session; whatever it needs is opened with the first audio."""
        ...
