from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.delivery.live.access import presented
from voicestt.delivery.live.hub import is_same


@pytest.mark.parametrize(
    ("authorization", "query", "token"),
    [
        ("Bearer abc", "", "abc"),
        ("bearer  abc ", "", "abc"),
        (None, "access_token=abc", "abc"),
        (None, "call=CA1&access_token=a%2Bb%3D", "a+b="),
        ("Bearer abc", "access_token=other", "abc"),
        ("Basic dXNlcjpwYXNz", "access_token=abc", "abc"),
        ("Basic dXNlcjpwYXNz", "", None),
        ("Bearer", "", ""),
        ("", "", None),
        (None, "", None),
        (None, "access_token=", None),
        (None, "token=abc", None),
        (None, "&".join(["access_token=abc"] * 300), None),
    ],
)
def test_the_token_is_in_the_header_or_in_the_query(
    authorization: str | None, query: str, token: str | None
) -> None:
    assert presented(authorization, query) == token


def test_only_the_same_token_is_the_same() -> None:
    assert is_same("abc", "abc")
    for other in (None, "", "ab", "abcd", "ABC", "אבג", "\ud800"):
        assert not is_same("abc", other)


TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(TOKENS)
def test_every_token_that_a_header_can_carry_opens(token: str) -> None:
    assert is_same(token, presented(f"Bearer {token}", ""))
    assert is_same(token, presented(None, f"access_token={quote_plus(token)}"))


@given(st.none() | st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_stranger_sends_is_no_error_and_does_not_open(authorization: str | None, query: str) -> None:
    assert not is_same("the token that nobody guesses", presented(authorization, query))
