"""Makes live calls for new sockets: their parts, their observers, and the callee's side where it is recognised."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil

from twisted.internet.interfaces import IReactorTime

from voicestt.audio import mulaw
from voicestt.call.active_call import LOOK_SECONDS, CallParts
from voicestt.call.both_tracks import TracksAsOne
from voicestt.call.facts import CallObserver
from voicestt.call.line import Line
from voicestt.call.machine import CallInputs, new_call
from voicestt.call.observers import Debounced, DeliveryStats, ObserverGroup
from voicestt.config.settings import Settings
from voicestt.handler.publishing import new_session
from voicestt.recognisers.port import CallRecogniser
from voicestt.recording.recorder import AudioRecorder
from voicestt.runtime.metrics import CallMetrics, RollingMetrics
from voicestt.runtime.timer_grid import TimerGrid
from voicestt.server.call_counts import CallCounts
from voicestt.server.callee import Callee
from voicestt.server.live_call import LiveCall
from voicestt.server.media_line import MediaLine
from voicestt.server.recorded_call import live_call


@dataclass(frozen=True, slots=True)
class CallMaker:
    """The makings of a server's calls, as `voicestt.server.calls.Calls` has them."""

    clock: IReactorTime
    settings: Settings
    figures: RollingMetrics
    observer: CallObserver
    observer_of: Callable[[Line, str], CallObserver] | None
    greeting: bytes
    grid: TimerGrid

    def make(
        self,
        recogniser: CallRecogniser,
        recorder: AudioRecorder | None,
        hang_up: Callable[[str], None],
        send: Callable[[bytes], object],
        over: Callable[[LiveCall], None],
    ) -> LiveCall:
        """Make a call for a socket; `over` is called with it when all has been told."""
        session = new_session(time.time())
        recording = None if recorder is None else recorder.new(session)
        line = MediaLine(self.clock, send, self.greeting, recording)
        tracks = TracksAsOne(self._told(line, session), lambda: over(call))
        parts = self._parts(recogniser, tracks)
        callee = Callee(partial(self._callee, parts, tracks)) if self.settings.both_tracks == "both" else None
        call = live_call(new_call(parts), parts, hang_up, line, recording, callee)
        return call

    def _parts(self, recogniser: CallRecogniser, tracks: TracksAsOne) -> CallParts:
        settings = self.settings
        return CallParts(
            clock=self.clock,
            observer=self._debounced(tracks),
            recogniser=recogniser,
            batch_bytes=settings.batch_ms * mulaw.BYTES_PER_SECOND // 1000,
            drain_seconds=settings.drain_seconds,
            over=tracks.caller_over,
            gap_looks=ceil(settings.gap_ms / 1000 / LOOK_SECONDS),
            turn_silence=settings.utterance_end_ms * mulaw.BYTES_PER_SECOND // 1000,
            metrics=CallMetrics(self.figures),
        )

    def _callee(self, caller: CallParts, tracks: TracksAsOne) -> tuple[CallInputs, CallParts]:
        """Make the callee's side, which shares the count of utterances, and the time, with the caller's."""
        tracks.begin_callee()
        parts = CallParts(
            clock=self.clock,
            observer=self._debounced(tracks.of_callee),
            recogniser=caller.recogniser,
            batch_bytes=caller.batch_bytes,
            drain_seconds=caller.drain_seconds,
            over=tracks.callee_over,
            gap_looks=caller.gap_looks,
            turn_silence=caller.turn_silence,
            metrics=CallMetrics(self.figures),
            track="callee",
            shared=caller.shared,
        )
        return new_call(parts), parts

    def _told(self, line: Line, session: str) -> CallObserver:
        """Make what is told everything of a call, of both its tracks."""
        everybody = self.observer
        if self.observer_of is not None:
            everybody = ObserverGroup([self.observer, self.observer_of(line, session)])
        return DeliveryStats(self.clock, CallCounts(self.figures, everybody))

    def _debounced(self, observer: CallObserver) -> CallObserver:
        return Debounced(self.grid, self.settings.partial_debounce_ms / 1000, observer)
