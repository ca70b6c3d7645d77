"""The streams of one endless session: the one in charge, its successor, and the change from one to the other."""

from collections.abc import Callable
from dataclasses import dataclass, field

from voicestt.audio import mulaw
from voicestt.audio.source import AudioSource
from voicestt.recognisers.finals import ToldFinals
from voicestt.recognisers.hang_detection import HangDetector, ServiceHabits
from voicestt.recognisers.health import Health
from voicestt.recognisers.port import Recogniser, RecogniserError
from voicestt.recognisers.stream import AttemptOwner, ReplayPace, StreamAttempt
from voicestt.recognisers.stream_limits import StreamLimits, StreamWatch
from voicestt.recognisers.streaming_states import (
    CatchingUp,
    Finishing,
    HalfClosed,
    Live,
    Over,
    Silent,
    State,
    left,
)
from voicestt.recognisers.tuning import Tuning
from voicestt.runtime.clock import Clock, Timer

_LAST_WORD = mulaw.BYTES_PER_SECOND  # it may have been cut by a network that stood still
_SPEECH = 0.2  # seconds that something can be answered to
_UNANSWERED = 2.0  # times as long as it takes to find a hung stream


@dataclass(frozen=True, slots=True)
class StreamingParts:
    """The parts that all sessions of the process share; `jitter` gives numbers from 0 to 1.

    `looks` is the clock for looks at a session's health, which are the same whenever they come. A session whose
    call has options of its own has parts of its own, with the call's `tuning`.
    """

    clock: Clock
    looks: Clock
    streaming: Recogniser
    limits: StreamLimits
    jitter: Callable[[], float]
    health: Health
    pace: ReplayPace = field(default_factory=ReplayPace)
    habits: ServiceHabits = field(default_factory=ServiceHabits)
    tuning: Tuning = field(default_factory=Tuning)


class StreamChain:
    """A session's state, and with it the streams; `owner` is told their results and ends."""

    def __init__(
        self, owner: AttemptOwner, parts: StreamingParts, ledger: AudioSource, hangs: HangDetector
    ) -> None:
        self.state: State = Silent()
        self._owner = owner
        self._parts = parts
        self._ledger = ledger
        self._hangs = hangs
        self._told = ToldFinals()
        self._no_successor_before = 0.0
        self._changed_at: float | None = None
        self._is_urgent = self._is_resting = False

    @property
    def is_due(self) -> bool:
        """True if the stream in charge needs a successor, and may have one."""
        state, limits = self.state, self._parts.limits
        if not isinstance(state, Live) or self._parts.clock.seconds() < self._no_successor_before:
            return False
        age, is_outdated = state.attempt.age, self._is_to_change(state.attempt)
        if age >= limits.hard or (is_outdated and self._is_urgent):
            return True
        return (is_outdated or age >= limits.soft) and not state.is_speaking

    def may_end_at_a_final(self, attempt: StreamAttempt) -> bool:
        """Return True if the stream needs a successor, for which the end of a final is a good moment."""
        return attempt.age >= self._parts.limits.soft or self._is_outdated(attempt)

    def change(self, *, at_once: bool) -> bool:
        """Note that the call's options have changed; return True if a stream lives that has the former ones.

        `at_once`: it is replaced in the middle of an utterance, which its successor recognises as a whole. A
        successor that is catching up takes charge first: changes in quick succession would keep it from that.
        """
        state = self.state
        newest = state.successor if isinstance(state, CatchingUp) else getattr(state, "attempt", None)
        # An urgent change that has not come yet stays urgent, whatever is changed besides.
        waits = newest is not None and newest.tuned < self._parts.tuning.changes - 1
        self._is_urgent = at_once or (self._is_urgent and waits)
        self._no_successor_before = 0.0
        return isinstance(state, Live) and self._is_outdated(state.attempt)

    def answered(self, attempt: StreamAttempt) -> None:
        """Note that a stream gave words: the service takes the options that it has."""
        if not self._is_outdated(attempt):
            self._parts.tuning.proved()

    def take_back(self, attempt: StreamAttempt | None, error: RecogniserError) -> RecogniserError:
        """Restore the call's former options, if `error` refuses those of `attempt`.

        Returns `error`, or ABORTED, which another attempt can mend.
        """
        if attempt is None:
            return error
        if self._is_outdated(attempt) and error.is_fatal:
            return RecogniserError(
                "ABORTED", f"what the call asked for was refused, and is changed again: {error}"
            )
        if self._is_outdated(attempt) or not self._parts.tuning.take_back(error):
            return error
        if isinstance(self.state, Live):
            self.state.attempt.tuned = self._parts.tuning.changes
        return RecogniserError(
            "ABORTED", f"what the call asked for was refused, and it goes on as before: {error}"
        )

    def may_rest(self, state: State, error: RecogniserError | None) -> bool:
        """Rest if the stream in charge has ended by itself, as it was asked to when nobody speaks.

        Returns whether that is so.
        """
        if not isinstance(state, Live) or state.is_speaking or error is None or error.status != "OK":
            return False
        if not state.attempt.ends_by_itself:
            return False
        self._hangs.stop()
        self.state, self._is_resting = Silent(), True
        return True

    def rests_on(self, watch: StreamWatch) -> bool:
        """Return True while nobody has spoken since the chain rests; let go of the silence."""
        if self._is_resting and watch.is_silent:
            self.skip_silence()
            return True
        return False

    def open(self) -> StreamAttempt:
        """Open a stream from the end of the recognised audio."""
        self._is_resting = False
        self.skip_silence()
        return self._attempt(hurries=True)

    def skip_silence(self) -> None:
        """Let go of the audio at the beginning that holds no word."""
        self._ledger.pass_over(self._hangs.wordless_until())

    def begin_successor(self) -> StreamAttempt | None:
        """Open a successor to the stream in charge; None if that one is not live, or has one already."""
        state = self.state
        if not isinstance(state, Live):
            return None
        if not state.is_speaking:
            self.let_go_of_silence(state)
        self._hangs.stop()
        self._changed_at = self._parts.clock.seconds() if self._is_outdated(state.attempt) else None
        successor = self._attempt(hurries=False)
        self.state = CatchingUp(state.attempt, state.is_speaking, successor, Timer(self._parts.clock))
        return successor

    def promote(self) -> StreamAttempt | None:
        """Put the successor in charge; return the stream that was, or None if there is no successor."""
        state = self.state
        if not isinstance(state, CatchingUp):
            return None
        self._go_on_with(state.successor, state)
        return state.attempt

    def successor_ended(self, state: CatchingUp, error: RecogniserError | None) -> None:
        """Go on with the stream in charge; another successor is tried, at once after ABORTED."""
        self._go_on_with(state.attempt, state)
        is_mended = error is not None and error.status == "ABORTED"
        wait = 0.0 if is_mended or self._is_outdated(state.successor) else self._parts.limits.backoff.longest
        self._no_successor_before = self._parts.clock.seconds() + wait

    def without_successor(self) -> State:
        """Drop the successor that is catching up, if any; return the state."""
        state = self.state
        if isinstance(state, CatchingUp):
            self._go_on_with(state.attempt, state)
            state.successor.drop()
        return self.state

    def let_go_of_silence(self, state: Live | CatchingUp) -> None:
        """Let go of silence, and of audio a living stream gave no words for. No words may be under way.

        Audio that a stream was not given yet is kept: the stream's time must not jump.
        """
        given = state.attempt.position
        if isinstance(state, CatchingUp):
            given = min(given, state.successor.position)
        self._ledger.pass_over(min(self._hangs.wordless_until(), given))

    def drop(self) -> StreamAttempt | None:
        """Drop the stream in charge, which has failed, and return it; None if there is none."""
        match self.state:
            case HalfClosed(attempt=attempt, drain=drain):
                drain.cancel()
                attempt.drop()
                return attempt
            case Live(attempt=attempt) | CatchingUp(attempt=attempt):
                attempt.drop()
                return attempt
            case Finishing(attempt=last) if last is not None:
                last.drop()
                return last
        return None

    def finish(self, drain: Timer) -> State:
        """Half-close the stream in charge, if there is one; return the state that was, without its successor."""
        state = self.without_successor()
        match state:
            case Live(attempt=attempt, is_speaking=is_speaking):
                self.state = Finishing(drain, attempt, is_speaking)
                attempt.finish()
            case HalfClosed(attempt=attempt, is_speaking=is_speaking, drain=old):
                old.cancel()
                self.state = Finishing(drain, attempt, is_speaking, was_half_closed=True)
            case Finishing() | Over():
                drain.cancel()
        return state

    def has_rested(self, state: HalfClosed, *, is_paused: bool) -> bool:
        """Take the end of a half-closed stream; return True if no audio has come since it was half-closed."""
        state.drain.cancel()
        self.state = Silent()
        if is_paused:
            # It has said all that it will say of what it was given, and nothing has come since.
            self._ledger.pass_over(state.attempt.position - _LAST_WORD)
        return state.attempt.position >= self._ledger.received

    def close(self) -> None:
        """Drop all streams and cancel all timers."""
        state, self.state = self.state, Over()
        left(state)

    def _attempt(self, *, hurries: bool) -> StreamAttempt:
        number = self._ledger.streams + 1
        to_ledger = (self._parts.clock, self._parts.streaming, self._ledger)
        attempt = StreamAttempt(number, *to_ledger, self._owner, self._parts.pace, self._told, hurries=hurries)
        attempt.tuned = self._parts.tuning.changes
        return attempt

    def _is_to_change(self, attempt: StreamAttempt) -> bool:
        """Return True if the stream has former options, and was given the time to answer by those.

        One that a change has put in charge, and that has speech to answer to, is given it: else it would not be
        noticed that the service is mute.
        """
        if not self._is_outdated(attempt) or self._changed_at is None or attempt.answered_to > attempt.start:
            return self._is_outdated(attempt)
        if self._parts.clock.seconds() >= self._changed_at + _UNANSWERED * self._parts.limits.silent:
            return True
        given = self._hangs.voices.seconds_of_speech(self._hangs.wordless_until(), self._ledger.received)
        return given < _SPEECH

    def _is_outdated(self, attempt: StreamAttempt) -> bool:
        return attempt.tuned != self._parts.tuning.changes

    def _go_on_with(self, attempt: StreamAttempt, state: CatchingUp) -> None:
        """Leave only `attempt`, one of the two streams, in charge."""
        state.patience.cancel()
        self.state = Live(attempt, state.is_speaking)
