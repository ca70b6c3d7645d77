from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.delivery.retry_after import LONGEST_SECONDS, seconds_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        (" 30 ", 30),
        ("0", 0),
        ("86400", LONGEST_SECONDS),
        ("9" * 5_000, LONGEST_SECONDS),
        ("-5", 0),
        ("1.5", 0),
        ("٣٠", 0),
        ("soon", 0),
        ("", 0),
        (None, 0),
        (formatdate(NOW + 40, usegmt=True), 40),
        (formatdate(NOW - 40, usegmt=True), 0),
        (formatdate(NOW + 90_000, usegmt=True), LONGEST_SECONDS),
        ("Tue, 14 Nov 2023 22:14:00", 40),
        ("Tue, 99 Nov 2023 99:14:00 GMT", 0),
        ("Tue, 14 Nov 99999 22:14:00 GMT", 0),
        ("Tue, 14 Nov 9999 23:59:59 -2359", LONGEST_SECONDS),
    ],
)
def test_seconds_or_a_date_and_whatever_else_is_nothing(header: str | None, seconds: float) -> None:
    assert seconds_after(header, NOW) == seconds


@given(header=st.text() | st.text(st.sampled_from("0123456789 :,-+GMTueNov")), now=st.floats(0, 4e9))
def test_whatever_it_says_it_is_a_bounded_pause(header: str, now: float) -> None:
    assert 0 <= seconds_after(header, now) <= LONGEST_SECONDS
