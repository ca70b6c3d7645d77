from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.recognisers.fakes import Ear
from tests.recognisers.simulated import (
    SECOND,
    SPEECH,
    WORDS,
    energy_voicing,
    place_of,
    said,
    text_of,
    words_in,
)
from voicestt.recognisers import single_shot
from voicestt.recognisers.port import RecognisedWord, RecogniserError, Result
from voicestt.recognisers.single_shot import SingleShot, SingleShotSession

BROKEN = RecogniserError("UNAVAILABLE", "no route")
CLOSED = WORDS[2].end + 6_000  # the first utterance has been closed by its pause, the second has not begun


@pytest.fixture(autouse=True, scope="module")
def _voicing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single_shot, "webrtc_voicing", energy_voicing)
        yield


class PatientEar(Ear):
    """A SingleShotListener that keeps what was lost, too."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[tuple[int, str, float]] = []

    def lost(self, end: int, error: RecogniserError, seconds: float) -> None:
        self.losses.append((end, str(error), seconds))

    def refused(self, error: RecogniserError) -> None:
        raise AssertionError(f"nothing was asked for: {error}")


class Desk:
    """A single shot whose requests are answered by the test."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ear = PatientEar()
        self.requests: list[tuple[bytes, Deferred[Result | None]]] = []
        self.single_shot = SingleShot(self._recognise, lambda action: self.clock.callLater(0, action))

    def _recognise(self, audio: bytes) -> "Deferred[Result | None]":
        answer: Deferred[Result | None] = Deferred()
        self.requests.append((audio, answer))
        return answer

    def open(self) -> SingleShotSession:
        return self.single_shot.open(self.ear)

    def resume(self, audio: bytes) -> SingleShotSession:
        return self.single_shot.resume(self.ear, audio)

    def answer(self, number: int, outcome: Result | BaseException | None = None) -> None:
        audio, answer = self.requests[number]
        if isinstance(outcome, BaseException):
            answer.errback(outcome)
        else:
            answer.callback(outcome or Result(text_of(words_in(audio)), is_final=True))
        self.clock.advance(0)

    def asked(self, number: int) -> bytes:
        return self.requests[number][0]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_utterance_is_asked_for_when_its_pause_comes(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[: WORDS[2].end])
    assert desk.requests == []
    quiet = [session.is_quiet]
    session.write(SPEECH[WORDS[2].end : CLOSED])
    assert words_in(desk.asked(0)) == list(WORDS[:3])
    quiet.append(session.is_quiet)
    desk.answer(0)
    assert desk.ear.finals == ["1 2 3"]
    quiet.append(session.is_quiet)
    assert quiet == [False, False, True]
    assert desk.ear.results[0].end == place_of(desk.asked(0)) + len(desk.asked(0))


def test_an_utterance_starts_with_its_first_word_or_where_its_audio_does() -> None:
    for words, start in (((), 0), ((RecognisedWord("1", 900, 1_500), RecognisedWord("2", 1_500, 90_000)), 900)):
        desk = Desk()
        session = desk.open()
        session.write(SPEECH[:CLOSED])
        desk.answer(0, Result("1 2", is_final=True, start=start if words else None, words=words))
        place, length = place_of(desk.asked(0)), len(desk.asked(0))
        (result,) = desk.ear.results
        assert (result.start, result.end) == (place + start, place + length)
        assert [(word.start, word.end) for word in result.words] == [
            (place + 900, place + 1_500),
            (place + 1_500, place + length),
        ][: len(words)]


WITHIN_THE_SECOND_WORD = WORDS[1].start + 1_000


def heard(audio: bytes) -> Result:
    """The answer to it of a recogniser that gives the times of words."""
    return said(words_in(audio), place_of(audio))


def test_in_a_gap_the_utterance_is_asked_for_and_goes_on_behind_its_last_word(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[:WITHIN_THE_SECOND_WORD])
    session.pause()
    session.pause()
    desk.answer(0, heard(desk.asked(0)))
    assert desk.ear.finals == ["1"]
    assert session.settled == WORDS[0].end
    session.write(SPEECH[WITHIN_THE_SECOND_WORD:CLOSED])
    desk.answer(1, heard(desk.asked(1)))
    assert (desk.ear.finals, len(desk.requests)) == (["1", "2 3"], 2)


def test_frames_that_only_came_late_go_into_the_same_request(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[:WITHIN_THE_SECOND_WORD])
    session.pause()
    session.write(SPEECH[WITHIN_THE_SECOND_WORD:CLOSED])
    desk.answer(1, heard(desk.asked(1)))
    assert desk.ear.finals == ["1 2 3"]


def test_what_is_asked_for_in_a_gap_is_told_in_its_turn(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[: WORDS[4].end + 200])
    session.pause()
    desk.answer(1, heard(desk.asked(1)))
    assert desk.ear.finals == []
    desk.answer(0, heard(desk.asked(0)))
    assert desk.ear.finals == ["1 2 3", "4 5"]


@pytest.mark.parametrize("outcome", [BROKEN, Result("", is_final=True)])
def test_what_was_not_understood_in_a_gap_is_asked_for_with_the_rest(
    desk: Desk, outcome: Result | BaseException
) -> None:
    session = desk.open()
    session.write(SPEECH[: WORDS[0].start + 1_600])
    session.pause()
    desk.answer(0, outcome)
    session.write(SPEECH[WORDS[0].start + 1_600 : CLOSED])
    desk.answer(1, heard(desk.asked(1)))
    assert (desk.ear.finals, desk.ear.losses) == (["1 2 3"], [])


@pytest.mark.parametrize("how", ["finish", "leave", "let_go", "abort"])
def test_a_request_of_a_gap_ends_with_its_reason(desk: Desk, how: str) -> None:
    session = desk.open()
    session.write(SPEECH[:WITHIN_THE_SECOND_WORD])
    session.pause()
    match how:
        case "finish":
            session.finish()
            desk.answer(1, heard(desk.asked(1)))
            assert desk.ear.finals == ["1"]
        case "leave":
            assert session.leave() <= WORDS[0].start
        case "let_go":
            session.let_go(SECOND // 2)
        case _:
            session.abort()
    desk.clock.advance(0)
    assert desk.requests[0][1].called
    assert len(desk.ear.finals) == (how == "finish")


def test_a_gap_in_silence_asks_for_nothing(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[: WORDS[0].start - 400])
    session.pause()
    assert desk.requests == []


def test_what_was_asked_for_is_counted_once_whatever_the_answer(desk: Desk) -> None:
    session = desk.open()
    assert session.requested == 0
    session.write(SPEECH[: WORDS[6].start])
    desk.answer(0, BROKEN)
    session.write(SPEECH[WORDS[6].start : WORDS[6].end])
    session.finish()
    assert len(desk.requests) == 3
    assert session.requested == sum(len(audio) for audio, _ in desk.requests)


def test_answers_are_told_in_the_order_of_what_was_said(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[: WORDS[6].start])
    desk.answer(1)
    assert desk.ear.finals == []
    desk.answer(0)
    assert desk.ear.finals == ["1 2 3", "4 5 6"]


def test_what_is_settled_is_answered_or_silent(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[:CLOSED])
    assert session.settled == place_of(desk.asked(0))
    assert session.backlog == CLOSED - session.settled
    desk.answer(0)
    assert session.settled >= WORDS[2].end


def test_the_end_comes_after_the_last_answer(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[: WORDS[3].end])
    session.finish()
    assert words_in(desk.asked(1)) == [WORDS[3]]
    desk.answer(1)
    assert desk.ear.ends == []
    desk.answer(0)
    assert desk.ear.finals == ["1 2 3", "4"]
    assert desk.ear.ends == [None]


def test_a_silent_call_ends_without_a_request_and_not_within_finish(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[:800])
    session.finish()
    assert desk.ear.ends == []
    desk.clock.advance(0)
    assert (desk.ear.ends, desk.requests) == ([None], [])


def test_no_words_are_no_final_and_what_failed_is_lost_in_its_turn(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[: WORDS[9].start])
    desk.answer(1, BROKEN)
    desk.requests[0][1].callback(None)
    desk.answer(2)
    assert desk.ear.finals == ["7 8 9"]
    (loss,) = desk.ear.losses
    assert loss == (
        place_of(desk.asked(1)) + len(desk.asked(1)),
        "UNAVAILABLE: no route",
        len(desk.asked(1)) / SECOND,
    )


def test_an_error_of_ours_loses_the_utterance_and_is_logged(desk: Desk, logged: Logged) -> None:
    session = desk.open()
    session.write(SPEECH[:CLOSED])
    desk.answer(0, ZeroDivisionError("a mistake"))
    assert desk.ear.losses[0][1] == "INTERNAL: ZeroDivisionError"
    assert len(logged.flush(ZeroDivisionError)) == 1


def test_after_abort_answers_are_thrown_away(desk: Desk) -> None:
    session = desk.open()
    session.write(SPEECH[: WORDS[6].start])
    session.abort()
    desk.answer(0)
    desk.answer(1, BROKEN)
    assert (desk.ear.results, desk.ear.losses, desk.ear.ends) == ([], [], [])


def test_taking_over_in_the_middle_of_a_word_it_asks_for_all_it_was_given(desk: Desk) -> None:
    start = WORDS[0].start + 1_000
    session = desk.resume(SPEECH[start : WORDS[1].start])
    session.write(SPEECH[WORDS[1].start : CLOSED])
    assert place_of(desk.asked(0)) == start
    assert words_in(desk.asked(0)) == list(WORDS[1:3])


def test_taking_over_where_nothing_more_is_said_it_asks_for_that_all_the_same(desk: Desk) -> None:
    rest = SPEECH[WORDS[2].end - 200 : CLOSED]
    session = desk.resume(rest)
    assert desk.asked(0) == rest[: len(desk.asked(0))]
    desk.answer(0)
    assert session.is_quiet


@pytest.mark.parametrize("length", [160, 4_800, 6_400])
def test_what_is_owed_is_asked_for_even_if_it_seems_silent(desk: Desk, length: int) -> None:
    session = desk.resume(SPEECH[WORDS[2].end : WORDS[2].end + length])
    session.finish()
    assert len(desk.requests) == 1
    desk.answer(0)
    assert desk.ear.ends == [None]


def test_taking_over_nothing_at_all_asks_for_nothing(desk: Desk) -> None:
    session = desk.resume(b"")
    session.finish()
    desk.clock.advance(0)
    assert (desk.requests, desk.ear.ends) == ([], [None])


@given(st.lists(st.integers(1, 3 * SECOND), max_size=8), st.integers(0, 4 * SECOND), st.booleans(), st.data())
def test_every_word_is_in_one_final_however_the_audio_and_the_answers_come(
    lengths: list[int], start: int, takes_over: bool, data: st.DataObject
) -> None:
    desk = Desk()
    end = start + sum(lengths)
    session = desk.resume(SPEECH[start : start + 100]) if takes_over else desk.open()
    if not takes_over:
        session.write(SPEECH[start : start + 100])
    position = start + 100
    for length in lengths:
        session.write(SPEECH[position : position + length])
        position += length
    session.finish()
    for number in data.draw(st.permutations(range(len(desk.requests)))):
        desk.answer(number)
    desk.clock.advance(0)
    heard = [int(word) for text in desk.ear.finals for word in text.split()]
    assert heard == [word.number for word in WORDS if start <= word.start and word.end <= end + 100]
    assert desk.ear.ends == [None]
