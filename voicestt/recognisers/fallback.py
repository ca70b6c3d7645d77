"""The safety net: streaming while it is switched on and works, otherwise the single shot with the same audio.

This is the only place that opens recognisers for a call. It keeps the call's ledger, so what streaming has not
covered goes to the single shot byte for byte, and the account at the end says what became of everything.

    streaming --switched off, or failed for good--> single shot --switched on, or a probe is healthy--> streaming
                                                                  (between two utterances)
"""

from collections.abc import Callable
from enum import Enum

from voicestt import mulaw, voice
from voicestt.clock import Clock, Timer
from voicestt.ledger import Account, Ledger
from voicestt.recogniser import CallListener, Incident, RecogniserError, Result
from voicestt.recognisers.endless import Endless, EndlessSession
from voicestt.recognisers.positions import moved
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import SingleShot, SingleShotSession

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

    A call that fell back probes streaming every `recover_seconds` (0: never); `retain_bytes` of mu-law without an
    answer are kept.
    """

    def __init__(
        self,
        clock: Clock,
        flag: Flag,
        streaming: Endless,
        single_shot: SingleShot,
        probe: Probe,
        *,
        retain_bytes: int = 60 * mulaw.BYTES_PER_SECOND,
        recover_seconds: float = 60.0,
    ) -> None:
        self.clock = clock
        self.flag = flag
        self.streaming = streaming
        self.single_shot = single_shot
        self.probe = probe
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
        self._ledger = Ledger(parts.retain_bytes)
        self._recovery = Timer(parts.clock)
        self._finished = False
        self._way = _Way.STREAMING if parts.flag.is_on else _Way.SINGLE_SHOT
        parts.flag.watch(self._flag_turned)
        self._session: EndlessSession | _OffsetSingleShot
        if parts.flag.is_on:
            self._session = parts.streaming.open(self, self._ledger)
        else:
            self._session = _OffsetSingleShot(parts.single_shot, self, self._ledger, in_speech=False)

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
        self._session.write(audio)
        self._return_if_quiet()

    def finish(self) -> None:
        """No more audio."""
        self._leave_behind()
        self._session.finish()

    def abort(self) -> None:
        """Nobody listens any more."""
        self._leave_behind()
        self._session.abort()

    def heard(self, result: Result) -> None:
        """From either way, in the call's own time: a final covers the audio up to its end."""
        if result.is_final:
            self._ledger.cover(result.end)
        self._listener.heard(result)

    def happened(self, incident: Incident) -> None:
        """From either way."""
        self._listener.happened(incident)

    def ended(self, error: RecogniserError | None) -> None:
        """From either way: over as it should be, or the reason to fall back."""
        if error is None:
            self._ledger.pass_over(self._ledger.received)
            self._listener.ended(None)
        else:
            self._fall_back(str(error), probe_later=True)

    # -- from one way to the other

    def _fall_back(self, why: str, *, probe_later: bool) -> None:
        self._way = _Way.SINGLE_SHOT
        rest = mulaw.seconds(self.backlog)
        self._session = _OffsetSingleShot(self._parts.single_shot, self, self._ledger, in_speech=True)
        self.happened(Incident("degraded", why, rest))
        if self._finished:
            self._session.finish()
        elif probe_later:
            self._probe_later()

    def _flag_turned(self) -> None:
        self._recovery.cancel()
        if self._way is _Way.STREAMING:
            # It was on until now: while it is on and the way is streaming, nothing can turn it but off.
            self._session.abort()
            self._fall_back(SWITCHED_OFF, probe_later=False)
        elif self._parts.flag.is_on:
            self._way = _Way.RETURNING
            self._return_if_quiet()
        else:
            self._way = _Way.SINGLE_SHOT

    def _probe_later(self) -> None:
        if self._parts.recover_seconds > 0:
            self._recovery.set(self._parts.recover_seconds, lambda: self._parts.probe.ask(self._probed))

    def _probed(self, is_healthy: bool) -> None:
        if self._finished or self._way is not _Way.SINGLE_SHOT or not self._parts.flag.is_on:
            return
        if is_healthy:
            self._way = _Way.RETURNING
            self._return_if_quiet()
        else:
            self._probe_later()

    def _return_if_quiet(self) -> None:
        if self._way is not _Way.RETURNING or not self._is_quiet:
            return
        self._way = _Way.STREAMING
        self._session.abort()
        self._session = self._parts.streaming.open(self, self._ledger)
        self.happened(Incident("recovered", "speech is streamed again"))

    @property
    def _is_quiet(self) -> bool:
        return isinstance(self._session, _OffsetSingleShot) and self._session.is_quiet

    def _leave_behind(self) -> None:
        self._finished = True
        self._recovery.cancel()
        self._parts.flag.forget(self._flag_turned)


class _OffsetSingleShot:
    """A single shot that begins at the ledger's start, and keeps the ledger's account.

    `in_speech`: what is there already is recognised in any case: a stream may have been in the middle of it.
    """

    def __init__(
        self, single_shot: SingleShot, owner: FallbackSession, ledger: Ledger, *, in_speech: bool
    ) -> None:
        rest = ledger.uncovered()
        self._start = rest.start
        self._owner = owner
        self._ledger = ledger
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

    def write(self, audio: bytes) -> None:
        """Audio that the ledger has just received."""
        self._session.write(audio)
        self._ledger.pass_over(self._start + self._session.settled)
        self._count_requests()

    def finish(self) -> None:
        """No more audio."""
        self._session.finish()
        self._count_requests()

    def abort(self) -> None:
        """Nobody listens any more."""
        self._session.abort()

    def heard(self, result: Result) -> None:
        """An utterance's final."""
        self._owner.heard(moved(result, self._start, self._start + result.end, self._start))

    def ended(self, error: RecogniserError | None) -> None:
        """After `finish`."""
        self._owner.ended(error)

    def lost(self, end: int, error: RecogniserError, seconds: float) -> None:
        """An utterance that nobody could recognise."""
        self._ledger.give_up(self._start + end)
        self._owner.happened(Incident("unrecognised", str(error), seconds))

    def _count_requests(self) -> None:
        requested = self._session.requested
        self._ledger.request(requested - self._requests_counted)
        self._requests_counted = requested
