from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voicestt.twilio.media_time import MediaTime

SECOND = 8_000


def test_without_a_gap_time_is_counted_in_bytes() -> None:
    time = MediaTime()
    for frame in range(100):
        time.frame(frame * 160, str(52 + frame * 20), frame * 0.02)
    assert (time.of_start(SECOND), time.of_end(SECOND)) == (1.0, 1.0)


def test_a_gap_is_time_and_what_ends_at_it_ended_before_it() -> None:
    time = MediaTime()
    time.frame(0, "52", 0.0)
    time.frame(SECOND, "4052", 4.0)
    assert (time.of_end(SECOND), time.of_start(SECOND)) == (1.0, 4.0)
    assert (time.of_start(SECOND // 2), time.of_end(2 * SECOND)) == (0.5, 5.0)


def test_frames_that_come_late_are_no_gap() -> None:
    time = MediaTime()
    time.frame(0, "52", 0.0)
    for frame in range(50, 100):
        time.frame(frame * 160, str(52 + frame * 20), 9.0)
    assert time.of_end(2 * SECOND) == 2.0


def test_a_time_that_cannot_be_is_none() -> None:
    time = MediaTime()
    time.frame(0, "52", 0.0)
    impossible: list[object] = ["99999999", "52", None, "soon", [], {}, "1" * 5_000, 1e999, float("nan"), -5]
    for said in impossible:
        time.frame(SECOND, said, 1.0)
    assert time.of_start(SECOND) == 1.0


def test_more_gaps_than_are_kept_leave_the_newest_right() -> None:
    time = MediaTime()
    time.frame(0, 0, 0.0)
    for second in range(1, 6_000):
        time.frame(second * SECOND, second * 2_000, second * 2.0)
    assert time.of_start(5_999 * SECOND) == 11_998.0


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(-(10**6), 10**6) | st.text(max_size=3)), max_size=20))
def test_whatever_the_timestamps_are_time_never_goes_back(frames: list[tuple[int, int | str]]) -> None:
    time, position = MediaTime(), 0
    for length, said in frames:
        time.frame(position, said, position / SECOND)
        position += length
    times = [time.of_start(place) for place in range(position + 200)]
    assert all(later >= earlier for earlier, later in pairwise(times))
    assert all(time.of_end(place) <= time.of_start(place) for place in range(position + 200))
    assert times[-1] <= position / SECOND + 6
