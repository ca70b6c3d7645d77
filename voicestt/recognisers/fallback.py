"""Fallback between streaming recognition and one request for each utterance, over the same audio.

This is the only place that opens recognisers for a call. It keeps the call's ledger, so what streaming has not
covered goes to the single shot byte for byte, and the account at the end says what became of everything.

    streaming --switched off, or failed for good--> single shot --switched on, or a probe is healthy--> streaming
        |                                                         (between two utterances)                 ^
        +--the service is away--> single shot whose requests wait --the service is back--------------------+

After a long outage the call is in two lanes: what was said meanwhile is recognised by requests, in parallel, while
what is said now is streamed; partials come at once, and finals wait for those before them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voicestt.audio import mulaw
from voicestt.audio.ledger import (
    AudioTotals,
    Ledger,
    LedgerPart,
    RetainedAudioLimit,
)
from voicestt.recognisers.flag import Flag
from voicestt.recognisers.health import CircuitBreaker
from voicestt.recognisers.lanes import ForgottenAudio, Lane, OffsetSingleShot
from voicestt.recognisers.port import (
    CallListener,
    Incident,
    RecogniserError,
    Result,
)
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.streaming import Endless
from voicestt.runtime.clock import Clock, Timer

__all__ = ["Fallback", "FallbackSession", "Flag"]

_DEGRADED_AFTER: Final = 10.0  # seconds of an outage of streaming while the old way gives words
_QUIET_WITHIN: Final = 15.0  # seconds: on a noisy line the pause between two utterances never comes
_REPLAYED_AT_MOST: Final = 12 * mulaw.BYTES_PER_SECOND
SWITCHED_OFF = "ENABLE_STREAMING_STT was switched off"


class Fallback:
    """A CallRecogniser that streams while it can, and sends single requests otherwise.

    `health` is the process's knowledge of the service. A call that fell back while that was good probes streaming
    every `recover_seconds` (0: never). `retain_bytes` of mu-law without an answer are kept, by all calls together
    as many as `retention` allows.
    """

    def __init__(
        self,
        clock: Clock,
        flag: Flag,
        streaming: Endless,
        single_shot: SingleShot,
        probe: Probe,
        health: CircuitBreaker,
        *,
        retain_bytes: int = 600 * mulaw.BYTES_PER_SECOND,
        retention: RetainedAudioLimit | None = None,
        recover_seconds: float = 60.0,
    ) -> None:
        self.clock = clock
        self.flag = flag
        self.streaming = streaming
        self.single_shot = single_shot
        self.probe = probe
        self.health = health
        self.retention = retention
        self.retain_bytes = retain_bytes
        self.recover_seconds = recover_seconds

    def open(self, listener: CallListener) -> "FallbackSession":
        """Open a session: streaming while the flag is on, otherwise single requests."""
        return FallbackSession(self, listener)


@dataclass(slots=True)
class Streaming:
    """New audio is streamed."""


@dataclass(slots=True)
class OldWay:
    """One request for each utterance, until `recovery` probes streaming, the service is back or the flag is set.

    `is_interrupted`: the service is away for both ways, as far as is known.
    """

    recovery: Timer
    is_interrupted: bool = False
    stop_waiting: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Returning:
    """One request for each utterance, until the one under way is over; it began at `since`, in seconds."""

    since: float


Way = Streaming | OldWay | Returning


def _leave(way: Way) -> None:
    """Cancel the waits that `way` has started."""
    if isinstance(way, OldWay):
        way.recovery.cancel()
        way.stop_waiting()


class FallbackSession:
    """One call's recognition session, whichever way its audio is recognised."""

    def __init__(self, parts: Fallback, listener: CallListener) -> None:
        self._parts = parts
        self._listener = listener
        self._ledger = Ledger(parts.retain_bytes, self._forgot, parts.retention)
        self._finished = False
        self._forgotten = ForgottenAudio(self._listener)
        self._way: Way = Streaming() if parts.flag.is_on else OldWay(Timer(parts.clock))
        parts.flag.watch(self._flag_turned)
        first = Lane(self, LedgerPart(self._ledger, 0))
        first.part.merge()
        self._lanes = deque([first])
        if parts.flag.is_on:
            first.session = parts.streaming.open(first, first.part)
        else:
            first.session = OffsetSingleShot(parts.single_shot, first, in_speech=False)

    @property
    def account(self) -> AudioTotals:
        """Totals of the call's audio so far."""
        return self._ledger.account

    @property
    def backlog(self) -> int:
        """Bytes that no final has covered yet."""
        return self._ledger.kept

    def write(self, audio: bytes) -> None:
        """Take more audio and hand it to the lane that is live."""
        self._ledger.receive(audio)
        self._live.write(audio)
        self._return_if_quiet()

    def pause(self) -> None:
        """Make the words so far final, because no audio comes for now."""
        self._live.pause()
        self._return_if_quiet()

    def finish(self) -> None:
        """Take no more audio: the last finals come, then the end."""
        self._leave_behind()
        self._live.finish()

    def abort(self) -> None:
        """Stop at once, without telling the listener anything more."""
        self._leave_behind()
        self._stop()

    def give_up(self) -> None:
        """Stop because time is up: tell the finals that are known, and which audio between them is lost."""
        self._leave_behind()
        self._forgotten.tell()
        while len(self._lanes) > 1:
            start, end = self._ledger.start, self._lanes[1].starts_at
            if end > start:
                self._ledger.give_up(end)
                self._tell_lost(start, end, "no answer in time")
            self._lanes[0].abort()
            self._lanes[0].is_over = True
            self._advance()
        self._stop()

    # -- what the lanes say

    def lane_heard(self, lane: Lane, result: Result) -> None:
        """Handle a lane's result: pass partials on, hold a final back until the lanes before it are over."""
        if result.is_final:
            lane.part.cover(result.end)
            self._look_whether_degraded(lane)
            if lane is not self._lanes[0]:
                lane.held.append(result)
                return
        self._listener.heard(result)

    def lane_happened(self, incident: Incident) -> None:
        """Pass an incident on to the call's listener."""
        self._listener.happened(incident)

    def lane_ended(self, lane: Lane, error: RecogniserError | None) -> None:
        """Handle a lane's end: advance after a normal one, fall back to single requests after an error."""
        if error is None:
            lane.is_over = True
            self._advance()
        else:
            self._fall_back(str(error), probe_later=True)

    def _advance(self) -> None:
        """Drop the lanes that are over, and tell the finals that were held back for them."""
        while self._lanes[0].is_over and len(self._lanes) > 1:
            self._lanes.popleft()
            first = self._lanes[0]
            self._ledger.pass_over(first.starts_at)
            first.part.merge()
            held, first.held = first.held, []
            for result in held:
                self._listener.heard(result)
        if self._lanes[0].is_over:
            self._ledger.pass_over(self._ledger.received)
            self._ledger.close()
            self._forgotten.tell()
            self._listener.ended(None)

    def _forgot(self, start: int, end: int) -> None:
        whole = self._lanes[0].let_go(end)
        self._ledger.give_up(whole)
        self._forgotten.add(start, whole)

    def _tell_lost(self, start: int, end: int, why: str) -> None:
        self._listener.happened(Incident("unrecognised", why, mulaw.seconds(end - start), start, end))

    # -- from one way to the other

    @property
    def _live(self) -> Lane:
        return self._lanes[-1]

    def _go(self, way: Way) -> Way:
        """Switch to `way`, cancel the waits of the old one, and return it."""
        old, self._way = self._way, way
        _leave(old)
        return old

    def _fall_back(self, why: str, *, probe_later: bool) -> None:
        live = self._live
        rest = mulaw.seconds(live.part.kept)
        live.session = OffsetSingleShot(self._parts.single_shot, live, in_speech=True)
        is_interrupted = probe_later and self._parts.health.is_open
        way = OldWay(Timer(self._parts.clock), is_interrupted)
        self._go(way)
        if is_interrupted and not self._finished:
            self._wait_for_service(way)
        self.lane_happened(Incident("interrupted" if is_interrupted else "degraded", why, rest))
        if self._finished:
            self._live.finish()
        elif probe_later and not is_interrupted:
            self._probe_later(way)

    def _wait_for_service(self, way: OldWay) -> None:
        way.stop_waiting = self._parts.health.wait(self._service_is_back, self._silent_for)

    def _look_whether_degraded(self, lane: Lane) -> None:
        """Report "degraded" instead of "interrupted" once single requests answer in a long outage of streaming."""
        way, health = self._way, self._parts.health
        is_old_way = isinstance(way, OldWay) and way.is_interrupted and lane.is_single_shot
        if is_old_way and health.open_for >= _DEGRADED_AFTER:
            self._no_longer_interrupted(way, health.reason)

    def _flag_turned(self) -> None:
        way, parts = self._way, self._parts
        _leave(way)
        if isinstance(way, Streaming):
            # It was on until now: while it is on and the way is streaming, nothing can turn it but off.
            self._live.abort()
            self._fall_back(SWITCHED_OFF, probe_later=False)
        elif parts.flag.is_on and parts.health.is_open and isinstance(way, OldWay):
            self._wait_for_service(way)
        elif parts.flag.is_on:
            self._begin_to_return()
        else:
            self._go(OldWay(Timer(parts.clock)))
            self._no_longer_interrupted(way, SWITCHED_OFF)

    def _no_longer_interrupted(self, way: Way, why: str) -> None:
        if isinstance(way, OldWay) and way.is_interrupted:
            way.is_interrupted = False
            self.lane_happened(Incident("degraded", why))

    def _probe_later(self, way: OldWay) -> None:
        if self._parts.recover_seconds > 0:
            way.recovery.set(self._parts.recover_seconds, lambda: self._parts.probe.ask(self._probed))

    def _probed(self, is_healthy: bool) -> None:
        way = self._way
        if self._finished or not isinstance(way, OldWay) or not self._parts.flag.is_on:
            return
        if is_healthy:
            self._begin_to_return()
        else:
            self._probe_later(way)

    def _service_is_back(self) -> None:
        """Stream again at once: replay a short backlog to the stream, leave a long one to requests beside it."""
        if self._live.part.kept > _REPLAYED_AT_MOST:
            self._return_beside()
        else:
            self._return()

    def _begin_to_return(self) -> None:
        self._go(Returning(self._parts.clock.seconds()))
        self._return_if_quiet()

    def _return_if_quiet(self) -> None:
        way = self._way
        if not isinstance(way, Returning):
            return
        if self._is_quiet:
            self._return()
        elif self._parts.clock.seconds() - way.since >= _QUIET_WITHIN:
            self._return_beside()

    def _return_beside(self) -> None:
        """Stream from the beginning of the utterance under way; what was said before it is left to requests."""
        live = self._live
        if isinstance(live.session, OffsetSingleShot):
            live = Lane(self, LedgerPart(self._ledger, live.session.leave()))
            self._lanes.append(live)
            self._stream_again(live)

    def _return(self) -> None:
        self._live.abort()
        self._stream_again(self._live)

    def _stream_again(self, live: Lane) -> None:
        old = self._go(Streaming())
        was_interrupted = isinstance(old, OldWay) and old.is_interrupted
        live.session = self._parts.streaming.open(live, live.part)
        self._forgotten.tell()
        self.lane_happened(Incident("resumed" if was_interrupted else "recovered", "speech is streamed again"))

    @property
    def _is_quiet(self) -> bool:
        session = self._live.session
        return isinstance(session, OffsetSingleShot) and session.is_quiet

    def _silent_for(self) -> float:
        session = self._live.session
        return session.silent_for if isinstance(session, OffsetSingleShot) else 0.0

    def _leave_behind(self) -> None:
        self._finished = True
        _leave(self._way)
        self._parts.flag.forget(self._flag_turned)

    def _stop(self) -> None:
        for lane in self._lanes:
            lane.abort()
        self._ledger.close()
