"""Time as a parameter: the interface that Twisted's reactors and its test clock share."""

import time
from collections.abc import Callable
from typing import Protocol


class DelayedCall(Protocol):
    """A call that is scheduled."""

    def cancel(self) -> None:
        """Cancel the call, which must not have been done yet."""


class Clock(Protocol):
    """A clock with seconds from any start, which never go back, and delayed calls."""

    def seconds(self) -> float:
        """Return the present time in seconds."""

    def callLater(self, delay: float, callable: Callable[[], object], /) -> DelayedCall:  # noqa: N802, A002
        """Schedule a call after `delay` seconds."""


class Timer:
    """A timer for one action; setting it again cancels the earlier action."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: DelayedCall | None = None

    @classmethod
    def after(cls, clock: Clock, delay: float, action: Callable[[], object]) -> "Timer":
        """Make a timer that runs `action` after `delay` seconds."""
        timer = cls(clock)
        timer.set(delay, action)
        return timer

    @property
    def is_set(self) -> bool:
        """True while an action is scheduled."""
        return self._waiting is not None

    def set(self, delay: float, action: Callable[[], object]) -> None:
        """Run `action` after `delay` seconds, in place of any action scheduled before."""
        self.cancel()

        def act() -> None:
            self._waiting = None
            action()

        self._waiting = self._clock.callLater(delay, act)

    def cancel(self) -> None:
        """Cancel the scheduled action, if any."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()


class Unchanged:
    """Counter of the looks in a row at which a value had not changed.

    Looks are counted, not seconds: when the process was stopped for a while, what came meanwhile is read first.
    """

    def __init__(self) -> None:
        self._seen = -1
        self._looks = 0

    def look(self, value: int) -> int:
        """Note that the value is `value` now; return the count of looks since it changed."""
        self._looks = self._looks + 1 if value == self._seen else 0
        self._seen = value
        return self._looks


class SteadySeconds:
    """A clock that counts on from `start` by the monotonic clock, which nobody sets."""

    def __init__(self, start: float) -> None:
        self._shift = start - time.monotonic()

    def __call__(self) -> float:
        """Return the present time in seconds."""
        return time.monotonic() + self._shift


def use_monotonic_time(reactor: Clock) -> None:
    """Give `reactor` a monotonic clock that goes on from its present time, so scheduled calls stay right.

    Twisted's own choice is the wall clock (`twisted.python.runtime.seconds`): set back by an hour, by NTP or on a
    machine that was suspended, nothing that is due would happen for an hour.
    """
    if not isinstance(reactor.seconds, SteadySeconds):
        reactor.seconds = SteadySeconds(reactor.seconds())  # type: ignore[method-assign]  # as Twisted itself sets it
