from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.audio.watched_ledger import WatchedLedger
from tests.recognisers.fakes import ScriptedRecogniser, ScriptedSession
from voicestt.recognisers.finals import ToldFinals
from voicestt.recognisers.port import RecognisedWord, RecogniserError, Result
from voicestt.recognisers.stream import FAST, REPLAY_STEP_SECONDS, SLOW, ReplayPace, StreamAttempt

SECOND = 8_000
STEP = 8_000
BROKEN = RecogniserError("UNAVAILABLE", "no route")


def audio_of(length: int, start: int = 0) -> bytes:
    """Each byte tells its place, as far as a byte can."""
    return bytes((start + index) % 251 for index in range(length))


@dataclass
class Owner:
    """A FeedOwner that keeps what it is told."""

    heard: list[Result] = field(default_factory=list)
    ends: list[RecogniserError | None] = field(default_factory=list)
    times_caught_up: int = 0

    def attempt_heard(self, attempt: StreamAttempt, result: Result) -> None:
        self.heard.append(result)

    def attempt_ended(self, attempt: StreamAttempt, error: RecogniserError | None) -> None:
        self.ends.append(error)

    def attempt_caught_up(self, attempt: StreamAttempt) -> None:
        self.times_caught_up += 1


class Line:
    """An attempt over a call of which `kept` bytes came, after `covered` others."""

    def __init__(self, kept: int, covered: int = 0) -> None:
        self.clock = Clock()
        self.ledger = WatchedLedger(60 * SECOND)
        self.ledger.receive(audio_of(covered + kept))
        self.ledger.cover(covered)
        self.owner = Owner()
        self.recogniser = ScriptedRecogniser()
        self.pace = ReplayPace()
        self.told = ToldFinals()
        self.attempt = self.open()

    def open(self) -> StreamAttempt:
        return StreamAttempt(7, self.clock, self.recogniser, self.ledger, self.owner, self.pace, self.told)

    @property
    def session(self) -> ScriptedSession:
        return self.recogniser.session

    def write(self, length: int) -> None:
        audio = audio_of(length, self.ledger.received)
        self.ledger.receive(audio)
        self.attempt.write(audio)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.05] * round(seconds / 0.05))


def test_what_is_there_is_sent_again_in_steps_at_ten_times_real_time() -> None:
    line = Line(kept=2 * SECOND)
    sent = []
    while line.attempt.is_behind:
        sent.append((line.clock.seconds(), len(line.session.audio)))
        line.clock.advance(REPLAY_STEP_SECONDS)
    assert [length for _, length in sent] == [STEP * (count + 1) for count in range(len(sent))]
    assert all(length <= STEP + seconds * SECOND * FAST + 1e-6 for seconds, length in sent)
    assert line.session.audio == audio_of(2 * SECOND)
    assert line.owner.times_caught_up == 1
    assert line.clock.getDelayedCalls() == []


def test_live_audio_waits_for_its_turn() -> None:
    line = Line(kept=STEP + 1)
    line.write(100)
    assert line.session.audio == audio_of(STEP)
    line.pass_time(0.1)
    assert line.session.audio == audio_of(STEP + 101)
    line.write(50)
    assert line.session.audio == audio_of(STEP + 151)


def test_where_nothing_is_kept_it_is_live_at_once() -> None:
    line = Line(kept=0, covered=500)
    assert not line.attempt.is_behind
    assert line.owner.times_caught_up == 1
    line.write(160)
    assert line.session.audio == audio_of(160, 500)


@given(
    kept=st.integers(0, 5 * SECOND),
    covered=st.integers(0, 1_000),
    steps=st.lists(st.tuples(st.integers(0, 8_000), st.floats(0.0, 0.5)), max_size=30),
    is_finished=st.booleans(),
)
def test_everything_is_sent_once_in_order_and_in_time_whatever_the_interleaving(
    kept: int, covered: int, steps: list[tuple[int, float]], is_finished: bool
) -> None:
    line = Line(kept, covered)
    for length, seconds in steps:
        if length:
            line.write(length)
        was_behind, before = line.attempt.is_behind, len(line.session.audio)
        line.clock.advance(seconds)
        if was_behind:
            assert len(line.session.audio) - before <= STEP * (seconds / REPLAY_STEP_SECONDS + 1)
    if is_finished:
        line.attempt.finish()
        assert line.session.is_finished == (not line.attempt.is_behind)
    line.pass_time(60)
    assert line.session.audio == audio_of(line.ledger.received - covered, covered)
    assert all(0 < len(message) <= 12_800 for message in line.session.written)
    assert line.session.is_finished == is_finished
    assert line.attempt.position == line.ledger.received
    assert line.ledger.totals.handed == line.ledger.received - covered
    assert line.clock.getDelayedCalls() == []
    if line.ledger.received > covered:
        assert line.ledger.handings == [(7, covered, line.ledger.received)]


def test_finishing_waits_for_what_is_still_to_be_sent() -> None:
    line = Line(kept=STEP + 10)
    line.attempt.finish()
    finished_at_once = line.session.is_finished
    assert not finished_at_once
    line.pass_time(0.1)
    assert line.session.audio == audio_of(STEP + 10)
    assert line.session.is_finished
    assert line.owner.times_caught_up == 0


def test_finishing_a_live_attempt_is_done_at_once() -> None:
    line = Line(kept=10)
    line.attempt.finish()
    assert line.session.is_finished


def test_positions_are_the_calls() -> None:
    line = Line(kept=1_000, covered=500)
    line.session.final("a", end=500)
    line.session.final("beyond what it was given", end=2_000)
    line.session.partial("it does not say", end=0)
    line.clock.advance(1)
    line.session.partial("it does not say", end=0)
    assert [result.end for result in line.owner.heard] == [1_000, 1_000, 1_000, 1_500]


def test_partials_without_a_text_are_not_told() -> None:
    line = Line(kept=1_000)
    line.session.partial("", end=500)
    assert line.owner.heard == []
    assert line.attempt.answered_to == 1_000


def test_what_a_retired_attempt_hears_is_not_remembered_as_told() -> None:
    line = Line(kept=STEP)
    line.attempt.hand_over(Owner())
    line.session.final("one two", end=4_000)
    assert line.told.last is None


def test_a_refusal_for_the_pace_makes_the_next_replay_slower() -> None:
    line = Line(kept=3 * SECOND)
    line.session.end(RecogniserError("OUT_OF_RANGE", "Audio data is being streamed too fast."))
    line.open()
    assert len(line.recogniser.sessions[1].audio) == 2_400


def final(end: int, *spans: tuple[int, int]) -> Result:
    words = tuple(RecognisedWord("word", *span) for span in spans)
    return Result("words", True, end, start=spans[0][0] if spans else None, words=words)


def test_positions_of_words_are_the_calls_and_within_their_final() -> None:
    line = Line(kept=8_000, covered=500)
    line.attempt.heard(final(3_000, (1_000, 2_000), (2_000, 3_200)))
    line.attempt.heard(final(6_000, (2_500, 4_000), (9_900, 9_990)))
    assert line.owner.heard == [
        final(3_700, (1_500, 2_500), (2_500, 3_700)),
        final(6_500, (3_700, 4_500), (6_500, 6_500)),
    ]


def test_a_final_without_words_has_no_start() -> None:
    line = Line(kept=1_000, covered=500)
    line.attempt.heard(final(500))
    assert line.owner.heard == [Result("words", True, 1_000)]


def test_it_knows_when_it_was_answered_and_how_far_it_had_been_fed_then() -> None:
    line = Line(kept=100)
    assert line.attempt.answered_to == 0
    line.clock.advance(2)
    line.session.partial("a", end=50)
    line.write(60)
    assert (line.attempt.answered_to, line.attempt.position) == (100, 160)


def test_its_age_is_that_of_its_audio_where_that_is_more() -> None:
    line = Line(kept=STEP)
    line.clock.advance(0.1)
    assert line.attempt.age == pytest.approx(1.0)
    line.clock.advance(0.9)
    assert line.attempt.age == pytest.approx(1.0)
    line.clock.advance(0.5)
    assert line.attempt.age == pytest.approx(1.5)


def test_a_dropped_attempt_is_silent_and_cancelled() -> None:
    line = Line(kept=2 * SECOND)
    line.attempt.drop()
    assert line.session.is_aborted
    line.pass_time(1)
    assert line.session.audio == audio_of(STEP)
    line.attempt.heard(Result("late", is_final=True))
    line.attempt.ended(None)
    assert (line.owner.heard, line.owner.ends) == ([], [])
    assert line.clock.getDelayedCalls() == []


def test_its_end_is_told_once_and_stops_the_replay() -> None:
    line = Line(kept=2 * SECOND)
    line.session.end(BROKEN)
    line.session.end(BROKEN)
    line.pass_time(1)
    assert line.owner.ends == [BROKEN]
    assert line.session.audio == audio_of(STEP)
    assert line.clock.getDelayedCalls() == []


def test_a_clean_end_is_one_only_after_everything_was_sent_and_it_was_finished() -> None:
    finished = Line(kept=10)
    finished.attempt.finish()
    finished.session.end()
    assert finished.owner.ends == [None]
    unfinished, behind = Line(kept=10), Line(kept=2 * SECOND)
    behind.attempt.finish()
    for line in (unfinished, behind):
        line.session.end()
        assert [str(end) for end in line.owner.ends] == [
            "OK: the recogniser closed the stream before it was finished"
        ]


def test_whoever_takes_it_over_is_told_from_then_on() -> None:
    line = Line(kept=STEP + 1)
    successor = Owner()
    line.attempt.hand_over(successor)
    line.pass_time(0.1)
    line.session.final("a")
    line.session.end(BROKEN)
    assert (len(successor.heard), successor.ends, successor.times_caught_up) == (1, [BROKEN], 1)
    assert (line.owner.heard, line.owner.ends, line.owner.times_caught_up) == ([], [], 0)


def test_audio_that_is_forgotten_before_its_turn_is_not_jumped_over() -> None:
    line = Line(kept=2 * SECOND)
    line.ledger.give_up(3 * SECOND // 2)
    line.pass_time(1)
    assert line.session.audio == audio_of(STEP)
    assert line.attempt.position < line.ledger.start
    line.attempt.drop()


def test_its_backlog_is_the_streams() -> None:
    line = Line(kept=10)
    line.session.backlog = 123
    assert line.attempt.backlog == 123


@pytest.mark.parametrize(
    "error",
    [
        RecogniserError("RESOURCE_EXHAUSTED", "quota"),
        RecogniserError("OUT_OF_RANGE", "Audio data is being streamed too fast. Please stream at real time."),
    ],
)
def test_a_refusal_slows_the_process_down_for_good(error: RecogniserError) -> None:
    pace = ReplayPace()
    assert pace.step(hurries=True) == 800 * FAST
    pace.failed(error)
    assert pace.step(hurries=True) == 800 * SLOW == 2_400
    pace.failed(error)
    assert pace.step(hurries=True) == 2_400


def test_other_errors_do_not() -> None:
    pace = ReplayPace()
    pace.failed(RecogniserError("UNAVAILABLE", "no route"))
    assert pace.step(hurries=True) == 800 * FAST


def test_a_step_fits_into_one_of_google_s_messages() -> None:
    assert ReplayPace().step(hurries=True) * 2 <= 25_600


def test_where_nobody_waits_it_is_slow() -> None:
    assert ReplayPace().step(hurries=False) == 2_400
