"""Histograms of durations: percentiles within 1 %, and exact counts up to the bounds that /metrics shows. Pure.

The buckets are HdrHistogram's: 0.1 ms wide at first, then 64 for each doubling of the duration, in one array of
numpy. An observation costs a fifth of what it costs with the library `hdrhistogram`, which brings a build system
(pbr and setuptools) into every installation, and with prometheus_client's histograms, whose few fixed bounds are
too coarse for the percentiles of one call.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

LONGEST: Final = 60.0
BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 30.0),
)
"""Bounds in seconds up to which durations can be counted exactly."""

_FINE = 0.0001
_FINE_BUCKETS = 128
_TO_A_DOUBLING = 64
_TOGETHER = 256
_PERCENTS = (50, 95, 99)

_Counts = np.ndarray[Any, np.dtype[np.int64]]


def _edges() -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Compute the upper edge of each bucket, in seconds; what is above the last has a bucket of its own."""
    edges = {step * _FINE for step in range(_FINE_BUCKETS)} | {LONGEST} | set(BOUNDS)
    lower = _FINE_BUCKETS * _FINE
    while lower < LONGEST:
        edges |= {lower * (1 + part / _TO_A_DOUBLING) for part in range(_TO_A_DOUBLING)}
        lower *= 2
    return np.array(sorted(edge for edge in edges if edge <= LONGEST))


_EDGES = _edges()
_MIDDLES = np.concatenate(([0.0], (_EDGES[:-1] + _EDGES[1:]) / 2, [LONGEST]))
_OF_BOUNDS = [*np.searchsorted(_EDGES, BOUNDS), -1]


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
    """Histogram of durations in seconds; one above a minute counts as a minute, except in `longest` and `total`.

    Fewer than 256 durations are kept as they are; of more there is a count in each of about 900 buckets.
    """

    __slots__ = ("_buckets", "_longest", "_total", "_waiting")

    def __init__(self) -> None:
        self._waiting = array("d")  # a quarter of a list of floats: each call has some
        self._buckets: _Counts | None = None
        self._longest = 0.0
        self._total = 0.0

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

    def add(self, other: "Histogram") -> None:
        """Record all durations of another histogram."""
        self.extend(other._waiting)
        if other._buckets is not None:
            self._sort_in()
            self._buckets = self._all + other._buckets
            self._longest = max(self._longest, other._longest)
            self._total += other._total

    @property
    def total(self) -> float:
        """The sum of all durations, in seconds."""
        return self._total + sum(self._waiting)

    @property
    def spread(self) -> Percentiles:
        """The percentiles of all durations recorded so far."""
        if self._buckets is None:
            return _spread_of(sorted(self._waiting))
        self._sort_in()
        reached = np.cumsum(self._buckets)
        count = int(reached[-1])
        p50, p95, p99 = (
            float(min(_MIDDLES[np.searchsorted(reached, rank)], self._longest)) for rank in _ranks(count)
        )
        return Percentiles(count, p50, p95, p99, self._longest)

    @property
    def up_to_bounds(self) -> list[int]:
        """The number of durations up to each of BOUNDS, and of all."""
        reached = np.cumsum(self._all + _sorted_in(self._waiting))
        return [int(reached[index]) for index in _OF_BOUNDS]

    @property
    def _all(self) -> _Counts:
        return np.zeros(len(_MIDDLES), np.int64) if self._buckets is None else self._buckets

    def _sort_in(self) -> None:
        values, self._waiting = self._waiting, array("d")
        self._longest = max(self._longest, max(values, default=0.0))
        self._total += sum(values)
        self._buckets = self._all + _sorted_in(values)


def _sorted_in(values: "array[float]") -> _Counts:
    found: _Counts = np.bincount(np.searchsorted(_EDGES, values), minlength=len(_MIDDLES))
    return found


def _ranks(count: int) -> list[int]:
    return [max(1, int(percent * count / 100 + 0.5)) for percent in _PERCENTS]


def _spread_of(ordered: Sequence[float]) -> Percentiles:
    if not ordered:
        return Percentiles()
    p50, p95, p99 = (ordered[rank - 1] for rank in _ranks(len(ordered)))
    return Percentiles(len(ordered), p50, p95, p99, ordered[-1])
