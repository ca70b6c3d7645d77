from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.recognisers.fakes import Ear
from tests.recognisers.voices import silence, voice
from voicestt.recogniser import RecogniserError, Result
from voicestt.recognisers.single_shot import SingleShot, or_else

NO_ROUTE = RecogniserError("UNAVAILABLE", "no route")
TWO_UTTERANCES = silence(1) + voice(1) + silence(2) + voice(0.5, 200) + silence(1)


class SingleEar(Ear):
    """An Ear that hears of lost utterances too."""

    def __init__(self) -> None:
        super().__init__()
        self.lost_ones: list[tuple[int, RecogniserError, float]] = []

    def lost(self, end: int, error: RecogniserError, seconds: float) -> None:
        assert not self.ends
        self.lost_ones.append((end, error, seconds))


class Requests:
    """What was asked to be recognised, and the answers that are still owed."""

    def __init__(self) -> None:
        self.audio: list[bytes] = []
        self.owed: list[Deferred[Result | None]] = []

    def recognise(self, audio: bytes) -> "Deferred[Result | None]":
        self.audio.append(audio)
        self.owed.append(Deferred())
        return self.owed[-1]

    def answer(self, number: int, text: str | None) -> None:
        self.owed[number].callback(None if text is None else Result(text, is_final=True))


@pytest.fixture
def ear() -> SingleEar:
    return SingleEar()


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
def single_shot(requests: Requests, clock: Clock) -> SingleShot:
    return SingleShot(requests.recognise, lambda action: clock.callLater(0, action))


def batches(audio: bytes, size: int = 1_200) -> Sequence[bytes]:
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def write(session: object, audio: bytes) -> None:
    for batch in batches(audio):
        session.write(batch)  # type: ignore[attr-defined]


def test_each_utterance_is_one_request_and_one_final(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock
) -> None:
    session = single_shot.open(ear)
    write(session, TWO_UTTERANCES)
    assert len(requests.audio) == 2
    for number, audio in enumerate(requests.audio):
        assert audio in TWO_UTTERANCES
        requests.answer(number, f"utterance {number}")
    clock.advance(0)
    assert ear.finals == ["utterance 0", "utterance 1"]
    assert ear.partials == []
    first, second = ear.results
    assert 2 * 8_000 < first.end < 3.5 * 8_000
    assert 4.5 * 8_000 < second.end <= len(TWO_UTTERANCES)
    for audio, result in zip(requests.audio, ear.results, strict=True):
        assert TWO_UTTERANCES[result.end - len(audio) : result.end] == audio


def test_the_whole_voice_is_in_the_request(single_shot: SingleShot, requests: Requests, ear: SingleEar) -> None:
    write(single_shot.open(ear), silence(1) + voice(1) + silence(1))
    assert voice(1) in requests.audio[0]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_finals_keep_their_order_whatever_order_the_answers_come_in(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock, order: tuple[int, int]
) -> None:
    session = single_shot.open(ear)
    write(session, TWO_UTTERANCES)
    session.finish()
    for number in order:
        requests.answer(number, f"utterance {number}")
        clock.advance(0)
    assert ear.finals == ["utterance 0", "utterance 1"]
    assert ear.ends == [None]


def test_silence_asks_nothing(single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock) -> None:
    session = single_shot.open(ear)
    write(session, silence(30))
    session.finish()
    assert ear.ends == []
    clock.advance(0)
    assert requests.audio == []
    assert ear.ends == [None]


def test_finishing_in_the_middle_of_speech_recognises_it(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock
) -> None:
    session = single_shot.open(ear)
    write(session, silence(0.5) + voice(1))
    assert requests.audio == []
    session.finish()
    clock.advance(0)
    assert ear.ends == []
    requests.answer(0, "cut off")
    clock.advance(0)
    assert ear.finals == ["cut off"]
    assert ear.ends == [None]


def test_where_nothing_was_understood_nothing_is_heard(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock
) -> None:
    session = single_shot.open(ear)
    write(session, TWO_UTTERANCES)
    requests.answer(0, None)
    requests.answer(1, "second")
    clock.advance(0)
    assert ear.finals == ["second"]


def test_an_utterance_that_cannot_be_recognised_is_told_and_the_next_goes_on(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock
) -> None:
    session = single_shot.open(ear)
    write(session, TWO_UTTERANCES)
    requests.owed[0].errback(NO_ROUTE)
    requests.answer(1, "second")
    session.finish()
    clock.advance(0)
    ((end, error, seconds),) = ear.lost_ones
    assert error is NO_ROUTE
    assert seconds == len(requests.audio[0]) / 8_000
    assert TWO_UTTERANCES[end - len(requests.audio[0]) : end] == requests.audio[0]
    assert ear.finals == ["second"]
    assert ear.ends == [None]


def test_a_mistake_of_ours_is_logged_and_costs_its_utterance_only(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock, logged: Logged
) -> None:
    write(single_shot.open(ear), TWO_UTTERANCES)
    requests.owed[0].errback(ZeroDivisionError())
    requests.answer(1, "second")
    clock.advance(0)
    assert str(ear.lost_ones[0][1]) == "INTERNAL: ZeroDivisionError"
    assert ear.finals == ["second"]
    assert len(logged.flush(ZeroDivisionError)) == 1


def test_after_abort_nothing_is_heard(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock
) -> None:
    session = single_shot.open(ear)
    write(session, TWO_UTTERANCES)
    session.abort()
    requests.answer(0, "first")
    requests.owed[1].errback(NO_ROUTE)
    session.finish()
    clock.advance(1)
    assert (ear.results, ear.lost_ones, ear.ends) == ([], [], [])


def test_the_listener_is_never_called_from_within(clock: Clock, ear: SingleEar) -> None:
    known: Deferred[Result | None] = Deferred()
    known.callback(Result("at once", is_final=True))
    session = SingleShot(lambda _audio: known, lambda action: clock.callLater(0, action)).open(ear)
    write(session, silence(1) + voice(1) + silence(1))
    session.finish()
    assert (ear.results, ear.ends) == ([], [])
    clock.advance(0)
    assert (ear.finals, ear.ends) == (["at once"], [None])


@pytest.mark.parametrize("rest", [voice(1), silence(2), voice(0.05)])
def test_what_is_resumed_is_recognised_in_any_case(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, rest: bytes
) -> None:
    session = single_shot.resume(ear, rest)
    write(session, silence(2))
    session.finish()
    assert len(requests.audio) == 1
    assert requests.audio[0].startswith(rest)


def test_what_is_resumed_goes_on_until_the_next_pause(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock
) -> None:
    session = single_shot.resume(ear, voice(1))
    write(session, voice(1) + silence(1))
    write(session, voice(0.5, 200) + silence(1))
    assert len(requests.audio) == 2
    assert requests.audio[0].startswith(voice(1) + voice(1))
    requests.answer(0, "first")
    clock.advance(0)
    assert ear.results[0].end == len(requests.audio[0])


def test_nothing_to_resume_asks_nothing(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock
) -> None:
    session = single_shot.resume(ear, b"")
    session.finish()
    clock.advance(0)
    assert requests.audio == []
    assert ear.ends == [None]


def test_quiet_and_backlog_say_where_it_stands(
    single_shot: SingleShot, requests: Requests, ear: SingleEar, clock: Clock
) -> None:
    session = single_shot.open(ear)
    quiet = [session.is_quiet]
    write(session, silence(2) + voice(1))
    quiet.append(session.is_quiet)
    assert session.backlog >= 8_000
    write(session, silence(1))
    quiet.append(session.is_quiet)
    requests.answer(0, "answered")
    clock.advance(0)
    quiet.append(session.is_quiet)
    assert quiet == [True, False, False, True]
    write(session, silence(5))
    assert session.backlog < 8_000
    assert session.settled > 3 * 8_000


@given(st.lists(st.sampled_from([silence(0.7), voice(0.3), voice(0.6, 200), silence(0.05)]), max_size=8))
def test_no_utterance_overlaps_another_and_all_speech_is_asked_for(parts: list[bytes]) -> None:
    clock, requests, ear = Clock(), Requests(), SingleEar()
    session = SingleShot(requests.recognise, lambda action: clock.callLater(0, action)).open(ear)
    audio = b"".join(parts)
    write(session, audio)
    session.finish()
    for number in reversed(range(len(requests.owed))):
        requests.answer(number, str(number))
    clock.advance(0)
    position = 0
    for asked, result in zip(requests.audio, ear.results, strict=True):
        start = result.end - len(asked)
        assert start >= position
        assert audio[start : result.end] == asked
        assert set(audio[position:start]) <= {0xFF}
        position = result.end
    assert set(audio[position:]) <= {0xFF}
    assert ear.ends == [None]


@pytest.mark.parametrize("first_fails", [False, True])
def test_where_the_first_fails_the_second_is_asked(*, first_fails: bool) -> None:
    first, second = Requests(), Requests()
    answered: list[Result | None] = []
    or_else(first.recognise, second.recognise)(b"audio").addCallback(answered.append)
    if first_fails:
        first.owed[0].errback(NO_ROUTE)
        second.answer(0, "by the second")
    else:
        first.answer(0, "by the first")
    assert second.audio == ([b"audio"] if first_fails else [])
    assert [result and result.text for result in answered] == ["by the second" if first_fails else "by the first"]


def test_where_both_fail_both_are_said() -> None:
    first, second = Requests(), Requests()
    asking = or_else(first.recognise, second.recognise)(b"audio")
    first.owed[0].errback(NO_ROUTE)
    second.owed[0].errback(RecogniserError("RESOURCE_EXHAUSTED", "too many"))
    failures: list[Any] = []
    asking.addBoth(failures.append)
    assert [str(failure.value) for failure in failures] == [
        "UNAVAILABLE: no route; and then RESOURCE_EXHAUSTED: too many"
    ]
