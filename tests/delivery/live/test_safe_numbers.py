from hypothesis import given
from hypothesis import strategies as st

from voicestt.delivery.live.safe_numbers import SETTLE_SECONDS, SafeNumbers


def test_nothing_is_behind_the_first_number() -> None:
    numbers = SafeNumbers()
    assert SafeNumbers().low is None
    numbers.note([7], 0.0)
    assert numbers.low == 6
    assert list(numbers.since) == [7]


def test_the_place_to_go_on_after_stands_still_while_others_cannot_be_heard() -> None:
    numbers = SafeNumbers()
    numbers.note([7], 0.0)
    numbers.keep_all(keeps=True)
    numbers.note([8], 100.0)
    assert numbers.low == 6
    numbers.keep_all(keeps=False)
    numbers.settle(100.0)
    assert numbers.low == 7


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60),
    st.lists(st.floats(0.0, SETTLE_SECONDS * 0.99), min_size=60, max_size=60),
)
def test_who_goes_on_after_it_misses_nothing(gaps: list[float], late: list[float]) -> None:
    """Each number is given at a moment, and published by its process within the time to settle."""
    given_at = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    published = sorted((moment + late[index], index + 1) for index, moment in enumerate(given_at))
    numbers = SafeNumbers()
    for place, (now, number) in enumerate(published):
        numbers.note([number], now)
        had = {each for _, each in published[: place + 1]}
        low = numbers.low
        assert low is not None
        missing = {each for _, each in published[place + 1 :]}
        assert all(each > low or each < min(had) for each in missing)
