"""Detection of a hung stream, as distinct from one that has nothing to answer.

Google answers nothing to music, tones, noise and other sounds without words: silence alone is no sign of illness.
A stream under suspicion, because there was something like a voice and no answer for longer than this service has
been late before, is compared with a second stream, which is given the newest seconds once and is then half-closed:

    words at once             the first stream is hung
    words only at the end     a service of few answers; twice without an answer between: hung
    ended, without a word     nothing to understand: the stream lives; after two such verdicts what came before the
                              first was answered with silence, and need not be kept
    no end                    the connection or the service is hung
    an error                  nothing is known, and everything is kept

Each suspicion that came to nothing makes it more patient, each answer less.
"""

from collections.abc import Callable
from enum import Enum

from voicestt.audio import mulaw
from voicestt.audio.source import AudioSource
from voicestt.audio.vad import VoiceTrack
from voicestt.recognisers.port import (
    Recogniser,
    RecogniserError,
    Result,
    Session,
)
from voicestt.recognisers.stream import StreamAttempt
from voicestt.runtime.clock import Clock, Timer

_SPEECH_FOR_A_SUSPICION = 1.0  # seconds: less may be a cough
_FORGOTTEN = 0.05  # of a second of speech in each second: a cough now and then never adds up
_SUSPECTS, _WAITS_OPEN, _WAITS_FOR_END = (
    0.6,
    0.2,
    0.3,
)  # of the seconds after which a hung stream is to be replaced
_LATE = 1.5  # times as late as ever, and it is suspected
_FOR_A_STRANGER = 7.0  # seconds until the end of a stream of a service that has answered nothing yet
_GROWTH = 3
_LONGEST_PATIENCE = 20.0
_KEPT_UNANSWERED = 40 * mulaw.BYTES_PER_SECOND
_COMPARED = 2 * mulaw.BYTES_PER_SECOND
_STEP_SECONDS, _STEP = 0.1, int(0.3 * mulaw.BYTES_PER_SECOND)
_LAST_WORD = mulaw.BYTES_PER_SECOND  # what is newer may be the beginning of a word


class ServiceHabits:
    """The lateness of a service's answers, learnt from all calls; and how many suspicions came to nothing."""

    def __init__(self) -> None:
        self.lateness = 0.0
        self.is_known = False
        self.false_alarms = 0

    def answered_after(self, seconds: float) -> None:
        """Learn that speech was answered after `seconds`: a longer time at once, a shorter one slowly."""
        self.is_known = True
        seconds = min(seconds, _LONGEST_PATIENCE)
        self.lateness = max(seconds, 0.9 * self.lateness + 0.1 * seconds)


class _Verdict(Enum):
    WORDS = "a second stream understood the same audio"
    WORDS_AT_END = "a second stream understood the same audio when it was closed"
    NO_WORDS = "no words"
    NO_END = "a second stream is as mute, and does not end"
    FAILED = "no second stream could be had"


class HangDetector:
    """Detector of hung streams for one call; it takes about `silent` seconds."""

    def __init__(
        self, clock: Clock, streaming: Recogniser, ledger: AudioSource, silent: float, habits: ServiceHabits
    ) -> None:
        self._clock = clock
        self._streaming = streaming
        self._ledger = ledger
        self._silent = silent
        self._habits = habits
        self._voices = VoiceTrack(ledger)
        self._about: StreamAttempt | None = None
        self._judged_to = self._wordless_to = self._doubted_to = 0
        self._speech = self._since = 0.0
        self._false_alarms = self._late_words = 0
        self._was_mute = False
        self._comparison: _Comparison | None = None
        self._trouble: RecogniserError | None = None

    @property
    def voices(self) -> VoiceTrack:
        """The places in the call where there may be a voice."""
        return self._voices

    @property
    def is_service_mute(self) -> bool:
        """True if the second stream hung as well: then the connection or the service is at fault."""
        return self._was_mute

    def wordless_until(self) -> int:
        """Return the position up to which there is no word: silence, or audio without words to a living stream."""
        return self._voices.silent_until(max(self._ledger.start, self._wordless_to))

    def answered(self, attempt: StreamAttempt, now: float) -> None:
        """Note an answer of the stream in charge: it is alive."""
        if self._speech >= _SPEECH_FOR_A_SUSPICION and not self._false_alarms and not attempt.is_behind:
            self._habits.answered_after(now - self._since)
        self._habits.is_known = True
        self._false_alarms = max(0, self._false_alarms - 1)
        self._late_words = 0
        self._was_mute = False
        self._begin(attempt)

    def stop(self) -> None:
        """Drop the comparison, because the stream in charge is replaced or closed."""
        comparison, self._comparison = self._comparison, None
        self._about = None
        if comparison is not None:
            comparison.drop()

    def trouble_with(self, attempt: StreamAttempt, *, speaking: bool, may_compare: bool) -> RecogniserError | None:
        """Return the fault found in the stream in charge, or None; `speaking`: words are under way."""
        if self._about is not attempt:
            self._begin(attempt)
        now = self._clock.seconds()
        self._listen(attempt.position, now)
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            self.stop()
        elif may_compare and self._comparison is None and self._is_suspicious(now, speaking):
            self._compare(attempt, speaking)
        return trouble

    def _begin(self, attempt: StreamAttempt) -> None:
        self.stop()
        self._about = attempt
        self._judged_to = attempt.answered_to
        self._speech = 0.0
        self._doubted_to = self._wordless_to
        self._trouble = None

    def _listen(self, end: int, now: float) -> None:
        if self._speech < _SPEECH_FOR_A_SUSPICION:
            self._since = now - _SPEECH_FOR_A_SUSPICION
        start = max(self._judged_to, self._ledger.start)
        if self._speech + mulaw.seconds(end - start) < _SPEECH_FOR_A_SUSPICION and self._voices.may_wait:
            return  # whatever it holds, it is not enough; as a rule it is answered before it is
        if end > start:
            forgotten = _FORGOTTEN * mulaw.seconds(end - start)
            self._speech = max(0.0, self._speech - forgotten) + self._voices.seconds_of_speech(start, end)
            self._judged_to = end

    def _is_suspicious(self, now: float, speaking: bool) -> bool:
        most = min(_KEPT_UNANSWERED, self._ledger.most * 3 // 4)
        if not speaking and self._ledger.kept > most and not self._late_words:
            return True  # a line with noise: is there something to be understood in it, or need it not be kept?
        return self._speech >= _SPEECH_FOR_A_SUSPICION and now - self._since >= self._patience

    @property
    def _patience(self) -> float:
        usual = max(_SUSPECTS * self._silent, 1 + _LATE * self._habits.lateness)
        grown: float = usual * _GROWTH**self._false_alarms
        return max(usual, min(_LONGEST_PATIENCE, grown))

    def _compare(self, attempt: StreamAttempt, speaking: bool) -> None:
        end = attempt.position
        start = max(self._ledger.start, end - _COMPARED)

        def judge(verdict: _Verdict) -> None:
            self._comparison = None
            self._judge(verdict, 0 if speaking else end - _LAST_WORD)

        opened = 0.0 if self._was_mute else _WAITS_OPEN * self._silent
        ends = max(_WAITS_FOR_END * self._silent, _LATE * self._habits.lateness)
        if not self._habits.is_known:
            ends = max(ends, min(_FOR_A_STRANGER, 1.4 * self._silent))
        self._ledger.hand(self._ledger.streams + 1, start, end)
        audio = self._ledger.read(start, end - start)
        self._comparison = _Comparison(self._clock, self._streaming, audio, opened, ends, judge)

    def _judge(self, verdict: _Verdict, wordless_to: int) -> None:
        self._late_words += verdict is _Verdict.WORDS_AT_END
        self._was_mute = verdict is _Verdict.NO_END
        if verdict in (_Verdict.WORDS, _Verdict.NO_END) or self._late_words > 1:
            waited = self._clock.seconds() - self._since
            words = f"speech, and no answer for {waited:.1f} s; {verdict.value}"
            self._trouble = RecogniserError("DEADLINE_EXCEEDED", words)
            return
        self._false_alarms += 1
        self._habits.false_alarms += 1
        if verdict is _Verdict.NO_WORDS:
            self._late_words = 0
            # The second stream was given the newest seconds only: what came since the verdict before is believed
            # when the next one says the same, and is kept until then.
            self._wordless_to, self._doubted_to = self._doubted_to, wordless_to
            self._speech = 0.0


class _Comparison:
    """A comparison: a second stream is given a few seconds of audio, and its answer is judged."""

    def __init__(
        self,
        clock: Clock,
        streaming: Recogniser,
        audio: bytes,
        opened: float,
        ends: float,
        judge: Callable[[_Verdict], None],
    ) -> None:
        self._judge: Callable[[_Verdict], None] | None = judge
        self._audio = audio
        self._opened = opened
        self._ends = ends
        self._timer = Timer(clock)
        self._is_closed = False
        self._session: Session = streaming.open(self)
        self._send()

    def drop(self) -> None:
        self._judge = None
        self._timer.cancel()
        self._session.abort()

    def heard(self, result: Result) -> None:
        if result.text:
            self._say(_Verdict.WORDS_AT_END if self._is_closed else _Verdict.WORDS)

    def ended(self, error: RecogniserError | None) -> None:
        self._say(_Verdict.NO_WORDS if error is None and self._is_closed else _Verdict.FAILED)

    def _send(self) -> None:
        part, self._audio = self._audio[:_STEP], self._audio[_STEP:]
        self._session.write(part)
        self._timer.set(_STEP_SECONDS, self._send) if self._audio else self._timer.set(self._opened, self._close)

    def _close(self) -> None:
        self._is_closed = True
        self._timer.set(self._ends, lambda: self._say(_Verdict.NO_END))
        self._session.finish()

    def _say(self, verdict: _Verdict) -> None:
        judge = self._judge
        self.drop()
        if judge is not None:
            judge(verdict)
