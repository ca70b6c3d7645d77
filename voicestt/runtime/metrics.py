"""Metrics of the delays a caller feels, of one call and of the process: histograms and counters.

Pure: time comes from a function that is given. All times are seconds, all bytes mu-law. Measuring costs a few
microseconds for each batch and for each answer of the recogniser, and nothing for each frame.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from voicestt.runtime.histogram import Histogram, Percentiles

LATE_SECONDS: Final = 0.1
MINUTES_KEPT: Final = 60
_NORM_SECONDS = 60.0
_HISTOGRAMS = ("added", "final", "hand_off", "lag")

Counted = tuple[str, ...]
"""A name of something that is counted, and its labels."""

WORDLESS: Final[Counted] = ("utterances_without_words",)


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
        """Return True if the frame that came at `now` is late; False if `timestamp` is no number.

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

    added: Percentiles = field(default_factory=Percentiles)
    final: Percentiles = field(default_factory=Percentiles)
    hand_off: Percentiles = field(default_factory=Percentiles)
    lag: Percentiles = field(default_factory=Percentiles)
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
    """Metrics of the process or of one call, as they are measured.

    `counts` are of all that is counted besides, by its name and labels: ("finals", "whisper").
    """

    __slots__ = ("added", "counts", "final", "hand_off", "incidents", "lag", "late_frames", "replayed", "retained")

    def __init__(self) -> None:
        self.added = Histogram()
        self.final = Histogram()
        self.hand_off = Histogram()
        self.lag = Histogram()
        self.incidents: Counter[str] = Counter()
        self.counts: Counter[Counted] = Counter()
        self.late_frames = 0
        self.retained = 0
        self.replayed = 0

    def add(self, other: "ProcessMetrics") -> None:
        """Add what another has measured."""
        for name in _HISTOGRAMS:
            getattr(self, name).add(getattr(other, name))
        self.incidents.update(other.incidents)
        self.counts.update(other.counts)
        self.late_frames += other.late_frames
        self.retained = max(self.retained, other.retained)
        self.replayed += other.replayed

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


class RollingMetrics(ProcessMetrics):
    """Metrics of the process since its start, and of its last minutes.

    Its attributes are those of the present minute; `since_start` has all. `minute_over` is to be called every
    minute.
    """

    __slots__ = ("_before", "_minutes", "_sums", "_totals")

    def __init__(self) -> None:
        super().__init__()
        self._before = ProcessMetrics()
        self._minutes: deque[ProcessMetrics] = deque(maxlen=MINUTES_KEPT)
        self._sums: dict[int, ProcessMetrics] = {}  # of whole minutes: anybody may ask, and often
        self._totals: dict[Counted, int] = {}

    def minute_over(self) -> ProcessMetrics:
        """Begin a new minute, and return the metrics of the one that is over."""
        minute = ProcessMetrics()
        for name in ProcessMetrics.__slots__:
            fresh = getattr(minute, name)
            setattr(minute, name, getattr(self, name))
            setattr(self, name, fresh)
        self._minutes.append(minute)
        self._sums.clear()
        self._before.add(minute)
        return minute

    def note_total(self, counted: Counted, total: int) -> None:
        """Count what is counted elsewhere since the start: `total` until now."""
        growth = total - self._totals.get(counted, 0)
        if growth:
            self._totals[counted] = total
            self.counts[counted] += growth

    def of_the_last(self, minutes: int) -> ProcessMetrics:
        """Return the metrics of the last `minutes` (60 at most), and of the part of a minute since."""
        whole = self._sums.get(minutes)
        if whole is None:
            whole = self._sums[minutes] = _sum(list(self._minutes)[-minutes:])
        return _sum([whole, self])

    @property
    def since_start(self) -> ProcessMetrics:
        """The metrics since the start."""
        return _sum([self._before, self])

    @property
    def summary(self) -> Summary:
        """The summary of all that was measured since the start."""
        return self.since_start.summary


def _sum(parts: Iterable[ProcessMetrics]) -> ProcessMetrics:
    whole = ProcessMetrics()
    for part in parts:
        whole.add(part)
    return whole


class CallMetrics:
    """Measures one call, for itself and for the `whole`; `now` is the clock of the `Stamps`."""

    __slots__ = ("_all", "_last", "_now", "_own", "_punctuality")

    def __init__(self, whole: ProcessMetrics | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._own = ProcessMetrics()
        self._all = (self._own,) if whole is None else (self._own, whole)
        self._now = now
        self._punctuality = Punctuality()
        self._last: Stamps | None = None

    @property
    def added(self) -> Percentiles:
        """The delays that the server has added to the call's partials so far, see `Summary`."""
        return self._own.added.spread

    def batch(self, timestamp: object, retained: int) -> None:
        """Note a frame with Twilio's `timestamp` that completed a batch, and the bytes `retained` now."""
        if self._punctuality.is_late(self._now(), timestamp):
            for figures in self._all:
                figures.late_frames += 1
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

    def wordless(self) -> None:
        """Count an utterance in which the recogniser found no words."""
        for figures in self._all:
            figures.counts[WORDLESS] += 1

    def happened(self, kind: str) -> None:
        """Count an incident, see `voicestt.recognisers.port.Incident`."""
        for figures in self._all:
            figures.incidents[kind] += 1

    def end(self, replayed: int) -> Summary:
        """End the call, of which `replayed` bytes were sent again, and return its summary."""
        for figures in self._all:
            figures.replayed += replayed
        return self._own.summary
