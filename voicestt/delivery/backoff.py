"""Backoff: the pauses between attempts."""

from collections.abc import Callable
from typing import Final

FIRST_SECONDS: Final = 0.5
MOST_SECONDS: Final = 60.0
_DOUBLINGS: Final = 7
_REFUSED_SECONDS: Final = 2.0
_REFUSED_STEPS: Final = 5

Chance = Callable[[], float]
"""A number from 0 up to 1, as `random.random` gives it."""


def pause(failed: int, chance: Chance) -> float:
    """Returns the pause before the next attempt, in seconds: half a second, doubling up to a minute.

    `failed` counts the failures before this one. The pause is between half of that and the whole: what failed
    together is not tried again together.
    """
    most = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(failed, _DOUBLINGS))
    return _between_half_and(most, chance)


def pause_after_refusal(refused: int, chance: Chance) -> float:
    """Returns the pause after a refusal, in seconds: two seconds, times four each time, up to a minute.

    `refused` counts the refusals before this one. So five attempts take a minute and a half at most.
    """
    most = min(MOST_SECONDS, _REFUSED_SECONDS * 4.0 ** min(refused, _REFUSED_STEPS))
    return _between_half_and(most, chance)


def _between_half_and(most: float, chance: Chance) -> float:
    return most * (0.5 + chance() / 2)
