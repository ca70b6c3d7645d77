"""A watchdog of the handlers' loop: it finds a handler that blocks the loop, and where."""

from collections.abc import Callable
from types import FrameType
from typing import Final

from twisted.logger import Logger

from voicestt.handler.counts import Counts
from voicestt.runtime.clock import Clock
from voicestt.runtime.loop_thread import LoopThread

SAID_EVERY_SECONDS: Final = 60.0


class LoopWatchdog:
    """Asks the loop for a sign of life at each `look`, one a second, from the reactor's thread.

    `file` is where the handler's class is written: of what the loop does the innermost line of it is shown.
    """

    _log = Logger()

    def __init__(self, clock: Clock, loop: LoopThread, file: str, counts: Counts) -> None:
        self._clock = clock
        self._loop = loop
        self._file = file
        self._counts = counts
        self._is_awaited = False
        self.is_stalled = False
        self._said: float | None = None

    def look(self) -> None:
        """Check that the last sign of life has come, and ask for another."""
        if self._is_awaited:
            self._stalled()
            return
        self.is_stalled = False
        self._is_awaited = True
        self._loop.do(self._is_alive)

    def _is_alive(self) -> None:
        self._is_awaited = False

    def _stalled(self) -> None:
        if not self.is_stalled:
            self.is_stalled = True
            self._counts.stalls += 1
        now = self._clock.seconds()
        if self._said is None or now - self._said >= SAID_EVERY_SECONDS:
            self._said = now
            self._log.warn(
                "⚠️ An async method of the handler has blocked for more than a second, at {where}: the handlers of "
                "all calls wait for it; calls and words go on. What to do: await something that does not block, "
                "or make it a plain function, which runs in a thread.",
                where=_where(self._loop.frame(), self._is_own),
            )

    def _is_own(self, frame: FrameType) -> bool:
        return frame.f_code.co_filename == self._file


def _where(frame: FrameType | None, is_own: Callable[[FrameType], bool]) -> str:
    innermost = frame
    while frame is not None and not is_own(frame):
        frame = frame.f_back
    shown = frame or innermost
    if shown is None:
        return "an unknown place"
    return f"{shown.f_code.co_filename}:{shown.f_lineno} ({shown.f_code.co_name})"
