"""The figures of the last day, minute by minute, in memory: what a page plots without a second store."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from voicestt.audio import mulaw
from voicestt.runtime.histogram import Percentiles
from voicestt.runtime.metrics import ProcessMetrics
from voicestt.server.call_counts import LOST_BYTES
from voicestt.server.calls import Calls

MINUTES_OF_A_DAY: Final = 1_440
_FAILURES: Final = ("restarted", "degraded", "interrupted")


@dataclass(frozen=True, slots=True)
class MinuteFigures:
    """The figures of one minute, which ended at `at` (seconds since 1970).

    `calls` were live at its end; `delay` is what the server added to partials; `streams` were opened, `rotations`
    replaced in time, and `failures` are streams that failed and falls from streaming; `lost_seconds` of audio have
    no words.
    """

    at: float
    calls: int
    delay: Percentiles
    lag: Percentiles
    streams: int
    rotations: int
    failures: int
    lost_seconds: float
    google_seconds: float


class MinuteHistory:
    """Keeps the figures of the minutes of a day; `minute_over` is to be called with each."""

    def __init__(self, calls: Calls, now: Callable[[], float] = time.time) -> None:
        self._calls = calls
        self._now = now
        self._minutes: deque[MinuteFigures] = deque(maxlen=MINUTES_OF_A_DAY)
        self._before = calls.audio

    def minute_over(self, minute: ProcessMetrics) -> None:
        """Keep the figures of a minute that is over."""
        audio, before = self._calls.audio, self._before
        self._before = audio
        self._minutes.append(
            MinuteFigures(
                self._now(),
                len(self._calls),
                minute.added.spread,
                minute.lag.spread,
                max(0, audio.streams - before.streams),
                minute.incidents["rotated"],
                sum(minute.incidents[kind] for kind in _FAILURES),
                mulaw.seconds(minute.counts[LOST_BYTES]),
                mulaw.seconds(max(0, audio.google_bytes - before.google_bytes)),
            )
        )

    def last(self, minutes: int) -> Sequence[MinuteFigures]:
        """Return the figures of the last `minutes`, the oldest first."""
        return list(self._minutes)[-minutes:]
