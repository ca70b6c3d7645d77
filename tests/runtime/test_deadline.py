from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from voicestt.runtime.deadline import (
    AT_ONCE_SECONDS,
    LAST_SECONDS,
    Deadline,
    within,
)


def test_calls_go_on_until_what_is_left_is_for_their_last_words() -> None:
    clock = Clock()
    deadline = Deadline(clock, 25)
    assert (deadline.left, deadline.for_calls) == (25, 15)
    clock.advance(20)
    assert (deadline.left, deadline.for_calls) == (5, 0)
    clock.advance(20)
    assert deadline.left == 0


def test_no_time_is_for_no_call_but_for_what_hangs() -> None:
    deadline = Deadline(Clock(), 0)
    assert (deadline.left, deadline.for_calls) == (AT_ONCE_SECONDS, 0)


def test_a_hurry_ends_the_calls_time_and_never_makes_the_rest_longer() -> None:
    clock = Clock()
    deadline = Deadline(clock, 3_600)
    clock.advance(1_000)
    deadline.hurry()
    assert (deadline.left, deadline.for_calls, deadline.is_hurried) == (LAST_SECONDS, 0, True)
    clock.advance(4)
    deadline.hurry()
    assert deadline.left == LAST_SECONDS - 4


@given(st.floats(0.01, 100_000), st.lists(st.tuples(st.floats(0.01, 0.9), st.floats(0, 30)), max_size=10))
def test_however_long_each_part_takes_all_of_them_are_over_in_time(
    seconds: float, parts: list[tuple[float, float]]
) -> None:
    clock = Clock()
    deadline = Deadline(clock, seconds)
    clock.advance(deadline.for_calls)
    for share, most in parts:
        clock.advance(deadline.part(share, most))
    assert clock.seconds() <= seconds * (1 + 1e-9)


def outcome(waited: "Deferred[bool]") -> list[bool]:
    told: list[bool] = []
    waited.addCallback(told.append)
    return told


def test_what_is_done_in_time_is_waited_for() -> None:
    clock, work = Clock(), Deferred[None]()
    told = outcome(Deferred.fromCoroutine(within(clock, 2, work)))
    assert told == []
    work.callback(None)
    assert told == [True]
    assert clock.getDelayedCalls() == []


def test_what_takes_longer_is_left_to_itself() -> None:
    clock, work = Clock(), Deferred[None]()
    told = outcome(Deferred.fromCoroutine(within(clock, 2, work)))
    clock.advance(2)
    assert told == [False]
    work.errback(ZeroDivisionError())  # nobody is told any more


def test_what_fails_in_time_fails_here() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    failures: list[Failure] = []
    Deferred.fromCoroutine(within(Clock(), 2, fail())).addErrback(failures.append)
    assert [failure.type for failure in failures] == [ZeroDivisionError]
