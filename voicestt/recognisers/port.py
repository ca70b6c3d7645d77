"""The port to whatever turns audio into words, and its rules.

A recogniser is opened for a call and gives a session; the session is written to, and speaks to its listener.

1. Nothing here blocks, and everything happens in the reactor's thread; what blocks hides behind the port.
2. Audio is mu-law, 8 kHz, mono, as it came from the line: one byte is 1/8000 s, so a count of bytes is a time.
   Positions are bytes since the session's own start.
3. After `finish` the pending words still come as finals, then `ended(None)`. Until `ended` nothing is over.
4. `ended` is said exactly once, with an error if the recogniser stopped by itself; nothing is heard after it.
   After `abort` neither `heard` nor `ended` is said.
5. The listener is never called from within `open`, `write`, `finish` or `abort`.

Above the port of one stream is that of one call (`CallRecogniser`): it never ends by itself, its positions are
the call's, and it gives an account of the audio.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from voicestt.audio.ledger import AudioTotals
from voicestt.runtime.metrics import Stamps


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """One word of a final; `start` and `end` are positions in bytes."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Result:
    """Words of one utterance: a partial, which a later one replaces, or its final.

    `end` is the position in bytes up to which the words reach, 0 where the recogniser does not say;
    `stability` and `confidence` are 0.0 to 1.0, 0.0 where they are not said. `stamps` say when it passed by, where
    that is measured; they are no part of what was heard. Of a final, `start` is the position of its first word
    (None where that is not known), `words` are its words where they are given one by one, and `source` says who
    recognised it: "google-streaming", "google-recognize" or "whisper".
    """

    text: str
    is_final: bool
    end: int = 0
    stability: float = 0.0
    confidence: float = 0.0
    stamps: Stamps | None = field(default=None, compare=False, repr=False)
    start: int | None = None
    words: tuple[RecognisedWord, ...] = ()
    source: str = ""


# What another attempt cannot mend: gRPC's words for it.
_FATAL = frozenset(
    {
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "UNIMPLEMENTED",
        "FAILED_PRECONDITION",
    }
)


class RecogniserError(Exception):
    """A recogniser stopped by itself. `status` is gRPC's word for it ("UNAVAILABLE"), `words` say the rest."""

    def __init__(self, status: str, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status
        self.words = words

    @property
    def is_fatal(self) -> bool:
        """Whether trying again is of no use."""
        return self.status in _FATAL


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened to a call's recognition and that is not words.

    `kind` is "restarted" (a stream failed and was replaced), "rotated" (a stream was replaced before its limit),
    "degraded" (streaming does not work, the old way does: one request per utterance from here on), "recovered"
    (streaming again), "interrupted" (nothing works: the audio is kept), "resumed" (streaming again, and what was
    kept is recognised), or "unrecognised" (nobody could say what the words of `seconds` of audio are). `why` is in
    words; `start` and `end` are positions in bytes, None where it is about no stretch of the audio.
    """

    kind: str
    why: str
    seconds: float = 0.0
    start: int | None = field(default=None, compare=False)
    end: int | None = field(default=None, compare=False)


class ResultListener(Protocol):
    """Who takes a session's results."""

    def heard(self, result: Result) -> None:
        """A partial or a final."""
        ...

    def ended(self, error: RecogniserError | None) -> None:
        """The session is over: None after `finish`, otherwise what went wrong."""
        ...


class CallListener(ResultListener, Protocol):
    """Who takes a call's results."""

    def happened(self, incident: Incident) -> None:
        """Not words, but something that whoever runs this wants to know."""
        ...


@runtime_checkable
class Session(Protocol):
    """One stream of audio on its way to becoming words."""

    @property
    def backlog(self) -> int:
        """Bytes of audio that were written and could not be sent yet."""
        ...

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

    def open(self, listener: ResultListener) -> Session:
        """A new session; whatever it needs is opened with the first audio."""
        ...


@runtime_checkable
class CallSession(Session, Protocol):
    """A call's audio on its way to becoming words, whatever fails underneath."""

    @property
    def account(self) -> AudioTotals:
        """What became of the call's audio so far."""
        ...

    def pause(self) -> None:
        """No audio comes for now, not even silence: the words so far become final. `write` may follow."""
        ...

    def give_up(self) -> None:
        """Time is up: what is known is told, with what is lost between; nothing is heard after it."""
        ...


class CallRecogniser(Protocol):
    """Something that opens sessions for whole calls."""

    def open(self, listener: CallListener) -> CallSession:
        """A session for a call."""
        ...
