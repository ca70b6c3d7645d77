import math
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from voicestt.runtime.metrics import (
    CallMetrics,
    Histogram,
    Percentiles,
    ProcessMetrics,
    Punctuality,
    Stamps,
    Summary,
)

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


# -- the histogram


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
    histogram = Histogram(counter_bytes=8)
    histogram.extend([0.001] * 256)
    assert histogram.spread.count == 256


# -- late frames


@pytest.mark.parametrize(("milliseconds", "is_late"), [(0, False), (99, False), (101, True), (5_000, True)])
def test_a_frame_is_late_a_tenth_of_a_second_after_its_timestamp(milliseconds: int, is_late: bool) -> None:
    punctuality = Punctuality()
    assert not punctuality.is_late(1000.0, "52")
    assert punctuality.is_late(1001.0 + milliseconds / 1000, "1052") is is_late


def test_a_first_frame_that_was_held_up_hides_nothing() -> None:
    punctuality = Punctuality()
    assert not punctuality.is_late(1003.0, "52")
    assert not punctuality.is_late(1003.0, "3052")
    assert punctuality.is_late(1004.2, "4052")


def test_clocks_that_differ_do_not_make_frames_late() -> None:
    punctuality = Punctuality()
    seconds = range(4 * 3600)
    assert not any(punctuality.is_late(second * 1.0005, str(second * 1000)) for second in seconds)


@pytest.mark.parametrize(
    "timestamp", [None, "", "soon", "1.5", [], {}, math.nan, math.inf, "9" * 400, "9" * 5_000, True]
)
def test_what_is_no_number_says_nothing(timestamp: object) -> None:
    punctuality = Punctuality()
    assert not punctuality.is_late(1.0, timestamp)
    assert not punctuality.is_late(1.0, "0")


def test_a_timestamp_that_is_a_number_is_one() -> None:
    punctuality = Punctuality()
    assert not punctuality.is_late(1.0, 52)
    assert punctuality.is_late(1.2, 60)


# -- one call, and all


def test_a_call_s_metrics_count_for_the_call_and_for_the_process(clock: Clock) -> None:
    whole = ProcessMetrics()
    both = [CallMetrics(whole, clock.seconds) for _ in range(2)]
    for number, metrics in enumerate(both, 1):
        stamps = Stamps(clock.seconds(), 0.002, (0.001, 0.002))
        clock.advance(0.003)
        metrics.answered(stamps)
        metrics.delivered_partial(stamps)
        metrics.answered(stamps)  # the second result of the same response
        metrics.delivered_final(0.5)
        metrics.delivered_final(None)
        metrics.happened("restarted")
        metrics.happened("unheard of")
        metrics.batch("0", 1_200 * number)
        metrics.batch("0", 100)
    own = both[1].end(320)
    assert own.added.count == 1
    assert own.added.longest == pytest.approx(0.005)
    assert own.hand_off == Percentiles(2, 0.001, 0.002, 0.002, 0.002)
    assert own.final == Percentiles(1, 0.5, 0.5, 0.5, 0.5)
    assert (own.restarts, own.rotations, own.fallbacks) == (1, 0, 0)
    assert (own.retained, own.replayed) == (2_400, 320)
    assert (whole.summary.added.count, whole.summary.hand_off.count) == (2, 4)
    assert (whole.summary.restarts, whole.summary.retained, whole.summary.replayed) == (2, 2_400, 320)


def test_a_late_frame_is_counted_for_the_call_and_the_whole(clock: Clock) -> None:
    whole = ProcessMetrics()
    metrics = CallMetrics(whole, clock.seconds)
    metrics.batch("0", 0)
    clock.advance(0.2)
    metrics.batch("20", 0)
    metrics.batch("190", 0)
    assert (whole.summary.late_frames, metrics.end(0).late_frames) == (1, 1)


def test_where_nothing_is_stamped_nothing_is_measured() -> None:
    metrics = CallMetrics()
    metrics.answered(None)
    metrics.delivered_partial(None)
    assert metrics.end(0) == Summary()


def test_for_json_there_are_numbers_only() -> None:
    figures = ProcessMetrics()
    figures.incidents["rotated"] += 1
    json = figures.summary.json
    none = {"count": 0, "p50": None, "p95": None, "p99": None, "max": None}
    assert json == {
        "added_partial_delay_ms": none,
        "final_delay_ms": none,
        "hand_off_ms": none,
        "reactor_lag_ms": none,
        "late_frames": 0,
        "restarts": 0,
        "rotations": 1,
        "fallbacks": 0,
        "retained_bytes_peak": 0,
        "replayed_bytes": 0,
    }
