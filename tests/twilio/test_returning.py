import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.twilio.returning import (
    MOST,
    WITHIN_SECONDS,
    Return,
    first_return,
    moved,
    read_return,
)

NOW = 1_800_000_000.5


@given(st.integers(0, 10**6), st.integers(0, 10**11))
def test_what_is_written_is_read(count: int, since: int) -> None:
    assert read_return(Return(count, since).query) == Return(count, since)


@given(st.text())
def test_whatever_is_in_the_query_it_is_a_return_or_none(query: str) -> None:
    found = read_return(query)
    assert found is None or found.count >= 0


@pytest.mark.parametrize(
    "query", ["", "again=1", "since=1", "again=-1&since=1", "again=a&since=1", "again=1&since="]
)
def test_a_new_call_does_not_come_back(query: str) -> None:
    assert read_return(query) is None


def test_a_call_that_comes_back_at_once_each_time_does_so_a_few_times_only() -> None:
    back = first_return(NOW)
    seen = 0
    while not back.is_one_too_many:
        seen += 1
        back = back.next(NOW + seen)
    assert seen == MOST


def test_after_a_while_counting_begins_anew_and_so_does_a_clock_that_was_set_back() -> None:
    back = Return(MOST, int(NOW))
    assert back.next(NOW + WITHIN_SECONDS + 1) == first_return(NOW + WITHIN_SECONDS + 1)
    assert back.next(NOW - 10) == first_return(NOW - 10)


def test_a_move_is_no_return() -> None:
    assert moved(NOW).next(NOW + 1) == first_return(NOW)
