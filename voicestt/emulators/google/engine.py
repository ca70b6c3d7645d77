"""What the local Google-compatible service asks of a recogniser that stands behind it.

The service keeps Google's protocol and its refusals; an engine only turns audio into words. Two exist: the
embedded Whisper (`voicestt.emulators.google.whisper`) and scripted texts (`voicestt.emulators.google.script`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word and where it was said: samples (8 kHz) from the stream's start."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What an engine makes of the audio so far, for one utterance.

    `text` is the whole utterance, without leading spaces; `end` is the sample (8 kHz, from the stream's
    start) up to which the audio is covered by it; `stability` is 0.0 to 1.0 and 0.0 for a final, `confidence`
    is 0.0 where the engine has none. A final has its `words` one by one where the request asks for them.
    """

    text: str
    is_final: bool
    end: int
    stability: float = 0.0
    confidence: float = 0.0
    words: tuple[TimedWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What the client asked for: `language` is a BCP-47 code as it was sent ("en-US", "iw-IL")."""

    language: str
    interim_results: bool = True
    single_utterance: bool = False
    word_times: bool = False


class EngineListener(Protocol):
    """Who takes an engine's results; may be called from any thread, in order, one call at a time."""

    def heard(self, heard: EngineResult) -> None:
        """A partial or a final."""
        ...

    def ended(self, error: Exception | None) -> None:
        """Everything was said; exactly once: after `finish` with None, or at any time with what went wrong."""
        ...


class EngineStream(Protocol):
    """One stream of audio on its way through an engine. Never blocks; called from one thread."""

    def write(self, pcm: bytes) -> None:
        """More audio: LINEAR16 little-endian, 8 kHz, mono, any number of whole samples."""
        ...

    def finish(self) -> None:
        """No more audio: the pending words come as a final, then `EngineListener.ended(None)`."""
        ...

    def abort(self) -> None:
        """Nobody listens any more: no further call to the listener begins after this returns."""
        ...


class Engine(Protocol):
    """A recogniser, loaded once and shared by all streams."""

    name: str

    def open(self, request: Request, listener: EngineListener) -> EngineStream:
        """A new stream. Costs nothing until audio comes."""
        ...

    def recognise(self, request: Request, pcm: bytes) -> list[EngineResult]:
        """All finals of one recording (LINEAR16, 8 kHz, mono, up to 60 s). Blocks; thread-safe."""
        ...

    def close(self) -> None:
        """Ends the engine's own threads."""
        ...


LoadEngine = Callable[[], Engine]
