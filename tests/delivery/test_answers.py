import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.delivery.answers import LONGEST, Answers, without_host

SHOWN = Answers("https://hook.example.com/in/T0001secret?token=pass%20word&x=1").shown


def test_an_answer_is_shown_as_text() -> None:
    assert SHOWN('{"error": "שלום"}'.encode()) == '{"error": "שלום"}'
    assert SHOWN(b"") == ""


def test_it_ends_after_200_bytes_and_never_within_a_character() -> None:
    assert SHOWN(b"x" * 1_000) == "x" * LONGEST
    assert SHOWN("ש".encode() * 1_000) == "ש" * (LONGEST // 2)
    assert SHOWN(b"x" + "ש".encode() * 1_000) == "x" + "ש" * ((LONGEST - 1) // 2)


def test_nothing_of_it_moves_a_cursor() -> None:
    assert SHOWN(b"\x1b[2Ja\r\nb\x00") == "\\x1b[2Ja\\x0d\\x0ab\\x00"


def test_the_address_s_secrets_are_not_repeated() -> None:
    assert SHOWN(b"Cannot POST /in/T0001secret?token=pass%20word&x=1") == "Cannot POST …?…"
    assert SHOWN(b"no hook T0001secret, and a bad token: pass word") == "no hook …, and a bad token: …"


def test_answers_that_are_alike_take_memory_once() -> None:
    first = SHOWN(b'{"status": "accepted"}')
    assert SHOWN(b'{"status": "accepted"}') is first
    assert SHOWN(b"no") == "no"


@pytest.mark.parametrize(
    ("words", "host", "expected"),
    [
        ("no results for hostname lookup: crm.internal", "crm.internal", "no results for hostname lookup: …"),
        (
            "Error 111 connecting to redis:6379. redis-py gave up.",
            "redis",
            "Error 111 connecting to …:6379. redis-py gave up.",
        ),
        (
            "not crm.internal2 nor a.crm.internal; crm.internal.",
            "crm.internal",
            "not crm.internal2 nor a.crm.internal; ….",
        ),
        ("a cat", None, "a cat"),
    ],
)
def test_an_error_does_not_say_where_the_receiver_is(words: str, host: str | None, expected: str) -> None:
    assert without_host(words, host) == expected


@given(st.binary(max_size=2_000))
def test_whatever_comes_is_short_and_printable(body: bytes) -> None:
    shown = SHOWN(body)
    assert len(shown) <= 6 * LONGEST
    assert not any(each in shown for each in "\n\r\x00\x1b\u202e")
