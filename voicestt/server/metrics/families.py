"""Makes metric families of prometheus_client from figures that are counted elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from voicestt.runtime.histogram import BOUNDS, Histogram

PREFIX: Final = "voicestt_"


def counter(name: str, text: str, value: float) -> Metric:
    """Make a counter without labels; `_total` is added to its name."""
    return CounterMetricFamily(PREFIX + name, text, value=value)


def gauge(name: str, text: str, value: float) -> Metric:
    """Make a gauge without labels."""
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Make a counter with a label."""
    family = CounterMetricFamily(PREFIX + name, text, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family


def counters_of_two(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, str], float]
) -> Metric:
    """Make a counter with two labels."""
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Make a gauge with a label."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family


def histogram(name: str, text: str, measured: Histogram) -> Metric:
    """Make a histogram of durations in seconds."""
    bounds = [*map(str, BOUNDS), "+Inf"]
    buckets = list(zip(bounds, measured.up_to_bounds, strict=True))
    return HistogramMetricFamily(PREFIX + name, text, buckets=buckets, sum_value=measured.total)


def one_hot(values: Iterable[str], present: str) -> dict[str, float]:
    """Make values that are 1 for the value that is present and 0 for the others."""
    return {value: float(value == present) for value in values}
