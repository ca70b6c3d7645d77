"""Limits on a call's streams, their failures, and the watch on the one in charge."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voicestt.audio import mulaw
from voicestt.audio.source import AudioSource
from voicestt.recognisers.hang_detection import HangDetector
from voicestt.recognisers.port import RecogniserError
from voicestt.recognisers.streaming_states import CatchingUp, Live
from voicestt.runtime.backoff import Backoff
from voicestt.runtime.clock import Clock

_FILLED, _FULL = 0.8, 0.95  # of what is kept at most
_OF_RETENTION = 0.6  # the rest is for the time in which the words are waited for
_SHORT_WORD = 0.2  # seconds of speech
_BETWEEN_WORDS = mulaw.BYTES_PER_SECOND // 5
_BACKOFF = Backoff(first=0.25, longest=5.0, jitter=0.5)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits on a stream, in seconds; all but `hold` and `silent` are about the stream's own life.

    soft: replaced at the next final or silence; hard: replaced in any case; hold: closed when no audio comes;
    silent: speech, no answer, and a second stream that shows the fault to be the stream's; queue: audio that waits
    to be sent; drain: the wait for the last final. So many failures as `restarts` within `window` are borne, one
    more is the end. `monologue`: so much audio without a final is borne, then the stream is half-closed for its
    words.
    """

    soft: float = 240.0
    hard: float = 285.0
    hold: float = 5.0
    silent: float = 5.0
    queue: float = 5.0
    drain: float = 4.0
    monologue: float = 60.0
    restarts: int = 3
    window: float = 30.0
    backoff: Backoff = _BACKOFF

    @property
    def no_last_final(self) -> RecogniserError:
        """The error of a stream that did not give its last final in time."""
        return RecogniserError("DEADLINE_EXCEEDED", f"no last final within {self.drain:g} s")


class RestartBudget:
    """Counter of one call's stream failures, with the back-off before the next stream."""

    def __init__(self, clock: Clock, limits: StreamLimits, jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._limits = limits
        self._jitter = jitter
        self._failures: deque[float] = deque(maxlen=limits.restarts + 1)

    def spend(self) -> bool:
        """Count a failure; return True if it is borne: at most `restarts` within `window` seconds are."""
        self._failures.append(self._clock.seconds())
        return self._recent() <= self._limits.restarts

    def backoff(self) -> float:
        """Return the seconds to wait after the last failure: none after one, then twice as long each time."""
        earlier = self._recent() - 1
        if earlier <= 0:
            return 0.0
        return self._limits.backoff.pause(earlier, self._jitter)

    def _recent(self) -> int:
        since = self._clock.seconds() - self._limits.window
        return sum(1 for at in self._failures if at > since)


class StreamWatch:
    """Watch on one call's stream in charge: its faults, and the time to half-close it for its words."""

    def __init__(self, clock: Clock, limits: StreamLimits, ledger: AudioSource, hangs: HangDetector) -> None:
        self._clock = clock
        self._limits = limits
        self._ledger = ledger
        self._hangs = hangs

    @property
    def is_silent(self) -> bool:
        """True if nobody speaks in the audio that no final has covered."""
        return not self._hangs.voices.seconds_of_speech(self._ledger.start, self._ledger.received)

    def trouble_with(self, state: Live | CatchingUp) -> RecogniserError | None:
        """Return the stream's fault, or None; without a successor, a second stream may be opened to find out."""
        attempt = state.attempt
        if attempt.start < self._ledger.forgotten:
            return RecogniserError("OUT_OF_RANGE", "audio was kept too long before it was recognised")
        if attempt.backlog > self._limits.queue * mulaw.BYTES_PER_SECOND:
            waiting = mulaw.seconds(attempt.backlog)
            return RecogniserError("DEADLINE_EXCEEDED", f"{waiting:.1f} s of audio wait to be sent")
        may_compare = isinstance(state, Live)
        return self._hangs.trouble_with(attempt, speaking=state.is_speaking, may_compare=may_compare)

    def must_be_half_closed(self, state: Live | CatchingUp) -> bool:
        """Return True if the stream must give its words now: on hold, or after a monologue.

        One that is behind is half-closed when it has caught up: its last final is waited for from then on.
        """
        if self._clock.seconds() - state.attempt.written_at >= self._limits.hold:
            return True
        return state.is_speaking and not state.attempt.is_behind and self._is_nearly_full()

    def has_open_words(self, state: Live | CatchingUp) -> bool:
        """Return True if there are, or may be, words without a final; False while the stream is behind."""
        ledger = self._ledger
        voices = self._hangs.voices
        return not state.attempt.is_behind and (
            state.is_speaking or voices.seconds_of_speech(ledger.start, ledger.received) >= _SHORT_WORD
        )

    def _is_nearly_full(self) -> bool:
        """Return True if a final is needed before audio that could be needed again is let go."""
        kept = self._ledger.kept
        most = min(_OF_RETENTION * self._ledger.most, self._limits.monologue * mulaw.BYTES_PER_SECOND)
        if kept < _FILLED * most:
            return False
        end = self._ledger.received
        is_between = self._hangs.voices.seconds_of_speech(end - _BETWEEN_WORDS, end) == 0
        return kept >= _FULL * most or is_between
