"""A mailbox between two threads, which wakes the other side once for all that is handed over by then."""

from collections import deque
from collections.abc import Callable

from twisted.logger import Logger

Action = Callable[[], object]


class Mailbox:
    """Actions handed to another thread, in order; `wake` is called only if the other side sleeps."""

    _log = Logger()

    def __init__(self, wake: Callable[[Action], object]) -> None:
        self._wake = wake
        self._waiting: deque[Action] = deque()
        self._woken = False

    def hand(self, action: Action) -> None:
        """Run `action` soon, in the other thread."""
        self._waiting.append(action)
        if not self._woken:
            self._woken = True
            self._wake(self._do_all)

    def _do_all(self) -> None:
        # Lowered first: whatever is handed over from here on either is seen below or wakes us again.
        self._woken = False
        waiting = self._waiting
        while waiting:
            action = waiting.popleft()
            try:
                action()
            except Exception:  # noqa: BLE001 - one call's mistake must not silence the others
                self._log.failure("A hand-over between threads failed; the other calls go on.")
