"""A clock whose timers fire together, on a grid, so that the reactor wakes once for the timers of many calls.

A reactor that wakes for one timer pays for the wake-up, for caches that others have filled meanwhile, and for the
interpreter's lock: measured at a hundred calls, that was a fifth of what a call costs. Timers that may be a step
late are rounded up to the next point of the grid, which is the same for all grids over a clock.
"""

from collections.abc import Callable
from functools import partial
from math import ceil, floor
from typing import Final

from twisted.logger import Logger

from voicestt.runtime.clock import Clock, DelayedCall

STEP: Final = 0.02
"""Seconds from one point of the grid to the next: no timer is later than this."""

_ROUNDING = 1e-6  # of a step: a timer that is due at a point of the grid is not put off to the next for a rounding


def until_next_point(now: float) -> float:
    """Return the seconds from `now` to the next point of the grid."""
    return (floor(now / STEP) + 1) * STEP - now


class GridCall:
    """A call that is scheduled on the grid; `forget` is told when it is cancelled."""

    __slots__ = ("_action", "_forget")

    def __init__(self, action: Callable[[], object], forget: Callable[[], object]) -> None:
        self._action: Callable[[], object] | None = action
        self._forget = forget

    def cancel(self) -> None:
        """Cancel the call."""
        if self._action is not None:
            self._action = None
            self._forget()

    def run(self) -> None:
        """Do the action, unless it was cancelled."""
        action, self._action = self._action, None
        if action is not None:
            action()


class _Point:
    """A point of the grid: the calls that wait for it, and the one of the clock below that brings them."""

    __slots__ = ("brings", "calls", "live")

    def __init__(self, brings: DelayedCall) -> None:
        self.brings = brings
        self.calls: list[GridCall] = []
        self.live = 0


class TimerGrid:
    """A Clock over `clock` with timers at the points of the grid; those without a delay go to `clock` itself.

    Timers of one point run in the order in which they were set.
    """

    _log = Logger()

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._points: dict[int, _Point] = {}

    def seconds(self) -> float:
        """Return the time of the clock below."""
        return self._clock.seconds()

    def callLater(self, delay: float, action: Callable[[], object], /) -> DelayedCall:  # noqa: N802
        """Schedule `action` at the first point of the grid after `delay` seconds."""
        if delay <= 0:
            return self._clock.callLater(0, action)
        now = self._clock.seconds()
        place = ceil((now + delay) / STEP - _ROUNDING)
        point = self._points.get(place)
        if point is None:
            brings = self._clock.callLater(max(0.0, place * STEP - now), partial(self._fire, place))
            point = self._points[place] = _Point(brings)
        call = GridCall(action, partial(self._forget, place, point))
        point.calls.append(call)
        point.live += 1
        return call

    def _fire(self, place: int) -> None:
        for call in self._points.pop(place).calls:
            try:
                call.run()
            except Exception:  # noqa: BLE001 - one call's mistake must not keep the others from their timers
                self._log.failure("A timer of a call failed; the other calls go on.")

    def _forget(self, place: int, point: _Point) -> None:
        """Note that one of a point's calls was cancelled; a point without any is given up."""
        point.live -= 1
        if not point.live and self._points.get(place) is point:
            del self._points[place]
            point.brings.cancel()
