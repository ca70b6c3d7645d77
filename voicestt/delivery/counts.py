"""Counts of a destination's deliveries since the start, and their rate over the last minute."""

from collections import deque
from typing import Final

from voicestt.runtime.clock import Clock
from voicestt.runtime.escaping import escaped

SECONDS: Final = 60
_LONGEST_ERROR: Final = 200


class Rate:
    """Counts events by the second.

    `now` is in seconds on any clock; one that jumps spoils a minute's figure at most.
    """

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()

    def add(self, count: int, now: float) -> None:
        """Count `count` arrived events."""
        second = int(now)
        if self._counts and self._counts[-1][0] == second:
            count += self._counts.pop()[1]
        self._counts.append((second, count))
        self._forget(second)

    def per_second(self, now: float) -> float:
        """Return the mean number of events a second over the last minute."""
        self._forget(int(now))
        return round(sum(count for _, count in self._counts) / SECONDS, 2)

    def _forget(self, second: int) -> None:
        while self._counts and not second - SECONDS < self._counts[0][0] <= second:
            self._counts.popleft()


class DestinationCounts:
    """Counts events that arrived, attempts that failed, and events that are dead-lettered.

    `last_error` is the last failure, escaped and without a secret, and its time in seconds since 1970.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rate = Rate()
        self.last_error: tuple[str, float] | None = None
        self.delivered = 0
        self.failed = 0
        self.dead_lettered = 0

    @property
    def rate(self) -> float:
        """The number of events a second that arrived in the last minute."""
        return self._rate.per_second(self._clock.seconds())

    def arrived(self, count: int) -> None:
        """Count events that arrived."""
        self.delivered += count
        self._rate.add(count, self._clock.seconds())

    def attempt_failed(self, why: str, at: float) -> None:
        """Count a failed attempt, which ended at `at`."""
        self.failed += 1
        self.last_error = (escaped(why, _LONGEST_ERROR), at)
