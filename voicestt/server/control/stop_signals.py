"""The second signal: while the server stops, SIGTERM or SIGINT once more ends its calls now.

The first one is the reactor's own, whose handler would raise at the second. So these are put in its place when
the stop begins, and are taken back when it is over.
"""

import signal
import threading
from collections.abc import Callable
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Handler of further stop signals; `again` is called in the reactor's thread with the signal's name."""

    def __init__(self, reactor: Any, again: Callable[[str], object]) -> None:
        self._reactor = reactor
        self._again = again
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Install the handler, in the main thread only: elsewhere no signal can be handled."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._signalled) for number in _SIGNALS}

    def remove(self) -> None:
        """Restore the handlers that were there before."""
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _signalled(self, number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._again, signal.Signals(number).name)
