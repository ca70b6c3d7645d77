"""The caller's hearing of what is said, by the playout that sends it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from voicestt.call.hearing import LONGEST_JOINED_SECONDS, HeardAudio
from voicestt.call.playout import Playout

SECOND = b"\x07" * 8_000


class Wire:
    """A way to Twilio that takes everything."""

    def media(self, audio: bytes) -> None: ...

    def mark(self, name: str) -> None: ...

    def clear(self) -> None: ...


class Ear:
    """A playout, and what it says that the caller has heard."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.all: list[HeardAudio] = []
        self.playout = Playout(self.clock, Wire(), self.all.append)

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)

    @property
    def heard(self) -> list[HeardAudio]:
        return [replace(one, start=round(one.start, 2), end=round(one.end, 2)) for one in self.all]


@pytest.fixture
def ear() -> Ear:
    return Ear()


def test_texts_are_told_one_by_one_when_their_sound_is_over(ear: Ear) -> None:
    ear.playout.say(SECOND, "one")
    ear.playout.say(SECOND * 2, "two")
    ear.advance(0.95)
    assert ear.heard == []
    ear.advance(0.1)
    assert ear.heard == [HeardAudio("one", 1.0, 0.0, 1.0, cleared=False)]
    ear.advance(2)
    assert ear.heard[1:] == [HeardAudio("two", 2.0, 1.0, 3.0, cleared=False)]


def test_a_text_that_is_cut_says_until_when_it_was_heard_and_what_was_never_heard_is_not_told(ear: Ear) -> None:
    ear.playout.say(SECOND * 3, "a long one")
    ear.playout.say(SECOND, "never")
    ear.advance(1.2)
    ear.playout.clear()
    ear.playout.say(SECOND, "after it")
    ear.advance(2)
    assert ear.heard == [
        HeardAudio("a long one", 3.0, 0.0, 1.2, cleared=True),
        HeardAudio("after it", 1.0, 1.2, 2.2, cleared=False),
    ]


def test_audio_that_comes_in_frames_is_one_piece_up_to_a_mark_a_text_or_a_gap(ear: Ear) -> None:
    for _ in range(50):
        ear.playout.say(SECOND[:160])
    ear.playout.mark(lambda _cleared: None)
    ear.playout.say(SECOND)
    ear.playout.say(SECOND, "text")
    ear.advance(4)
    ear.playout.say(SECOND)
    ear.advance(2)
    assert [(one.text, one.seconds, one.start, one.end) for one in ear.heard] == [
        (None, 1.0, 0.0, 1.0),
        (None, 1.0, 1.0, 2.0),
        ("text", 1.0, 2.0, 3.0),
        (None, 1.0, 4.0, 5.0),
    ]


def test_music_without_an_end_is_told_in_pieces(ear: Ear) -> None:
    for _ in range(LONGEST_JOINED_SECONDS + 5):
        ear.playout.say(SECOND)
    ear.advance(LONGEST_JOINED_SECONDS + 6)
    assert [one.seconds for one in ear.heard] == [LONGEST_JOINED_SECONDS, 5.0]


def test_a_call_that_ends_cuts_what_is_being_said(ear: Ear) -> None:
    ear.playout.say(SECOND, "goodbye")
    ear.advance(0.5)
    ear.playout.end()
    assert ear.heard == [HeardAudio("goodbye", 1.0, 0.0, 0.5, cleared=True)]
    assert ear.clock.getDelayedCalls() == []


steps = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 20_000), st.none() | st.sampled_from(["a", "b"])),
        st.tuples(st.sampled_from(["clear", "mark", "hold", "resume"])),
        st.tuples(st.just("wait"), st.integers(1, 200)),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_is_said_is_told_once_in_order_and_never_longer_than_it_is(
    given_steps: list[tuple[object, ...]],
) -> None:
    ear, said = Ear(), 0
    for name, *values in given_steps:
        match name, values:
            case "say", [int(size), text]:
                said += size
                ear.playout.say(b"\x07" * size, text if isinstance(text, str) else None)
            case "wait", [int(hundredths)]:
                ear.advance(hundredths / 100)
            case "mark", _:
                ear.playout.mark(lambda _cleared: None)
            case _:
                getattr(ear.playout, str(name))()
    ear.playout.resume()
    ear.advance(said / 8_000 + 1)
    assert ear.clock.getDelayedCalls() == []
    before = 0.0
    for one in ear.all:
        assert before - 1e-6 <= one.start <= one.end
        if not one.cleared:
            assert one.end - one.start >= one.seconds - 1e-6
        before = one.end
    assert sum(one.seconds for one in ear.all) <= said / 8_000 + 1e-6
