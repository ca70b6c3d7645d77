"""Handlers of the process's signals, from `install` to `remove`."""

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads


class SignalHandlers:
    """Handlers of `signals`; `handle` is called in the reactor's thread with the signal's name."""

    def __init__(
        self, reactor: IReactorFromThreads, signals: Sequence[int], handle: Callable[[str], object]
    ) -> None:
        self._reactor = reactor
        self._signals = signals
        self._handle = handle
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Install the handlers, in the main thread only: elsewhere no signal can be handled."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._signalled) for number in self._signals}

    def remove(self) -> None:
        """Restore the handlers that were there before."""
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _signalled(self, number: int, _frame: object) -> None:
        # A signal interrupts any line of code: the work is done in the reactor's next turn.
        self._reactor.callFromThread(self._handle, signal.Signals(number).name)
