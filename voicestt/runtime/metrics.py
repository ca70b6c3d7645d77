"""Metrics of the delays a caller feels, of one call and of the process: histograms and counters.

Pure: time comes from a function that is given. All times are seconds, all bytes mu-law. Measuring costs a few
microseconds for each batch and for each answer of the recogniser, and nothing for each frame.

The histogram is hdrhistogram's: the HdrHistogram project keeps it, last released in October 2026, for every Python
there is; of the others ddsketch was last released in 2024, and datasketches bounds the error of ranks, not values.
"""

import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from hdrh.histogram import HdrHistogram

STEPS_A_SECOND: Final = 10_000
LONGEST: Final = 60
DIGITS: Final = 2
LATE_SECONDS: Final = 0.1

_MOST_STEPS = LONGEST * STEPS_A_SECOND
_TOGETHER = 256
_PERCENTS = (50, 95, 99)
_NORM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of durations in seconds, by nearest rank, and the longest; all 0.0 if there are none.

    A percentile is within 1 % of the truth, or within 0.1 ms where that is more; `longest` is exact.
    """

    count: int = 0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    longest: float = 0.0

    @property
    def words(self) -> str:
        """The percentiles in words, for the log."""
        if not self.count:
            return "none"
        quantiles = zip(("p50", "p95", "p99", "longest"), self._quantiles, strict=True)
        return ", ".join(f"{name} {seconds * 1000:.1f}" for name, seconds in quantiles) + " ms"

    @property
    def milliseconds(self) -> dict[str, float | int | None]:
        """The percentiles for JSON: `count`, and `p50`, `p95`, `p99` and `max` in ms, null if there are none."""
        names = ("p50", "p95", "p99", "max")
        values = [round(seconds * 1000, 1) if self.count else None for seconds in self._quantiles]
        return {"count": self.count, **dict(zip(names, values, strict=True))}

    @property
    def _quantiles(self) -> tuple[float, float, float, float]:
        return self.p50, self.p95, self.p99, self.longest


class Histogram:
    """Histogram of durations in seconds, up to a minute; buckets of 0.1 ms at first, then of 1 % at most.

    Fewer than 256 durations are kept as they are. Of more, a duration above a minute counts as a minute, and one
    bucket can count up to 2 ** (8 * `counter_bytes`) - 1.
    """

    __slots__ = ("_counter_bytes", "_longest", "_sorted", "_waiting")

    def __init__(self, counter_bytes: int = 4) -> None:
        self._counter_bytes = counter_bytes
        self._waiting = array("d")  # a quarter of a list of floats: each call has some
        self._sorted: HdrHistogram | None = None
        self._longest = 0.0

    def record(self, seconds: float) -> None:
        """Record a duration of 0.0 or longer."""
        self._waiting.append(seconds)
        if len(self._waiting) >= _TOGETHER:
            self._sort_in()

    def extend(self, values: Iterable[float]) -> None:
        """Record several durations."""
        self._waiting.extend(values)
        if len(self._waiting) >= _TOGETHER:
            self._sort_in()

    @property
    def spread(self) -> Percentiles:
        """The percentiles of all durations recorded so far."""
        if self._sorted is None:
            return _spread_of(sorted(self._waiting))
        self._sort_in()
        found = self._sorted.get_percentile_to_value_dict(_PERCENTS)
        p50, p95, p99 = (min(found[percent] / STEPS_A_SECOND, self._longest) for percent in _PERCENTS)
        return Percentiles(self._sorted.get_total_count(), p50, p95, p99, self._longest)

    def _sort_in(self) -> None:
        if self._sorted is None:
            self._sorted = HdrHistogram(1, _MOST_STEPS, DIGITS, word_size=self._counter_bytes)
        values, self._waiting = self._waiting, array("d")
        self._longest = max(self._longest, max(values, default=0.0))
        # The library takes 2 us for a value, and no longer for many of one size.
        for steps, count in Counter([int(value * STEPS_A_SECOND + 0.5) for value in values]).items():
            self._sorted.record_value(min(steps, _MOST_STEPS), count)


def _spread_of(ordered: Sequence[float]) -> Percentiles:
    if not ordered:
        return Percentiles()
    count = len(ordered)
    p50, p95, p99 = (ordered[max(1, int(percent * count / 100 + 0.5)) - 1] for percent in _PERCENTS)
    return Percentiles(count, p50, p95, p99, ordered[-1])


class Punctuality:
    """Detector of late frames: more than 100 ms later than Twilio's own timestamps lead one to expect.

    Twilio's timestamps are milliseconds from a beginning of their own, so a frame is held against the promptest of
    the last one to two minutes: against the first alone, a stream whose first frame was held up would never be
    late, and two clocks that differ by 50 millionths would always be late after half an hour.
    """

    __slots__ = ("_least", "_least_before", "_turn")

    def __init__(self) -> None:
        self._least = self._least_before = inf
        self._turn = -inf

    def is_late(self, now: float, timestamp: object) -> bool:
        """True if the frame that came at `now` is late; False if `timestamp` is no number.

        `timestamp` is as it came, a string of digits as a rule."""
        try:
            offset = now - int(timestamp) / 1000  # type: ignore[call-overload]
        except (TypeError, ValueError, OverflowError):
            return False
        if now >= self._turn:
            self._turn = now + _NORM_SECONDS
            self._least, self._least_before = inf, self._least
        self._least = min(self._least, offset)
        return bool(offset - min(self._least, self._least_before) > LATE_SECONDS)


@dataclass(frozen=True, slots=True)
class Stamps:
    """Time stamps of one response of the recogniser, taken in the stream's thread; all its results share them.

    `received` is `time.monotonic()` when the response had been read; `hand_off` is the seconds that the newest
    batch before it took from its arrival in the process to gRPC; `hand_offs` are those of every batch since the
    response before.
    """

    received: float
    hand_off: float = 0.0
    hand_offs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of the metrics of one call, or of all calls of a process.

    added: what the server adds to a partial. That is the way of the newest batch before it, from the arrival of
        the batch's last byte in the process (its frame has been read and parsed) to the hand-off to gRPC, and the
        way of the response, from when the session thread has it to the delivery to the observer, or to the
        debounce if that takes it. The recogniser's own time, the filling of a batch and the debounce's wait are
        not in it; nor is what waits before the process reads it: `late_frames` and `lag` show that.
    final: from the arrival of a final's last audio to its delivery, with the recogniser's time.
    hand_off: the first way above, of every batch; a stream's first waits for the connection. Audio that is sent
        again counts from when it is; a stream whose answers nobody listened to is left out.
    lag: how late the reactor is with what was due; of the process only.
    late_frames: frames that were late (`Punctuality`), of those that complete a batch.
    restarts, rotations, fallbacks: streams that failed, streams replaced in time, falls to the single shot.
    retained: the most bytes of one call that waited for an answer at once.
    replayed: bytes that were sent again, as far as calls have ended.
    """

    added: Percentiles = Percentiles()
    final: Percentiles = Percentiles()
    hand_off: Percentiles = Percentiles()
    lag: Percentiles = Percentiles()
    late_frames: int = 0
    restarts: int = 0
    rotations: int = 0
    fallbacks: int = 0
    retained: int = 0
    replayed: int = 0

    @property
    def json(self) -> dict[str, object]:
        """The summary for JSON: durations in ms, counts and bytes; no text that came from a call."""
        return {
            "added_partial_delay_ms": self.added.milliseconds,
            "final_delay_ms": self.final.milliseconds,
            "hand_off_ms": self.hand_off.milliseconds,
            "reactor_lag_ms": self.lag.milliseconds,
            "late_frames": self.late_frames,
            "restarts": self.restarts,
            "rotations": self.rotations,
            "fallbacks": self.fallbacks,
            "retained_bytes_peak": self.retained,
            "replayed_bytes": self.replayed,
        }


class ProcessMetrics:
    """Metrics of the process or of one call, as they are measured."""

    __slots__ = ("added", "final", "hand_off", "incidents", "lag", "late_frames", "replayed", "retained")

    def __init__(self, counter_bytes: int = 4) -> None:
        self.added = Histogram(counter_bytes)
        self.final = Histogram(counter_bytes)
        self.hand_off = Histogram(counter_bytes)
        self.lag = Histogram(counter_bytes)
        self.incidents: Counter[str] = Counter()
        self.late_frames = 0
        self.retained = 0
        self.replayed = 0

    @property
    def summary(self) -> Summary:
        """The summary of all that was measured so far."""
        return Summary(
            added=self.added.spread,
            final=self.final.spread,
            hand_off=self.hand_off.spread,
            lag=self.lag.spread,
            late_frames=self.late_frames,
            restarts=self.incidents["restarted"],
            rotations=self.incidents["rotated"],
            fallbacks=self.incidents["degraded"],
            retained=self.retained,
            replayed=self.replayed,
        )


class CallMetrics:
    """Measures one call, for itself and for the `whole`; `now` is the clock of the `Stamps`."""

    __slots__ = ("_all", "_last", "_now", "_own", "_punctuality")

    def __init__(self, whole: ProcessMetrics | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._own = ProcessMetrics()
        self._all = (self._own,) if whole is None else (self._own, whole)
        self._now = now
        self._punctuality = Punctuality()
        self._last: Stamps | None = None

    def batch(self, timestamp: object, retained: int) -> None:
        """Note a frame with Twilio's `timestamp` that completed a batch, and the bytes `retained` now."""
        if self._punctuality.is_late(self._now(), timestamp):
            for figures in self._all:
                figures.late_frames += 1
        if retained > self._own.retained:
            for figures in self._all:
                figures.retained = max(figures.retained, retained)

    def answered(self, stamps: Stamps | None) -> None:
        """Note a result; the results of one response share their stamps, and count once."""
        if stamps is None or stamps is self._last:
            return
        self._last = stamps
        for figures in self._all:
            figures.hand_off.extend(stamps.hand_offs)

    def delivered_partial(self, stamps: Stamps | None) -> None:
        """Note that a partial is being delivered to the observer."""
        if stamps is None:
            return
        added = stamps.hand_off + self._now() - stamps.received
        for figures in self._all:
            figures.added.record(added)

    def delivered_final(self, delay: float | None) -> None:
        """Note that a final is being delivered to the observer, `delay` seconds after its last audio came."""
        if delay is not None:
            for figures in self._all:
                figures.final.record(delay)

    def happened(self, kind: str) -> None:
        """Count an incident, see `voicestt.recognisers.port.Incident`."""
        for figures in self._all:
            figures.incidents[kind] += 1

    def end(self, replayed: int) -> Summary:
        """End the call, of which `replayed` bytes were sent again, and return its summary."""
        for figures in self._all:
            figures.replayed += replayed
        return self._own.summary
