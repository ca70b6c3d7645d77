"""Keeps the process's metrics: measures the reactor's lag, ends minutes, and logs a line from time to time."""

import time
from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.runtime.clock import Clock, Timer
from voicestt.runtime.metrics import ProcessMetrics, Summary
from voicestt.server.calls import Calls

LOOK_SECONDS: Final = 0.1
TELL_SECONDS: Final = 600.0
MINUTE: Final = 60.0


class MetricsWatch:
    """Measures the reactor's lag, and logs the metrics of `calls`: every ten minutes while calls are
    live, and at the end if there were any. `now` is a clock that nobody sets; `note_totals` is called before a
    minute ends, and `minute_over` with each that has ended.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        calls: Calls,
        now: Callable[[], float] = time.monotonic,
        note_totals: Callable[[], object] = lambda: None,
        minute_over: Callable[[ProcessMetrics], object] = lambda _minute: None,
    ) -> None:
        self._calls = calls
        self._now = now
        self._look = Timer(clock)
        self._tell = Timer(clock)
        self._minute = Timer(clock)
        self._note_totals = note_totals
        self._keep_minute = minute_over
        self._due = 0.0

    def start(self) -> None:
        """Start to measure and to log."""
        self._look_later()
        self._tell_later()
        self._minute.set(MINUTE, self._minute_over)

    def stop(self) -> None:
        """Stop measuring, and write the last line."""
        self._look.cancel()
        self._tell.cancel()
        self._minute.cancel()
        if self._calls.taken:
            self._write()

    def _look_later(self) -> None:
        self._due = self._now() + LOOK_SECONDS
        self._look.set(LOOK_SECONDS, self._look_now)

    def _look_now(self) -> None:
        lag = max(0.0, self._now() - self._due)
        self._calls.figures.lag.record(lag)
        self._calls.admission.note_lag(lag)
        self._look_later()

    def _minute_over(self) -> None:
        self._minute.set(MINUTE, self._minute_over)
        self._note_totals()
        self._keep_minute(self._calls.figures.minute_over())

    def _tell_later(self) -> None:
        self._tell.set(TELL_SECONDS, self._tell_now)

    def _tell_now(self) -> None:
        if len(self._calls):
            self._write()
        self._tell_later()

    def _write(self) -> None:
        self._log.info(
            "Figures of {taken} calls, {live} live: {figures}",
            taken=self._calls.taken,
            live=len(self._calls),
            figures=words(self._calls.figures.summary),
        )


def words(summary: Summary) -> str:
    """Format a summary for the log, in one line."""
    parts = [
        f"added delay {summary.added.words}",
        f"final delay {summary.final.words}",
        f"hand-off {summary.hand_off.words}",
        f"reactor lag {summary.lag.words}",
        f"{summary.late_frames} frames late",
        f"{summary.restarts} restarts",
        f"{summary.rotations} rotations",
        f"{summary.fallbacks} fallbacks",
        f"at most {mulaw.seconds(summary.retained):.2f} s of a call retained",
        f"{summary.replayed} bytes sent again",
    ]
    return "; ".join(parts)
