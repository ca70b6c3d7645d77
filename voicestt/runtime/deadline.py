"""The time that a stop has: one moment at which all of it must be over, divided among its steps."""

from collections.abc import Coroutine
from math import inf
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from voicestt.runtime.clock import Clock, Timer

LAST_SHARE: Final = 0.4
LAST_SECONDS: Final = 10.0
AT_ONCE_SECONDS: Final = 25.0  # platforms kill after 30


class Deadline:
    """The end of a stop that began now and takes at most `seconds`; 0: without delay, but with `AT_ONCE_SECONDS`
    for what hangs.

    Live calls may go on for `for_calls`; the rest, LAST_SHARE of all and at most LAST_SECONDS, is for their last
    words and for what follows them.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._at = clock.seconds() + (seconds or AT_ONCE_SECONDS)
        self._last = min(LAST_SECONDS, LAST_SHARE * seconds) if seconds else AT_ONCE_SECONDS
        self.is_hurried = False

    @property
    def left(self) -> float:
        """The seconds that are left, never less than 0."""
        return max(0.0, self._at - self._clock.seconds())

    @property
    def for_calls(self) -> float:
        """The seconds that live calls may still go on."""
        return 0.0 if self.is_hurried else max(0.0, self.left - self._last)

    def part(self, share: float, most: float = inf) -> float:
        """Return a `share` of the seconds that are left, at most `most`."""
        return min(most, share * self.left)

    def hurry(self) -> None:
        """End the calls now: what is left is for their last words."""
        self.is_hurried = True
        self._at = min(self._at, self._clock.seconds() + self._last)


async def within(clock: Clock, seconds: float, work: "Coroutine[Any, Any, None] | Deferred[None]") -> bool:
    """Wait for `work` for at most `seconds`, then leave it to itself; False if it was not done by then.

    What it raises in time is raised here.
    """
    waited: Deferred[bool] = Deferred()

    def done(result: object) -> None:
        if not waited.called:
            timer.cancel()
            waited.callback(result if isinstance(result, Failure) else True)

    timer = Timer(clock)
    timer.set(seconds, lambda: waited.callback(False))
    (work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)).addBoth(done)
    return await waited
