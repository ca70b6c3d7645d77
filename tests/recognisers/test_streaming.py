"""Whatever happens to the streams, every word is in exactly one final, in order, or its audio is still there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.recognisers.simulated import (
    NO_ROUTE,
    SECOND,
    SPEECH,
    WORDS,
    Application,
    Manner,
    World,
    energy_voicing,
    misplaced,
    numbers_in,
)
from voicestt.audio import vad
from voicestt.audio.ledger import Ledger
from voicestt.recognisers.port import Incident, RecogniserError, Result
from voicestt.recognisers.streaming import Endless, StreamLimits
from voicestt.runtime.backoff import Backoff

# Soft and hard limits come soon, so that seams are everywhere.
LIMITS = StreamLimits(soft=4.0, hard=7.0, hold=2.0, silent=3.0, queue=2.0, drain=1.5, window=10.0)
TICK = 0.05
SILENCE = SPEECH[:400]
LOUD = b"\x00" * 160
DEAF = Manner(is_deaf=True)
WORDLESS = Manner(finds_no_words=True)


@pytest.fixture(autouse=True, scope="module")
def _voicing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad, "webrtc_voicing", energy_voicing)
        yield


class Conversation:
    """A caller, an endless session, and a world that can be made to fail."""

    def __init__(self, limits: StreamLimits = LIMITS, kept: int = 60 * SECOND) -> None:
        self.clock = Clock()
        self.world = World()
        self.ledger = Ledger(kept)
        self.heard = Application(self.ledger)
        self.limits = limits
        self.session = Endless(self.clock, self.world, limits, lambda: 0.5).open(self.heard, self.ledger)
        self.said = 0
        self.is_aborted = False

    @property
    def is_over(self) -> bool:
        return self.is_aborted or bool(self.heard.ends)

    def abort(self) -> None:
        self.is_aborted = True
        self.session.abort()

    def speak(self, audio_bytes: int) -> None:
        """In batches, as fast as a caller speaks."""
        end = min(self.said + audio_bytes, len(SPEECH))
        while self.said < end and not self.is_over:
            batch = SPEECH[self.said : min(self.said + 1_200, end)]
            self.said += len(batch)
            self.pass_time(len(batch) / SECOND)
            if not self.is_over:
                self.ledger.receive(batch)
                self.session.write(batch)

    def play(self, seconds: float, sound: bytes) -> None:
        """Say something without words: streams must be deaf to it."""
        for _ in range(round(seconds * 20)):
            self.pass_time(0.05)
            self.ledger.receive(sound)
            self.session.write(sound)

    def pass_time(self, seconds: float) -> None:
        while seconds > 1e-9:
            step = min(TICK, seconds)
            seconds -= step
            self.world.clock.advance(step)
            self.clock.advance(step)

    def pause(self, seconds: float) -> None:
        """No audio, which is noticed, and `seconds` later there is some again."""
        if not self.is_over:
            self.session.pause()
        self.pass_time(seconds)

    def fail(self, which: int, error: RecogniserError | None) -> None:
        live = [stream for stream in self.world.streams if not (stream.is_aborted or stream.has_ended)]
        if live:
            live[which % len(live)].breaks(error)

    def hang_up(self) -> None:
        if not self.heard.ends:
            self.session.finish()
            self.pass_time(self.limits.drain + 0.5)

    def settle(self) -> None:
        self.pass_time(self.limits.drain + 0.5)

    def check(self) -> None:
        received = self.ledger.received
        heard = numbers_in(self.heard.finals)
        spoken = [word.number for word in WORDS if word.end <= received]
        (end,) = self.heard.ends
        if end is None:
            assert heard == spoken
        else:
            assert heard == spoken[: len(heard)]
            for word in WORDS[len(heard) : len(spoken)]:
                assert self.ledger.start <= word.start, f"the audio of {word} is gone"
        assert misplaced(self.heard.results) == []
        totals = self.ledger.totals
        assert totals.given_up == 0
        assert totals.received == totals.recognised + totals.passed_over + totals.uncovered
        assert self.clock.getDelayedCalls() == []
        assert all(stream.is_over for stream in self.world.streams)
        assert self.world.most_at_once <= 2


ERRORS = st.sampled_from(
    [
        RecogniserError("UNAVAILABLE", "no route"),
        RecogniserError("OUT_OF_RANGE", "305 seconds"),
        RecogniserError("INTERNAL", "in-band"),
        RecogniserError("RESOURCE_EXHAUSTED", "quota"),
        RecogniserError("PERMISSION_DENIED", "no"),
        None,
    ]
)
MANNERS = st.builds(
    Manner,
    latency=st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.0]),
    fails_after=st.none() | st.none() | st.integers(0, 4 * SECOND),
    error=ERRORS,
    fails_at_finish=st.sampled_from([False, False, False, True]),
    is_deaf=st.sampled_from([False, False, False, True]),
    hangs_at_finish=st.sampled_from([False, False, False, True]),
    pause=st.sampled_from([1_000, 2_000, 8_000]),
)
Step = Callable[[Conversation], None]


def _speaking(audio_bytes: int) -> Step:
    return lambda talk: talk.speak(audio_bytes)


def _waiting(seconds: float) -> Step:
    return lambda talk: talk.pass_time(seconds)


def _pausing(seconds: float) -> Step:
    return lambda talk: talk.pause(seconds)


def _failing(which: int, error: RecogniserError | None) -> Step:
    return lambda talk: talk.fail(which, error)


def _opening(manner: Manner) -> Step:
    return lambda talk: talk.world.next_manners.append(manner)


STEPS = st.lists(
    st.one_of(
        st.builds(_speaking, st.integers(1, 3 * SECOND)),
        st.builds(_speaking, st.integers(1, 10 * SECOND)),
        st.builds(_waiting, st.sampled_from([0.05, 0.3, 1.0, 2.1, 3.0, 4.0, 6.0])),
        st.builds(_pausing, st.sampled_from([0.0, 0.3, 1.0, 3.0])),
        st.builds(_failing, st.integers(0, 2), ERRORS),
        st.builds(_opening, MANNERS),
    ),
    max_size=14,
)


@settings(max_examples=300)
@given(STEPS, st.sampled_from([3, 3, 30]))
def test_every_word_is_in_exactly_one_final_or_its_audio_is_still_there(steps: list[Step], restarts: int) -> None:
    talk = Conversation(replace(LIMITS, restarts=restarts))
    for step in steps:
        step(talk)
    talk.hang_up()
    talk.settle()
    talk.check()


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


def _starts(talk: Conversation) -> list[int]:
    return [stream.start for stream in talk.world.streams]


def test_a_stream_is_opened_with_the_first_speech_and_closed_with_the_call(talk: Conversation) -> None:
    assert talk.world.streams == []
    talk.speak(2 * SECOND)
    (stream,) = talk.world.streams
    talk.hang_up()
    assert stream.is_finished
    assert stream.has_ended
    talk.check()
    assert talk.heard.ends == [None]


def test_a_call_that_says_nothing_ends_after_finish_and_not_within_it(talk: Conversation) -> None:
    talk.session.finish()
    assert talk.heard.ends == []
    talk.pass_time(0.1)
    assert talk.heard.ends == [None]
    assert talk.world.streams == []


def test_after_the_soft_limit_a_final_changes_the_stream(
    talk: Conversation,
) -> None:
    talk.world.manner = Manner(latency=0.4)
    talk.speak(5 * SECOND)
    first, second = talk.world.streams
    assert first.is_finished
    assert second.start > 2 * SECOND
    assert talk.heard.kinds == ["rotated"]
    assert "stream 1 was replaced after" in talk.heard.incidents[0].why
    talk.hang_up()
    talk.check()


def test_after_the_soft_limit_silence_changes_the_stream() -> None:
    talk = Conversation(replace(LIMITS, hard=100.0))
    talk.world.manner = DEAF
    talk.play(7, SILENCE)
    assert talk.heard.kinds == ["rotated"]
    assert talk.heard.finals == []
    talk.abort()


def test_the_hard_limit_changes_the_stream_in_the_middle_of_an_utterance(talk: Conversation) -> None:
    talk.world.manner = Manner(pause=100 * SECOND)  # it gives no final by itself
    talk.speak(11 * SECOND)
    assert _starts(talk)[:2] == [0, 0]
    assert talk.world.streams[0].is_finished
    assert talk.heard.finals == []
    assert talk.heard.kinds == ["rotated"]
    talk.hang_up()
    talk.check()
    assert len(talk.heard.finals) == 1


def test_a_final_of_the_stream_in_charge_begins_the_successor_anew_behind_it(talk: Conversation) -> None:
    talk.world.manner = Manner(latency=1.0, pause=7 * SECOND)  # the hard limit comes just before a final
    talk.world.next_manners = [Manner(latency=0.5, pause=6_000)]
    talk.limits = LIMITS
    talk.speak(8 * SECOND)
    talk.hang_up()
    talk.check()
    dropped = [stream for stream in talk.world.streams if stream.is_aborted and not stream.is_finished]
    for stream in dropped:
        assert stream.start < talk.world.streams[-1].start


@pytest.mark.parametrize("latency", [0.0, 0.3])
def test_a_successor_that_fails_is_tried_again_later_and_nobody_notices(latency: float) -> None:
    talk = Conversation(replace(LIMITS, hard=5.0, soft=5.0, backoff=Backoff(first=0.25, longest=1.0, jitter=0.5)))
    refuses = Manner(latency=latency, fails_after=0)
    talk.world.next_manners = [Manner(pause=100 * SECOND), refuses, refuses]
    talk.speak(6 * SECOND)
    assert "restarted" not in talk.heard.kinds
    talk.speak(4 * SECOND)
    assert talk.heard.kinds == ["rotated"]
    assert len(talk.world.streams) >= 4
    talk.hang_up()
    talk.check()


def test_if_the_one_in_charge_fails_while_its_successor_catches_up_that_takes_over() -> None:
    talk = Conversation(replace(LIMITS, soft=6.0, hard=6.0, drain=6.0))
    talk.world.manner = Manner(pause=100 * SECOND, latency=1.0)
    talk.speak(6 * SECOND + 4_000)
    first, second = talk.world.streams
    assert not first.is_over
    assert not second.is_over
    first.end(NO_ROUTE)
    assert talk.heard.kinds == ["restarted"]
    talk.speak(SECOND)
    assert len(talk.world.streams) == 2
    talk.hang_up()
    talk.check()
    assert talk.heard.ends == [None]


def test_a_failed_stream_is_replaced_at_once_and_given_again_what_no_final_covers(talk: Conversation) -> None:
    talk.world.next_manners = [Manner(pause=100 * SECOND)]
    talk.speak(2 * SECOND)
    talk.fail(0, NO_ROUTE)
    talk.pass_time(0.0001)
    first, second = talk.world.streams
    assert bytes(second.audio[:2_400]) == bytes(first.audio[:2_400])
    assert talk.heard.incidents[0].why == "UNAVAILABLE: no route"
    talk.hang_up()
    talk.check()


def test_further_failures_wait_longer_each_time_with_jitter(talk: Conversation) -> None:
    talk.world.manner = Manner(latency=0.0, fails_after=0)
    opened: list[float] = []
    talk.speak(1_200)
    while not talk.heard.ends:
        if len(opened) < len(talk.world.streams):
            opened.append(talk.clock.seconds())
        talk.pass_time(0.0125)
    waits = [after - before for before, after in pairwise(opened)]
    assert waits == pytest.approx([0.0, 0.5 * 0.75, 1.0 * 0.75], abs=0.04)
    assert str(talk.heard.ends[0]) == "UNAVAILABLE: no route"
    assert talk.heard.kinds == ["restarted"] * 3
    assert talk.clock.getDelayedCalls() == []


def test_failures_are_borne_again_when_the_earlier_ones_are_long_ago() -> None:
    talk = Conversation(replace(LIMITS, restarts=1, window=3.0, soft=100.0, hard=100.0))
    for _ in range(4):
        talk.speak(4 * SECOND)
        talk.fail(0, NO_ROUTE)
    assert talk.heard.ends == []
    talk.speak(SECOND)
    talk.fail(0, NO_ROUTE)
    assert talk.heard.ends == [NO_ROUTE]


def test_what_trying_again_cannot_mend_ends_the_session_at_once(talk: Conversation) -> None:
    refused = RecogniserError("PERMISSION_DENIED", "no")
    talk.speak(SECOND)
    talk.fail(0, refused)
    assert talk.heard.ends == [refused]
    assert talk.heard.kinds == []
    assert talk.ledger.totals.uncovered == talk.ledger.received
    assert talk.clock.getDelayedCalls() == []


def test_a_stream_that_closes_early_has_failed(talk: Conversation) -> None:
    talk.speak(SECOND)
    talk.fail(0, None)
    assert talk.heard.incidents[0].why == "OK: the recogniser closed the stream before it was finished"
    talk.hang_up()
    talk.check()


def test_a_stream_that_is_still_given_what_was_kept_is_not_half_closed_for_it() -> None:
    limits = replace(LIMITS, soft=300.0, hard=300.0, monologue=10.0, silent=100.0)
    talk = Conversation(limits, kept=200 * SECOND)
    talk.world.manner = Manner(pause=200 * SECOND)
    talk.said = 40 * SECOND  # more is kept, after an outage, than a monologue may last
    talk.ledger.receive(SPEECH[: talk.said])
    talk.speak(30 * SECOND)
    assert talk.heard.kinds == [], talk.heard.incidents
    talk.hang_up()
    talk.check()


@pytest.mark.parametrize("latency", [0.0, 1.0])
def test_a_monologue_without_a_final_is_half_closed_between_two_words_before_audio_is_let_go(
    latency: float,
) -> None:
    talk = Conversation(replace(LIMITS, soft=100.0, hard=100.0, drain=3.0), kept=14 * SECOND)
    talk.world.manner = Manner(latency=latency, pause=60 * SECOND)
    talk.speak(28 * SECOND)
    assert len(talk.heard.finals) >= 3
    assert talk.heard.kinds == []
    talk.hang_up()
    talk.check()
    assert talk.heard.ends == [None]


GAPS = replace(LIMITS, soft=100.0, hard=100.0)
PATIENT = Manner(pause=100 * SECOND)  # it gives no final by itself


def test_in_a_gap_the_words_become_final_and_the_next_speech_opens_another_stream() -> None:
    talk = Conversation(GAPS)
    talk.world.manner = PATIENT
    talk.speak(WORDS[2].end + 400)
    talk.pass_time(0.7)
    assert talk.heard.finals == []
    talk.session.pause()
    talk.pass_time(0.35)
    assert talk.heard.finals == ["1 2 3"]
    talk.pass_time(60)
    assert talk.heard.kinds == []
    assert len(talk.world.streams) == 1
    talk.speak(2 * SECOND)
    assert len(talk.world.streams) == 2
    talk.hang_up()
    talk.check()
    assert talk.heard.ends == [None]


def test_in_a_gap_without_open_words_the_stream_stays() -> None:
    talk = Conversation(GAPS)
    talk.speak(WORDS[2].end + 4_000)
    talk.pass_time(0.3)
    assert talk.heard.finals == ["1", "2", "3"]
    talk.session.pause()
    talk.pass_time(1.0)
    talk.speak(2 * SECOND)
    assert len(talk.world.streams) == 1
    talk.hang_up()
    talk.check()


def test_words_that_show_only_in_the_gap_become_final_in_it() -> None:
    talk = Conversation(GAPS)
    talk.world.manner = replace(PATIENT, latency=1.2)
    talk.speak(WORDS[0].end + 400)
    talk.session.pause()
    talk.pass_time(2.6)
    assert talk.heard.finals == ["1"]
    talk.hang_up()
    talk.check()


def test_a_gap_while_the_stream_is_opened_again_is_remembered() -> None:
    talk = Conversation(GAPS)
    talk.world.manner = PATIENT
    talk.speak(WORDS[2].end + 400)
    talk.fail(0, NO_ROUTE)
    talk.session.pause()
    talk.pass_time(2.0)
    assert talk.heard.finals == ["1 2 3"]
    talk.hang_up()
    talk.check()


def test_what_only_sounds_like_speech_is_not_sent_again_after_each_gap() -> None:
    talk = Conversation(GAPS)
    talk.world.manner = WORDLESS
    for _ in range(20):
        talk.play(0.5, LOUD * 3)
        talk.session.pause()
        talk.pass_time(0.8)
    assert talk.ledger.kept <= 2 * SECOND
    assert max(len(stream.audio) for stream in talk.world.streams) <= 3 * SECOND
    assert talk.heard.kinds == []
    talk.abort()


@given(st.lists(st.tuples(st.integers(1, 2 * SECOND), st.sampled_from([0.0, 0.2, 0.9, 4.0])), max_size=12))
def test_frames_that_come_late_cost_no_word_wherever_they_were_held_up(stalls: list[tuple[int, float]]) -> None:
    talk = Conversation(replace(GAPS, restarts=30))
    talk.world.manner = Manner(latency=0.3, pause=2_000)
    for audio_bytes, seconds in stalls:
        talk.speak(audio_bytes)
        talk.pause(seconds)
    talk.hang_up()
    talk.check()
    assert talk.heard.ends == [None]
    assert talk.heard.kinds == []


def test_a_hold_closes_the_stream_and_the_next_speech_opens_another() -> None:
    talk = Conversation(replace(LIMITS, soft=100.0, hard=100.0))
    talk.speak(2 * SECOND)
    talk.pass_time(LIMITS.hold + 2.0)
    (stream,) = talk.world.streams
    assert stream.is_finished
    assert stream.has_ended
    assert talk.heard.kinds == []
    assert talk.clock.getDelayedCalls() == []
    talk.pass_time(60)
    talk.speak(2 * SECOND)
    assert len(talk.world.streams) == 2
    talk.hang_up()
    talk.check()


def test_speech_that_comes_while_a_hold_closes_the_stream_is_not_lost() -> None:
    talk = Conversation(replace(LIMITS, soft=100.0, hard=100.0, drain=3.0))
    talk.world.manner = Manner(latency=1.0)
    talk.speak(2 * SECOND)
    talk.pass_time(LIMITS.hold + 0.6)
    (stream,) = talk.world.streams
    assert stream.is_finished
    assert not stream.has_ended
    talk.speak(SECOND // 2)
    talk.hang_up()
    talk.check()
    assert talk.heard.ends == [None]


def test_a_stream_that_hangs_in_a_hold_has_failed_and_its_words_are_not_lost() -> None:
    talk = Conversation(replace(LIMITS, soft=100.0, hard=100.0))
    talk.world.next_manners = [Manner(hangs_at_finish=True, pause=SECOND)]
    talk.speak(2 * SECOND)
    talk.pass_time(LIMITS.hold + LIMITS.drain + 0.7)
    assert talk.heard.incidents[0].why == "DEADLINE_EXCEEDED: no last final within 1.5 s"
    talk.speak(SECOND)
    talk.pass_time(LIMITS.drain)
    assert talk.heard.kinds == ["restarted"]
    talk.hang_up()
    talk.check()
    assert talk.heard.ends == [None]


def test_speech_without_an_answer_replaces_the_stream() -> None:
    talk = Conversation(replace(LIMITS, soft=100.0, hard=100.0))
    talk.world.next_manners = [DEAF]
    talk.speak(3 * SECOND)
    assert talk.heard.kinds == []
    talk.speak(2 * SECOND)
    assert talk.heard.kinds == ["restarted"]
    assert "speech, and no answer for" in talk.heard.incidents[0].why
    talk.speak(3 * SECOND)
    talk.hang_up()
    talk.check()


def test_the_first_words_after_a_long_silence_are_given_their_time() -> None:
    talk = Conversation(replace(LIMITS, soft=100.0, hard=100.0))
    talk.world.manner = DEAF
    talk.play(20, SILENCE)
    talk.play(2.5, LOUD + SILENCE[len(LOUD) :])
    assert talk.heard.kinds == []
    talk.abort()


def test_audio_that_the_stream_does_not_take_replaces_it(talk: Conversation) -> None:
    talk.speak(SECOND)
    talk.world.streams[0].backlog = int(LIMITS.queue * SECOND)
    talk.pass_time(0.6)
    assert talk.heard.kinds == []
    talk.world.streams[0].backlog += 1
    talk.pass_time(0.6)
    assert talk.heard.incidents[0].why == "DEADLINE_EXCEEDED: 2.0 s of audio wait to be sent"
    assert talk.world.streams[0].is_aborted
    talk.hang_up()
    talk.check()


def test_a_stream_whose_audio_was_given_up_is_replaced() -> None:
    talk = Conversation(replace(LIMITS, silent=100.0, soft=100.0, hard=100.0))
    talk.ledger = Ledger(SECOND)
    talk.heard = Application(talk.ledger)
    talk.session = Endless(talk.clock, talk.world, talk.limits).open(talk.heard, talk.ledger)
    talk.ledger.receive(SPEECH[:SECOND])
    talk.session.write(SPEECH[:SECOND])
    talk.ledger.receive(SPEECH[SECOND : 2 * SECOND])
    talk.session.write(SPEECH[SECOND : 2 * SECOND])
    talk.said = 2 * SECOND
    talk.pass_time(0.6)
    assert talk.heard.incidents[0].why == "OUT_OF_RANGE: audio was kept too long before it was recognised"
    talk.abort()


def test_the_last_final_is_not_waited_for_for_ever(talk: Conversation) -> None:
    talk.world.manner = Manner(hangs_at_finish=True, pause=100 * SECOND)
    talk.speak(2 * SECOND)
    talk.session.finish()
    talk.pass_time(LIMITS.drain - 0.1)
    assert talk.heard.ends == []
    talk.pass_time(0.2)
    assert str(talk.heard.ends[0]) == "DEADLINE_EXCEEDED: no last final within 1.5 s"
    talk.check()


def test_a_call_that_ends_while_the_stream_is_reopened_leaves_its_audio(talk: Conversation) -> None:
    talk.world.manner = Manner(latency=0.0, fails_after=0)
    talk.speak(2_400)
    talk.pass_time(0.2)
    talk.session.finish()
    assert talk.heard.ends == []
    talk.pass_time(0.05)
    assert str(talk.heard.ends[0]) == "UNAVAILABLE: the call ended while the stream was being reopened"
    talk.check()


def test_a_call_that_ends_in_a_hold_with_speech_unsent_has_that_recognised() -> None:
    talk = Conversation(replace(LIMITS, soft=100.0, hard=100.0))
    talk.world.manner = Manner(latency=0.4)
    talk.speak(SECOND)
    talk.pass_time(LIMITS.hold + 0.4)
    talk.speak(2_400)
    talk.session.finish()
    talk.pass_time(LIMITS.drain)
    talk.check()
    assert talk.heard.ends == [None]
    assert len(talk.world.streams) == 2


@pytest.mark.parametrize("seconds", [0.0, 1.0, 4.5, 7.3])
def test_after_abort_nothing_is_heard_and_nothing_is_left(seconds: float) -> None:
    talk = Conversation()
    talk.speak(int(seconds * SECOND))
    told = len(talk.heard.partials) + len(talk.heard.finals)
    talk.abort()
    talk.settle()
    assert talk.heard.ends == []
    assert len(talk.heard.partials) + len(talk.heard.finals) == told
    assert talk.clock.getDelayedCalls() == []
    assert all(stream.is_over for stream in talk.world.streams)


def test_one_who_hears_may_abort(talk: Conversation) -> None:
    heard = talk.heard.heard

    def hear_and_abort(result: Result) -> None:
        heard(result)
        if result.is_final:
            talk.abort()

    talk.heard.heard = hear_and_abort  # type: ignore[method-assign]
    while not talk.heard.finals:
        talk.speak(400)
    talk.settle()
    assert talk.clock.getDelayedCalls() == []


def test_noise_without_words_is_not_kept_for_ever() -> None:
    talk = Conversation(replace(LIMITS, soft=1_000.0, hard=1_000.0))
    talk.world.manner = WORDLESS
    talk.play(70, SILENCE[:240] + LOUD)
    assert talk.heard.kinds == []
    totals = talk.ledger.totals
    assert totals.given_up == 0
    assert totals.uncovered <= 46 * SECOND
    assert totals.passed_over == totals.received - totals.uncovered
    talk.abort()


def test_silence_is_not_kept(talk: Conversation) -> None:
    talk.world.manner = DEAF
    talk.play(20, SILENCE)
    assert talk.ledger.totals.uncovered < 11 * SECOND
    talk.abort()


def test_one_who_is_told_of_a_restart_may_abort(talk: Conversation) -> None:
    happened = talk.heard.happened

    def hear_and_abort(incident: Incident) -> None:
        happened(incident)
        talk.abort()

    talk.heard.happened = hear_and_abort  # type: ignore[method-assign]
    talk.speak(SECOND)
    talk.fail(0, NO_ROUTE)
    talk.settle()
    assert len(talk.world.streams) == 1
    assert talk.clock.getDelayedCalls() == []


def test_a_successor_with_nothing_to_catch_up_with_takes_charge_at_once() -> None:
    talk = Conversation(replace(LIMITS, soft=1.08))  # just before the second final
    talk.world.manner = Manner(latency=0.0, pause=1_000)
    while not talk.heard.incidents:
        talk.speak(400)
    first, second = talk.world.streams
    assert first.is_finished
    assert second.messages[0][1] < 2_400  # a step of the replay
    talk.hang_up()
    talk.check()


def test_a_successor_whose_audio_is_let_go_before_it_was_sent_is_begun_anew() -> None:
    talk = Conversation(replace(LIMITS, soft=6.0, hard=6.0))
    talk.world.manner = Manner(pause=100 * SECOND, latency=1.0)
    talk.speak(6 * SECOND + 4_000)
    first, second = talk.world.streams
    talk.ledger.pass_over(5 * SECOND)
    talk.speak(6_000)
    assert second.is_aborted
    assert not first.is_aborted
    assert talk.world.streams[2].start == 5 * SECOND
    talk.abort()


def test_the_next_words_after_a_failure_in_six_seconds_of_speech_come_within_a_second(talk: Conversation) -> None:
    talk.limits = replace(LIMITS, soft=100.0, hard=100.0)
    talk.session = Endless(talk.clock, talk.world, talk.limits).open(talk.heard, talk.ledger)
    talk.world.manner = Manner(pause=100 * SECOND)
    talk.speak(6 * SECOND)
    known = numbers_in(talk.heard.partials[-1:])[-1]
    talk.fail(0, NO_ROUTE)
    talk.speak(SECOND)
    assert numbers_in(talk.heard.partials[-1:])[-1] > known
    assert len(talk.world.streams) == 2
    talk.hang_up()
    talk.check()
