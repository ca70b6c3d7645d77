"""The safety net: streaming while it is switched on and works, otherwise the single shot with the same audio.

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
from enum import Enum
from typing import Final

from voicestt import mulaw, voice
from voicestt.clock import Clock, Timer
from voicestt.ledger import Account, Ledger, LedgerPart, Retention
from voicestt.recogniser import CallListener, Incident, RecogniserError, Result
from voicestt.recognisers.endless import Endless, EndlessSession
from voicestt.recognisers.health import CircuitBreaker
from voicestt.recognisers.positions import moved
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import SingleShot, SingleShotSession

_DEGRADED_AFTER: Final = 10.0  # seconds of an outage of streaming while the old way gives words
_QUIET_WITHIN: Final = 15.0  # seconds: on a noisy line the pause between two utterances never comes
_REPLAYED_AT_MOST: Final = 12 * mulaw.BYTES_PER_SECOND
_TOLD_EVERY: Final = 10 * mulaw.BYTES_PER_SECOND
SWITCHED_OFF = "ENABLE_STREAMING_STT was switched off"


class Flag:
    """ENABLE_STREAMING_STT, which can be turned while calls are live."""

    def __init__(self, is_on: bool) -> None:
        self._is_on = is_on
        self._watchers: set[Callable[[], None]] = set()

    @property
    def is_on(self) -> bool:
        """Whether speech is streamed."""
        return self._is_on

    @property
    def watched_by(self) -> int:
        """How many live calls will follow a change."""
        return len(self._watchers)

    def turn(self, is_on: bool) -> bool:
        """Sets it; whether that was a change. Live calls follow before this returns."""
        if is_on == self._is_on:
            return False
        self._is_on = is_on
        for watcher in list(self._watchers):
            watcher()
        return True

    def watch(self, watcher: Callable[[], None]) -> None:
        """`watcher` is called after each change."""
        self._watchers.add(watcher)

    def forget(self, watcher: Callable[[], None]) -> None:
        """It is not called any more."""
        self._watchers.discard(watcher)


class Fallback:
    """A CallRecogniser over streaming and the single shot.

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
        retention: Retention | None = None,
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
        """A session by the way that the flag says."""
        return FallbackSession(self, listener)


class _Way(Enum):
    STREAMING = "streaming"
    SINGLE_SHOT = "single shot"
    RETURNING = "single shot, until the utterance is over"


class FallbackSession:
    """One call's recognition, whichever way it goes."""

    def __init__(self, parts: Fallback, listener: CallListener) -> None:
        self._parts = parts
        self._listener = listener
        self._ledger = Ledger(parts.retain_bytes, self._forgot, parts.retention)
        self._recovery = Timer(parts.clock)
        self._stop_waiting: Callable[[], None] = _nothing
        self._finished = False
        self._is_interrupted = False
        self._returning_since = 0.0
        self._forgotten = _Forgotten(self._listener)
        self._way = _Way.STREAMING if parts.flag.is_on else _Way.SINGLE_SHOT
        parts.flag.watch(self._flag_turned)
        first = _Lane(self, LedgerPart(self._ledger, 0))
        first.part.merge()
        self._lanes = deque([first])
        if parts.flag.is_on:
            first.session = parts.streaming.open(first, first.part)
        else:
            first.session = _OffsetSingleShot(parts.single_shot, first, in_speech=False)

    @property
    def account(self) -> Account:
        """What became of the call's audio so far."""
        return self._ledger.account

    @property
    def backlog(self) -> int:
        """Bytes that nothing has covered yet."""
        return self._ledger.kept

    def write(self, audio: bytes) -> None:
        """More audio, to whoever recognises it now."""
        self._ledger.receive(audio)
        self._live.write(audio)
        self._return_if_quiet()

    def finish(self) -> None:
        """No more audio."""
        self._leave_behind()
        self._live.finish()

    def abort(self) -> None:
        """Nobody listens any more."""
        self._leave_behind()
        self._stop()

    def give_up(self) -> None:
        """Time is up: what is known is told, with what is lost between; nothing is heard after it."""
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

    def lane_heard(self, lane: "_Lane", result: Result) -> None:
        """A final covers the audio up to its end; it waits for those before it, partials do not."""
        if result.is_final:
            lane.part.cover(result.end)
            self._look_whether_degraded(lane)
            if lane is not self._lanes[0]:
                lane.held.append(result)
                return
        self._listener.heard(result)

    def lane_happened(self, incident: Incident) -> None:
        """From any way."""
        self._listener.happened(incident)

    def lane_ended(self, lane: "_Lane", error: RecogniserError | None) -> None:
        """Over as it should be, or the reason to fall back."""
        if error is None:
            lane.is_over = True
            self._advance()
        else:
            self._fall_back(str(error), probe_later=True)

    def _advance(self) -> None:
        """Tell what waited for lanes that are over now."""
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
    def _live(self) -> "_Lane":
        return self._lanes[-1]

    def _fall_back(self, why: str, *, probe_later: bool) -> None:
        self._way = _Way.SINGLE_SHOT
        live = self._live
        rest = mulaw.seconds(live.part.kept)
        live.session = _OffsetSingleShot(self._parts.single_shot, live, in_speech=True)
        health = self._parts.health
        self._is_interrupted = probe_later and health.is_open
        if self._is_interrupted and not self._finished:
            self._stop_waiting = health.wait(self._service_is_back, self._silent_for)
        self.lane_happened(Incident("interrupted" if self._is_interrupted else "degraded", why, rest))
        if self._finished:
            self._live.finish()
        elif probe_later and not self._is_interrupted:
            self._probe_later()

    def _look_whether_degraded(self, lane: "_Lane") -> None:
        """The old way works, and streaming has not for long: that is no interruption any more."""
        if self._is_interrupted and lane.is_single_shot and self._parts.health.open_for >= _DEGRADED_AFTER:
            self._is_interrupted = False
            self.lane_happened(Incident("degraded", self._parts.health.reason))

    def _flag_turned(self) -> None:
        self._recovery.cancel()
        self._stop_waiting()
        if self._way is _Way.STREAMING:
            # It was on until now: while it is on and the way is streaming, nothing can turn it but off.
            self._live.abort()
            self._fall_back(SWITCHED_OFF, probe_later=False)
        elif self._parts.flag.is_on and self._parts.health.is_open:
            self._stop_waiting = self._parts.health.wait(self._service_is_back, self._silent_for)
        elif self._parts.flag.is_on:
            self._begin_to_return()
        else:
            self._way = _Way.SINGLE_SHOT
            self._no_longer_interrupted()

    def _no_longer_interrupted(self) -> None:
        if self._is_interrupted:
            self._is_interrupted = False
            self.lane_happened(Incident("degraded", SWITCHED_OFF))

    def _probe_later(self) -> None:
        if self._parts.recover_seconds > 0:
            self._recovery.set(self._parts.recover_seconds, lambda: self._parts.probe.ask(self._probed))

    def _probed(self, is_healthy: bool) -> None:
        if self._finished or self._way is not _Way.SINGLE_SHOT or not self._parts.flag.is_on:
            return
        if is_healthy:
            self._begin_to_return()
        else:
            self._probe_later()

    def _service_is_back(self) -> None:
        """Stream again at once: what little was kept goes to the stream, much is left to requests beside it."""
        if self._live.part.kept > _REPLAYED_AT_MOST:
            self._return_beside()
        else:
            self._return()

    def _begin_to_return(self) -> None:
        self._way = _Way.RETURNING
        self._returning_since = self._parts.clock.seconds()
        self._return_if_quiet()

    def _return_if_quiet(self) -> None:
        if self._way is not _Way.RETURNING:
            return
        if self._is_quiet:
            self._return()
        elif self._parts.clock.seconds() - self._returning_since >= _QUIET_WITHIN:
            self._return_beside()

    def _return_beside(self) -> None:
        """Stream from the beginning of the utterance under way; what was said before it is left to requests."""
        live = self._live
        if isinstance(live.session, _OffsetSingleShot):
            live = _Lane(self, LedgerPart(self._ledger, live.session.leave()))
            self._lanes.append(live)
            self._stream_again(live)

    def _return(self) -> None:
        self._live.abort()
        self._stream_again(self._live)

    def _stream_again(self, live: "_Lane") -> None:
        self._way = _Way.STREAMING
        live.session = self._parts.streaming.open(live, live.part)
        was_interrupted, self._is_interrupted = self._is_interrupted, False
        self._forgotten.tell()
        self.lane_happened(Incident("resumed" if was_interrupted else "recovered", "speech is streamed again"))

    @property
    def _is_quiet(self) -> bool:
        session = self._live.session
        return isinstance(session, _OffsetSingleShot) and session.is_quiet

    def _silent_for(self) -> float:
        session = self._live.session
        return session.silent_for if isinstance(session, _OffsetSingleShot) else 0.0

    def _leave_behind(self) -> None:
        self._finished = True
        self._recovery.cancel()
        self._stop_waiting()
        self._parts.flag.forget(self._flag_turned)

    def _stop(self) -> None:
        for lane in self._lanes:
            lane.abort()
        self._ledger.close()


class _Forgotten:
    """Audio that could not be kept, told a stretch at a time and not a batch at a time."""

    def __init__(self, listener: CallListener) -> None:
        self._listener = listener
        self._start = self._end = 0

    def add(self, start: int, end: int) -> None:
        """Bytes [start, end) are lost."""
        if start > self._end:
            self.tell()
        if self._end == self._start:
            self._start = start
        self._end = end
        if self._end - self._start >= _TOLD_EVERY:
            self.tell()

    def tell(self) -> None:
        """Whoever listens is told what was added since the last time."""
        start, end, self._start = self._start, self._end, self._end
        if end > start:
            why = "nobody could be asked for so long that the audio could not be kept (STT_RETAIN_SECONDS)"
            self._listener.happened(Incident("unrecognised", why, mulaw.seconds(end - start), start, end))


class _Lane:
    """A stretch of the call and the way that it is recognised; its finals wait for the lanes before it."""

    session: "EndlessSession | _OffsetSingleShot"

    def __init__(self, owner: FallbackSession, part: LedgerPart) -> None:
        self._owner = owner
        self.part = part
        self.starts_at = part.start
        self.held: list[Result] = []
        self.is_over = False

    @property
    def is_single_shot(self) -> bool:
        """Whether it is recognised the old way."""
        return isinstance(self.session, _OffsetSingleShot)

    def write(self, audio: bytes) -> None:
        """Audio that the ledger has just received."""
        self.session.write(audio)

    def finish(self) -> None:
        """No more audio."""
        self.session.finish()

    def abort(self) -> None:
        """Nobody listens any more."""
        self.session.abort()

    def let_go(self, end: int) -> int:
        """What is before `end` is lost; returns where the loss ends."""
        return self.session.let_go(end) if isinstance(self.session, _OffsetSingleShot) else end

    def heard(self, result: Result) -> None:
        """From its session, in the call's own time."""
        self._owner.lane_heard(self, result)

    def happened(self, incident: Incident) -> None:
        """From its session."""
        self._owner.lane_happened(incident)

    def ended(self, error: RecogniserError | None) -> None:
        """From its session."""
        self._owner.lane_ended(self, error)


class _OffsetSingleShot:
    """A single shot that begins where its lane does, and keeps the account of it.

    `in_speech`: what is there already is recognised in any case: a stream may have been in the middle of it.
    """

    def __init__(self, single_shot: SingleShot, lane: _Lane, *, in_speech: bool) -> None:
        rest = lane.part.uncovered()
        self._start = rest.start
        self._lane = lane
        self._requests_counted = 0
        self._session: SingleShotSession
        if in_speech and not voice.is_silent(rest.audio):
            self._session = single_shot.resume(self, rest.audio)
        else:
            self._session = single_shot.open(self)
            self._session.write(rest.audio)
        self._count_requests()

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is speaking and every utterance has been answered."""
        return self._session.is_quiet

    @property
    def silent_for(self) -> float:
        """Seconds since the caller last spoke."""
        return self._session.silent_for

    def write(self, audio: bytes) -> None:
        """Audio that the ledger has just received."""
        self._session.write(audio)
        self._lane.part.pass_over(self._start + self._session.settled)
        self._count_requests()

    def finish(self) -> None:
        """No more audio."""
        self._session.finish()
        self._count_requests()

    def leave(self) -> int:
        """No more audio comes; the position from which on another takes it."""
        return self._start + self._session.leave()

    def let_go(self, end: int) -> int:
        """What is before `end` is lost; returns where the loss ends."""
        return max(end, self._start + self._session.let_go(max(0, end - self._start)))

    def abort(self) -> None:
        """Nobody listens any more."""
        self._session.abort()

    def heard(self, result: Result) -> None:
        """An utterance's final."""
        self._lane.heard(moved(result, self._start, self._start + result.end, self._start))

    def ended(self, error: RecogniserError | None) -> None:
        """After `finish`."""
        self._lane.ended(error)

    def lost(self, end: int, error: RecogniserError, seconds: float) -> None:
        """An utterance that nobody could recognise."""
        position = self._start + end
        self._lane.part.give_up(position)
        start = position - round(seconds * mulaw.BYTES_PER_SECOND)
        self._lane.happened(Incident("unrecognised", str(error), seconds, start, position))

    def _count_requests(self) -> None:
        requested = self._session.requested
        self._lane.part.request(requested - self._requests_counted)
        self._requests_counted = requested


def _nothing() -> None:
    pass
