"""One call's endless session: streams follow each other by the state table in `streaming_states`."""

from voicestt.audio import mulaw
from voicestt.audio.source import AudioSource
from voicestt.recognisers.hang_detection import HangDetector
from voicestt.recognisers.port import CallListener, Incident, RecogniserError, Result
from voicestt.recognisers.stream import DrainingStream, StreamAttempt
from voicestt.recognisers.stream_chain import StreamChain, StreamingParts
from voicestt.recognisers.stream_limits import RestartBudget, StreamWatch
from voicestt.recognisers.streaming_states import CatchingUp, Finishing, HalfClosed, Live, Opening, Silent
from voicestt.runtime.clock import Timer

_LOOK_SECONDS = 0.5
_SILENCE_KEPT = 10 * mulaw.BYTES_PER_SECOND
_PATIENCE_WITH_SUCCESSOR = 1.0  # caught up, but silent: the speech it was given may hold no word


class EndlessSession:
    """One call's streams. Results are in the call's own time; `streaming_states` has the table of states."""

    def __init__(self, parts: StreamingParts, listener: CallListener, ledger: AudioSource) -> None:
        self._clock, self._limits, self._health = parts.clock, parts.limits, parts.health
        self._listener: CallListener | None = listener
        self._ledger = ledger
        self._hangs = HangDetector(parts.clock, parts.streaming, ledger, parts.limits.silent, parts.habits)
        self._chain = StreamChain(self, parts, ledger, self._hangs)
        self._budget = RestartBudget(parts.clock, parts.limits, parts.jitter)
        self._watch = StreamWatch(parts.clock, parts.limits, ledger, self._hangs)
        self._look = Timer(parts.looks)
        self._is_paused = False

    def write(self, audio: bytes) -> None:
        """Send audio that the ledger has just received."""
        self._is_paused = False
        match self._chain.state:
            case Live(attempt=attempt):
                attempt.write(audio)
            case CatchingUp(attempt=attempt, successor=successor):
                attempt.write(audio)
                successor.write(audio)
            case Silent() if self._chain.rests_on(self._watch):
                pass  # nobody has spoken since the stream ended by itself
            case Silent() if self._health.is_open:  # the listener is never called from within write
                self._open_in(0)
            case Silent():
                self._open()
            case _:
                pass  # the ledger keeps it

    def pause(self) -> None:
        """Make the words so far final: no audio comes for now, so no silence will do it."""
        self._is_paused = True
        self._half_close_in_pause()

    def change(self, *, at_once: bool) -> None:
        """Recognise by the options that the call has now: from the next final or silence on, or `at_once`."""
        if self._chain.change(at_once=at_once):
            self._look.set(0, self._look_around)

    def finish(self) -> None:
        """Take no more audio: the last finals come, then the end."""
        self._hangs.stop()
        self._look.cancel()
        drain = Timer.after(self._clock, self._limits.drain, self._last_final_is_late)
        match self._chain.finish(drain):
            case Opening(timer=timer):
                error = RecogniserError("UNAVAILABLE", "the call ended while the stream was being reopened")
                timer.set(0, lambda: self._end(error))
                self._chain.state = Finishing(drain, opening=timer)
            case Silent():
                self._finish_without_stream(drain)

    def abort(self) -> None:
        """Stop at once, without telling the listener anything more."""
        self._listener = None
        self._stop_everything()

    def attempt_heard(self, attempt: StreamAttempt, result: Result) -> None:
        """Handle a stream's result: pass on that of the one in charge; a successor that answers takes charge."""
        if attempt.start < self._ledger.forgotten:
            return  # its loss has been told; the next look replaces the stream
        self._health.succeeded(attempt.opened_at)
        self._chain.answered(attempt)
        match self._chain.state:
            case CatchingUp(successor=successor) if attempt is successor and (
                result.is_final or not attempt.is_behind
            ):
                self._promote()
        match self._chain.state:
            case Live() | CatchingUp() | HalfClosed() | Finishing() as state if attempt is state.attempt:
                state.is_speaking = not result.is_final
                self._hear(attempt, result)

    def attempt_ended(self, attempt: StreamAttempt, error: RecogniserError | None) -> None:
        """Handle the end of a stream, whether it was asked for or not."""
        match self._chain.state:
            case CatchingUp(successor=successor) as state if attempt is successor:
                self._chain.successor_ended(state, error)
                if error is not None:
                    self._health.failed(error, attempt.opened_at)
                    self._tell_if_taken_back(error, self._chain.take_back(attempt, error))
            case Live() | CatchingUp() | HalfClosed() | Finishing() as state if attempt is state.attempt:
                self._ended_in_charge(state, error)

    def attempt_caught_up(self, attempt: StreamAttempt) -> None:
        """Handle a stream that is live: a successor is given a moment to answer, then takes charge anyway."""
        match self._chain.state:
            case CatchingUp(successor=successor) as state if attempt is successor:
                is_quick = self._watch.is_silent or not state.is_speaking
                state.patience.set(0 if is_quick else _PATIENCE_WITH_SUCCESSOR, self._promote)

    # -- opening

    def _open_in(self, delay: float) -> None:
        self._chain.state = Opening(Timer.after(self._clock, delay, self._open))

    def _open(self) -> None:
        attempt = self._attempt_in_charge()
        if attempt is None:
            return
        self._chain.state = Live(attempt)
        if not self._look.is_set:
            self._look.set(_LOOK_SECONDS, self._look_around)

    def _attempt_in_charge(self) -> StreamAttempt | None:
        """Open a stream from the end of the recognised audio; None, and the end, if the service is away."""
        if self._health.is_open:
            self._end(RecogniserError("UNAVAILABLE", self._health.reason))
            return None
        return self._chain.open()

    # -- answers, and the seam

    def _hear(self, attempt: StreamAttempt, result: Result) -> None:
        if self._listener is None:
            return
        self._hangs.answered(attempt, self._clock.seconds())
        self._listener.heard(result)
        if result.is_final and self._listener is not None:
            self._after_final()
        elif not result.is_final:
            self._half_close_in_pause()

    def _after_final(self) -> None:
        match self._chain.state:
            case CatchingUp():
                self._chain.without_successor()
                self._begin_successor()
            case Live(attempt=attempt) if self._chain.may_end_at_a_final(attempt):
                self._begin_successor()

    def _begin_successor(self) -> None:
        successor = self._chain.begin_successor()
        if successor is not None and not successor.is_behind:
            self.attempt_caught_up(successor)

    def _promote(self) -> None:
        old = self._chain.promote()
        if old is not None:
            DrainingStream(self._clock, old, self._limits.drain)
            self._tell("rotated", f"stream {old.number} was replaced after {old.age:.0f} s")

    # -- failures, and the end

    def _ended_in_charge(
        self, state: Live | CatchingUp | HalfClosed | Finishing, error: RecogniserError | None
    ) -> None:
        if self._chain.may_rest(state, error):
            return
        if error is None and state.is_speaking:
            # Partials have shown words: there is a final to be had, from somebody.
            error = RecogniserError("OK", "the stream ended without the final of what its partials showed")
        if error is not None:
            self._replace_after(error)
        elif isinstance(state, HalfClosed):
            self._rested(state)
        elif isinstance(state, Finishing) and state.was_half_closed:
            self._rested_and_finishing(state)
        else:
            self._end(None)

    def _replace_after(self, error: RecogniserError) -> None:
        self._hangs.stop()
        attempt = self._chain.drop()
        self._health.failed(error, self._clock.seconds() if attempt is None else attempt.opened_at)
        self._tell_if_taken_back(error, error := self._chain.take_back(attempt, error))
        if not self._is_borne(error):
            return
        if self._chain.promote() is None:
            self._open_in(max(self._budget.backoff(), self._health.slot()))
        self._tell("restarted", str(error))

    def _is_borne(self, error: RecogniserError) -> bool:
        """Return True if the session goes on after the failure; otherwise end it."""
        if self._health.is_open:  # the service does not work: that is not this call's budget's
            self._end(error)
            return False
        is_within_budget = self._budget.spend()
        if error.is_fatal or isinstance(self._chain.state, Finishing) or not is_within_budget:
            self._end(error)
            return False
        return True

    def _finish_without_stream(self, drain: Timer) -> None:
        self._chain.skip_silence()
        opening = Timer(self._clock)
        self._chain.state = Finishing(drain, opening=opening)
        # Nobody is called from within finish. What no stream was given yet still has to be.
        opening.set(0, self._open_to_finish if self._ledger.kept else lambda: self._end(None))

    def _open_to_finish(self) -> None:
        attempt = self._attempt_in_charge()
        state = self._chain.state
        if attempt is not None and isinstance(state, Finishing):
            self._chain.state = Finishing(state.drain, attempt)
            attempt.finish()

    def _last_final_is_late(self) -> None:
        error = self._limits.no_last_final
        state = self._chain.state
        if isinstance(state, Finishing) and state.attempt is not None:
            self._health.failed(error, state.attempt.opened_at)
        self._end(error)

    def _end(self, error: RecogniserError | None) -> None:
        listener, self._listener = self._listener, None
        self._stop_everything()
        if listener is not None:
            listener.ended(error)

    def _stop_everything(self) -> None:
        self._look.cancel()
        self._hangs.stop()
        self._chain.close()

    # -- watching

    def _look_around(self) -> None:
        self._look.set(_LOOK_SECONDS, self._look_around)
        state = self._chain.state
        if isinstance(state, CatchingUp) and state.successor.position < self._ledger.start:
            # What it would be sent next is not kept any more, and its own time must not jump.
            state = self._chain.without_successor()
        if not isinstance(state, Live | CatchingUp):
            return
        trouble = self._watch.trouble_with(state)
        if trouble is not None:
            if self._hangs.is_service_mute:
                self._health.doubt(str(trouble))
            self._replace_after(trouble)
        elif self._watch.must_be_half_closed(state) or self._has_open_words(state):
            self._half_close()
        elif self._chain.is_due:
            self._begin_successor()
        elif not state.is_speaking and self._ledger.kept > _SILENCE_KEPT:
            self._chain.let_go_of_silence(state)

    # -- half-closed

    def _half_close_in_pause(self) -> None:
        state = self._chain.state
        if isinstance(state, Live | CatchingUp) and self._has_open_words(state):
            self._half_close()

    def _has_open_words(self, state: Live | CatchingUp) -> bool:
        """Return True if audio has paused while there are, or may be, words without a final."""
        return self._is_paused and self._watch.has_open_words(state)

    def _half_close(self) -> None:
        # A hold: Google ends a stream without audio after 10 s, as an error. The last words come before that.
        # Or a gap: nothing else would end the words. Or a monologue: half-closed, Google gives its words; what is
        # said meanwhile waits for the next stream.
        self._hangs.stop()
        state = self._chain.without_successor()
        if isinstance(state, Live):
            drain = Timer.after(
                self._clock, self._limits.drain, lambda: self._replace_after(self._limits.no_last_final)
            )
            self._chain.state = HalfClosed(state.attempt, state.is_speaking, drain)
            state.attempt.finish()

    def _rested(self, state: HalfClosed) -> None:
        self._look.cancel()
        if not self._chain.has_rested(state, is_paused=self._is_paused):
            self._open()

    def _rested_and_finishing(self, state: Finishing) -> None:
        if state.attempt is not None and state.attempt.position >= self._ledger.received:
            self._finish_without_stream(state.drain)
        else:
            self._chain.state = Finishing(state.drain)
            self._open_to_finish()

    def _tell_if_taken_back(self, refusal: RecogniserError, error: RecogniserError) -> None:
        if error is not refusal:
            self._tell("refused", str(refusal))

    def _tell(self, kind: str, why: str) -> None:
        if self._listener is not None:
            self._listener.happened(Incident(kind, why))
