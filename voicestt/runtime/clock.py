"""Time as a parameter: what Twisted's reactors and its test clock both are."""

import time
from collections.abc import Callable
from typing import Any, Protocol


class DelayedCall(Protocol):
    """Something that will be done later."""

    def cancel(self) -> None:
        """It will not. It must not have been done yet."""


class Clock(Protocol):
    """Seconds from any start, that never go back, and a way to be called later."""

    def seconds(self) -> float:
        """Now."""

    def callLater(self, delay: float, callable: Callable[[], object], /) -> DelayedCall:  # noqa: N802, A002
        """Does something after `delay` seconds."""


class Timer:
    """One thing that may be waited for; setting it again forgets the earlier wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: DelayedCall | None = None

    @property
    def is_set(self) -> bool:
        """Whether something is waited for."""
        return self._waiting is not None

    def set(self, delay: float, action: Callable[[], object]) -> None:
        """Does `action` after `delay` seconds, and nothing of what was waited for before."""
        self.cancel()

        def act() -> None:
            self._waiting = None
            action()

        self._waiting = self._clock.callLater(delay, act)

    def cancel(self) -> None:
        """Nothing is waited for any more."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()


class Unchanged:
    """At how many looks in a row something had not changed.

    Looks are counted, not seconds: when the process was stopped for a while, what came meanwhile is read first.
    """

    def __init__(self) -> None:
        self._seen = -1
        self._looks = 0

    def look(self, value: int) -> int:
        """It is `value` now."""
        self._looks = self._looks + 1 if value == self._seen else 0
        self._seen = value
        return self._looks


class SteadySeconds:
    """Counts on from `start` by the monotonic clock, which nobody sets."""

    def __init__(self, start: float) -> None:
        self._shift = start - time.monotonic()

    def __call__(self) -> float:
        """Now."""
        return time.monotonic() + self._shift


def use_monotonic_time(reactor: Any) -> None:
    """Gives `reactor` a monotonic clock, which goes on from where its own one is: what is scheduled stays right.

    Twisted's own choice is the wall clock (`twisted.python.runtime.seconds`): set back by an hour, by NTP or on a
    machine that was suspended, nothing that is due would happen for an hour.
    """
    if not isinstance(reactor.seconds, SteadySeconds):
        reactor.seconds = SteadySeconds(reactor.seconds())
