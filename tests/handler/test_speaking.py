from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.handler.fakes import FakeLine
from voicestt.call.line import TooMuchAudio
from voicestt.handler.outcome import Outcome
from voicestt.handler.speaking import MOST_STEPS, Speaking
from voicestt.tts.port import SpeechError

SECOND = bytes(8_000)


class Booth:
    """A call's Speaking, with the reactor's turns and the synthesiser in the test's hands."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.line = FakeLine()
        self.turns: deque[Callable[[], object]] = deque()
        self.texts: list[tuple[str, Future[bytes]]] = []
        self.speaking = Speaking(self.line, "CA1", self.clock.seconds, self.turns.append, self._speak)

    def turn(self) -> None:
        """The reactor does what was handed to it."""
        while self.turns:
            self.turns.popleft()()

    def spoken(self, audio: bytes, index: int = 0) -> None:
        """The synthesiser has made a text's audio."""
        self.texts[index][1].set_result(audio)
        self.turn()

    def _speak(self, text: str) -> "Future[bytes]":
        future: Future[bytes] = Future()
        self.texts.append((text, future))
        return future


@pytest.fixture
def booth() -> Booth:
    return Booth()


def test_speech_is_on_the_line_in_order(booth: Booth) -> None:
    booth.speaking.say(b"one")
    booth.speaking.say(b"two")
    assert booth.line.asked == []
    booth.turn()
    assert booth.line.asked == [("say", b"one"), ("say", b"two")]


def test_a_text_is_said_when_its_audio_is_made_and_what_follows_after_it(booth: Booth) -> None:
    said = booth.speaking.say_text("hello")
    booth.speaking.say(b"after")
    mark = booth.speaking.mark("m")
    booth.turn()
    assert booth.line.asked == []
    assert not said.is_known
    booth.spoken(b"hello")
    assert booth.line.asked == [("say", b"hello"), ("say", b"after"), ("mark", "m")]
    assert booth.line.texts == ["hello", None]
    assert said.result() == "said"
    assert not mark.is_known
    booth.line.reach()
    assert mark.result() == "played"


def test_one_text_of_a_call_is_made_at_a_time(booth: Booth) -> None:
    booth.speaking.say_text("one")
    booth.speaking.say_text("two")
    booth.turn()
    assert [text for text, _ in booth.texts] == ["one"]
    booth.spoken(b"1")
    assert [text for text, _ in booth.texts] == ["one", "two"]


def test_a_clear_goes_to_the_line_before_later_speech(booth: Booth) -> None:
    booth.speaking.say(b"old")
    booth.speaking.clear()
    booth.speaking.say(b"new")
    booth.turn()
    assert booth.line.asked == [("clear",), ("say", b"new")]


def test_clearing_wins_over_a_text_that_is_being_made(booth: Booth, logged: Logged) -> None:
    said = booth.speaking.say_text("hello")
    booth.turn()
    booth.speaking.clear()
    assert said.result() == "cleared"
    assert booth.texts[0][1].cancelled()
    booth.turn()
    assert booth.line.asked == [("clear",)]
    assert not logged.matching("A text was not said")


def test_clearing_wins_over_a_text_whose_maker_cannot_be_stopped(booth: Booth) -> None:
    booth.speaking.say_text("hello")
    booth.turn()
    booth.texts[0][1].set_running_or_notify_cancel()
    booth.speaking.clear()
    booth.speaking.say(b"new")
    booth.spoken(b"hello")
    assert booth.line.asked == [("clear",), ("say", b"new")]


def test_clearing_wins_over_a_text_whose_audio_is_made_and_not_handed_over_yet(booth: Booth) -> None:
    booth.speaking.say_text("hello")
    booth.turn()
    booth.texts[0][1].set_result(b"hello")
    booth.speaking.clear()
    booth.turn()
    assert booth.line.asked == [("clear",)]


def test_a_clear_drops_audio_that_is_on_its_way_to_the_line(booth: Booth, monkeypatch: pytest.MonkeyPatch) -> None:
    say = booth.line.say

    def say_while_another_thread_clears(audio: bytes) -> None:
        say(audio)
        booth.speaking.clear()

    monkeypatch.setattr(booth.line, "say", say_while_another_thread_clears)
    booth.speaking.say(b"old")
    booth.turn()
    assert booth.line.asked == [("say", b"old"), ("clear",)]


def test_marks_that_wait_are_reached_as_cleared_at_once(booth: Booth) -> None:
    booth.speaking.say_text("hello")
    waiting = booth.speaking.mark("waits here")
    booth.turn()
    booth.speaking.clear()
    assert waiting.result() == "cleared"
    on_the_line = booth.speaking.mark("on the line")
    booth.turn()
    booth.speaking.clear()
    booth.turn()
    assert on_the_line.result() == "cleared"


def test_the_seconds_that_wait_are_known_without_asking_the_line(booth: Booth) -> None:
    booth.speaking.say(SECOND)
    assert booth.speaking.waiting == 1.0
    booth.turn()
    assert booth.speaking.waiting == 1.0
    booth.clock.advance(0.25)
    assert booth.speaking.waiting == 0.75
    booth.clock.advance(1.0)
    assert booth.speaking.waiting == 0.0
    assert not booth.speaking.is_speaking


def test_nothing_waits_when_it_was_cleared_whatever_the_line_has_not_heard_of_yet(booth: Booth) -> None:
    booth.speaking.say(SECOND)
    booth.turn()
    booth.speaking.clear()
    assert booth.speaking.waiting == 0.0
    booth.speaking.note()
    assert not booth.speaking.is_speaking
    booth.turn()
    assert booth.speaking.waiting == 0.0


def test_a_text_that_is_being_made_is_speaking(booth: Booth) -> None:
    seen = [booth.speaking.is_speaking]
    booth.speaking.say_text("hello")
    seen.append(booth.speaking.is_speaking)
    booth.turn()
    seen.append(booth.speaking.is_speaking)
    booth.spoken(b"")
    seen.append(booth.speaking.is_speaking)
    assert seen == [False, True, True, False]


def test_audio_of_others_on_the_line_counts_as_waiting(booth: Booth) -> None:
    booth.line.say(SECOND)
    booth.speaking.note()
    assert booth.speaking.is_speaking


def test_more_than_ten_minutes_are_refused_to_whoever_says_them(booth: Booth) -> None:
    booth.speaking.say(SECOND * 599)
    with pytest.raises(TooMuchAudio, match="600 s"):
        booth.speaking.say(SECOND * 2)
    booth.turn()
    assert [len(audio) for _, audio in booth.line.asked] == [599 * 8_000]


def test_more_things_than_anybody_needs_are_refused(booth: Booth) -> None:
    for _ in range(MOST_STEPS):
        booth.speaking.say_text("hello")
    with pytest.raises(TooMuchAudio, match="1000 things"):
        booth.speaking.say_text("hello")
    booth.speaking.clear()
    booth.speaking.say_text("hello")


def test_audio_that_the_line_refuses_is_logged_and_fails_its_outcome(booth: Booth, logged: Logged) -> None:
    said = booth.speaking.say_text("hello")
    booth.turn()
    booth.line.refuses = TooMuchAudio("no place")
    booth.spoken(b"hello")
    with pytest.raises(TooMuchAudio):
        said.result()
    booth.speaking.say(b"audio")
    booth.turn()
    booth.line.refuses = None
    booth.speaking.say(b"after")
    booth.turn()
    assert booth.line.asked == [("say", b"after")]
    assert len(logged.matching("Something was not said: no place. The call goes on.")) == 2


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (SpeechError("no such voice"), "no such voice"),
        (RuntimeError("cannot say 'my secret'"), "the TTS engine failed with RuntimeError"),
    ],
)
def test_a_text_that_cannot_be_spoken_is_passed_over_in_words(
    booth: Booth, logged: Logged, problem: Exception, words: str
) -> None:
    said = booth.speaking.say_text("my secret")
    booth.speaking.say(b"after")
    booth.turn()
    booth.texts[0][1].set_exception(problem)
    booth.turn()
    with pytest.raises(SpeechError, match=words):
        said.result()
    assert [audio for _, audio in booth.line.asked if audio] == [b"after"]
    assert logged.matching(f"A text was not said: {words}. The call goes on.")
    assert not logged.matching("secret")


def test_without_a_tts_engine_texts_are_refused_in_words() -> None:
    speaking = Speaking(FakeLine(), "CA1", Clock().seconds, lambda _: None, None)
    with pytest.raises(SpeechError, match="TTS_ENGINE"):
        speaking.say_text("hello")


def test_on_a_line_that_is_closed_nothing_is_said_and_marks_are_cleared(booth: Booth) -> None:
    booth.line.open = False
    booth.speaking.say(b"audio")
    said, mark = booth.speaking.say_text("hello"), booth.speaking.mark("m")
    booth.turn()
    booth.spoken(b"hello")
    assert [said.result(), mark.result()] == ["cleared", "cleared"]
    assert booth.line.asked == []


def test_after_the_call_everything_is_cleared_and_nothing_handed_over(booth: Booth) -> None:
    before = booth.speaking.say_text("hello")
    booth.turn()
    booth.speaking.close()
    after = booth.speaking.mark("m")
    booth.speaking.say(b"audio")
    booth.speaking.clear()
    booth.turn()
    assert [before.result(), after.result()] == ["cleared", "cleared"]
    assert booth.line.asked == []
    assert booth.speaking.waiting == 0.0


ASKED = st.lists(st.sampled_from(["say", "text", "mark", "clear", "turn", "spoken", "refused"]), max_size=40)


@given(ASKED)
def test_whatever_is_asked_for_is_done_in_order_and_never_after_it_was_cleared(moves: list[str]) -> None:
    booth = Booth()
    asked: list[str] = []
    outcomes: list[Outcome[Any]] = []
    refused: set[str] = set()
    for number, move in enumerate(moves):
        name = str(number)
        match move:
            case "say":
                booth.speaking.say(name.encode())
            case "text":
                outcomes.append(booth.speaking.say_text(name))
            case "mark":
                outcomes.append(booth.speaking.mark(name))
            case "clear":
                booth.speaking.clear()
                asked.clear()
            case "turn":
                booth.turn()
            case "refused":
                refused.update(answer(booth, move))
            case _:
                answer(booth, move)
        if move in {"say", "text", "mark"}:
            asked.append(name)
    booth.turn()
    while answer(booth, "spoken"):
        booth.turn()
    booth.line.reach()
    assert after_the_last_clear(booth.line.asked) == [name for name in asked if name not in refused]
    assert all(outcome.is_known for outcome in outcomes)


def answer(booth: Booth, move: str) -> list[str]:
    """The first text that is still being made is made, or refused; which that was."""
    for text, future in booth.texts:
        if not future.done():
            if move == "spoken":
                future.set_result(text.encode())
            else:
                future.set_exception(SpeechError("no"))
            return [text]
    return []


def after_the_last_clear(asked: list[tuple[Any, ...]]) -> list[str]:
    """The speech and the marks; what could not be spoken is empty."""
    start = max((place + 1 for place, what in enumerate(asked) if what == ("clear",)), default=0)
    details = [detail for _, detail in asked[start:] if detail]
    return [detail.decode() if isinstance(detail, bytes) else detail for detail in details]
