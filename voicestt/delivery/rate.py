"""The rate of arriving events over the last minute."""

from collections import deque
from typing import Final

SECONDS: Final = 60


class Rate:
    """Counts events by the second.

    `now` is in seconds on any clock; one that jumps spoils a minute's figure at most.
    """

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()

    def add(self, count: int, now: float) -> None:
        """Counts `count` arrived events."""
        second = int(now)
        if self._counts and self._counts[-1][0] == second:
            count += self._counts.pop()[1]
        self._counts.append((second, count))
        self._forget(second)

    def per_second(self, now: float) -> float:
        """Returns the mean number of events a second over the last minute."""
        self._forget(int(now))
        return round(sum(count for _, count in self._counts) / SECONDS, 2)

    def _forget(self, second: int) -> None:
        while self._counts and not second - SECONDS < self._counts[0][0] <= second:
            self._counts.popleft()
