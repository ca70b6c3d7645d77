from hypothesis import given
from hypothesis import strategies as st

from voicestt.server.arrivals import FrameArrivals

FRAME = 160
LATE = st.lists(st.floats(0, 0.019), min_size=2, max_size=200)


@given(LATE, st.floats(0, 1_000_000), st.integers(1, 1_600))
def test_the_frame_is_expected_no_earlier_than_it_comes_and_later_only_by_the_least_late_read(
    late: list[float], start: float, missing: int
) -> None:
    arrivals = FrameArrivals()
    for number, by in enumerate(late):
        now = start + number * 0.02 + by
        until = arrivals.until(missing, (number + 1) * FRAME, now)
        true = -(-missing // FRAME) * 0.02 - by
        assert true - 1e-6 <= until <= true + min(late[max(0, number - 31) : number + 1]) + 1e-6


@given(st.floats(0.21, 10))
def test_after_a_gap_there_is_a_new_rhythm(gap: float) -> None:
    arrivals = FrameArrivals()
    for number in range(50):
        arrivals.until(FRAME, number * FRAME, number * 0.02)
    assert abs(arrivals.until(FRAME, 50 * FRAME, 1.0 + gap) - 0.02) < 1e-6


def test_a_clock_that_drifts_is_followed() -> None:
    arrivals = FrameArrivals()
    for number in range(20_000):
        until = arrivals.until(FRAME, number * FRAME, number * 0.0201)  # theirs is half a per cent slow
    assert until > 0.01
