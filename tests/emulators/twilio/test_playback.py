import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.twilio.playback import Playback
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.server_messages import (
    AudioToPlay,
    Clear,
    MarkToReturn,
    ServerMessage,
)

SECOND = AudioToPlay(b"\xff" * 8000)


def test_a_mark_comes_back_when_everything_before_it_was_played() -> None:
    playback = Playback()
    playback.take(SECOND, 10.0)
    playback.take(MarkToReturn("end"), 10.0)
    assert playback.played(10.99) == []
    assert playback.played(11.0) == ["end"]
    assert playback.played(12.0) == []


def test_audio_waits_for_the_audio_before_it() -> None:
    playback = Playback()
    playback.take(SECOND, 0.0)
    playback.take(SECOND, 0.5)
    playback.take(MarkToReturn("both"), 0.5)
    assert playback.played(1.9) == []
    assert playback.played(2.0) == ["both"]


def test_a_mark_with_nothing_before_it_comes_back_at_once() -> None:
    playback = Playback()
    playback.take(MarkToReturn("now"), 3.0)
    assert playback.played(3.0) == ["now"]


def test_clear_returns_all_marks_and_silences_the_line() -> None:
    playback = Playback()
    for message in (SECOND, MarkToReturn("one"), SECOND, MarkToReturn("two"), Clear()):
        playback.take(message, 0.0)
    assert playback.played(0.0) == ["one", "two"]
    playback.take(MarkToReturn("after"), 0.1)
    assert playback.played(0.1) == ["after"]
    assert playback.received == SECOND.mulaw * 2


def test_more_than_ten_minutes_are_dropped_with_twilios_number() -> None:
    playback = Playback()
    playback.take(AudioToPlay(b"\xff" * 8000 * 601), 0.0)
    with pytest.raises(CallRefused) as raised:
        playback.take(SECOND, 0.5)
    assert raised.value.problem.code == 31931
    assert len(playback.received) == 8000 * 601


MESSAGES = st.one_of(
    st.binary(max_size=2000).map(AudioToPlay), st.text(max_size=3).map(MarkToReturn), st.just(Clear())
)


@given(st.lists(st.tuples(MESSAGES, st.floats(0, 1))))
def test_every_mark_comes_back_exactly_once_and_in_order(steps: list[tuple[ServerMessage, float]]) -> None:
    playback, now, returned = Playback(), 0.0, list[str]()
    for message, later in steps:
        playback.take(message, now)
        now += later
        returned += playback.played(now)
    returned += playback.played(now + 1000)
    assert returned == [message.name for message, _ in steps if isinstance(message, MarkToReturn)]


def test_it_is_known_when_the_next_mark_is_due() -> None:
    playback = Playback()
    assert playback.next_due() is None
    playback.take(SECOND, 1.0)
    playback.take(MarkToReturn("end"), 1.5)
    assert playback.next_due() == 2.0
    playback.take(Clear(), 1.6)
    assert playback.next_due() == 0.0


# -- what the caller hears

VOICE = bytes(range(1, 101)) * 80


def test_audio_is_heard_from_its_arrival_and_silence_where_there_is_none() -> None:
    playback = Playback()
    playback.take(AudioToPlay(VOICE), 10.5)
    playback.take(AudioToPlay(VOICE), 13.0)
    silence = b"\xff" * 8_000
    assert playback.heard(10.0, 15.0) == silence[:4_000] + VOICE + silence + silence[:4_000] + VOICE + silence
    assert playback.first_at == 10.5


def test_messages_that_come_in_time_are_heard_without_a_gap() -> None:
    playback = Playback()
    for at in range(0, 8_000, 160):
        playback.take(AudioToPlay(VOICE[at : at + 160]), at / 8_000 - 0.1 * (at > 800))
    assert playback.heard(0.0, 1.0) == VOICE


def test_what_is_cleared_is_not_heard_beyond_that_sample() -> None:
    playback = Playback()
    playback.take(AudioToPlay(VOICE), 0.0)
    playback.take(AudioToPlay(VOICE), 0.1)
    playback.take(Clear(), 0.25)
    playback.take(AudioToPlay(b"\x07" * 800), 0.5)
    assert playback.heard(0.0, 1.0) == VOICE[:2_000] + b"\xff" * 2_000 + b"\x07" * 800 + b"\xff" * 3_200
    assert playback.cleared_at == [0.25]
    assert playback.received == VOICE * 2 + b"\x07" * 800


def test_a_clear_takes_nothing_from_what_was_played() -> None:
    playback = Playback()
    playback.take(AudioToPlay(VOICE), 0.0)
    playback.take(Clear(), 2.0)
    assert playback.heard(0.0, 2.0) == VOICE + b"\xff" * 8_000


def test_only_what_was_played_by_the_end_is_heard() -> None:
    playback = Playback()
    playback.take(AudioToPlay(VOICE), 5.0)
    assert playback.heard(5.0, 5.5) == VOICE[:4_000]
    assert playback.heard(5.5, 6.5) == VOICE[4_000:] + b"\xff" * 4_000
    assert playback.heard(7.0, 7.0) == b""
    assert playback.heard(0.0, 1.0) == b"\xff" * 8_000


@given(st.lists(st.tuples(MESSAGES, st.floats(0, 0.3))))
def test_what_is_heard_is_as_long_as_the_call_and_nothing_that_did_not_come(
    steps: list[tuple[ServerMessage, float]],
) -> None:
    playback, now = Playback(), 0.0
    for message, later in steps:
        playback.take(message, now)
        now += later
    heard = playback.heard(0.0, now)
    assert len(heard) == round(now * 8_000)
    voiced = bytes(byte for byte in heard if byte != 0xFF)
    rest = iter(playback.received)
    assert all(byte in rest for byte in voiced)  # in its order
