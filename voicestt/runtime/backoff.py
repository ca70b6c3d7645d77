"""Backoff: the pauses between attempts, which grow up to a longest one."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Chance = Callable[[], float]
"""A number from 0 up to 1, as `random.random` gives it."""

_MOST_STEPS: Final = 64  # a float has no power of a large number


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses of `first` seconds, times `factor` after each failure, up to `longest`.

    `jitter` is the part of a pause that is drawn by chance, from 0 to 1: what failed together shall not be tried
    again together. With 0.5 a pause is between half of the full one and the whole.
    """

    first: float
    longest: float
    factor: float = 2.0
    jitter: float = 0.0

    def pause(self, failures: int, chance: Chance = random.random) -> float:
        """Return the pause in seconds after one more failure; `failures` counts those before it."""
        full = min(self.longest, self.first * self.factor ** min(failures, _MOST_STEPS))
        return full * (1.0 - self.jitter + self.jitter * chance())
