import math

import pytest
from twisted.internet.task import Clock

from voicestt.runtime.histogram import Percentiles
from voicestt.runtime.metrics import (
    MINUTES_KEPT,
    CallMetrics,
    ProcessMetrics,
    Punctuality,
    RollingMetrics,
    Stamps,
    Summary,
)

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


def minute(metrics: RollingMetrics, number: int) -> None:
    """A minute in which `number` of everything happened."""
    for _ in range(number):
        metrics.lag.record(number / 1000)
    metrics.incidents["rotated"] += number
    metrics.counts["finals", "whisper"] += number
    metrics.retained = 1_000 * number


def test_of_the_process_there_are_the_last_minutes_and_everything_since_the_start() -> None:
    metrics = RollingMetrics()
    for number in (300, 2, 3):
        minute(metrics, number)
        metrics.minute_over()
    minute(metrics, 4)
    last, few, whole = metrics.of_the_last(1), metrics.of_the_last(2), metrics.since_start
    assert [each.counts["finals", "whisper"] for each in (last, few, whole)] == [7, 9, 309]
    assert [each.summary.lag.count for each in (last, few, whole)] == [7, 9, 309]
    assert [each.summary.rotations for each in (last, few, whole)] == [7, 9, 309]
    assert [each.retained for each in (last, few, whole)] == [4_000, 4_000, 300_000]
    assert metrics.summary == whole.summary
    assert last.summary.lag.longest == 0.004


def test_no_more_than_an_hour_is_kept_and_nothing_is_counted_twice() -> None:
    metrics = RollingMetrics()
    for _ in range(MINUTES_KEPT + 40):
        minute(metrics, 1)
        metrics.minute_over()
    assert metrics.of_the_last(1_000).counts["finals", "whisper"] == MINUTES_KEPT
    assert metrics.since_start.counts["finals", "whisper"] == MINUTES_KEPT + 40
    assert metrics.summary == metrics.summary


def test_a_call_goes_on_over_the_end_of_a_minute(clock: Clock) -> None:
    whole = RollingMetrics()
    of_call = CallMetrics(whole, clock.seconds)
    for _ in range(3):
        of_call.delivered_final(0.5)
        of_call.batch("0", 700)
        of_call.wordless()
        whole.minute_over()
    assert of_call.end(0).final.count == whole.summary.final.count == 3
    assert whole.of_the_last(1).final.spread.count == 1
    assert whole.of_the_last(1).retained == 700
    assert whole.since_start.counts["utterances_without_words",] == 3


def test_what_is_counted_elsewhere_is_counted_by_its_growth() -> None:
    metrics = RollingMetrics()
    for total in (0, 5, 5):
        metrics.note_total(("lost",), total)
    metrics.minute_over()
    metrics.minute_over()
    metrics.note_total(("lost",), 7)
    assert metrics.of_the_last(1).counts["lost",] == 2
    assert metrics.since_start.counts["lost",] == 7


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
