from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from voicestt.call.line import MOST_WAITING_SECONDS, TooMuchAudio
from voicestt.call.playout import (
    FIRST_BYTES,
    LEAD_SECONDS,
    PIECE_BYTES,
    Playout,
)
from voicestt.emulators.twilio.playback import Playback
from voicestt.emulators.twilio.server_messages import (
    AudioToPlay,
    Clear,
    MarkToReturn,
    ServerMessage,
)

SECOND = bytes(range(250)) * 32


@dataclass
class Telephone:
    """Twilio's side: what came, when, and the loudspeaker that it is played by."""

    clock: Clock
    came: list[tuple[float, ServerMessage]] = field(default_factory=list)
    playback: Playback = field(default_factory=Playback)

    def media(self, audio: bytes) -> None:
        self._take(AudioToPlay(audio))

    def mark(self, name: str) -> None:
        self._take(MarkToReturn(name))

    def clear(self) -> None:
        self._take(Clear())

    def _take(self, message: ServerMessage) -> None:
        self.came.append((self.clock.seconds(), message))
        self.playback.take(message, self.clock.seconds())

    @property
    def audio(self) -> bytes:
        return b"".join(message.mulaw for _, message in self.came if isinstance(message, AudioToPlay))

    @property
    def sizes(self) -> list[int]:
        return [len(message.mulaw) for _, message in self.came if isinstance(message, AudioToPlay)]

    @property
    def clears(self) -> int:
        return sum(isinstance(message, Clear) for _, message in self.came)


@dataclass
class Talk:
    """A playout, the telephone at its other end, and what became of the marks."""

    clock: Clock
    telephone: Telephone
    playout: Playout
    reached: list[tuple[str, bool]] = field(default_factory=list)

    @classmethod
    def begin(cls) -> "Talk":
        clock = Clock()
        telephone = Telephone(clock)
        return cls(clock, telephone, Playout(clock, telephone))

    def mark(self, name: str) -> None:
        self.playout.mark(lambda cleared: self.reached.append((name, cleared)))

    def pass_time(self, seconds: float, step: float = 0.01) -> None:
        """Marks come back as Twilio sends them."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.bring_marks()

    def bring_marks(self) -> None:
        for name in self.telephone.playback.played(self.clock.seconds()):
            assert self.playout.returned(name)


@pytest.fixture
def talk() -> Talk:
    return Talk.begin()


def test_the_first_frame_leaves_at_once_and_is_small(talk: Talk) -> None:
    talk.playout.say(SECOND)
    assert talk.telephone.sizes == [FIRST_BYTES, PIECE_BYTES]
    assert talk.telephone.came[0][0] == 0.0


def test_the_rest_follows_in_messages_of_100_ms_in_its_own_time(talk: Talk) -> None:
    talk.playout.say(SECOND * 3)
    talk.pass_time(4)
    assert talk.telephone.audio == SECOND * 3
    assert talk.telephone.sizes == [FIRST_BYTES, *[PIECE_BYTES] * 29, 640]
    sent_last = talk.telephone.came[-1][0]
    assert 3 - LEAD_SECONDS <= sent_last < 3


def test_a_short_word_leaves_whole(talk: Talk) -> None:
    talk.playout.say(b"\x01" * 37)
    assert talk.telephone.sizes == [37]
    talk.pass_time(1)
    assert talk.telephone.sizes == [37]
    assert talk.clock.getDelayedCalls() == []


def test_scraps_said_one_by_one_are_sent_together(talk: Talk) -> None:
    for at in range(0, 8_000, 10):
        talk.playout.say(SECOND[at : at + 10])
    talk.pass_time(2)
    assert talk.telephone.audio == SECOND
    assert talk.telephone.sizes[-8:] == [*[PIECE_BYTES] * 7, 790]


def test_nothing_said_is_nothing_sent(talk: Talk) -> None:
    talk.playout.say(b"")
    assert talk.telephone.came == []
    assert talk.clock.getDelayedCalls() == []


def test_audio_that_was_said_is_not_changed_afterwards(talk: Talk) -> None:
    audio = bytearray(SECOND)
    talk.playout.say(bytes(audio))
    said: bytes = audio  # type: ignore[assignment]  # as an untyped handler may
    talk.playout.say(said)
    audio[:] = bytes(8_000)
    talk.pass_time(3)
    assert talk.telephone.audio == SECOND * 2


def test_waiting_is_what_was_not_played_yet(talk: Talk) -> None:
    talk.playout.say(SECOND * 2)
    assert talk.playout.waiting == pytest.approx(2)
    talk.pass_time(0.5)
    assert talk.playout.waiting == pytest.approx(1.5)
    talk.playout.clear()
    assert talk.playout.waiting == 0
    talk.playout.say(SECOND)
    talk.pass_time(5)
    assert talk.playout.waiting == 0


def test_more_than_may_wait_is_refused_whole_and_in_words(talk: Talk) -> None:
    talk.playout.say(SECOND * (MOST_WAITING_SECONDS - 1))
    before = talk.playout.waiting
    with pytest.raises(TooMuchAudio, match="2 s were to be said while 599 s wait, and at most 600 s may"):
        talk.playout.say(SECOND * 2)
    assert talk.playout.waiting == before
    talk.playout.say(SECOND)


# -- clear


def test_clear_takes_effect_within_the_frame(talk: Talk) -> None:
    talk.playout.say(SECOND * 10)
    talk.pass_time(2.5)
    talk.playout.clear()
    sent = len(talk.telephone.came)
    assert isinstance(talk.telephone.came[-1][1], Clear)
    talk.pass_time(10)
    assert len(talk.telephone.came) == sent
    assert len(talk.telephone.audio) <= (2.5 + LEAD_SECONDS) * 8_000


def test_speech_after_a_clear_begins_at_once(talk: Talk) -> None:
    talk.playout.say(SECOND * 10)
    talk.pass_time(1)
    talk.playout.clear()
    talk.playout.say(b"\x07" * 4_000)
    at, message = talk.telephone.came[-2]
    assert (at, message) == (talk.clock.seconds(), AudioToPlay(b"\x07" * FIRST_BYTES))


def test_a_clear_on_a_line_that_nothing_was_sent_on_sends_nothing(talk: Talk) -> None:
    talk.playout.clear()
    talk.playout.say(SECOND)
    talk.playout.clear()
    talk.playout.clear()
    assert talk.telephone.clears == 1


# -- marks


def test_a_mark_is_reached_when_what_was_said_before_it_was_played(talk: Talk) -> None:
    talk.playout.say(SECOND)
    talk.mark("half")
    talk.playout.say(SECOND)
    talk.mark("end")
    talk.pass_time(0.95)
    assert talk.reached == []
    talk.pass_time(0.1)
    assert talk.reached == [("half", False)]
    talk.pass_time(1)
    assert talk.reached == [("half", False), ("end", False)]
    assert talk.telephone.audio == SECOND * 2


def test_a_mark_with_nothing_before_it_is_sent_at_once(talk: Talk) -> None:
    talk.mark("now")
    talk.bring_marks()
    assert talk.reached == [("now", False)]


def test_a_clear_reaches_every_pending_mark_as_cleared_and_in_order(talk: Talk) -> None:
    talk.playout.say(b"\x01" * 800)
    talk.mark("sent")
    talk.playout.say(SECOND)
    talk.mark("waiting")
    talk.playout.clear()
    assert talk.reached == [("sent", True), ("waiting", True)]
    assert [m for _, m in talk.telephone.came if isinstance(m, MarkToReturn)] == [MarkToReturn("1")]


def test_a_mark_returned_after_a_clear_is_no_later_mark_of_that_name(talk: Talk) -> None:
    talk.playout.say(b"\x01" * 800)
    talk.mark("end")
    talk.playout.clear()
    talk.playout.say(SECOND)
    talk.mark("end")
    talk.bring_marks()  # the first one comes back only now
    assert talk.reached == [("end", True)]
    talk.pass_time(1.1)
    assert talk.reached == [("end", True), ("end", False)]


def test_a_mark_that_was_never_sent_is_told_apart(talk: Talk) -> None:
    talk.mark("mine")
    assert not talk.playout.returned("mine")
    assert not talk.playout.returned("2")
    assert talk.playout.returned("1")
    assert not talk.playout.returned("1")
    talk.mark("cleared")
    talk.playout.clear()
    assert talk.playout.returned("2")
    assert not talk.playout.returned("2")
    assert talk.reached == [("mine", False), ("cleared", True)]


def test_a_mark_that_waits_has_not_come_back(talk: Talk) -> None:
    talk.playout.say(SECOND)
    talk.mark("end")
    assert not talk.playout.returned("1")
    assert talk.reached == []


def test_the_end_of_the_call_reaches_every_pending_mark_as_cleared(talk: Talk) -> None:
    talk.mark("sent")
    talk.playout.say(SECOND)
    talk.mark("waiting")
    talk.playout.end()
    assert talk.reached == [("sent", True), ("waiting", True)]
    assert talk.telephone.clears == 0
    assert talk.clock.getDelayedCalls() == []


def test_speaking_at_a_cleared_mark_works(talk: Talk) -> None:
    talk.playout.say(SECOND)
    talk.playout.mark(lambda cleared: talk.playout.say(b"\x05" * 160) if cleared else None)
    talk.mark("second")
    talk.playout.clear()
    assert talk.telephone.came[-1][1] == AudioToPlay(b"\x05" * 160)
    assert talk.reached == [("second", True)]


# -- a network that takes no more


def test_speech_waits_while_the_network_takes_no_more(talk: Talk) -> None:
    talk.playout.say(SECOND)
    talk.playout.hold()
    sent = talk.telephone.audio
    talk.mark("end")
    talk.playout.say(SECOND)
    talk.pass_time(5)
    assert talk.telephone.audio == sent
    talk.playout.resume()
    assert len(talk.telephone.audio) > len(sent)
    talk.pass_time(3)
    assert talk.telephone.audio == SECOND * 2
    assert talk.reached == [("end", False)]


def test_a_network_that_is_full_with_the_first_frame_gets_no_second(talk: Talk) -> None:
    class Narrow(Telephone):
        def media(self, audio: bytes) -> None:
            super().media(audio)
            playout.hold()

    telephone = Narrow(talk.clock)
    playout = Playout(talk.clock, telephone)
    playout.say(SECOND)
    assert telephone.sizes == [FIRST_BYTES]


def test_a_clear_does_not_wait_for_the_network(talk: Talk) -> None:
    talk.playout.say(SECOND)
    talk.playout.hold()
    talk.playout.clear()
    assert talk.telephone.clears == 1
    talk.playout.resume()
    talk.pass_time(1)
    assert talk.clock.getDelayedCalls() == []


# -- what holds whatever is said

STEPS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=3_000),
        st.sampled_from(["mark", "clear", "hold", "resume"]),
        st.floats(0, 0.5),
    ),
    max_size=30,
)


def do(talk: Talk, step: bytes | str | float) -> None:
    actions: dict[str, Callable[[], None]] = {
        "mark": lambda: talk.mark("m"),
        "clear": talk.playout.clear,
        "hold": talk.playout.hold,
        "resume": talk.playout.resume,
    }
    if isinstance(step, bytes):
        talk.playout.say(step)
    elif isinstance(step, str):
        actions[step]()
    else:
        talk.pass_time(step)


@given(STEPS)
def test_little_is_ever_on_its_way(steps: list[bytes | str | float]) -> None:
    talk = Talk.begin()
    for step in steps:
        do(talk, step)
        plays_until = talk.telephone.playback.silent_from
        assert plays_until - talk.clock.seconds() <= LEAD_SECONDS + 1e-5


@given(STEPS)
def test_no_byte_is_lost_or_moved_where_nothing_is_cleared(steps: list[bytes | str | float]) -> None:
    talk = Talk.begin()
    said = [step for step in steps if step != "clear"]
    for step in said:
        do(talk, step)
    talk.playout.resume()
    talk.pass_time(20, step=0.1)
    assert talk.telephone.audio == b"".join(step for step in said if isinstance(step, bytes))
    assert talk.reached == [("m", False)] * said.count("mark")


@given(STEPS)
def test_every_mark_is_reached_once(steps: list[bytes | str | float]) -> None:
    talk = Talk.begin()
    for step in steps:
        do(talk, step)
    talk.playout.end()
    assert len(talk.reached) == steps.count("mark")
    assert talk.clock.getDelayedCalls() == []


@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=8))
def test_the_caller_hears_no_gap(sizes: list[int]) -> None:
    talk = Talk.begin()
    for size in sizes:
        talk.playout.say(b"\x01" * size)
    talk.pass_time(6)
    assert b"\xff" not in talk.telephone.playback.heard(0.0, sum(sizes) / 8_000)
