"""The facts of a call, as values, and the port of their observers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from voicestt.audio.ledger import AudioTotals
from voicestt.config.call_plan import NO_PLAN, CallPlan
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.runtime.metrics import Summary

Track = Literal["caller", "callee"]
"""The side of a call that speaks: the inbound track of its stream, or the outbound one, whom the caller hears."""


@dataclass(frozen=True, slots=True)
class CallDescription:
    """The identity of a call. `caller` and `called` are phone numbers: they never reach a log.

    `continues` is the session of its former stream, None for a new call; then `utterances` is the number of its
    last utterance, and `memory` what its handler left, as JSON. `plan` is what the file of numbers says for it,
    and `options` the recognition options that follow from that and from its parameters, `callee_options` those of
    the callee, None if they are the same. `listens_in`: it is a
    stream of `<Start>`, beside TwiML of somebody else's, into which nothing can be said.
    """

    call_sid: str
    stream_sid: str
    account_sid: str = ""
    caller: str | None = field(default=None, repr=False)
    called: str | None = field(default=None, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    continues: str | None = None
    utterances: int = 0
    memory: str | None = field(default=None, repr=False)
    plan: CallPlan = field(default=NO_PLAN, repr=False, compare=False)
    options: RecognitionOptions | None = field(default=None, repr=False)
    callee_options: RecognitionOptions | None = field(default=None, repr=False)
    listens_in: bool = False

    @property
    def for_callee(self) -> "CallDescription":
        """The same call as the callee's track has it, with the callee's options."""
        return self if self.callee_options is None else replace(self, options=self.callee_options)


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The start of the call: the caller's audio begins."""

    call: CallDescription


@dataclass(frozen=True, slots=True)
class Partial:
    """Words that the caller seems to be saying, until a later partial or the utterance's final replaces them."""

    call: CallDescription
    utterance: int
    text: str
    stability: float = 0.0
    track: Track = "caller"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a final; `start` and `end` are seconds in the call's own time.

    `confidence` is 0.0 and `speaker` "" where they are not given.
    """

    text: str
    start: float
    end: float
    confidence: float = 0.0
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another reading of a final; `confidence` is 0.0 where it is not given."""

    text: str
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Final:
    """Words that the caller said. Times are seconds, None where the recogniser gives no position.

    `start` and `end` are in the call's own time; `delay` is from the arrival of the last audio of these words to
    this event. `words` are empty where they are not given; `recogniser` is "google-streaming", "google-recognize"
    or "whisper". `alternatives` are its other readings, `language` the one that was heard, "" if it is not said.
    """

    call: CallDescription
    utterance: int
    text: str
    confidence: float = 0.0
    end: float | None = None
    delay: float | None = None
    start: float | None = None
    words: Sequence[Word] = ()
    recogniser: str = ""
    alternatives: Sequence[Alternative] = ()
    language: str = ""
    track: Track = "caller"


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The end of the caller's turn: `silence` seconds without speech since the final of `utterance`.

    `end` is where the silence began, in seconds of the call's own time.
    """

    call: CallDescription
    utterance: int
    end: float
    silence: float
    track: Track = "caller"


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key that the caller pressed: "0" to "9", "*", "#" or "A" to "D"."""

    call: CallDescription
    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """A mark that was reached: all audio before the mark `name` has been played, or was cleared."""

    call: CallDescription
    name: str
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class SaidToCaller:
    """Something that was said to the caller, who heard it from `start` to `end`, in the call's own time.

    `text` is None where only the audio is known, whose whole length is `seconds`; `cleared`: it was cut at `end`.
    """

    call: CallDescription
    text: str | None
    seconds: float
    start: float
    end: float
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """Counts of what reached the application, delays in seconds, and incidents by their kind."""

    partials: int = 0
    finals: int = 0
    first_partial: float | None = None
    final_delays: Sequence[float] = ()
    incidents: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The end of the call: every word that there will be has been told; `figures` are its metrics.

    `callee` are the totals of the callee's audio, None where that was not recognised.
    """

    call: CallDescription
    reason: str
    seconds: float
    frames: int
    audio_bytes: int
    ignored: Mapping[str, int]
    account: AudioTotals = field(default_factory=AudioTotals)
    delivered: DeliveryCounts = DeliveryCounts()
    figures: Summary = field(default_factory=Summary)
    callee: AudioTotals | None = None
    callee_figures: Summary | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """An incident in the call's recognition; `voicestt.recognisers.port.Incident` has the kinds and meanings.

    One kind more is "held": no audio came for `seconds`, as the line was on hold or the carrier sends no silence.

    `start` and `end` are seconds in the call's own time, None where it is about no stretch of the audio.
    """

    call: CallDescription
    kind: str
    why: str
    seconds: float = 0.0
    start: float | None = None
    end: float | None = None
    track: Track = "caller"


Event = CallStarted | Partial | Final | TurnEnded | KeyPressed | MarkReached | SaidToCaller | Happened | CallEnded


class CallObserver(Protocol):
    """Observer of a call's facts, called in the reactor's thread, in order; must not block or raise."""

    def tell(self, event: Event) -> None:
        """Take a fact of the call."""
        ...
