"""Belief in the wall clock: one that jumps ahead must not make old what is young."""

import time
from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

_JUMP_SECONDS: Final = 3_600.0
_HELD_SECONDS: Final = 86_400.0


class BelievedClock:
    """Compares a wall clock with the monotonic one: after a jump it is believed when it has stood by it for a day.

    `name` says in the log whose clock it is, `kept` from what nothing is deleted meanwhile.
    """

    _log = Logger()

    def __init__(self, name: str, kept: str, seconds: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._kept = kept
        self._seconds = seconds
        self._steady: float | None = None  # the wall clock's time, without what went by
        self._held_until = float("-inf")

    def is_right(self, now: float) -> bool:
        """Take a look at the wall clock, which says `now`; return whether it is believed."""
        steady, monotonic = now - self._seconds(), self._seconds()
        jump = 0.0 if self._steady is None else steady - self._steady
        self._steady = steady
        if abs(jump) > _JUMP_SECONDS:
            self._held_until = monotonic + _HELD_SECONDS
            self._log.error(
                "The clock that {name} goes by jumped by {hours:.1f} h. Nothing is deleted from {kept} for a day, "
                "for what is young may look old. What to do: if the time is wrong now, set it right.",
                name=self._name,
                kept=self._kept,
                hours=jump / 3_600,
            )
        return monotonic >= self._held_until
