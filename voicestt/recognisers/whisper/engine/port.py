"""The interface between the local Google-compatible service and a speech recogniser behind it.

The service keeps Google's protocol and its refusals; an engine only turns audio into words. Two exist: the
embedded Whisper (`voicestt.recognisers.whisper.engine`) and scripted texts (`voicestt.emulators.google.script`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word with its start and end in samples (8 kHz) from the stream's start, and who spoke: 1, 2, …"""

    text: str
    start: int
    end: int
    speaker: int = 1


@dataclass(frozen=True, slots=True)
class EngineResult:
    """A partial or final result of an engine, for one utterance.

    `text` is the whole utterance, without leading spaces; `end` is the sample (8 kHz, from the stream's
    start) up to which the audio is covered by it; `stability` is 0.0 to 1.0 and 0.0 for a final, `confidence`
    is 0.0 where the engine has none. A final has its `words` one by one where the request asks for them, and the
    texts of its `others`, where it asks for alternatives; `language` is the one that was heard, "" where that is
    the request's.
    """

    text: str
    is_final: bool
    end: int
    stability: float = 0.0
    confidence: float = 0.0
    words: tuple[TimedWord, ...] = ()
    others: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request to the engine; `language` is a BCP-47 code as it was sent ("en-US", "iw-IL").

    `hints` are words and phrases that are likely; `alternatives` is how many readings a final has at most.
    """

    language: str
    interim_results: bool = True
    single_utterance: bool = False
    word_times: bool = False
    hints: tuple[str, ...] = ()
    alternatives: int = 1
    other_languages: tuple[str, ...] = ()


_LONGEST_PROMPT = 600


def prompt_of(hints: Sequence[str]) -> str:
    """Make the text that Whisper is told as said before: the first hints, as many as it listens to."""
    prompt = ""
    for hint in hints:
        longer = f"{prompt}, {hint}" if prompt else hint
        if len(longer) > _LONGEST_PROMPT:
            break
        prompt = longer
    return f"{prompt}." if prompt else ""


class EngineListener(Protocol):
    """Receives an engine's results: from any thread, in order, one call at a time."""

    def heard(self, heard: EngineResult) -> None:
        """Receive a partial or a final."""
        ...

    def ended(self, error: Exception | None) -> None:
        """Receive the end, exactly once: None after `finish`, or the error at any time."""
        ...


class EngineStream(Protocol):
    """One stream of audio through an engine; its methods never block and are called from one thread."""

    def write(self, pcm: bytes) -> None:
        """Take more audio: LINEAR16 little-endian, 8 kHz, mono, any number of whole samples."""
        ...

    def finish(self) -> None:
        """End the audio: the pending words come as a final, then `EngineListener.ended(None)`."""
        ...

    def abort(self) -> None:
        """Drop the stream: no further call to the listener begins after this returns."""
        ...


class Engine(Protocol):
    """A speech recogniser, loaded once and shared by all streams."""

    name: str

    def open(self, request: Request, listener: EngineListener) -> EngineStream:
        """Open a new stream, which costs nothing until audio comes."""
        ...

    def recognise(self, request: Request, pcm: bytes) -> list[EngineResult]:
        """Return all finals of one recording (LINEAR16, 8 kHz, mono, up to 60 s). Blocks; thread-safe."""
        ...

    def close(self) -> None:
        """End the engine's own threads."""
        ...


Stretch = tuple[int, int]


def word_times_in(text: str, stretches: Sequence[Stretch]) -> tuple[TimedWord, ...]:
    """Lay the words of `text` end to end over `stretches` of speech, each as long as its share of the letters.

    A stretch is samples [start, end); they are in order, and what lies between two of them is no part of a word
    unless the word goes on behind it.
    """
    words = text.split()
    if not words or not stretches:
        return ()
    ends = list(accumulate(end - start for start, end in stretches))
    letters = list(accumulate(map(len, words), initial=0))
    bounds = [ends[-1] * upto // letters[-1] for upto in letters]
    return tuple(
        _placed(word, first, last, stretches, ends)
        for word, (first, last) in zip(words, pairwise(bounds), strict=True)
    )


def _placed(word: str, first: int, last: int, stretches: Sequence[Stretch], ends: Sequence[int]) -> TimedWord:
    """Place `word`, from `first` to `last` of the joined stretches, whose running ends are `ends`."""
    into = min(bisect_right(ends, first), len(ends) - 1)
    out = bisect_left(ends, last)
    start = stretches[into][1] - ends[into] + first
    return TimedWord(word, start, max(start, stretches[out][1] - ends[out] + last))
