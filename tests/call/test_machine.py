from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from automat import NoTransition
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.recognisers.fakes import ScriptedRecogniser, ScriptedSession
from tests.server.fakes import CALL, Collected
from voicestt.audio import mulaw
from voicestt.audio.ledger import AudioTotals
from voicestt.call.active_call import LOOK_SECONDS, CallParts
from voicestt.call.call_audio import AudioFrame
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    Final,
    Happened,
    KeyPressed,
    MarkReached,
    Partial,
    SaidToCaller,
    TurnEnded,
    Word,
)
from voicestt.call.hearing import HeardAudio
from voicestt.call.machine import CallInputs, new_call
from voicestt.recognisers import port as recogniser
from voicestt.recognisers.port import Incident, RecogniserError, Result
from voicestt.runtime.histogram import Percentiles
from voicestt.runtime.metrics import Summary

BATCH = 1_200
FRAME = bytes(range(160))
DRAIN = 8.0
WORDS = Result("שלום", is_final=True)
BROKEN = RecogniserError("UNAVAILABLE", "no route")


@dataclass
class Line:
    """A call with everything around it."""

    clock: Clock = field(default_factory=Clock)
    observer: Collected = field(default_factory=Collected)
    recogniser: ScriptedRecogniser = field(default_factory=ScriptedRecogniser)
    times_over: int = 0
    parts: CallParts = field(init=False)
    call: CallInputs = field(init=False)

    def __post_init__(self) -> None:
        self.parts = CallParts(self.clock, self.observer, self.recogniser, BATCH, DRAIN, self._count_over)
        self.call = new_call(self.parts)

    def _count_over(self) -> None:
        self.times_over += 1

    def take(self, audio: bytes, timestamp: object = None) -> None:
        """A frame comes."""
        self.parts.take((AudioFrame(audio, timestamp),))

    @property
    def session(self) -> ScriptedSession:
        return self.recogniser.session

    @property
    def ignored(self) -> dict[str, int]:
        return dict(self.parts.ignored)

    @property
    def turns(self) -> list[TurnEnded]:
        return [event for event in self.observer.events if isinstance(event, TurnEnded)]

    @property
    def happened(self) -> list[Happened]:
        return [event for event in self.observer.events if isinstance(event, Happened)]

    def begin(self, frames: int = 0) -> "Line":
        self.call.started(CALL)
        for _ in range(frames):
            self.take(FRAME)
        return self


@pytest.fixture
def line() -> Line:
    return Line()


def test_the_story_of_a_call(line: Line) -> None:
    line.begin(frames=20)
    line.session.partial("שלום", stability=0.5)
    line.session.final("שלום לך", end=1_600, confidence=0.9)
    line.session.partial("תודה")
    line.call.finish("stop")
    line.session.happen(Incident("degraded", "no route", 1.5))
    line.session.final("תודה רבה")
    line.session.totals = account = AudioTotals(received=3_200, recognised=1_600, passed_over=1_600, handed=3_200)
    line.session.end()
    assert line.observer.events[:-1] == [
        CallStarted(CALL),
        Partial(CALL, 1, "שלום", 0.5),
        Final(CALL, 1, "שלום לך", 0.9, end=0.2, delay=0.0),
        Partial(CALL, 2, "תודה"),
        Happened(CALL, "degraded", "no route", 1.5),
        Final(CALL, 2, "תודה רבה"),
        TurnEnded(CALL, 2, end=0.4, silence=0.0),
    ]
    figures = Summary(final=Percentiles(1), fallbacks=1)
    assert line.observer.end == CallEnded(CALL, "stop", 0.4, 20, 3_200, {}, account, figures=figures)
    assert line.times_over == 1
    assert line.clock.getDelayedCalls() == []


def test_the_turn_ends_when_silence_follows_the_final(line: Line) -> None:
    line.begin(frames=20)
    line.session.final("שלום לך", end=1_600)
    silence = mulaw.SILENCE * 160
    for _ in range(20):
        line.take(silence)
    assert not line.turns
    for _ in range(20):
        line.take(silence)
    (turn,) = line.turns
    assert turn.utterance == 1
    assert turn.silence == pytest.approx(0.7, abs=0.15)
    line.call.finish("stop")
    line.session.end()
    assert line.turns == [turn]


def test_the_words_of_a_final_are_in_the_call_s_own_time(line: Line) -> None:
    line.begin(frames=20)
    words = (recogniser.RecognisedWord("שלום", 800, 1_600), recogniser.RecognisedWord("לך", 1_600, 2_400))
    line.call.heard(Result("שלום לך", True, 2_400, start=800, words=words, source="google-streaming"))
    (final,) = (event for event in line.observer.events if isinstance(event, Final))
    assert (final.start, final.end, final.recogniser) == (0.1, 0.3, "google-streaming")
    assert final.words == (Word("שלום", 0.1, 0.2), Word("לך", 0.2, 0.3))


def still(line: Line, seconds: float) -> None:
    """Look for audio, of which none comes."""
    for _ in range(round(seconds / LOOK_SECONDS)):
        line.clock.advance(LOOK_SECONDS)
        look(line)


def look(line: Line) -> None:
    line.parts.audio.look()


def test_a_gap_sends_the_last_short_batch_and_the_words_become_final_within_a_second(line: Line) -> None:
    line.begin(frames=20)
    look(line)
    still(line, 0.5)
    assert (line.session.audio, line.session.pauses) == (FRAME * 15, 0)
    still(line, 0.3)
    assert (line.session.audio, line.session.pauses) == (FRAME * 20, 1)
    line.session.final("שלום", end=3_200)
    (final,) = (event for event in line.observer.events if isinstance(event, Final))
    assert final.delay == pytest.approx(0.8, abs=0.11)
    (turn,) = line.turns
    assert (turn.end, turn.silence >= 0.7) == (0.4, True)
    still(line, 300)
    assert (line.session.pauses, line.turns, line.happened) == (1, [turn], [])


def test_a_gap_that_is_never_one_ends_nothing(line: Line) -> None:
    line.parts.gap_looks = 0
    line.begin(frames=20)
    still(line, 20)
    assert line.session.pauses == 0


def test_words_after_a_gap_are_where_twilio_s_timestamps_say(line: Line) -> None:
    line.begin()
    for frame in range(20):
        line.clock.advance(0.02)
        line.take(FRAME, str(52 + frame * 20))
    still(line, 5.0)
    for frame in range(20):
        line.clock.advance(0.02)
        line.take(FRAME, str(5_452 + frame * 20))
    words = (recogniser.RecognisedWord("a", 1_600, 3_200), recogniser.RecognisedWord("b", 3_200, 4_800))
    line.call.heard(Result("a b", True, 4_800, start=1_600, words=words))
    (final,) = (event for event in line.observer.events if isinstance(event, Final))
    assert (final.start, final.end) == (0.2, 5.6)
    assert final.words == (Word("a", 0.2, 0.4), Word("b", 5.4, 5.6))
    line.call.finish("stop")
    line.session.end()
    assert (line.observer.end.seconds, line.observer.end.audio_bytes) == (5.8, 40 * 160)


def test_frames_that_come_late_all_at_once_are_no_gap_in_time(line: Line) -> None:
    line.begin()
    for frame in range(20):
        line.clock.advance(0.02)
        line.take(FRAME, str(52 + frame * 20))
    still(line, 2.0)
    for frame in range(20, 120):
        line.take(FRAME, str(52 + frame * 20))
    line.call.heard(Result("a", True, 19_200, start=3_200))
    (final,) = (event for event in line.observer.events if isinstance(event, Final))
    assert (final.start, final.end) == (0.4, 2.4)
    line.call.finish("stop")
    assert line.session.audio == FRAME * 120


@given(st.lists(st.integers(1, 160), min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_frames_that_come_together_are_handed_on_as_those_that_come_alone(
    sizes: list[int], cuts: list[int]
) -> None:
    frames = [AudioFrame(FRAME[:size]) for size in sizes]
    together, alone = Line().begin(), Line().begin()
    ends = sorted({0, len(frames), *(cut for cut in cuts if cut < len(frames))})
    for start, end in pairwise(ends):
        together.parts.take(frames[start:end])
    for frame in frames:
        alone.parts.take([frame])
    for line in (together, alone):
        line.call.finish("stop")
        line.session.end()
    assert together.session.written == alone.session.written
    assert replace(together.observer.end, figures=alone.observer.end.figures) == alone.observer.end


def test_a_frame_that_is_missing_among_those_that_came_together_is_found(line: Line) -> None:
    line.begin()
    times = [*range(0, 400, 20), *range(900, 1_700, 20)]
    line.parts.take([AudioFrame(FRAME, str(at)) for at in times])
    line.clock.advance(1.7)
    line.parts.take([AudioFrame(FRAME, "1700")])
    line.call.finish("stop")
    line.session.end()
    assert line.observer.end.seconds == pytest.approx(1.72, abs=0.001)


def test_before_the_first_frame_and_after_the_last_there_is_no_gap(line: Line) -> None:
    line.begin()
    still(line, 5.0)
    assert line.session.pauses == 0
    line.take(FRAME)
    line.call.finish("stop")
    still(line, 5.0)
    assert line.session.pauses == 0


def test_a_process_that_stood_still_takes_nothing_for_a_gap(line: Line) -> None:
    line.begin(frames=20)
    look(line)
    line.clock.advance(60.0)
    look(line)
    line.take(FRAME)
    look(line)
    assert line.session.pauses == 0


def test_keys_and_marks_are_told_while_the_call_lives(line: Line) -> None:
    line.begin()
    line.call.key_pressed("#")
    line.call.mark_reached("hello", False)
    line.call.finish("stop")
    line.call.key_pressed("1")
    line.call.mark_reached("goodbye", True)
    assert line.observer.events[1:] == [
        KeyPressed(CALL, "#"),
        MarkReached(CALL, "hello"),
        MarkReached(CALL, "goodbye", cleared=True),
    ]
    assert line.ignored == {"key out of turn": 1}


def test_what_the_caller_heard_is_told_in_the_call_s_own_time(line: Line) -> None:
    line.call.started(CALL)
    line.call.caller_heard(HeardAudio("Greeting", 1.0, 0.0, 1.0, cleared=False))  # before the first frame
    line.clock.advance(5.0)
    line.take(FRAME)
    line.clock.advance(3.0)
    now = line.clock.seconds()
    line.call.caller_heard(HeardAudio("Hello", 1.5, now - 2.0, now - 1.0, cleared=True))
    line.call.finish("stop")
    line.call.caller_heard(HeardAudio("Too late", 1.0, now, now + 1, cleared=False))
    assert line.observer.events[1:] == [
        SaidToCaller(CALL, "Greeting", 1.0, 0.0, 0.0),
        SaidToCaller(CALL, "Hello", 1.5, 1.0, 2.0, cleared=True),
    ]


def test_a_long_hold_is_told_when_it_is_over(line: Line) -> None:
    line.begin(frames=20)
    for seconds in (2.5, 0.8):  # the second is a carrier's pause
        for _ in range(round(seconds * 10)):
            line.clock.advance(0.1)
            look(line)
        line.take(FRAME)
    held = [event for event in line.observer.events if isinstance(event, Happened)]
    assert [(event.kind, event.start, event.end) for event in held] == [("held", 0.4, 0.4)]
    assert held[0].seconds == pytest.approx(2.5, abs=0.2)


def test_audio_goes_on_in_batches_and_the_last_short_one_is_not_lost(line: Line) -> None:
    line.begin(frames=20)
    assert [len(batch) for batch in line.session.written] == [BATCH, BATCH]
    line.call.finish("stop")
    assert [len(batch) for batch in line.session.written] == [BATCH, BATCH, 800]
    assert line.session.audio == FRAME * 20
    assert line.session.is_finished


def test_where_nothing_is_left_nothing_is_written(line: Line) -> None:
    line.begin(frames=15)
    line.call.finish("stop")
    assert [len(batch) for batch in line.session.written] == [BATCH, BATCH]


@given(st.lists(st.binary(max_size=3_000), max_size=20))
def test_whatever_the_frames_every_byte_arrives_once(frames: list[bytes]) -> None:
    line = Line()
    line.begin()
    for frame in frames:
        line.take(frame)
    line.call.finish("stop")
    line.session.end()
    assert line.session.audio == b"".join(frames)
    assert (line.observer.end.frames, line.observer.end.audio_bytes) == (len(frames), sum(map(len, frames)))


def test_a_call_that_never_began_is_over_at_once_and_opens_nothing(line: Line) -> None:
    line.call.finish("the socket was lost")
    assert line.times_over == 1
    assert line.observer.events == []
    assert line.recogniser.sessions == []


def test_the_last_final_is_waited_for_but_not_for_ever(line: Line) -> None:
    line.begin(frames=1)
    line.call.finish("stop")
    line.session.totals = AudioTotals(received=160, uncovered=160)
    line.clock.advance(DRAIN - 0.1)
    assert line.times_over == 0
    line.clock.advance(0.2)
    assert line.times_over == 1
    assert line.session.is_aborted
    assert line.observer.end.reason == "stop"
    assert line.happened == [
        Happened(CALL, "unrecognised", "no last final within 8 s of the call's end", 0.02, 0.0, 0.02),
    ]


def test_after_the_last_final_nothing_is_waited_for(line: Line) -> None:
    line.begin(frames=1)
    line.call.finish("stop")
    line.session.end()
    assert line.times_over == 1
    line.clock.advance(2 * DRAIN)
    assert line.times_over == 1
    assert line.happened == []


def test_incidents_of_the_recognition_are_passed_on(line: Line) -> None:
    line.begin(frames=1)
    line.session.happen(Incident("restarted", "UNAVAILABLE: no route"))
    line.session.happen(Incident("recovered", "healthy"))
    assert line.happened == [
        Happened(CALL, "restarted", "UNAVAILABLE: no route"),
        Happened(CALL, "recovered", "healthy"),
    ]


def test_an_error_while_the_last_words_are_waited_for_is_told_and_ends_the_call(line: Line) -> None:
    line.begin(frames=1)
    line.call.finish("stop")
    line.session.totals = AudioTotals(received=160, uncovered=160)
    line.session.end(BROKEN)
    assert line.times_over == 1
    assert line.happened == [Happened(CALL, "unrecognised", "UNAVAILABLE: no route", 0.02, 0.0, 0.02)]
    assert line.clock.getDelayedCalls() == []


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_empty_words_are_not_told(line: Line, text: str) -> None:
    line.begin()
    line.session.partial(text)
    line.session.final(text)
    line.session.final(" x ")
    assert line.observer.events[1:] == [Final(CALL, 1, "x")]


def test_the_delay_is_from_the_arrival_of_the_last_audio_of_the_words(line: Line) -> None:
    line.begin()
    for _ in range(30):  # four batches, at 0.14, 0.30, 0.44 and 0.60 s
        line.clock.advance(0.02)
        line.take(FRAME)
    line.clock.advance(0.4)
    line.session.final("first", end=BATCH)
    line.session.final("second", end=BATCH + 1)
    line.session.final("beyond what was sent", end=4 * BATCH + 1)
    line.session.final("unknown", end=0)
    finals = [event for event in line.observer.events if isinstance(event, Final)]
    assert [final.end for final in finals] == [0.15, 1_201 / 8_000, 4_801 / 8_000, None]
    assert [final.delay for final in finals] == [pytest.approx(0.84), pytest.approx(0.7), None, None]


def test_messages_at_a_wrong_moment_are_counted(line: Line) -> None:
    line.take(FRAME)
    line.call.ignored("binary messages")
    line.begin(frames=1)
    line.call.started(CALL)
    line.call.finish("stop")
    line.take(FRAME)
    line.call.started(CALL)
    line.call.ignored("binary messages")
    line.session.end()
    line.take(FRAME)
    assert line.ignored == {"media out of turn": 3, "binary messages": 2, "start out of turn": 2}
    assert line.observer.end.ignored == {"media out of turn": 2, "binary messages": 2, "start out of turn": 2}
    assert line.session.audio == FRAME


def waiting() -> Line:
    return Line()


def listening() -> Line:
    return Line().begin(frames=1)


def draining() -> Line:
    line = listening()
    line.call.finish("stop")
    return line


def ended() -> Line:
    line = draining()
    line.session.end()
    return line


STATES: list[Callable[[], Line]] = [waiting, listening, draining, ended]
INPUTS: dict[str, Callable[[CallInputs], None]] = {
    "started": lambda call: call.started(CALL),
    "ignored": lambda call: call.ignored("noise"),
    "finish": lambda call: call.finish("again"),
    "key_pressed": lambda call: call.key_pressed("1"),
    "mark_reached": lambda call: call.mark_reached("hello", False),
    "caller_heard": lambda call: call.caller_heard(HeardAudio("Hello", 1.0, 0.0, 1.0, cleared=False)),
    "heard": lambda call: call.heard(WORDS),
    "happened": lambda call: call.happened(Incident("rotated", "in time")),
    "recogniser_ended": lambda call: call.recogniser_ended(None),
    "time_is_up": lambda call: call.time_is_up(),
}
NOBODY_CAN = {
    # Only we could do these, by a mistake: there is no recogniser yet, it ends only when finished, no timer runs.
    ("waiting", "heard"),
    ("waiting", "happened"),
    ("waiting", "recogniser_ended"),
    ("waiting", "time_is_up"),
    ("listening", "recogniser_ended"),
    ("listening", "time_is_up"),
}

ENDS = {("waiting", "finish"), ("draining", "recogniser_ended"), ("draining", "time_is_up")}


def everything() -> Iterator[tuple[str, str]]:
    for state in STATES:
        for name in INPUTS:
            yield state.__name__, name


@pytest.mark.parametrize(("state", "name"), list(everything()))
def test_every_input_in_every_state(state: str, name: str) -> None:
    line = {make.__name__: make for make in STATES}[state]()
    if (state, name) in NOBODY_CAN:
        with pytest.raises(NoTransition):
            INPUTS[name](line.call)
        return
    INPUTS[name](line.call)
    is_over = (state, name) in ENDS or state == "ended"
    assert line.times_over == (1 if is_over else 0)
    # Whatever it was, the call can still be brought to its end, which is told once.
    line.call.finish("at last")
    line.clock.advance(DRAIN)
    assert line.times_over == 1
    assert len([event for event in line.observer.events if isinstance(event, CallEnded)]) <= 1


@pytest.mark.parametrize("state", STATES)
def test_audio_is_taken_while_the_call_listens_and_counted_otherwise(state: Callable[[], Line]) -> None:
    line = state()
    line.take(FRAME)
    line.take(FRAME)
    is_listening = state is listening
    assert line.ignored.get("media out of turn", 0) == (0 if is_listening else 2)
    line.call.finish("stop")
    if state is not waiting:
        assert line.session.audio == FRAME * (3 if is_listening else 1)


@pytest.mark.parametrize("state", STATES)
def test_words_are_heard_while_the_call_listens_or_drains(state: Callable[[], Line]) -> None:
    line = state()
    if state is not waiting:
        line.call.heard(WORDS)
    assert line.observer.finals == (["שלום"] if state in (listening, draining) else [])


@pytest.mark.parametrize("state", STATES)
def test_partials_are_shown_while_the_call_listens_or_drains(state: Callable[[], Line]) -> None:
    line = state()
    line.parts.show(Result("שלום", is_final=False))
    assert line.observer.partials == (["שלום"] if state in (listening, draining) else [])
