from collections import deque
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.conftest import Logged
from voicestt.runtime.timer_grid import STEP, TimerGrid, until_next_point


@given(start=st.floats(0, 1_000_000), delays=st.lists(st.floats(0.001, 2), min_size=1, max_size=20))
def test_no_timer_is_early_or_later_than_a_step(start: float, delays: list[float]) -> None:
    clock = Clock()
    clock.advance(start)
    grid = TimerGrid(clock)
    late: list[float] = []

    def begin(delay: float) -> None:
        grid.callLater(delay, lambda: late.append(clock.seconds() - start - delay))

    for delay in delays:
        begin(delay)
    clock.pump([STEP / 4] * 420)
    assert len(late) == len(delays)
    assert all(-1e-6 < each <= STEP * 1.25 + 1e-6 for each in late)


def test_timers_of_the_same_moment_wake_the_reactor_once_in_the_order_in_which_they_were_set() -> None:
    clock, fired = Clock(), list[int]()
    grid = TimerGrid(clock)
    for number in range(100):
        grid.callLater(0.101 + number / 10_000, partial(fired.append, number))
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(0.13)
    assert fired == list(range(100))


@given(point=st.integers(1, 10_000_000), steps=st.integers(1, 1_000))
def test_a_timer_that_is_due_at_a_point_of_the_grid_is_not_put_off_for_a_rounding(point: int, steps: int) -> None:
    clock, fired = Clock(), list[int]()
    clock.advance(point * STEP)
    TimerGrid(clock).callLater(steps * STEP, lambda: fired.append(1))
    clock.advance((steps + 0.01) * STEP)
    assert fired


def test_a_timer_without_a_delay_does_not_wait_for_the_grid() -> None:
    clock, fired = Clock(), list[str]()
    grid = TimerGrid(clock)
    grid.callLater(0, lambda: fired.append("now"))
    grid.callLater(0, lambda: fired.append("never")).cancel()
    assert not fired
    clock.advance(0)
    assert fired == ["now"]


def test_a_cancelled_timer_does_not_fire_even_if_another_of_its_point_cancels_it() -> None:
    clock, fired = Clock(), list[str]()
    grid = TimerGrid(clock)
    grid.callLater(0.1, lambda: doomed.popleft().cancel())
    doomed = deque([grid.callLater(0.1, lambda: fired.append("second"))])
    grid.callLater(0.1, lambda: fired.append("third"))
    clock.advance(1)
    assert fired == ["third"]


def test_a_timer_that_fails_keeps_nobody_from_theirs(logged: Logged) -> None:
    clock, fired = Clock(), list[str]()
    grid = TimerGrid(clock)
    grid.callLater(0.1, lambda: 1 / 0)
    grid.callLater(0.1, lambda: fired.append("the next"))
    clock.advance(1)
    assert fired == ["the next"]
    assert len(logged.flush(ZeroDivisionError)) == 1


def test_nothing_is_left_of_timers_that_were_cancelled() -> None:
    clock = Clock()
    grid = TimerGrid(clock)
    calls = [grid.callLater(0.1, lambda: None) for _ in range(3)]
    for call in calls:
        call.cancel()
    assert not clock.getDelayedCalls()
    grid.callLater(0.1, lambda: None)
    assert len(clock.getDelayedCalls()) == 1


@given(st.floats(0, 1e9))
def test_the_next_point_is_after_now_and_at_most_a_step_away(now: float) -> None:
    assert 0 < until_next_point(now) <= STEP * 1.001
