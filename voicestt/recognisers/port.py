"""The port of speech recognisers, and its rules.

A recogniser is opened for a call and gives a session; the session is written to, and speaks to its listener.

1. Nothing here blocks, and everything happens in the reactor's thread; what blocks hides behind the port.
2. Audio is mu-law, 8 kHz, mono, as it came from the line: one byte is 1/8000 s, so a count of bytes is a time.
   Positions are bytes since the session's own start.
3. After `finish` the pending words still come as finals, then `ended(None)`. Until `ended` nothing is over.
4. `ended` is said exactly once, with an error if the recogniser stopped by itself; nothing is heard after it.
   After `abort` neither `heard` nor `ended` is said.
5. The listener is never called from within `open`, `write`, `finish` or `abort`.

Above the port of one stream is that of one call (`CallRecogniser`): it never ends by itself, its positions are
the call's, and it gives the totals of the audio.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from voicestt.audio.ledger import AudioTotals
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.runtime.metrics import Stamps


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """One word of a final; `start` and `end` are positions in bytes.

    `confidence` is 0.0 and `speaker` "" where they are not said.
    """

    text: str
    start: int
    end: int
    confidence: float = 0.0
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class OtherReading:
    """Another reading of a final; `confidence` is 0.0 where it is not said."""

    text: str
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """Words of one utterance: a partial, which a later one replaces, or its final.

    `end` is the position in bytes up to which the words reach, 0 where the recogniser does not say;
    `stability` and `confidence` are 0.0 to 1.0, 0.0 where they are not said. `stamps` say when it passed by, where
    that is measured; they are no part of what was heard. Of a final, `start` is the position of its first word
    (None where that is not known), `words` are its words where they are given one by one, and `source` says who
    recognised it: "google-streaming", "google-recognize" or "whisper". `others` are its other readings, and
    `language` is the one that was heard, where several were possible.
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
    others: tuple[OtherReading, ...] = ()
    language: str = ""

    def reaching(self, end: int) -> "Result":
        """Set the end of a partial. Written out, because `replace` costs three times as much for each partial."""
        text, stability, stamps = self.text, self.stability, self.stamps
        return Result(
            text, self.is_final, end, stability, self.confidence, stamps, self.start, self.words, self.source
        )

    def moved(self, by: int, end: int, earliest: int) -> "Result":
        """Shift a final, whose own time began at position `by`, to end at `end` and start at `earliest` or later.

        Its words lie between the two, whatever the recogniser said of them.
        """

        def place(position: int) -> int:
            return min(max(by + position, earliest), end)

        words = tuple(
            RecognisedWord(word.text, place(word.start), place(word.end), word.confidence, word.speaker)
            for word in self.words
        )
        start = None if self.start is None else place(self.start)
        return replace(self, end=end, start=start, words=words)


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
    """A recogniser's failure. `status` is gRPC's name for it ("UNAVAILABLE"), `details` are in words."""

    def __init__(self, status: str, details: str) -> None:
        super().__init__(f"{status}: {details}")
        self.status = status
        self.details = details

    @property
    def is_fatal(self) -> bool:
        """True if another attempt is useless."""
        return self.status in _FATAL


@dataclass(frozen=True, slots=True)
class Incident:
    """An event in a call's recognition other than words.

    `kind` is "restarted" (a stream failed and was replaced), "rotated" (a stream was replaced before its limit),
    "degraded" (streaming does not work, the old way does: one request per utterance from here on), "recovered"
    (streaming again), "interrupted" (nothing works: the audio is kept), "resumed" (streaming again, and what was
    kept is recognised), "refused" (the options that the call asked for were, and are taken back), or
    "unrecognised" (nobody could say what the words of `seconds` of audio are). `why` is in words; `start` and
    `end` are positions in bytes, None where it is about no stretch of the audio.
    """

    kind: str
    why: str
    seconds: float = 0.0
    start: int | None = field(default=None, compare=False)
    end: int | None = field(default=None, compare=False)


class ResultListener(Protocol):
    """Listener of a session's results."""

    def heard(self, result: Result) -> None:
        """Take a partial or a final."""
        ...

    def ended(self, error: RecogniserError | None) -> None:
        """Take the session's end: None after `finish`, otherwise the error."""
        ...


class CallListener(ResultListener, Protocol):
    """Listener of a call's results and incidents."""

    def happened(self, incident: Incident) -> None:
        """Take an incident, which the operator wants to know of."""
        ...


@runtime_checkable
class Session(Protocol):
    """One stream of audio that is being recognised."""

    @property
    def backlog(self) -> int:
        """Bytes of audio that were written and not sent yet."""
        ...

    def write(self, audio: bytes) -> None:
        """Take more audio: mu-law, any length."""
        ...

    def finish(self) -> None:
        """Take no more audio: the last finals come, then the end."""
        ...

    def abort(self) -> None:
        """Stop at once, without telling the listener anything more."""
        ...


class Recogniser(Protocol):
    """A factory of sessions."""

    def open(self, listener: ResultListener) -> Session:
        """Open a session; its connection is opened with the first audio."""
        ...


@runtime_checkable
class CallSession(Session, Protocol):
    """One call's recognition, which goes on whatever fails underneath."""

    @property
    def totals(self) -> AudioTotals:
        """Totals of the call's audio so far."""
        ...

    def pause(self) -> None:
        """Make the words so far final: no audio comes for now, not even silence. `write` may follow."""
        ...

    def change(self, options: RecognitionOptions, *, at_once: bool = False) -> None:
        """Recognise by other options: what they do not say stays; ones that say nothing restore the call's own.

        It is done at the next final or silence, or `at_once`, and loses no word. A change that the service refuses
        is taken back.
        """
        ...

    def give_up(self) -> None:
        """Stop because time is up: tell the finals that are known, and which audio between them is lost."""
        ...


class CallRecogniser(Protocol):
    """A factory of sessions for whole calls."""

    def open(self, listener: CallListener, options: RecognitionOptions | None = None) -> CallSession:
        """Open a session for a call, with options of its own or with the server's."""
        ...
