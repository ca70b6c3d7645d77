"""The live calls: made here, watched for silence, and stopped in order."""

from collections.abc import Callable, Collection
from dataclasses import replace

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from voicestt.audio.ledger import AudioTotals, total
from voicestt.call.facts import CallObserver
from voicestt.call.line import Line
from voicestt.config.settings import Settings
from voicestt.fleet.call_leases import DirectoryCounts
from voicestt.handler.handled_call import TOO_SLOW
from voicestt.handler.leaving import HUNG_UP
from voicestt.journal.former import FormerStream
from voicestt.recognisers.port import CallRecogniser
from voicestt.recording.recorder import AudioRecorder
from voicestt.runtime.clock import Timer
from voicestt.runtime.idle import Idle
from voicestt.runtime.metrics import RollingMetrics
from voicestt.runtime.timer_grid import TimerGrid
from voicestt.server.admission import Admission
from voicestt.server.call_maker import CallMaker
from voicestt.server.call_registry import CallRecord, CallRegistry
from voicestt.server.call_watch import NO_AUDIO, CallWatch
from voicestt.server.change_remarks import ChangeRemarks
from voicestt.server.fleet_calls import FleetStreams
from voicestt.server.former_streams import FormerLookup
from voicestt.server.live_call import LiveCall
from voicestt.server.moving import MoveCounts
from voicestt.server.numbers import Numbers
from voicestt.server.open_sockets import OpenSockets
from voicestt.server.refusals import Refusals
from voicestt.server.starts import Refused, describe, must_be_known
from voicestt.twilio.media_stream import Start

ON_ITS_WAY_SECONDS = 2.0
"""So long a server that stops waits for the socket of a call that it has just taken."""

STOPPING = "the server is stopping"
_CUT_SECONDS = 0.2


class Calls:
    """The live calls of one server. `figures` are the metrics of all its calls.

    `greeting` is what each caller hears at once, mu-law. `observer_of` makes, of a call's line and its
    session, an observer for this call alone, which is told what `observer` is told, after it. `recorder` records
    the calls.
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
        observer_of: Callable[[Line, str], CallObserver] | None = None,
        former: FormerLookup | None = None,
        fleet: FleetStreams | None = None,
        numbers: Numbers | None = None,
        recorder: AudioRecorder | None = None,
    ) -> None:
        self._numbers, self._former, self._fleet = numbers or Numbers(settings), former, fleet
        self._remarks = ChangeRemarks(settings)
        self.recorder = recorder
        self._clock = clock
        self._settings = settings
        self._registry = registry
        self.recogniser = recogniser
        self._live: set[LiveCall] = set()
        self.sockets = OpenSockets()
        self.refusals = Refusals(clock)
        self.admission = Admission(clock, settings.max_calls, settings.max_lag_ms / 1000)
        self._all_ended = Idle(lambda: not self._live)
        self._cutting = Timer(clock)
        self.watch = CallWatch(clock, settings.idle_seconds, settings.no_media_seconds, lambda: self._live)
        self.figures = RollingMetrics()
        self._maker = CallMaker(clock, settings, self.figures, observer, observer_of, greeting, TimerGrid(clock))
        self._audio_before = AudioTotals()
        self.taken = 0
        self.starts_refused = 0
        self.is_draining = self.is_stopping = False
        self.moves = MoveCounts()

    def __len__(self) -> int:
        return len(self._live)

    def start(self) -> None:
        """Start to watch for gaps, and for sockets that are dead or on hold too long; tell the fleet."""
        self.watch.start()
        if self._fleet is not None:
            self._fleet.directory.start()

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
        self.watch.stop()
        self.refusals.stop()
        self.admission.stop()
        for call in list(self._live):
            if seconds is not None:
                call.wait_at_most(max(0.0, seconds - _CUT_SECONDS))
            call.end(STOPPING)
        if seconds is not None and self._live:
            self._cutting.set(seconds, self._cut)
        return self._all_ended.wait().addCallback(self._leave_fleet)

    def _leave_fleet(self, _ended: None) -> None:
        if self._fleet is not None:
            self._fleet.directory.stop()

    def _cut(self) -> None:
        for call in list(self._live):
            call.cut()

    def new(self, hang_up: Callable[[str], None], send: Callable[[bytes], object]) -> LiveCall:
        """Make a call for a socket that has just been opened.

        `hang_up` closes that socket, saying why; `send` sends a text message on it, as long as it is open.
        """
        call = self._maker.make(self.recogniser, self.recorder, hang_up, send, self._over)
        self._live.add(call)
        self.taken += 1
        return call

    def takes(self, call_sid: str) -> bool:
        """Return True if a call that a webhook announces is taken. One that is live already is: it comes back."""
        return bool(self._streams_of(call_sid)) or self.admission.takes(call_sid, len(self._live))

    def was_hung_up(self, call_sid: str) -> bool:
        """Return True if this server hung up on the call: it ended, or is to end."""
        return self._registry.find(call_sid).was_hung_up or any(
            is_hang_up(call.reason) for call in self._live if call.call_sid == call_sid
        )

    @property
    def fleet_counts(self) -> DirectoryCounts | None:
        """The counters of the fleet's registry of calls; None where there is no fleet."""
        return None if self._fleet is None else self._fleet.counts

    def was_hung_up_elsewhere(self, call_sid: str) -> "Deferred[bool]":
        """Find out whether another process of the fleet hung up on the call."""
        return succeed(False) if self._fleet is None else self._fleet.directory.was_hung_up(call_sid)

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

    def before(self, call: LiveCall, start: Start) -> "Deferred[FormerStream | None] | None":
        """Find out what must be known before `call` begins: its former stream, and what the fleet knows of it.

        None where nothing is waited for. A call that a webhook here announced waits for the fleet only where
        REQUIRE_KNOWN_CALL asks whether another process has used the announcement.
        """
        if self._fleet is None or call.has_started:
            return self.former_of(start)
        must_be_known = self._settings.require_known_call
        record = self._registry.find(start.start.call_sid)
        claimed = self._fleet.comes(call, start.start, must_be_known=must_be_known)
        if self._registry.is_expected(record) and not must_be_known:
            return self.former_of(start)
        return claimed.addCallback(lambda _: self.former_of(start))

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

    def begin(self, call: LiveCall, start: Start, former: FormerStream | None = None) -> None:
        """Begin `call` at Twilio's first `start` on its socket; the announcement of its CallSid is used up.

        Raises:
            Refused: when it is not one that can be taken.
        """
        record = self._registry.find(start.start.call_sid)
        description = self._numbers.describe(describe(start.start, record, former))
        if former is not None and is_hang_up(former.reason):
            raise Refused("the call was hung up, and came back")
        others = self._streams_of(description.call_sid)
        if self._is_to_be_known(call, record):
            must_be_known(start.start, record, is_live=bool(others))
        if not others and (record.announced_elsewhere or not record.announced):
            self._must_have_room()
        self.admission.arrived(description.call_sid)
        self._registry.use_up(description.call_sid)
        if others and self._fleet is None:
            others[0].warn_of_another(description)
        call.line.greet_with(self._numbers.greeting_of(description))
        call.changes = self._remarks.of(description)
        call.begin(description)

    def _is_to_be_known(self, call: LiveCall, record: CallRecord) -> bool:
        """Return True if this process's own record decides about REQUIRE_KNOWN_CALL.

        Where the fleet has agreed it need not; where Redis does not answer, a call that was not announced here is
        taken: another process may have answered its webhook, and to refuse is to hang up.

        Raises:
            Refused: if the fleet has refused the stream.
        """
        if self._fleet is None:
            return self._settings.require_known_call
        has_agreed = self._fleet.check(call)
        return self._settings.require_known_call and not has_agreed and record.announced

    def _streams_of(self, call_sid: str) -> list[LiveCall]:
        return [each for each in self._live if each.is_stream_of(call_sid)]

    def _must_have_room(self) -> None:
        """Raise Refused if there is no room for a call that no webhook of this server announced."""
        if not self.admission.takes_unannounced(len(self._live) - 1):  # its own socket is among them
            raise Refused("the server is busy, and no webhook of its own announced this call")

    def _over(self, call: LiveCall) -> None:
        self._live.discard(call)
        if self._fleet is not None:
            self._fleet.over(call)
        if is_hang_up(call.reason):
            self._registry.note_hang_up(call.call_sid)
        self._audio_before = total([self._audio_before, replace(call.account, uncovered=0)])
        if not self._live:
            self._cutting.cancel()
        self._all_ended.look()


def is_hang_up(reason: str) -> bool:
    """Return True if a call that ended for this reason is over for its caller too: it may not come back."""
    return reason in {HUNG_UP, TOO_SLOW} or reason.startswith(NO_AUDIO)
