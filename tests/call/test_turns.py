from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests import sounds
from tests.audio.test_vad import SILENCE, VOICE
from voicestt.audio import mulaw
from voicestt.call.turns import TurnWatch

SECOND = mulaw.BYTES_PER_SECOND
BATCH = SECOND * 15 // 100
TURN = SECOND * 7 // 10


@dataclass
class Caller:
    """A call whose turns are watched; `over` is where its silences began, and at which position that was told."""

    clock: Clock = field(default_factory=Clock)
    received: int = 0
    over: list[tuple[int, int]] = field(default_factory=list)
    watch: TurnWatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = TurnWatch(self.clock, TURN, lambda since: self.over.append((since, self.received)))

    def sends(self, audio: bytes) -> None:
        for at in range(0, len(audio), BATCH):
            batch = audio[at : at + BATCH]
            self.received += len(batch)
            self.watch.audio(batch)
            self.clock.advance(mulaw.seconds(len(batch)))


def test_a_turn_ends_after_silence() -> None:
    caller = Caller()
    caller.sends(VOICE)
    caller.watch.final(SECOND)
    caller.sends(SILENCE)
    ((since, told),) = caller.over
    assert abs(since - SECOND) <= SECOND // 10
    assert TURN <= told - since <= TURN + BATCH


@pytest.mark.parametrize("sound", ["line noise", "DC offset"])
def test_a_turn_ends_in_time_on_a_noisy_line(sound: str) -> None:
    noise = sounds.encoded(sounds.SOUNDS[sound](10.0))
    caller = Caller()
    caller.sends(noise[: 2 * SECOND] + VOICE)
    caller.watch.final(3 * SECOND)
    caller.sends(noise[: 2 * SECOND])
    ((since, told),) = caller.over
    assert abs(since - 3 * SECOND) <= SECOND // 5
    assert told - since <= TURN + BATCH


def test_a_final_that_comes_late_ends_the_turn_at_once() -> None:
    caller = Caller()
    caller.sends(VOICE + SILENCE)
    assert caller.over == []
    caller.watch.final(SECOND)
    ((since, told),) = caller.over
    assert (told, abs(since - SECOND) <= SECOND // 10) == (2 * SECOND, True)


def test_where_the_recogniser_gives_no_position_the_audio_says_when_the_voice_ended() -> None:
    caller = Caller()
    caller.sends(VOICE + SILENCE)
    caller.watch.final(0)
    ((since, _),) = caller.over
    assert abs(since - SECOND) <= SECOND // 10


def test_a_voice_that_goes_on_is_waited_for_and_so_are_its_words() -> None:
    caller = Caller()
    caller.sends(VOICE)
    caller.watch.final(SECOND)
    caller.sends(SILENCE[: SECOND // 2] + VOICE)
    caller.watch.partial()
    caller.sends(SILENCE)
    assert caller.over == []
    caller.watch.final(SECOND * 5 // 2)
    ((since, _),) = caller.over
    assert abs(since - SECOND * 5 // 2) <= SECOND // 10


def test_a_noise_that_becomes_no_word_is_not_waited_for_for_ever() -> None:
    caller = Caller()
    caller.sends(VOICE)
    caller.watch.final(SECOND)
    caller.sends(VOICE * 3)
    assert len(caller.over) == 1


def test_a_partial_that_becomes_no_final_is_not_waited_for_for_ever() -> None:
    caller = Caller()
    caller.sends(VOICE)
    caller.watch.final(SECOND)
    caller.watch.partial()
    caller.sends(SILENCE)
    assert caller.over == []
    caller.sends(SILENCE * 2)
    assert len(caller.over) == 1


def test_on_hold_the_clock_ends_the_turn() -> None:
    caller = Caller()
    caller.sends(VOICE)
    caller.watch.final(SECOND)
    caller.clock.advance(0.6)
    assert caller.over == []
    caller.clock.advance(0.2)
    assert len(caller.over) == 1
    caller.sends(SILENCE * 4)
    assert len(caller.over) == 1


def test_in_a_gap_silence_is_counted_from_the_last_audio() -> None:
    caller = Caller()
    caller.sends(VOICE)
    caller.clock.advance(0.7)
    caller.watch.pause(0.7)
    assert caller.over == []
    caller.watch.final(len(VOICE) - 800)  # for its pause
    assert len(caller.over) == 1


def test_a_final_before_the_gap_is_waited_for_no_longer_than_the_silence() -> None:
    caller = Caller()
    caller.sends(VOICE)
    caller.watch.final(len(VOICE))
    caller.clock.advance(0.3)
    caller.watch.pause(0.3)
    caller.clock.advance(0.35)
    assert caller.over == []
    caller.clock.advance(0.06)
    assert len(caller.over) == 1
    assert caller.watch.silent_for >= 0.7


def test_audio_after_a_gap_is_counted_again() -> None:
    caller = Caller()
    caller.sends(VOICE)
    caller.watch.pause(0.3)
    caller.sends(VOICE)
    caller.watch.final(2 * len(VOICE))
    assert caller.over == []
    assert caller.watch.silent_for < 0.3


def test_the_end_of_the_call_ends_the_turn() -> None:
    caller = Caller()
    caller.watch.finish()
    assert caller.over == []
    caller.sends(VOICE)
    caller.watch.final(SECOND)
    caller.watch.finish()
    caller.watch.finish()
    assert len(caller.over) == 1
    assert caller.clock.getDelayedCalls() == []


@given(st.lists(st.sampled_from(["voice", "silence", "partial", "final", "hold"]), max_size=30))
def test_each_turn_has_a_final_and_the_last_one_always_ends(story: list[str]) -> None:
    caller = Caller()
    finals = 0
    for what in story:
        match what:
            case "voice":
                caller.sends(VOICE[: SECOND // 2])
            case "silence":
                caller.sends(SILENCE[: SECOND // 2])
            case "partial":
                caller.watch.partial()
            case "final":
                finals += 1
                caller.watch.final(caller.received)
            case _:
                caller.clock.advance(1.0)
        assert len(caller.over) <= finals
    caller.watch.finish()
    assert bool(caller.over) == bool(finals)
    assert all(since <= told for since, told in caller.over)
    assert caller.clock.getDelayedCalls() == []
