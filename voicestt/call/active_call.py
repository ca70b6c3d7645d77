"""The work of a call between its start and its end: audio to the recogniser, and facts to the observer."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from voicestt.audio import mulaw
from voicestt.audio.batching import Batcher
from voicestt.audio.ledger import AudioTotals
from voicestt.call.both_tracks import SharedByTracks
from voicestt.call.call_audio import CallAudio, Frame, NoAudio, TakesAudio
from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    CallObserver,
    CallStarted,
    Happened,
    KeyPressed,
    MarkReached,
    Partial,
    SaidToCaller,
    Track,
    TurnEnded,
)
from voicestt.call.hearing import HeardAudio
from voicestt.call.turns import TurnWatch
from voicestt.call.wording import final_of
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.port import CallListener, CallRecogniser, CallSession, Incident, Result
from voicestt.runtime.clock import Clock, Unchanged
from voicestt.runtime.metrics import CallMetrics
from voicestt.twilio.media_time import MediaTime

LOOK_SECONDS = 0.1
HELD_SECONDS = 2.0
"""Gaps in the audio of at least that length are told as incidents: shorter ones are a carrier's pauses."""

_TOGETHER = 8  # frames: where one is missing is known to a batch
_ARRIVALS_KEPT = 4_096  # batches: ten minutes at 150 ms, longer than any stream of Google's


@dataclass(slots=True)
class CallParts:
    """The parts that a call is made with. `over` is called once, when everything has been told.

    `take` is where frames of the audio go, by the state the call is in; `audio` is what is known of it, and
    `active_call` is set when the call begins. `metrics` measures the call. A silence of `turn_silence` bytes ends
    a turn, a gap of `gap_looks` times LOOK_SECONDS without a frame what was said (0: never). `show` is where a
    partial goes. `track` is the side that is heard, and `shared` what it has in common with the other.
    """

    clock: Clock
    observer: CallObserver
    recogniser: CallRecogniser
    batch_bytes: int
    drain_seconds: float
    over: Callable[[], None]
    turn_silence: int = 700 * mulaw.BYTES_PER_SECOND // 1000
    gap_looks: int = 6
    ignored: Counter[str] = field(default_factory=Counter)
    metrics: CallMetrics = field(default_factory=CallMetrics)
    track: Track = "caller"
    shared: SharedByTracks = field(default_factory=SharedByTracks)
    audio: CallAudio = field(default_factory=NoAudio)
    active_call: "ActiveCall" = field(init=False)
    take: TakesAudio = field(init=False)
    show: Callable[[Result], None] = field(init=False)

    def __post_init__(self) -> None:
        self.take = self._count_media
        self.show = self._show_nobody

    def begin(self, active_call: "ActiveCall") -> "ActiveCall":
        """Set the call, whose audio is taken from here on; return it."""
        self.active_call = self.audio = active_call
        self.take = active_call.take_after_gap
        self.show = active_call.hear
        return active_call

    def take_no_more(self) -> None:
        """Only count audio from here on."""
        self.take = self._count_media

    def show_no_more(self) -> None:
        """Ignore partials from here on."""
        self.show = self._show_nobody

    def _count_media(self, frames: Sequence[Frame], /) -> None:
        self.ignored["media out of turn"] += len(frames)

    def _show_nobody(self, _partial: Result) -> None:
        pass


class ActiveCall:
    """A call between its start and its end: passes audio to the recogniser, and words to the observer.

    `listener` is told what the recogniser hears.
    """

    def __init__(self, listener: CallListener, parts: CallParts, call: CallDescription) -> None:
        self.call = call
        self._parts = parts
        self._batcher = Batcher(parts.batch_bytes)
        self._session: CallSession = parts.recogniser.open(listener, call.options)
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=_ARRIVALS_KEPT)
        self._handed = 0
        self._frames = 0
        self._utterance: int | None = None
        self._last = parts.shared.utterances = max(parts.shared.utterances, call.utterances)
        self._reason = ""
        self._is_finishing = False
        self._stillness = Unchanged()
        self._held_from: float | None = None
        self._time = MediaTime(parts.shared.origin)
        self._turns = TurnWatch(parts.clock, parts.turn_silence, self._turn_over)
        parts.observer.tell(CallStarted(call))

    @property
    def account(self) -> AudioTotals:
        """Totals of the caller's audio so far."""
        return self._session.totals

    @property
    def frames(self) -> int:
        """The number of frames received."""
        return self._frames

    @property
    def missing(self) -> int:
        """The number of bytes that the next batch lacks."""
        return self._batcher.missing

    def take(self, frames: Sequence[Frame], /) -> None:
        """Take frames from the line, and pass whole batches to the recogniser."""
        self._frames += len(frames)
        for at in range(0, len(frames), _TOGETHER):
            together = frames[at : at + _TOGETHER]
            batches = self._batcher.add(b"".join([frame.payload for frame in together]))
            for batch in batches:
                self._hand_over(batch)
            if batches:
                newest = together[-1]
                self._parts.metrics.batch(newest.timestamp, self._session.backlog)
                self._tell_time(self._received - len(newest.payload), newest.timestamp)

    def take_after_gap(self, frames: Sequence[Frame], /) -> None:
        """Take the first frames, or the first ones after a gap."""
        self._parts.take = self.take
        before = self._time.of_end(self._received)
        self._tell_time(self._received, frames[0].timestamp)
        self._tell_hold(before)
        self.take(frames)

    def look(self) -> None:
        """Check whether frames have stopped coming without `stop`; called every LOOK_SECONDS.

        Then the carrier suppresses silence, or the line is on hold: the words so far become final now.
        """
        looks = self._stillness.look(self._frames)
        if self._frames and looks and looks == self._parts.gap_looks and not self._is_finishing:
            still = looks * LOOK_SECONDS
            self._hand_over_the_rest(still)
            self._session.pause()
            self._turns.pause(still)
            self._held_from = self._parts.clock.seconds() - still
            self._parts.take = self.take_after_gap

    def recognise(self, options: RecognitionOptions, *, at_once: bool) -> None:
        """Recognise by other options, from the next final or silence on, or `at_once`."""
        if not self._is_finishing:
            self._session.change(options, at_once=at_once)

    def finish(self, reason: str) -> None:
        """Hand over the last short batch and half-close the recogniser's session."""
        self._reason = reason
        self._is_finishing = True
        self._hand_over_the_rest()
        self._session.finish()

    def give_up(self) -> None:
        """Stop waiting for the recogniser, which tells what it has."""
        self._session.give_up()

    def hear(self, result: Result) -> None:
        """Tell the observer words, and count utterances: a final ends one."""
        self._parts.metrics.answered(result.stamps)
        text = result.text.strip()
        if not text:
            if result.is_final:
                self._parts.metrics.wordless()
            return
        if not result.is_final:
            self._turns.partial()
            self._parts.metrics.delivered_partial(result.stamps)
            self._parts.observer.tell(Partial(self.call, self._number, text, result.stability, self._parts.track))
            return
        delay = self._delay_since(result.end) if result.end else None
        final = final_of(self.call, self._number, text, result, self._time, delay, self._parts.track)
        self._parts.metrics.delivered_final(final.delay)
        self._parts.observer.tell(final)
        self._last, self._utterance = final.utterance, None
        self._turns.final(result.end)

    def end(self) -> None:
        """Tell the observer the end of the call, with its account."""
        self._turns.finish()
        account = self.account
        self._parts.observer.tell(
            CallEnded(
                call=self.call,
                reason=self._reason,
                seconds=self._time.of_end(self._handed),
                frames=self._frames,
                audio_bytes=self._handed,
                ignored=dict(self._parts.ignored),
                account=account,
                figures=self._parts.metrics.end(account.sent_again),
            )
        )

    def pass_on(self, incident: Incident) -> None:
        """Tell the observer an incident in the recognition."""
        self._parts.metrics.happened(incident.kind)
        start = None if incident.start is None else self._time.of_start(incident.start)
        end = None if incident.end is None else self._time.of_end(incident.end)
        self._parts.observer.tell(
            Happened(self.call, incident.kind, incident.why, incident.seconds, start, end, self._parts.track)
        )

    def press(self, digit: str) -> None:
        """Tell the observer a key."""
        self._parts.observer.tell(KeyPressed(self.call, digit))

    def reach(self, name: str, cleared: bool) -> None:
        """Tell the observer a mark."""
        self._parts.observer.tell(MarkReached(self.call, name, cleared))

    def caller_heard(self, heard: HeardAudio) -> None:
        """Tell the observer what the caller heard of what was said; its times become those of the call."""
        # Before the first frame the call's own time has not begun.
        origin = self._parts.shared.origin.clock
        began = heard.end if origin is None else origin
        start, end = (max(0.0, at - began) for at in (heard.start, heard.end))
        self._parts.observer.tell(
            SaidToCaller(self.call, heard.text, heard.seconds, round(start, 3), round(end, 3), heard.cleared)
        )

    def complain(self, why: str) -> None:
        """Report the audio whose last words did not come as unrecognised."""
        account = self.account
        start = account.received - account.uncovered
        self.pass_on(Incident("unrecognised", why, mulaw.seconds(account.uncovered), start, account.received))

    @property
    def _number(self) -> int:
        """The number of the utterance that is being said, which it gets with its first words."""
        if self._utterance is None:
            self._utterance = self._parts.shared.next_utterance()
        return self._utterance

    @property
    def _received(self) -> int:
        return self._handed + self._parts.batch_bytes - self._batcher.missing

    def _tell_time(self, position: int, timestamp: object) -> None:
        self._time.frame(position, timestamp, self._parts.shared.origin.elapsed(self._parts.clock.seconds()))

    def _tell_hold(self, before: float) -> None:
        """Tell the observer of a long gap that is over now; `before` is its start in the call's own time."""
        held_from, self._held_from = self._held_from, None
        seconds = 0.0 if held_from is None else self._parts.clock.seconds() - held_from
        if seconds >= HELD_SECONDS:
            after, why = self._time.of_start(self._received), "no audio came"
            self._parts.observer.tell(
                Happened(self.call, "held", why, round(seconds, 3), before, after, self._parts.track)
            )

    def _hand_over_the_rest(self, came_before: float = 0.0) -> None:
        if rest := self._batcher.flush():
            self._hand_over(rest, came_before)

    def _hand_over(self, batch: bytes, came_before: float = 0.0) -> None:
        self._handed += len(batch)
        self._arrivals.append((self._handed, self._parts.clock.seconds() - came_before))
        self._session.write(batch)
        self._turns.audio(batch)

    def _turn_over(self, end: int) -> None:
        self._parts.observer.tell(
            TurnEnded(self.call, self._last, self._time.of_end(end), self._turns.silent_for, self._parts.track)
        )

    def _delay_since(self, position: int) -> float | None:
        index = bisect_left(self._arrivals, (position, -inf))
        if index == len(self._arrivals):
            return None
        return max(0.0, self._parts.clock.seconds() - self._arrivals[index][1])
