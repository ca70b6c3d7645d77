"""The way of a stream's results back to the reactor: those that nobody waits for do not wake it."""

from collections.abc import Callable, Sequence
from math import inf

from voicestt.recognisers.port import Result
from voicestt.runtime.loop_thread import SessionThread


class ResultsBack:
    """Hands results of one stream back to the reactor's thread; for the session thread.

    A partial that follows another within `partial_seconds`, which whoever listens delays anyway, waits until the
    reactor wakes for its grid of timers. Finals and the first partial behind one do not wait.
    """

    def __init__(self, thread: SessionThread, partial_seconds: float) -> None:
        self._thread = thread
        self._partial_seconds = partial_seconds
        self._partial_at = -inf

    def hand(self, results: Sequence[Result], received: float, action: Callable[[], object]) -> None:
        """Run `action`, which tells `results`, in the reactor's thread; they were `received` then (monotonic)."""
        hand_back = (
            self._thread.hand_back_at_leisure if self._can_wait(results, received) else self._thread.hand_back
        )
        hand_back(action)

    def _can_wait(self, results: Sequence[Result], received: float) -> bool:
        if results[0].is_final:
            self._partial_at = -inf
            return False
        before, self._partial_at = self._partial_at, received
        return received - before < self._partial_seconds
