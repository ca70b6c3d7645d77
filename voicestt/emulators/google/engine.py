"""The interface between the local Google-compatible service and a speech recogniser behind it.

The service keeps Google's protocol and its refusals; an engine only turns audio into words. Two exist: the
embedded Whisper (`voicestt.emulators.google.whisper`) and scripted texts (`voicestt.emulators.google.script`).
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word with its start and end in samples (8 kHz) from the stream's start."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EngineResult:
    """A partial or final result of an engine, for one utterance.

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
    """A client's request to the engine; `language` is a BCP-47 code as it was sent ("en-US", "iw-IL")."""

    language: str
    interim_results: bool = True
    single_utterance: bool = False
    word_times: bool = False


class EngineListener(Protocol):
    """Receives an engine's results: from any thread, in order, one call at a time."""

    def heard(self, heard: EngineResult) -> None:
        """Receives a partial or a final."""
        ...

    def ended(self, error: Exception | None) -> None:
        """Receives the end, exactly once: None after `finish`, or the error at any time."""
        ...


class EngineStream(Protocol):
    """One stream of audio through an engine; its methods never block and are called from one thread."""

    def write(self, pcm: bytes) -> None:
        """Takes more audio: LINEAR16 little-endian, 8 kHz, mono, any number of whole samples."""
        ...

    def finish(self) -> None:
        """Ends the audio: the pending words come as a final, then `EngineListener.ended(None)`."""
        ...

    def abort(self) -> None:
        """Drops the stream: no further call to the listener begins after this returns."""
        ...


class Engine(Protocol):
    """A speech recogniser, loaded once and shared by all streams."""

    name: str

    def open(self, request: Request, listener: EngineListener) -> EngineStream:
        """Opens a new stream, which costs nothing until audio comes."""
        ...

    def recognise(self, request: Request, pcm: bytes) -> list[EngineResult]:
        """Returns all finals of one recording (LINEAR16, 8 kHz, mono, up to 60 s). Blocks; thread-safe."""
        ...

    def close(self) -> None:
        """Ends the engine's own threads."""
        ...
