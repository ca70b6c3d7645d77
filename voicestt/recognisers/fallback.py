"""Fallback between streaming recognition and one request for each utterance, over the same audio.

This is the only place that opens recognisers for a call. It keeps the call's ledger, so what streaming has not
covered goes to the single shot byte for byte, and the account at the end says what became of everything.

    streaming --switched off, or failed for good--> single shot --switched on, or a probe is healthy--> streaming
        |                                                         (between two utterances)                 ^
        +--the service is away--> single shot whose requests wait --the service is back--------------------+

Where Google's quota is shared (`stream_quota`), a call without a lease begins with single requests. After a long
outage the call is in two lanes: what was said meanwhile is recognised by requests, in parallel, while what is said
now is streamed; partials come at once, and finals wait for those before them.
"""

from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from voicestt.audio import mulaw
from voicestt.audio.ledger import AudioTotals, RetainedAudioLimit
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.health import CircuitBreaker
from voicestt.recognisers.lanes import Lane, LaneQueue, OffsetSingleShot
from voicestt.recognisers.modes import Flag, Mode, Returning, SingleRequests, Streaming, leave
from voicestt.recognisers.port import CallListener, Incident, RecogniserError, Result
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.stream_quota import GRACE_SECONDS, CallLease, NoQuota, StreamQuota
from voicestt.recognisers.streaming import Endless, EndlessSession
from voicestt.recognisers.tuning import Tuning
from voicestt.runtime.clock import Clock, Timer

_DEGRADED_AFTER: Final = 10.0  # seconds of an outage of streaming while single requests give words
_QUIET_WITHIN: Final = 15.0  # seconds: on a noisy line the pause between two utterances never comes
_REPLAYED_AT_MOST: Final = 12 * mulaw.BYTES_PER_SECOND
SWITCHED_OFF = "ENABLE_STREAMING_STT was switched off"


@dataclass(frozen=True, slots=True, eq=False)
class Fallback:
    """A CallRecogniser that streams while it can, and sends single requests otherwise.

    `health` is the process's knowledge of the service. A call that fell back while that was good probes streaming
    every `recover_seconds` (0: never). `retain_bytes` of mu-law without an answer are kept, by all calls together
    as many as `retention` allows. `quota` has the leases of streams.
    """

    clock: Clock
    flag: Flag
    streaming: Endless
    single_shot: SingleShot
    probe: Probe
    health: CircuitBreaker
    _: KW_ONLY
    retain_bytes: int = 600 * mulaw.BYTES_PER_SECOND
    retention: RetainedAudioLimit | None = None
    recover_seconds: float = 60.0
    quota: StreamQuota = field(default_factory=NoQuota)

    def open(self, listener: CallListener, options: RecognitionOptions | None = None) -> "FallbackSession":
        """Open a session: streaming while the flag is on, otherwise single requests; `options` are the call's."""
        return FallbackSession(self, listener, options)


class FallbackSession:
    """One call's recognition session, in whatever mode its audio is recognised."""

    def __init__(self, parts: Fallback, listener: CallListener, options: RecognitionOptions | None = None) -> None:
        self._parts = parts
        self._tuning = Tuning(options)
        self._listener = listener
        self._lanes = LaneQueue(self, listener, parts.retain_bytes, parts.retention)
        self._ledger = self._lanes.ledger
        self._finished = False
        self._lease = CallLease(parts.quota)
        self._is_told_streaming = parts.flag.is_on
        self._mode: Mode = Streaming() if parts.flag.is_on and self._lease.take() else self._single_requests()
        parts.flag.watch(self._flag_turned)
        first = self._lanes.begin(0)
        if isinstance(self._mode, Streaming):
            first.session = parts.streaming.open(first, first.part, self._tuning)
        else:
            first.session = OffsetSingleShot(parts.single_shot, first, self._tuning, in_speech=False)
            self._wait_for_lease()

    @property
    def totals(self) -> AudioTotals:
        """Totals of the call's audio so far."""
        return self._ledger.totals

    @property
    def backlog(self) -> int:
        """Bytes that no final has covered yet."""
        return self._ledger.kept

    def write(self, audio: bytes) -> None:
        """Take more audio and hand it to the lane that is live."""
        self._ledger.receive(audio)
        self._lanes.live.write(audio)
        self._return_if_quiet()

    def pause(self) -> None:
        """Make the words so far final, because no audio comes for now."""
        self._lanes.live.pause()
        self._return_if_quiet()

    def change(self, options: RecognitionOptions, *, at_once: bool = False) -> None:
        """Recognise by other options: streams from the next final or silence on, requests from the next one on.

        `at_once`: streams in the middle of an utterance, which is recognised as a whole by the other options.
        """
        live = self._lanes.live.session
        if self._tuning.change(options) and isinstance(live, EndlessSession):
            live.change(at_once=at_once)

    def finish(self) -> None:
        """Take no more audio: the last finals come, then the end."""
        self._leave_behind()
        self._lanes.live.finish()

    def abort(self) -> None:
        """Stop at once, without telling the listener anything more."""
        self._leave_behind()
        self._lanes.stop()
        self._lease.give_back()

    def give_up(self) -> None:
        """Stop because time is up: tell the finals that are known, and which audio between them is lost."""
        self._leave_behind()
        self._lanes.give_up()
        self._lanes.stop()
        self._lease.give_back()

    # -- what the lanes say

    def lane_heard(self, lane: Lane, result: Result) -> None:
        """Handle a lane's result: pass it on in the call's order."""
        if result.is_final:
            lane.part.cover(result.end)
            self._look_whether_degraded(lane)
        self._lanes.tell(lane, result)

    def lane_happened(self, incident: Incident) -> None:
        """Pass an incident on to the call's listener."""
        if incident.kind in {"degraded", "interrupted"}:
            self._is_told_streaming = False
        self._listener.happened(incident)

    def lane_ended(self, lane: Lane, error: RecogniserError | None) -> None:
        """Handle a lane's end: advance after a normal one, fall back to single requests after an error."""
        if error is None:
            self._lanes.end(lane)
            if self._lanes.is_over:
                self._lease.give_back()
        else:
            self._fall_back(str(error), probe_later=True)

    # -- from one mode to another

    def _go(self, mode: Mode) -> Mode:
        """Switch to `mode`, cancel the waits of the old one, and return it."""
        old, self._mode = self._mode, mode
        leave(old)
        return old

    def _fall_back(self, why: str, *, probe_later: bool) -> None:
        live = self._lanes.live
        rest = mulaw.seconds(live.part.kept)
        live.session = OffsetSingleShot(self._parts.single_shot, live, self._tuning, in_speech=True)
        is_interrupted = probe_later and self._parts.health.is_open
        mode = SingleRequests(Timer(self._parts.clock), is_interrupted)
        self._go(mode)
        if is_interrupted and not self._finished:
            self._wait_for_service(mode)
        self.lane_happened(Incident("interrupted" if is_interrupted else "degraded", why, rest))
        if self._finished:
            self._lanes.live.finish()
        elif probe_later and not is_interrupted:
            self._probe_later(mode)

    def _single_requests(self) -> SingleRequests:
        return SingleRequests(Timer(self._parts.clock))

    def _wait_for_lease(self) -> None:
        """Have the call stream when it gets a lease, and say that it does not if that takes a moment."""
        mode = self._mode
        if self._finished or not isinstance(mode, SingleRequests) or not self._parts.flag.is_on:
            return
        mode.stop_waiting = self._lease.wait(self._lease_came)
        mode.recovery.set(GRACE_SECONDS, self._say_not_streaming)

    def _say_not_streaming(self) -> None:
        health = self._parts.health
        if self._is_told_streaming:
            self.lane_happened(Incident("degraded", health.reason if health.is_open else self._lease.reason))

    def _lease_came(self) -> None:
        if not self._parts.flag.is_on:
            self._lease.give_back()  # the flag is being turned, call by call
        elif isinstance(self._mode, SingleRequests):
            self._return_when_healthy(self._mode)

    def _return_when_healthy(self, mode: SingleRequests) -> None:
        if self._parts.health.is_open:
            self._wait_for_service(mode)
        else:
            self._begin_to_return()

    def _wait_for_service(self, mode: SingleRequests) -> None:
        mode.stop_waiting = self._parts.health.wait(self._service_is_back, lambda: self._lanes.live.silent_for)

    def _look_whether_degraded(self, lane: Lane) -> None:
        """Report "degraded" instead of "interrupted" once single requests answer in a long outage of streaming."""
        mode, health = self._mode, self._parts.health
        is_single = isinstance(mode, SingleRequests) and mode.is_interrupted and lane.is_single_shot
        if is_single and health.open_for >= _DEGRADED_AFTER:
            self._no_longer_interrupted(mode, health.reason)

    def _flag_turned(self) -> None:
        mode, parts = self._mode, self._parts
        leave(mode)
        if isinstance(mode, Streaming):
            # It was on until now: while it is on and the mode is streaming, nothing can turn it but off.
            self._lanes.live.abort()
            self._fall_back(SWITCHED_OFF, probe_later=False)
        elif not parts.flag.is_on:
            self._go(self._single_requests())
            self._no_longer_interrupted(mode, SWITCHED_OFF)
            if self._is_told_streaming:
                self.lane_happened(Incident("degraded", SWITCHED_OFF))
        elif not self._lease.take():
            self._wait_for_lease()
        elif isinstance(mode, SingleRequests):
            self._return_when_healthy(mode)
        else:
            self._begin_to_return()
        if not parts.flag.is_on:
            self._lease.give_back()

    def _no_longer_interrupted(self, mode: Mode, why: str) -> None:
        if isinstance(mode, SingleRequests) and mode.is_interrupted:
            mode.is_interrupted = False
            self.lane_happened(Incident("degraded", why))

    def _probe_later(self, mode: SingleRequests) -> None:
        if self._parts.recover_seconds > 0:
            mode.recovery.set(self._parts.recover_seconds, lambda: self._parts.probe.ask(self._probed))

    def _probed(self, is_healthy: bool) -> None:
        mode = self._mode
        if self._finished or not isinstance(mode, SingleRequests) or not self._parts.flag.is_on:
            return
        if is_healthy:
            self._begin_to_return()
        else:
            self._probe_later(mode)

    def _service_is_back(self) -> None:
        """Stream again at once: replay a short backlog to the stream, leave a long one to requests beside it."""
        if self._lanes.live.part.kept > _REPLAYED_AT_MOST:
            self._return_beside()
        else:
            self._return()

    def _begin_to_return(self) -> None:
        self._go(Returning(self._parts.clock.seconds()))
        self._return_if_quiet()

    def _return_if_quiet(self) -> None:
        mode = self._mode
        if not isinstance(mode, Returning):
            return
        if self._lanes.live.is_quiet:
            self._return()
        elif self._parts.clock.seconds() - mode.since >= _QUIET_WITHIN:
            self._return_beside()

    def _return_beside(self) -> None:
        """Stream from the beginning of the utterance under way; what was said before it is left to requests."""
        live = self._lanes.live
        if isinstance(live.session, OffsetSingleShot):
            self._stream_again(self._lanes.begin(live.session.leave()))

    def _return(self) -> None:
        self._lanes.live.abort()
        self._stream_again(self._lanes.live)

    def _stream_again(self, live: Lane) -> None:
        old = self._go(Streaming())
        was_interrupted = isinstance(old, SingleRequests) and old.is_interrupted
        live.session = self._parts.streaming.open(live, live.part, self._tuning)
        self._lanes.tell_forgotten()
        if not self._is_told_streaming:
            self._is_told_streaming = True
            self.lane_happened(Incident("resumed" if was_interrupted else "recovered", "speech is streamed again"))

    def _leave_behind(self) -> None:
        self._finished = True
        leave(self._mode)
        self._parts.flag.forget(self._flag_turned)
