import random

from hypothesis import given
from hypothesis import strategies as st

from voicestt.delivery.backoff import MOST_SECONDS, pause


def test_it_doubles_up_to_a_minute() -> None:
    assert [pause(failed, lambda: 1.0) for failed in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


@given(failed=st.integers(0, 10**9), seed=st.integers())
def test_it_lies_between_half_of_that_and_the_whole(failed: int, seed: int) -> None:
    whole = pause(failed, lambda: 1.0)
    assert 0.25 <= whole / 2 <= pause(failed, random.Random(seed).random) <= whole <= MOST_SECONDS
