import math
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voicestt.runtime.histogram import BOUNDS, Histogram, Percentiles

DURATIONS = st.floats(0, 60) | st.floats(0, 0.05) | st.sampled_from([0.0, 0.0001, 0.01275, 0.0128, 60.0])


def percentile(values: Sequence[float], percent: int) -> float:
    """By nearest rank."""
    rank = max(1, math.floor(percent * len(values) / 100 + 0.5))
    return sorted(values)[rank - 1]


def recorded(values: Sequence[float]) -> Percentiles:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram.spread


@given(st.lists(DURATIONS, min_size=1, max_size=255))
def test_of_few_every_percentile_is_exact(values: list[float]) -> None:
    spread = recorded(values)
    p50, p95, p99 = (percentile(values, percent) for percent in (50, 95, 99))
    assert spread == Percentiles(len(values), p50, p95, p99, max(values))


@given(st.lists(DURATIONS, min_size=1, max_size=60), st.integers(5, 40))
@example([0.02565], 256)
def test_of_many_every_percentile_is_within_a_hundredth_or_a_tenth_of_a_millisecond(
    values: list[float], times: int
) -> None:
    many = values * max(times, 256 // len(values) + 1)
    spread = recorded(many)
    assert (spread.count, spread.longest) == (len(many), max(many))
    for percent, found in ((50, spread.p50), (95, spread.p95), (99, spread.p99)):
        assert found == pytest.approx(percentile(many, percent), rel=0.01, abs=0.0001)


@given(st.lists(st.lists(DURATIONS, max_size=200), max_size=10))
def test_however_they_come_and_whenever_it_is_asked_the_spread_is_the_same(groups: list[list[float]]) -> None:
    together, one_by_one = Histogram(), Histogram()
    for group in groups:
        together.extend(group)
        for value in group:
            one_by_one.record(value)
        assert together.spread.count == one_by_one.spread.count
    found, wanted = together.spread, one_by_one.spread
    assert (found.count, found.longest) == (wanted.count, wanted.longest)
    assert found.p99 == pytest.approx(wanted.p99, rel=0.02, abs=0.0002)


def test_of_none_there_is_nothing_to_say() -> None:
    spread = Histogram().spread
    assert spread == Percentiles()
    assert spread.words == "none"
    assert spread.milliseconds == {"count": 0, "p50": None, "p95": None, "p99": None, "max": None}


def test_a_spread_in_words_and_for_json() -> None:
    spread = Percentiles(3, 0.0021, 0.004, 0.01, 1.23456)
    assert spread.words == "p50 2.1, p95 4.0, p99 10.0, longest 1234.6 ms"
    assert spread.milliseconds == {"count": 3, "p50": 2.1, "p95": 4.0, "p99": 10.0, "max": 1234.6}


def test_what_is_longer_than_a_minute_counts_and_its_longest_is_exact() -> None:
    spread = recorded([90.0, 3_600.0] * 200)
    assert (spread.count, spread.longest) == (400, 3_600.0)
    assert spread.p50 == pytest.approx(60.0, rel=0.01)


def test_a_histogram_of_days_counts_further_than_four_billion() -> None:
    histogram = Histogram()
    histogram.extend([0.001] * 256)
    for _ in range(25):
        histogram.add(histogram)
    assert histogram.spread.count == histogram.up_to_bounds[-1] == 256 * 2**25
    assert histogram.total == pytest.approx(0.001 * 256 * 2**25)


@given(st.lists(DURATIONS | st.sampled_from(BOUNDS), max_size=40), st.integers(1, 20))
def test_up_to_each_bound_the_count_is_exact(values: list[float], times: int) -> None:
    histogram = Histogram()
    histogram.extend(values * times)
    assert histogram.up_to_bounds == [
        *(times * sum(value <= bound for value in values) for bound in BOUNDS),
        times * len(values),
    ]
    assert histogram.total == pytest.approx(sum(values) * times)


@given(st.lists(st.lists(DURATIONS, max_size=300), max_size=6))
def test_the_sum_of_histograms_is_the_histogram_of_all(groups: list[list[float]]) -> None:
    whole, together = Histogram(), Histogram()
    for group in groups:
        part = Histogram()
        part.extend(group)
        whole.add(part)
        together.extend(group)
    assert whole.up_to_bounds == together.up_to_bounds
    assert whole.total == pytest.approx(together.total)
    found, wanted = whole.spread, together.spread
    assert (found.count, found.longest) == (wanted.count, wanted.longest)
    assert found.p95 == pytest.approx(wanted.p95, rel=0.02, abs=0.0002)
