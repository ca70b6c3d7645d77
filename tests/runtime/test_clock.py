import subprocess
import sys

import pytest
from twisted.internet.task import Clock

from voicestt.runtime.clock import Timer, use_monotonic_time


def test_it_acts_once_after_the_wait() -> None:
    clock, acted = Clock(), []
    timer = Timer(clock)
    was_set = timer.is_set
    assert not was_set
    timer.set(2.0, lambda: acted.append(timer.is_set))
    assert timer.is_set
    clock.advance(1.9)
    assert acted == []
    clock.advance(0.2)
    assert acted == [False], "while it acts it is not set"
    clock.advance(10)
    assert acted == [False]


def test_setting_it_again_forgets_the_earlier_wait() -> None:
    clock: Clock = Clock()
    acted: list[str] = []
    timer = Timer(clock)
    timer.set(1.0, lambda: acted.append("first"))
    timer.set(2.0, lambda: acted.append("second"))
    clock.advance(5)
    assert acted == ["second"]


def test_it_may_be_set_again_by_what_it_does() -> None:
    clock: Clock = Clock()
    acted: list[float] = []
    timer = Timer(clock)

    def act() -> None:
        acted.append(clock.seconds())
        timer.set(1.0, act)

    act()
    clock.pump([0.5] * 5)
    assert acted == [0.0, 1.0, 2.0]
    assert timer.is_set


def test_cancelled_it_does_nothing_and_leaves_nothing() -> None:
    clock: Clock = Clock()
    acted: list[str] = []
    timer = Timer(clock)
    timer.cancel()
    timer.set(1.0, lambda: acted.append("done"))
    timer.cancel()
    assert not timer.is_set
    assert clock.getDelayedCalls() == []
    clock.advance(5)
    assert acted == []


@pytest.mark.parametrize("place", ["command", "plugin"])
@pytest.mark.parametrize("by", [-3_600, 3_600])
def test_a_reactor_does_what_is_due_whatever_the_wall_clock_is_set_to(place: str, by: int) -> None:
    command = [sys.executable, "-P", "-m", "tests.shifted_clock", str(by), place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.stdout == "fired\n", done.stderr


def test_a_reactors_clock_goes_on_from_where_it_was() -> None:
    reactor = Clock()
    reactor.advance(1_795_000_000.0)
    use_monotonic_time(reactor)
    steady = reactor.seconds
    assert steady() == pytest.approx(1_795_000_000.0, abs=5)
    assert steady() <= steady()
    use_monotonic_time(reactor)
    assert reactor.seconds is steady, "asked again, nothing changes"
