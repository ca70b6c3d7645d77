"""One utterance is asked for until somebody answers, or everybody has refused it."""

from collections.abc import Callable

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from voicestt.recognisers.health import CircuitBreaker
from voicestt.recognisers.port import RecogniserError, Result
from voicestt.recognisers.services import (
    AT_ONCE,
    PREFERENCE_SECONDS,
    Persistent,
    Service,
)

GONE = RecogniserError("UNAVAILABLE", "connection refused")
BAD = RecogniserError("INTERNAL", "out of memory")
QUOTA = RecogniserError("RESOURCE_EXHAUSTED", "quota")
REFUSED = RecogniserError("PERMISSION_DENIED", "no key")
WORD = Result("a", is_final=True)


class Desk:
    """Two services whose answers are the test's, `first` and `second`; `asked` holds their open requests."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[str, Deferred[Result | None]]] = []
        self.health = {name: CircuitBreaker(name, self.clock, lambda _: None) for name in ("first", "second")}
        services = [Service(self._asking(name), self.health[name]) for name in ("first", "second")]
        self.persistent = Persistent(self.clock, services)
        self.outcomes: list[object] = []

    def _asking(self, name: str) -> "Callable[[bytes], Deferred[Result | None]]":
        def ask(_audio: bytes) -> "Deferred[Result | None]":
            answer: Deferred[Result | None] = Deferred()
            self.asked.append((name, answer))
            return answer

        return ask

    def ask(self) -> "Deferred[Result | None]":
        answer = self.persistent(b"audio")
        answer.addBoth(lambda outcome: self.outcomes.append(_plain(outcome)))
        return answer

    def answer(self, outcome: Result | RecogniserError | None) -> str:
        """To the newest request; says whose it was."""
        name, answer = self.asked[-1]
        if isinstance(outcome, RecogniserError):
            answer.errback(outcome)
        else:
            answer.callback(outcome)
        return name


def _plain(outcome: object) -> object:
    return str(outcome.value) if isinstance(outcome, Failure) else outcome


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("outcome", [WORD, None])
def test_an_answer_is_an_answer_with_words_or_without(desk: Desk, outcome: Result | None) -> None:
    desk.ask()
    assert desk.answer(outcome) == "first"
    assert desk.outcomes == [outcome]


def test_what_fails_is_asked_again_after_a_pause_and_not_at_once(desk: Desk) -> None:
    desk.ask()
    desk.answer(QUOTA)
    assert len(desk.asked) == 1
    desk.clock.advance(2.0)
    assert desk.answer(WORD) == "first"
    assert desk.outcomes == [WORD]


def test_what_a_working_service_cannot_recognise_is_asked_of_the_next(desk: Desk) -> None:
    desk.ask()
    for pause in (0.25, 0.5, 1.0):
        desk.answer(BAD)
        desk.health["first"].succeeded(desk.clock.seconds())  # it answers others meanwhile
        desk.clock.advance(pause)
        assert desk.asked[-1][0] == "first"
    desk.answer(BAD)
    assert desk.answer(WORD) == "second"
    assert desk.outcomes == [WORD]


def test_a_quota_costs_no_attempt(desk: Desk) -> None:
    desk.ask()
    for _ in range(20):
        assert desk.answer(QUOTA) == "first"
        desk.clock.advance(2.0)
    desk.answer(WORD)
    assert desk.outcomes == [WORD]


def test_refused_by_everybody_it_fails_with_both_reasons(desk: Desk) -> None:
    desk.ask()
    desk.answer(REFUSED)
    assert desk.answer(RecogniserError("FAILED_PRECONDITION", "not installed")) == "second"
    assert desk.outcomes == ["PERMISSION_DENIED: no key; and then FAILED_PRECONDITION: not installed"]


def test_a_service_that_is_known_not_to_work_is_not_asked(desk: Desk) -> None:
    desk.health["first"].doubt("away")
    desk.ask()
    desk.clock.advance(PREFERENCE_SECONDS - 0.1)
    assert desk.asked == [], "its better words are waited for a moment"
    desk.clock.advance(0.2)
    assert desk.answer(WORD) == "second"
    desk.ask()
    assert desk.answer(WORD) == "second"


def test_a_request_under_way_is_left_when_the_breaker_opens(desk: Desk) -> None:
    desk.ask()
    desk.health["first"].doubt("hung")
    desk.clock.advance(PREFERENCE_SECONDS)
    assert [name for name, _ in desk.asked] == ["first", "second"]
    desk.answer(WORD)
    assert desk.outcomes == [WORD]


def test_a_second_service_is_left_when_the_first_is_back_and_is_not_blamed_for_it(desk: Desk) -> None:
    desk.health["first"].doubt("away")
    desk.ask()
    desk.clock.advance(PREFERENCE_SECONDS)
    (name, slow) = desk.asked[-1]
    assert name == "second"
    desk.health["first"].succeeded(desk.clock.seconds())
    assert [name for name, _ in desk.asked] == ["second", "first"]
    assert slow.called, "it is called off"
    for _ in range(4):
        desk.answer(BAD)
        desk.health["first"].succeeded(desk.clock.seconds())  # it answers others meanwhile
        desk.clock.advance(1.0)
    assert desk.answer(WORD) == "second", "it can be asked once more"
    assert desk.outcomes == [WORD]
    assert not desk.health["second"].is_open


def test_while_nobody_can_be_asked_it_waits_and_spends_nothing(desk: Desk) -> None:
    for health in desk.health.values():
        health.doubt("away")
    desk.ask()
    desk.clock.advance(300)
    assert (desk.asked, desk.outcomes) == ([], [])
    desk.health["second"].succeeded(desk.clock.seconds())
    assert desk.answer(WORD) == "second"


def test_waiting_it_can_be_called_off_wherever_it_is(desk: Desk) -> None:
    def under_way() -> None:
        desk.ask()

    def in_a_pause() -> None:
        desk.ask()
        desk.answer(BAD)

    for begin in (under_way, in_a_pause):
        begin()
        waiting = desk.persistent(b"other")
        gone: list[object] = []
        waiting.addErrback(lambda failure: failure.trap(CancelledError)).addCallback(gone.append)
        waiting.cancel()
        assert gone == [CancelledError]
    for health in desk.health.values():
        health.doubt("away")
    waiting = desk.persistent(b"other")
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    waiting.cancel()


def test_after_an_outage_a_bounded_number_is_asked_at_once(desk: Desk) -> None:
    for health in desk.health.values():
        health.doubt("away")
    for _ in range(AT_ONCE + 10):
        desk.ask()
    desk.health["first"].succeeded(desk.clock.seconds())
    assert len(desk.asked) == AT_ONCE
    for number in range(AT_ONCE + 10):
        desk.asked[number][1].callback(WORD)
    assert desk.outcomes == [WORD] * (AT_ONCE + 10)
