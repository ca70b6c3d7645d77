"""The numbers of the events published last, and the one that a listener may go on after.

Events of several processes have their numbers from one journal, but are published a little out of their order:
whoever went on after the last number might miss one that was under way. So what is told to a listener as the place
to go on after lags behind by `SETTLE_SECONDS`: some events come again, and none is missed.
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

SETTLE_SECONDS: Final = 3.0
_MOST: Final = 50_000


class SafeNumbers:
    """The numbers published within the last `SETTLE_SECONDS`, or since `keep_all`."""

    def __init__(self) -> None:
        self._published: deque[tuple[float, int]] = deque()
        self._low: int | None = None
        self._is_settled = False
        self._keeps_all = False

    def begin(self, low: int) -> None:
        """Begin after this number, unless what was published says more by now."""
        if not self._is_settled:
            self._low = low if self._low is None else min(self._low, low)

    def note(self, numbers: Iterable[int], now: float) -> None:
        """Note what is published now."""
        for number in numbers:
            self._published.append((now, number))
            if not self._is_settled:
                self._low = number - 1 if self._low is None else min(self._low, number - 1)
        self.settle(now)

    def settle(self, now: float) -> None:
        """Take what was published long enough ago as the past."""
        while self._published and (
            len(self._published) > _MOST or (not self._keeps_all and self._published[0][0] <= now - SETTLE_SECONDS)
        ):
            _, number = self._published.popleft()
            self._low = max(self._low or 0, number) if self._is_settled else number
            self._is_settled = True

    def keep_all(self, *, keeps: bool) -> None:
        """Stand still at the present number, as what others publish is not heard now; or go on."""
        self._keeps_all = keeps

    @property
    def low(self) -> int | None:
        """The number behind which everything may still have to come; None if nothing was ever published."""
        return self._low

    @property
    def since(self) -> Collection[int]:
        """The numbers that were published after the past."""
        return [number for _, number in self._published]
