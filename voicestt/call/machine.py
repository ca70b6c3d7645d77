"""The state machine of one call; the table of its transitions is at the end of this file.

    waiting --start--> listening --stop, lost socket, shutdown--> draining --last final, or time is up--> ended

A message of the network's at a wrong moment (media before start, a second start, anything after stop) is counted
and ignored: it is never an error of the call. A mistake of this server's own raises Automat's NoTransition.

Audio itself does not pass through the machine: five thousand frames a second for a hundred calls would pay for
looking up the same transition each time. The machine sets where it goes, `CallParts.take`, when the state changes.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from automat import TypeMachineBuilder

from voicestt.audio import mulaw
from voicestt.audio.batching import Batcher
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    CallObserver,
    CallStarted,
    Final,
    Happened,
    KeyPressed,
    MarkReached,
    Partial,
    TurnEnded,
    Word,
)
from voicestt.call.turns import TurnWatch
from voicestt.recognisers.port import (
    CallRecogniser,
    CallSession,
    Incident,
    RecogniserError,
    Result,
)
from voicestt.runtime.clock import Clock, Timer, Unchanged
from voicestt.runtime.metrics import CallMetrics
from voicestt.twilio.media_time import MediaTime

LOOK_SECONDS = 0.1
_ARRIVALS_KEPT = 4_096  # batches: ten minutes at 150 ms, longer than any stream of Google's


class CallInputs(Protocol):
    """The inputs of a call's state machine."""

    def started(self, call: CallDescription, /) -> None:
        """Start the call: Twilio's `start` came and is good, and audio follows."""

    def ignored(self, what: str, /) -> None:
        """Count a message that has no meaning to the call, under the name `what`."""

    def key_pressed(self, digit: str, /) -> None:
        """Report a key that the caller pressed."""

    def mark_reached(self, name: str, cleared: bool, /) -> None:
        """Report that a mark was reached: all audio before it was played, or was cleared."""

    def finish(self, reason: str, /) -> None:
        """End the audio: `stop`, a lost or silent socket, or the server's own end."""

    def heard(self, result: Result, /) -> None:
        """Take words from the recogniser."""

    def happened(self, incident: Incident, /) -> None:
        """Take an incident from the recogniser."""

    def recogniser_ended(self, error: RecogniserError | None, /) -> None:
        """End the recognition; it never ends before `finish`."""

    def time_is_up(self) -> None:
        """End the wait for the last final."""


class TakesAudio(Protocol):
    """Receiver of frames."""

    def __call__(self, audio: bytes, timestamp: object = None, /) -> None:
        """Take one frame, mu-law; `timestamp` is Twilio's, as it came."""


@dataclass(slots=True)
class CallParts:
    """The parts that a call is made with. `over` is called once, when everything has been told.

    `take` is where a frame of the caller's audio goes (mu-law, any length; and Twilio's timestamp of it), by the
    state the call is in. `metrics` measures the call. `turn_silence` in bytes ends the caller's turn, and a gap of
    `gap_looks` times LOOK_SECONDS without a frame what was said (0: never).
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
    active_call: "ActiveCall | None" = None
    metrics: CallMetrics = field(default_factory=CallMetrics)
    take: TakesAudio = field(init=False)

    def __post_init__(self) -> None:
        self.take = self._count_media

    def take_no_more(self) -> None:
        """Only count audio from here on."""
        self.take = self._count_media

    def _count_media(self, _audio: bytes, _timestamp: object = None, /) -> None:
        self.ignored["media out of turn"] += 1


class ActiveCall:
    """A call between its start and its end: passes audio to the recogniser, and words to the observer."""

    def __init__(self, inputs: CallInputs, parts: CallParts, call: CallDescription) -> None:
        self.call = call
        self._parts = parts
        self._batcher = Batcher(parts.batch_bytes)
        self._session: CallSession = parts.recogniser.open(_Hearing(inputs))
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=_ARRIVALS_KEPT)
        self._handed = 0
        self._frames = 0
        self._utterance = call.utterances + 1
        self._reason = ""
        self._is_finishing = False
        self._stillness = Unchanged()
        self._began = 0.0
        self._time = MediaTime()
        self._turns = TurnWatch(parts.clock, parts.turn_silence, self._turn_over)
        parts.observer.tell(CallStarted(call))

    @property
    def account(self) -> AudioTotals:
        """Totals of the caller's audio so far."""
        return self._session.account

    @property
    def frames(self) -> int:
        """The number of frames received."""
        return self._frames

    @property
    def missing(self) -> int:
        """The number of bytes that the next batch lacks."""
        return self._batcher.missing

    def take(self, audio: bytes, timestamp: object = None, /) -> None:
        """Take audio from the line, and pass whole batches to the recogniser."""
        self._frames += 1
        batches = self._batcher.add(audio)
        if batches:
            for batch in batches:
                self._hand_over(batch)
            self._parts.metrics.batch(timestamp, self._session.backlog)
            self._tell_time(self._received - len(audio), timestamp)

    def take_after_gap(self, audio: bytes, timestamp: object = None, /) -> None:
        """Take the first frame, or the first one after a gap."""
        if not self._frames:
            self._began = self._parts.clock.seconds()
        self._parts.take = self.take
        self._tell_time(self._received, timestamp)
        self.take(audio, timestamp)

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
            self._parts.take = self.take_after_gap

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
            return
        if not result.is_final:
            self._turns.partial()
            self._parts.metrics.delivered_partial(result.stamps)
            self._parts.observer.tell(Partial(self.call, self._utterance, text, result.stability))
            return
        final = self._final(text, result)
        self._parts.metrics.delivered_final(final.delay)
        self._parts.observer.tell(final)
        self._utterance += 1
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
        self._parts.observer.tell(Happened(self.call, incident.kind, incident.why, incident.seconds, start, end))

    def press(self, digit: str) -> None:
        """Tell the observer a key."""
        self._parts.observer.tell(KeyPressed(self.call, digit))

    def reach(self, name: str, cleared: bool) -> None:
        """Tell the observer a mark."""
        self._parts.observer.tell(MarkReached(self.call, name, cleared))

    def complain(self, why: str) -> None:
        """Report the audio whose last words did not come as unrecognised."""
        account = self.account
        start = account.received - account.uncovered
        self.pass_on(Incident("unrecognised", why, mulaw.seconds(account.uncovered), start, account.received))

    @property
    def _received(self) -> int:
        return self._handed + self._parts.batch_bytes - self._batcher.missing

    def _tell_time(self, position: int, timestamp: object) -> None:
        self._time.frame(position, timestamp, self._parts.clock.seconds() - self._began)

    def _hand_over_the_rest(self, came_before: float = 0.0) -> None:
        rest = self._batcher.flush()
        if rest:
            self._hand_over(rest, came_before)

    def _hand_over(self, batch: bytes, came_before: float = 0.0) -> None:
        self._handed += len(batch)
        self._arrivals.append((self._handed, self._parts.clock.seconds() - came_before))
        self._session.write(batch)
        self._turns.audio(batch)

    def _turn_over(self, end: int) -> None:
        self._parts.observer.tell(
            TurnEnded(self.call, self._utterance - 1, self._time.of_end(end), self._turns.silent_for)
        )

    def _final(self, text: str, result: Result) -> Final:
        time = self._time
        end = time.of_end(result.end) if result.end else None
        delay = self._delay_since(result.end) if result.end else None
        start = None if result.start is None else time.of_start(result.start)
        words = tuple(Word(word.text, time.of_start(word.start), time.of_end(word.end)) for word in result.words)
        return Final(self.call, self._utterance, text, result.confidence, end, delay, start, words, result.source)

    def _delay_since(self, position: int) -> float | None:
        index = bisect_left(self._arrivals, (position, -inf))
        if index == len(self._arrivals):
            return None
        arrived = self._arrivals[index][1]
        return max(0.0, self._parts.clock.seconds() - arrived)


class _Hearing:
    """Adapter of the machine's inputs to the recogniser's listener."""

    def __init__(self, inputs: CallInputs) -> None:
        self._inputs = inputs

    def heard(self, result: Result) -> None:
        self._inputs.heard(result)

    def happened(self, incident: Incident) -> None:
        self._inputs.happened(incident)

    def ended(self, error: RecogniserError | None) -> None:
        self._inputs.recogniser_ended(error)


@dataclass(slots=True)
class Draining:
    """The wait for the last final, with a time limit."""

    active_call: ActiveCall
    limit: Timer


def _start_call(inputs: CallInputs, parts: CallParts, call: CallDescription) -> ActiveCall:
    parts.active_call = ActiveCall(inputs, parts, call)
    return parts.active_call


def _start_draining(inputs: CallInputs, parts: CallParts, reason: str) -> Draining:
    assert parts.active_call is not None  # noqa: S101 - the table has no other way here
    active_call = parts.active_call

    def give_up() -> None:
        active_call.give_up()  # before the input: what it tells is still heard
        inputs.time_is_up()

    draining = Draining(active_call, Timer(parts.clock))
    draining.limit.set(parts.drain_seconds, give_up)
    return draining


_builder = TypeMachineBuilder(CallInputs, CallParts)
_waiting = _builder.state("waiting")
_listening = _builder.state("listening", _start_call)
_draining = _builder.state("draining", _start_draining)
_ended = _builder.state("ended")


@_waiting.upon(CallInputs.started).to(_listening)
def _begin(_inputs: CallInputs, parts: CallParts, _call: CallDescription) -> None:
    assert parts.active_call is not None  # noqa: S101 - it was begun with the state
    parts.take = parts.active_call.take_after_gap


@_waiting.upon(CallInputs.finish).to(_ended)
def _never_began(_inputs: CallInputs, parts: CallParts, _reason: str) -> None:
    parts.over()


@_listening.upon(CallInputs.heard).loop()
def _hear(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, result: Result) -> None:
    active_call.hear(result)


@_listening.upon(CallInputs.finish).to(_draining)
def _drain(_inputs: CallInputs, parts: CallParts, active_call: ActiveCall, reason: str) -> None:
    parts.take_no_more()
    active_call.finish(reason)


@_listening.upon(CallInputs.happened).loop()
def _pass_on(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, incident: Incident) -> None:
    active_call.pass_on(incident)


@_listening.upon(CallInputs.key_pressed).loop()
def _press(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, digit: str) -> None:
    active_call.press(digit)


@_listening.upon(CallInputs.mark_reached).loop()
def _reach(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, name: str, cleared: bool) -> None:
    active_call.reach(name, cleared)


@_draining.upon(CallInputs.mark_reached).loop()
def _reach_the_last(_inputs: CallInputs, _parts: CallParts, draining: Draining, name: str, cleared: bool) -> None:
    draining.active_call.reach(name, cleared)


@_draining.upon(CallInputs.heard).loop()
def _hear_the_last(_inputs: CallInputs, _parts: CallParts, draining: Draining, result: Result) -> None:
    draining.active_call.hear(result)


@_draining.upon(CallInputs.happened).loop()
def _pass_on_the_last(_inputs: CallInputs, _parts: CallParts, draining: Draining, incident: Incident) -> None:
    draining.active_call.pass_on(incident)


@_draining.upon(CallInputs.recogniser_ended).to(_ended)
def _end_well(_inputs: CallInputs, parts: CallParts, draining: Draining, error: RecogniserError | None) -> None:
    draining.limit.cancel()
    if error is not None:
        draining.active_call.complain(str(error))
    _tell_the_end(parts)


@_draining.upon(CallInputs.time_is_up).to(_ended)
def _end_late(_inputs: CallInputs, parts: CallParts, draining: Draining) -> None:
    draining.limit.cancel()
    draining.active_call.complain(f"no last final within {parts.drain_seconds:g} s of the call's end")
    _tell_the_end(parts)


def _tell_the_end(parts: CallParts) -> None:
    assert parts.active_call is not None  # noqa: S101 - the table has no other way here
    parts.active_call.end()
    parts.over()


def _count_start(_inputs: CallInputs, parts: CallParts, _call: CallDescription) -> None:
    parts.ignored["start out of turn"] += 1


def _count(_inputs: CallInputs, parts: CallParts, what: str) -> None:
    parts.ignored[what] += 1


def _count_key(_inputs: CallInputs, parts: CallParts, _digit: str) -> None:
    parts.ignored["key out of turn"] += 1


# What the network may do at any time, and what may still be under way to a call that is over.
for _state in (_waiting, _ended):
    _state.upon(CallInputs.ignored).loop()(_count)
    _state.upon(CallInputs.key_pressed).loop()(_count_key)
    _state.upon(CallInputs.mark_reached).loop().returns(None)
for _data_state in (_listening, _draining):
    _data_state.upon(CallInputs.ignored, nodata=True).loop()(_count)
    _data_state.upon(CallInputs.started, nodata=True).loop()(_count_start)
_draining.upon(CallInputs.key_pressed, nodata=True).loop()(_count_key)
_ended.upon(CallInputs.started).loop()(_count_start)
_ended.upon(CallInputs.heard).loop().returns(None)
_ended.upon(CallInputs.happened).loop().returns(None)
_draining.upon(CallInputs.finish, nodata=True).loop().returns(None)
_ended.upon(CallInputs.finish).loop().returns(None)
_ended.upon(CallInputs.recogniser_ended).loop().returns(None)
_ended.upon(CallInputs.time_is_up).loop().returns(None)

new_call = _builder.build()
"""Makes a call, in the state `waiting`, of its `CallParts`."""
