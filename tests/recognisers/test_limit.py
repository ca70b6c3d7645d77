import pytest
from twisted.internet.defer import CancelledError, Deferred

from voicestt.recognisers.limit import ConcurrencyLimit
from voicestt.recognisers.port import RecogniserError, Result


class Held:
    """A Recognise that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, Deferred[Result | None]]] = []

    def __call__(self, audio: bytes) -> Deferred[Result | None]:
        answer: Deferred[Result | None] = Deferred()
        self.asked.append((audio, answer))
        return answer

    def answer(self, number: int) -> None:
        audio, answer = self.asked[number]
        answer.callback(Result(audio.decode(), is_final=True))


@pytest.fixture
def held() -> Held:
    return Held()


def now(deferred: Deferred[Result | None]) -> str:
    """What it fired with: words, or the status of an error."""
    outcomes: list[object] = []
    deferred.addBoth(outcomes.append)
    (outcome,) = outcomes
    problem = getattr(outcome, "value", None)
    if isinstance(problem, RecogniserError):
        return problem.status
    assert isinstance(outcome, Result), outcome
    return outcome.text


def test_so_many_are_asked_at_once_and_the_others_in_their_order(held: Held) -> None:
    few = ConcurrencyLimit(held, at_once=2)
    answers = [few(b"%d" % number) for number in range(5)]
    assert [audio for audio, _ in held.asked] == [b"0", b"1"]
    held.answer(1)
    assert [audio for audio, _ in held.asked] == [b"0", b"1", b"2"]
    for number in (0, 2, 3, 4):
        held.answer(number)
    assert [now(answer) for answer in answers] == ["0", "1", "2", "3", "4"]


def test_who_waits_can_be_called_off_and_disturbs_nobody(held: Held) -> None:
    few = ConcurrencyLimit(held, at_once=1)
    first, second, third = (few(b"%d" % number) for number in range(3))
    second.addErrback(lambda failure: failure.trap(CancelledError))
    second.cancel()
    held.answer(0)
    held.answer(1)
    assert [audio for audio, _ in held.asked] == [b"0", b"2"]
    assert (now(first), now(third)) == ("0", "2")


def test_a_failure_makes_room_too(held: Held) -> None:
    few = ConcurrencyLimit(held, at_once=1)
    failing, waiting = few(b"0"), few(b"1")
    held.asked[0][1].errback(RecogniserError("INTERNAL", "no"))
    held.answer(1)
    assert (now(failing), now(waiting)) == ("INTERNAL", "1")


def test_stopping_waits_for_what_is_under_way_and_for_nothing_else(held: Held) -> None:
    few = ConcurrencyLimit(held, at_once=1)
    under_way, waiting = few(b"0"), few(b"1")
    stopped = Deferred.fromCoroutine(few.stop())
    before = stopped.called
    held.answer(0)
    assert (before, stopped.called) == (False, True)
    assert (now(under_way), now(waiting), now(few(b"2"))) == ("0", "CANCELLED", "CANCELLED")
    assert len(held.asked) == 1


def test_what_is_idle_is_stopped_at_once(held: Held) -> None:
    assert Deferred.fromCoroutine(ConcurrencyLimit(held, at_once=1).stop()).called
