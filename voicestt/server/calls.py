"""The live calls: made here, watched for silence, and stopped in order."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from math import ceil

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.audio.ledger import AudioTotals, total
from voicestt.call.active_call import LOOK_SECONDS, CallParts
from voicestt.call.facts import CallDescription, CallObserver
from voicestt.call.line import Line
from voicestt.call.machine import new_call
from voicestt.call.observers import Debounced, DeliveryStats, ObserverGroup
from voicestt.config.settings import Settings
from voicestt.handler.handled_call import TOO_SLOW
from voicestt.handler.leaving import HUNG_UP
from voicestt.journal.former import FormerStream
from voicestt.recognisers.port import CallRecogniser
from voicestt.runtime.clock import Timer
from voicestt.runtime.metrics import CallMetrics, RollingMetrics
from voicestt.server.admission import Admission
from voicestt.server.call_counts import CallCounts
from voicestt.server.call_registry import CallRegistry
from voicestt.server.former_streams import FormerLookup
from voicestt.server.live_call import LiveCall
from voicestt.server.media_line import MediaLine
from voicestt.server.moving import MoveCounts
from voicestt.server.refusals import Refusals
from voicestt.twilio.media_stream import Start, StartDetails

_LOOKS = 3  # in the shorter of the two times without a sign of life, and without audio
_ROUNDING = 1 + 1e-9
_LONGEST_PING = 20.0
_SHORTEST_PING = 1.0  # Autobahn cuts the time of the next ping to whole seconds: a shorter one would come at once
ON_ITS_WAY_SECONDS = 2.0
"""So long a server that stops waits for the socket of a call that it has just taken."""

STOPPING = "the server is stopping"
_NO_PAST = FormerStream("")
_NO_AUDIO = "no audio came for"
_CUT_SECONDS = 0.2
_IS_SID = re.compile(r"[!-~]{1,64}")  # Twilio's are 34 letters and digits; bare UUIDs have been seen


class Refused(Exception):
    """The error of a call that is not taken; the text says why."""


class Calls:
    """The live calls of one server. `figures` are the metrics of all its calls.

    `greeting` is what each caller hears at once, mu-law. `observer_of` makes, of a call's line, an observer for
    this call alone, which is told what `observer` is told, after it.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        settings: Settings,
        registry: CallRegistry,
        recogniser: CallRecogniser,
        observer: CallObserver,
        greeting: bytes = b"",
        observer_of: Callable[[Line], CallObserver] | None = None,
        former: FormerLookup | None = None,
    ) -> None:
        self._former = former
        self._clock = clock
        self._settings = settings
        self._registry = registry
        self._recogniser = recogniser
        self._observer = observer
        self._greeting = greeting
        self._observer_of = observer_of
        self._live: set[LiveCall] = set()
        self.refusals = Refusals(clock)
        self.admission = Admission(clock, settings.max_calls, settings.max_lag_ms / 1000)
        self._waiting_for_end: list[Deferred[None]] = []
        self._cutting = Timer(clock)
        self._watch = LoopingCall(self._end_dead_calls)
        self._watch.clock = clock
        self._gaps = LoopingCall(self._look_for_gaps)
        self._gaps.clock = clock
        self.figures = RollingMetrics()
        self._audio_before = AudioTotals()
        self.taken = 0
        self.starts_refused = 0
        self.is_draining = self.is_stopping = False
        self.moves = MoveCounts()

    def __len__(self) -> int:
        return len(self._live)

    def start(self) -> None:
        """Start to watch for gaps, and for sockets that are dead or on hold for too long."""
        self._watch.start(self._look_seconds, now=False)
        self._gaps.start(LOOK_SECONDS, now=False)

    def drain(self, why: str) -> None:
        """Take no new calls from now on; live ones go on."""
        self.is_draining = True
        self.admission.close(why)

    @property
    def is_idle(self) -> bool:
        """True if no call is live or on its way."""
        return not self._live and not self.admission.on_their_way(ON_ITS_WAY_SECONDS)

    @property
    def live(self) -> Collection[LiveCall]:
        """The calls that have begun and still have their socket."""
        return [call for call in self._live if call.is_stream_of(call.call_sid) and call.has_started]

    def stop(self, seconds: float | None = None) -> "Deferred[None]":
        """End every call; fires when each has told its last words, which has a time limit of its own.

        It is `seconds` at most, if they are given.
        """
        self.is_stopping = True
        for watch in (self._watch, self._gaps):
            if watch.running:
                watch.stop()
        self.refusals.stop()
        self.admission.stop()
        ended: Deferred[None] = Deferred()
        self._waiting_for_end.append(ended)
        for call in list(self._live):
            if seconds is not None:
                call.wait_at_most(max(0.0, seconds - _CUT_SECONDS))
            call.end(STOPPING)
        if seconds is not None and self._live:
            self._cutting.set(seconds, self._cut)
        self._tell_if_all_ended()
        return ended

    def _cut(self) -> None:
        for call in list(self._live):
            call.cut()

    def new(self, hang_up: Callable[[str], None], send: Callable[[bytes], object]) -> LiveCall:
        """Make a call for a socket that has just been opened.

        `hang_up` closes that socket, saying why; `send` sends a text message on it, as long as it is open.
        """
        line = MediaLine(self._clock, send, self._greeting)
        parts = CallParts(
            clock=self._clock,
            observer=self._observer_of_one_call(line),
            recogniser=self._recogniser,
            batch_bytes=self._settings.batch_ms * mulaw.BYTES_PER_SECOND // 1000,
            drain_seconds=self._settings.drain_seconds,
            over=lambda: self._over(call),
            gap_looks=ceil(self._settings.gap_ms / 1000 / LOOK_SECONDS),
            turn_silence=self._settings.utterance_end_ms * mulaw.BYTES_PER_SECOND // 1000,
            metrics=CallMetrics(self.figures),
        )
        call = LiveCall(new_call(parts), parts, hang_up, line)
        self._live.add(call)
        self.taken += 1
        return call

    def takes(self, call_sid: str) -> bool:
        """True if a call that a webhook announces is taken. One that is live already is: it comes back."""
        return bool(self._streams_of(call_sid)) or self.admission.takes(call_sid, len(self._live))

    def was_hung_up(self, call_sid: str) -> bool:
        """True if this server hung up on the call: it ended, or is to end."""
        return self._registry.find(call_sid).was_hung_up or any(
            is_hang_up(call.reason) for call in self._live if call.call_sid == call_sid
        )

    @property
    def why_not_ready(self) -> str | None:
        """The reason not to send calls here now, as /readyz says it; None if they are taken."""
        return STOPPING if self.is_stopping else self.why_busy

    @property
    def why_busy(self) -> str | None:
        """The reason to refuse new calls now; None if they are taken."""
        return self.admission.why_not(len(self._live))

    @property
    def audio(self) -> AudioTotals:
        """Totals of the audio of all calls, those that are over and those that are live."""
        return total([self._audio_before, *(call.account for call in self._live)])

    def former_of(self, start: Start) -> "Deferred[FormerStream | None] | None":
        """Look for the former stream of a call that comes back, or that another process may have announced.

        None for a new call, which waits for nothing.
        """
        call_sid = start.start.call_sid
        record = self._registry.find(call_sid)
        is_new = record.announced and not record.comes_back
        is_unknown = self._settings.require_known_call and not record.announced
        if self._former is None or is_new or is_unknown or self._streams_of(call_sid):
            return None
        return self._former.at_its_end(call_sid)

    def describe(self, start: Start, former: FormerStream | None = None) -> CallDescription:
        """Describe the call of Twilio's `start`, with the webhook's knowledge of it, and its `former` stream's.

        Raises:
            Refused: when it is not one that can be taken.
        """
        details = start.start
        record = self._registry.find(details.call_sid)
        past = former or _NO_PAST
        if not details.media_format.is_mulaw:
            raise Refused("its audio is not audio/x-mulaw, 8000 Hz, one channel")
        if not _IS_SID.fullmatch(details.call_sid) or not _IS_SID.fullmatch(details.stream_sid or "none"):
            raise Refused("its CallSid or its StreamSid is no identifier")
        return CallDescription(
            call_sid=details.call_sid,
            stream_sid=details.stream_sid,
            account_sid=record.account_sid or details.account_sid,
            caller=record.caller or past.caller,
            called=record.called or past.called,
            parameters=details.custom_parameters,
            continues=past.session or None,
            utterances=past.utterances,
            memory=past.memory,
        )

    def begin(self, call: LiveCall, start: Start, former: FormerStream | None = None) -> None:
        """Begin `call` at Twilio's first `start` on its socket; the announcement of its CallSid is used up.

        Raises:
            Refused: when it is not one that can be taken.
        """
        description = self.describe(start, former)
        if former is not None and is_hang_up(former.reason):
            raise Refused("the call was hung up, and came back")
        others = self._streams_of(description.call_sid)
        if self._settings.require_known_call:
            self._must_be_known(start.start, others)
        if not others and not self._registry.find(description.call_sid).announced:
            self._must_have_room()
        self.admission.arrived(description.call_sid)
        self._registry.use_up(description.call_sid)
        if others:
            self._warn_of_two(others[0], description)
        call.begin(description)

    def _streams_of(self, call_sid: str) -> list[LiveCall]:
        return [each for each in self._live if each.is_stream_of(call_sid)]

    def _must_have_room(self) -> None:
        """Raise Refused if there is no room for a call that no webhook of this server announced."""
        if not self.admission.takes_unannounced(len(self._live) - 1):  # its own socket is among them
            raise Refused("the server is busy, and no webhook of its own announced this call")

    def _warn_of_two(self, first: LiveCall, second: CallDescription) -> None:
        self._log.warn(
            "⚠️ Two sockets say that they are this call: {first} is live, and {second} has come. Both go on; the "
            "events of each have its own stream_sid. Either the TwiML forks, or somebody replays a handshake: "
            "REQUIRE_KNOWN_CALL=true refuses the second.",
            first=first.stream_sid,
            second=second.stream_sid,
            log_system=second.call_sid,
        )

    def _must_be_known(self, details: StartDetails, others: Sequence[LiveCall]) -> None:
        record = self._registry.find(details.call_sid)
        if not record.announced:
            raise Refused("no webhook announced this CallSid in the last five minutes (REQUIRE_KNOWN_CALL=true)")
        if record.account_sid is not None and record.account_sid != details.account_sid:
            raise Refused("the webhook announced this CallSid for another account (REQUIRE_KNOWN_CALL=true)")
        if others:
            raise Refused("this CallSid has a live stream already (REQUIRE_KNOWN_CALL=true)")
        if record.is_used_up:
            raise Refused(
                "a socket has used this CallSid's announcement already, and no webhook has announced it again "
                "(REQUIRE_KNOWN_CALL=true)"
            )

    def _observer_of_one_call(self, line: Line) -> CallObserver:
        everybody = self._observer
        if self._observer_of is not None:
            everybody = ObserverGroup([self._observer, self._observer_of(line)])
        stats = DeliveryStats(self._clock, CallCounts(self.figures, everybody))
        return Debounced(self._clock, self._settings.partial_debounce_ms / 1000, stats)

    def _over(self, call: LiveCall) -> None:
        self._live.discard(call)
        if is_hang_up(call.reason):
            self._registry.note_hang_up(call.call_sid)
        self._audio_before = total([self._audio_before, replace(call.account, uncovered=0)])
        self._tell_if_all_ended()

    def _tell_if_all_ended(self) -> None:
        if not self._live:
            self._cutting.cancel()
            waiting, self._waiting_for_end = self._waiting_for_end, []
            for ended in waiting:
                ended.callback(None)

    @property
    def ping_seconds(self) -> float:
        """The seconds between pings of a socket: short enough that a pong comes before it is taken for dead."""
        return max(_SHORTEST_PING, min(_LONGEST_PING, self._settings.idle_seconds * 2 / 3))

    @property
    def _look_seconds(self) -> float:
        return min(self._settings.idle_seconds, self._settings.no_media_seconds) / _LOOKS

    def _look_for_gaps(self) -> None:
        for call in list(self._live):
            try:
                call.look_for_gap()
            except Exception:  # noqa: BLE001 - what fails for one call must not end the looking for all
                self._log.failure("A gap could not be told to the recogniser; the call goes on.")

    def _end_dead_calls(self) -> None:
        idle, no_media = self._settings.idle_seconds, self._settings.no_media_seconds
        for call in list(self._live):
            silence, hold = (looks * self._look_seconds * _ROUNDING for looks in call.look())
            if silence >= idle:
                call.end(f"the socket said nothing for {idle:g} s")
            elif hold >= no_media:
                call.end(f"{_NO_AUDIO} {no_media:g} s")


def is_hang_up(reason: str) -> bool:
    """True if a call that ended for this reason is over for its caller too: it may not come back."""
    return reason in {HUNG_UP, TOO_SLOW} or reason.startswith(_NO_AUDIO)
