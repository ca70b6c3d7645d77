import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.simulator.playback import Playback
from voicestt.simulator.problems import CallRefused
from voicestt.simulator.server_messages import Audio, Clear, Mark, ServerMessage

SECOND = Audio(b"\xff" * 8000)


def test_a_mark_comes_back_when_everything_before_it_was_played() -> None:
    playback = Playback()
    playback.take(SECOND, 10.0)
    playback.take(Mark("end"), 10.0)
    assert playback.played(10.99) == []
    assert playback.played(11.0) == ["end"]
    assert playback.played(12.0) == []


def test_audio_waits_for_the_audio_before_it() -> None:
    playback = Playback()
    playback.take(SECOND, 0.0)
    playback.take(SECOND, 0.5)
    playback.take(Mark("both"), 0.5)
    assert playback.played(1.9) == []
    assert playback.played(2.0) == ["both"]


def test_a_mark_with_nothing_before_it_comes_back_at_once() -> None:
    playback = Playback()
    playback.take(Mark("now"), 3.0)
    assert playback.played(3.0) == ["now"]


def test_clear_returns_all_marks_and_silences_the_line() -> None:
    playback = Playback()
    for message in (SECOND, Mark("one"), SECOND, Mark("two"), Clear()):
        playback.take(message, 0.0)
    assert playback.played(0.0) == ["one", "two"]
    playback.take(Mark("after"), 0.1)
    assert playback.played(0.1) == ["after"]
    assert playback.received == SECOND.mulaw * 2


def test_more_than_ten_minutes_are_dropped_with_twilios_number() -> None:
    playback = Playback()
    playback.take(Audio(b"\xff" * 8000 * 601), 0.0)
    with pytest.raises(CallRefused) as raised:
        playback.take(SECOND, 0.5)
    assert raised.value.problem.code == 31931
    assert len(playback.received) == 8000 * 601


MESSAGES = st.one_of(st.binary(max_size=2000).map(Audio), st.text(max_size=3).map(Mark), st.just(Clear()))


@given(st.lists(st.tuples(MESSAGES, st.floats(0, 1))))
def test_every_mark_comes_back_exactly_once_and_in_order(steps: list[tuple[ServerMessage, float]]) -> None:
    playback, now, returned = Playback(), 0.0, list[str]()
    for message, later in steps:
        playback.take(message, now)
        now += later
        returned += playback.played(now)
    returned += playback.played(now + 1000)
    assert returned == [message.name for message, _ in steps if isinstance(message, Mark)]


def test_it_is_known_when_the_next_mark_is_due() -> None:
    playback = Playback()
    assert playback.next_due() is None
    playback.take(SECOND, 1.0)
    playback.take(Mark("end"), 1.5)
    assert playback.next_due() == 2.0
    playback.take(Clear(), 1.6)
    assert playback.next_due() == 0.0
