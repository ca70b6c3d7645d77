"""Limits on a stream's age and silences, and on the failures of a call's streams."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voicestt.runtime.backoff import Backoff
from voicestt.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits on a stream, in seconds; all but `hold` and `silent` are about the stream's own life.

    soft: replaced at the next final or silence; hard: replaced in any case; hold: closed when no audio comes;
    silent: speech, no answer, and a second stream that shows the fault to be the stream's; queue: audio that waits
    to be sent; drain: the wait for the last final. So many failures as `restarts` within `window` are borne, one
    more is the end. `monologue`: so much audio without a final is borne, then the stream is half-closed for its
    words.
    """

    soft: float = 240.0
    hard: float = 285.0
    hold: float = 5.0
    silent: float = 5.0
    queue: float = 5.0
    drain: float = 4.0
    monologue: float = 60.0
    restarts: int = 3
    window: float = 30.0
    first_backoff: float = 0.25
    longest_backoff: float = 5.0


class RestartBudget:
    """Counter of one call's stream failures, with the back-off before the next stream."""

    def __init__(self, clock: Clock, limits: StreamLimits, jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._limits = limits
        self._jitter = jitter
        self._failures: deque[float] = deque(maxlen=limits.restarts + 1)

    def spend(self) -> bool:
        """Count a failure; return True if it is borne: at most `restarts` within `window` seconds are."""
        self._failures.append(self._clock.seconds())
        return self._recent() <= self._limits.restarts

    def backoff(self) -> float:
        """Return the seconds to wait after the last failure: none after one, then twice as long each time."""
        earlier = self._recent() - 1
        if earlier <= 0:
            return 0.0
        pauses = Backoff(self._limits.first_backoff, self._limits.longest_backoff, jitter=0.5)
        return pauses.pause(earlier, self._jitter)

    def _recent(self) -> int:
        since = self._clock.seconds() - self._limits.window
        return sum(1 for at in self._failures if at > since)
