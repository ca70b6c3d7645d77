"""A watch on the stream in charge: its faults, and the time to half-close it for its words."""

from voicestt.audio import mulaw
from voicestt.audio.ledger import AudioSource
from voicestt.recognisers.hang_detection import HangDetector
from voicestt.recognisers.port import RecogniserError
from voicestt.recognisers.stream import StreamAttempt
from voicestt.recognisers.stream_limits import StreamLimits
from voicestt.runtime.clock import Clock

_FILLED, _FULL = 0.8, 0.95  # of what is kept at most
_OF_RETENTION = 0.6  # the rest is for the time in which the words are waited for
_SHORT_WORD = 0.2  # seconds of speech
_BETWEEN_WORDS = mulaw.BYTES_PER_SECOND // 5


class StreamWatch:
    """Watch on one call's stream in charge; `is_speaking`: words are under way."""

    def __init__(self, clock: Clock, limits: StreamLimits, ledger: AudioSource, hangs: HangDetector) -> None:
        self._clock = clock
        self._limits = limits
        self._ledger = ledger
        self._hangs = hangs

    def trouble_with(
        self, attempt: StreamAttempt, *, is_speaking: bool, may_compare: bool
    ) -> RecogniserError | None:
        """Return the stream's fault, or None; `may_compare`: a second stream may be opened to find out."""
        if attempt.start < self._ledger.forgotten:
            return RecogniserError("OUT_OF_RANGE", "audio was kept too long before it was recognised")
        if attempt.backlog > self._limits.queue * mulaw.BYTES_PER_SECOND:
            waiting = mulaw.seconds(attempt.backlog)
            return RecogniserError("DEADLINE_EXCEEDED", f"{waiting:.1f} s of audio wait to be sent")
        return self._hangs.trouble_with(attempt, speaking=is_speaking, may_compare=may_compare)

    def must_be_half_closed(self, attempt: StreamAttempt, *, is_speaking: bool) -> bool:
        """True if the stream must give its words now: on hold, or after a monologue.

        One that is behind is half-closed when it has caught up: its last final is waited for from then on.
        """
        if self._clock.seconds() - attempt.written_at >= self._limits.hold:
            return True
        return is_speaking and not attempt.is_behind and self._is_nearly_full()

    def has_open_words(self, attempt: StreamAttempt, *, is_speaking: bool) -> bool:
        """True if there are, or may be, words without a final; False while the stream is behind."""
        ledger = self._ledger
        voices = self._hangs.voices
        return not attempt.is_behind and (
            is_speaking or voices.seconds_of_speech(ledger.start, ledger.received) >= _SHORT_WORD
        )

    def _is_nearly_full(self) -> bool:
        """True if a final is needed, best between two words, before audio that could be needed again is let go."""
        kept = self._ledger.kept
        most = min(_OF_RETENTION * self._ledger.most, self._limits.monologue * mulaw.BYTES_PER_SECOND)
        if kept < _FILLED * most:
            return False
        end = self._ledger.received
        is_between = self._hangs.voices.seconds_of_speech(end - _BETWEEN_WORDS, end) == 0
        return kept >= _FULL * most or is_between
