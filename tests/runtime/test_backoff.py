import random

from hypothesis import given
from hypothesis import strategies as st

from voicestt.delivery.circuit_breaker import PAUSES
from voicestt.delivery.completer import AFTER_REFUSAL
from voicestt.runtime.backoff import Backoff


def test_it_doubles_up_to_a_minute() -> None:
    assert [PAUSES.pause(failed, lambda: 1.0) for failed in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_it_may_grow_by_another_factor() -> None:
    assert [AFTER_REFUSAL.pause(refused, lambda: 1.0) for refused in range(5)] == [2, 8, 32, 60, 60]


def test_without_jitter_it_is_no_matter_of_chance() -> None:
    assert [Backoff(0.1, 5.0).pause(failed) for failed in (0, 1, 9)] == [0.1, 0.2, 5.0]


@given(backoff=st.sampled_from([PAUSES, AFTER_REFUSAL]), failed=st.integers(0, 10**9), seed=st.integers())
def test_it_lies_between_half_of_that_and_the_whole(backoff: Backoff, failed: int, seed: int) -> None:
    whole = backoff.pause(failed, lambda: 1.0)
    drawn = backoff.pause(failed, random.Random(seed).random)
    assert backoff.first / 2 <= whole / 2 <= drawn <= whole <= backoff.longest
