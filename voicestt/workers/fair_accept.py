"""Accepting that leaves a connection to a sibling with fewer calls.

Workers that wait on one socket are not woken evenly, and the first takes all that wait. So each accepts one at a
time, and one that has more than the least busy of the others waits a moment first. Whoever is hung or dead costs
that moment and no connection.
"""

from collections.abc import Callable
from typing import Any, Final

from voicestt.runtime.clock import Clock, Timer

PAUSE_SECONDS: Final = 0.02
AFTER_A_PAUSE: Final = 4
"""So many are accepted after a pause before the next: the others have not taken them."""


class FairAccept:
    """Makes a listening `port` of Twisted's wait while this process `is_busier` than another.

    `accepted` is called for each connection.
    """

    def __init__(
        self, clock: Clock, port: Any, is_busier: Callable[[], bool], accepted: Callable[[], object]
    ) -> None:
        self._port = port
        self._is_busier = is_busier
        self._accepted = accepted
        self._accept = port.doRead
        self._timer = Timer(clock)
        self._left = 0
        port.doRead = self._read

    def _read(self) -> None:
        if not self._left and self._is_busier():
            self._port.stopReading()
            self._timer.set(PAUSE_SECONDS, self._resume)
            return
        self._left = max(0, self._left - 1)
        before = self._port.sessionno
        self._port.numberAccepts = 1
        self._accept()
        if self._port.sessionno != before:
            self._accepted()

    def _resume(self) -> None:
        self._left = AFTER_A_PAUSE
        if self._port.connected and not getattr(self._port, "disconnecting", False):
            self._port.startReading()
