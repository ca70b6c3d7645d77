"""Makes live calls for new sockets: their parts, their observers, and the callee's side where it is recognised."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

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
from voicestt.runtime.clock import Clock
from voicestt.runtime.metrics import CallMetrics, RollingMetrics
from voicestt.runtime.timer_grid import TimerGrid
from voicestt.server.call_counts import CallCounts
from voicestt.server.callee import Callee
from voicestt.server.live_call import LiveCall
from voicestt.server.media_line import MediaLine
from voicestt.server.recorded_call import live_call


def call_parts(
    settings: Settings,
    clock: Clock,
    observer: CallObserver,
    recogniser: CallRecogniser,
    over: Callable[[], None],
    **more: Any,
) -> CallParts:
    """Make the parts of a call as `settings` have it; `more` are further fields of CallParts."""
    return CallParts(
        clock=clock,
        observer=observer,
        recogniser=recogniser,
        batch_bytes=settings.batch_ms * mulaw.BYTES_PER_SECOND // 1000,
        drain_seconds=settings.drain_seconds,
        over=over,
        gap_looks=ceil(settings.gap_ms / 1000 / LOOK_SECONDS),
        turn_silence=settings.utterance_end_ms * mulaw.BYTES_PER_SECOND // 1000,
        **more,
    )


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
        parts = self._parts(recogniser, tracks, tracks.caller_over)
        callee = Callee(partial(self._callee, parts, tracks)) if self.settings.both_tracks == "both" else None
        call = live_call(new_call(parts), parts, hang_up, line, recording, callee)
        return call

    def _parts(
        self, recogniser: CallRecogniser, observer: CallObserver, over: Callable[[], None], **more: Any
    ) -> CallParts:
        metrics = CallMetrics(self.figures)
        debounced = self._debounced(observer)
        return call_parts(self.settings, self.clock, debounced, recogniser, over, metrics=metrics, **more)

    def _callee(self, caller: CallParts, tracks: TracksAsOne) -> tuple[CallInputs, CallParts]:
        """Make the callee's side, which shares the count of utterances, and the time, with the caller's."""
        tracks.begin_callee()
        parts = self._parts(
            caller.recogniser, tracks.of_callee, tracks.callee_over, track="callee", shared=caller.shared
        )
        parts.drain_seconds = caller.drain_seconds  # a stop may have shortened the caller's
        return new_call(parts), parts

    def _told(self, line: Line, session: str) -> CallObserver:
        """Make what is told everything of a call, of both its tracks."""
        everybody = self.observer
        if self.observer_of is not None:
            everybody = ObserverGroup([self.observer, self.observer_of(line, session)])
        return DeliveryStats(self.clock, CallCounts(self.figures, everybody))

    def _debounced(self, observer: CallObserver) -> CallObserver:
        return Debounced(self.grid, self.settings.partial_debounce_ms / 1000, observer)
