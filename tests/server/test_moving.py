from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.conftest import Logged
from voicestt.server.moving import CAME_BACK_SECONDS, FIRST_SECONDS, MoveCounts, Mover
from voicestt.twilio.rest import CallAlreadyEnded, TwilioRefused

OK = None
REFUSED = TwilioRefused("Twilio answered 429 (it was asked too often)")


@dataclass(eq=False)
class Movable:
    """A live call, by its CallSid."""

    call_sid: str
    account_sid: str = "AC1"
    is_being_moved: bool = False


class Threads:
    """The mover's pool, in the test's thread."""

    def __init__(self) -> None:
        self.is_stopped = False

    def run(self, function: Callable[[], None]) -> "Future[None]":
        future: Future[None] = Future()
        try:
            function()
            future.set_result(None)
        except Exception as problem:  # noqa: BLE001 - as a pool does
            future.set_exception(problem)
        return future

    def stop(self) -> None:
        self.is_stopped = True


class HangingThreads(Threads):
    """The pool while Twilio does not answer."""

    def run(self, function: Callable[[], None]) -> "Future[None]":
        return Future()


class Rig:
    """A mover of `count` calls; Twilio gives the next of `answers` of each call, and then agrees."""

    def __init__(self, count: int, seconds: float = 15.0, **answers: list[Exception | None]) -> None:
        self.clock = Clock()
        self.calls = [Movable(f"CA{number}") for number in range(count)]
        self.answers = answers
        self.asked: list[tuple[float, str]] = []
        self.counts = MoveCounts()
        self.mover = Mover(self.clock, lambda: list(self.calls), self._ask, lambda action: action(), self.counts)
        self.mover._threads = self.threads = Threads()  # type: ignore[assignment]
        self.mover.start(seconds)

    def _ask(self, account_sid: str, call_sid: str) -> None:
        assert account_sid == "AC1"
        self.asked.append((self.clock.seconds(), call_sid))
        answer = self.answers.get(call_sid, []).pop(0) if self.answers.get(call_sid) else OK
        if answer is not None:
            raise answer
        self.calls = [call for call in self.calls if call.call_sid != call_sid]  # Twilio closes its stream

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)

    @property
    def moments(self) -> list[float]:
        return [moment for moment, _ in self.asked]


def test_calls_are_moved_one_after_the_other_over_all_the_time() -> None:
    rig = Rig(100)
    rig.pass_time(15)
    assert rig.calls == []
    assert len(rig.asked) == rig.counts.moved == 100
    assert rig.moments[0] == pytest.approx(FIRST_SECONDS, abs=0.3)
    assert max(sum(begin <= moment < begin + 1 for moment in rig.moments) for begin in range(15)) <= 12


@given(st.integers(1, 60), st.floats(1, 60))
def test_whatever_their_number_all_are_moved_in_time(count: int, seconds: float) -> None:
    rig = Rig(count, seconds)
    rig.pass_time(seconds + 0.25 + 0.05 * count)
    assert rig.calls == []


def test_a_reactor_that_is_late_moves_all_of_them_all_the_same() -> None:
    rig = Rig(100)
    for _ in range(5):
        rig.clock.advance(3.1)
    assert rig.calls == []


def test_a_request_that_fails_is_made_again_and_said_once(logged: Logged) -> None:
    rig = Rig(1, 15, CA0=[REFUSED, REFUSED, ValueError("a mistake"), OK])
    rig.pass_time(20)
    assert rig.calls == []
    assert (rig.counts.moved, rig.counts.failed_requests) == (1, 3)
    waits = [round(later - earlier) for earlier, later in zip(rig.moments, rig.moments[1:], strict=False)]
    assert waits == [1, 2, 4]
    assert len(logged.matching("could not be moved: Twilio answered 429")) == 1
    rig.mover.stop()
    assert logged.matching("Calls moved to another process: 1; requests to Twilio that failed: 3.") != []


def test_a_call_that_is_over_is_not_asked_for_again() -> None:
    rig = Rig(1, 15, CA0=[CallAlreadyEnded("it is over")])
    rig.pass_time(15)
    assert len(rig.asked) == 1
    assert not rig.calls[0].is_being_moved
    assert rig.counts == MoveCounts()


def test_a_call_that_is_here_to_the_end_although_twilio_knows_none_is_counted_and_said(logged: Logged) -> None:
    rig = Rig(3, 15, CA0=[CallAlreadyEnded("Twilio answered 404")], CA1=[CallAlreadyEnded("Twilio answered 404")])
    rig.pass_time(15)
    gone, _ = rig.calls
    rig.calls.remove(gone)  # its caller had hung up: Twilio closed the stream a moment later
    assert logged.matching("404") == []
    rig.mover.stop()
    assert (rig.counts.moved, rig.counts.not_moved, rig.counts.failed_requests) == (1, 1, 0)
    assert len(logged.matching("could not be moved: Twilio answered 404")) == 1
    assert logged.matching("1 calls could not be moved and are ended now") != []


def test_a_call_for_which_twilio_never_answers_is_not_taken_for_moved(logged: Logged) -> None:
    rig = Rig(1)
    rig.mover._threads = HangingThreads()  # type: ignore[assignment]
    seen: list[bool] = []
    rig.pass_time(15)
    seen.append(rig.calls[0].is_being_moved)
    rig.mover.stop()
    seen.append(rig.calls[0].is_being_moved)
    assert seen == [True, False]
    assert (rig.counts.moved, rig.counts.not_moved, rig.counts.failed_requests) == (0, 1, 1)
    assert len(logged.matching("could not be moved: Twilio has not answered in time")) == 1


def test_those_that_cannot_be_moved_are_counted_and_said(logged: Logged) -> None:
    rig = Rig(2, 15, CA0=[REFUSED] * 100)
    rig.pass_time(15)
    rig.mover.stop()
    assert rig.threads.is_stopped
    assert (rig.counts.moved, rig.counts.not_moved) == (1, 1)
    assert rig.counts.failed_requests >= 3
    assert logged.matching("1 calls could not be moved and are ended now") != []
    assert rig.clock.getDelayedCalls() == []


def test_a_call_that_comes_meanwhile_is_moved_too_and_one_without_a_start_is_not() -> None:
    rig = Rig(1)
    rig.pass_time(10)
    rig.calls += [Movable("CA7"), Movable("")]
    rig.pass_time(5)
    assert [call_sid for _, call_sid in rig.asked] == ["CA0", "CA7"]


def test_a_call_that_comes_back_here_is_moved_once_more_but_not_at_once() -> None:
    rig = Rig(1, 100)
    for _ in range(200):
        rig.pass_time(1)
        if not rig.calls:
            rig.calls = [Movable("CA0")]  # the webhook's balancer knows no other process
    pauses = [later - earlier for earlier, later in zip(rig.moments, rig.moments[1:], strict=False)]
    assert len(pauses) > 2
    assert min(pauses) >= CAME_BACK_SECONDS


def test_while_twilio_is_asked_the_call_knows_it() -> None:
    rig = Rig(1)
    (call,) = rig.calls
    seen: list[bool] = []
    rig.answers["CA0"] = []
    ask = rig.mover._ask

    def see(account_sid: str, call_sid: str) -> None:
        seen.append(call.is_being_moved)
        ask(account_sid, call_sid)

    rig.mover._ask = see
    rig.pass_time(10)
    assert seen == [True]
    assert call.is_being_moved
