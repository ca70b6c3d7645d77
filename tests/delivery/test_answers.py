from hypothesis import given
from hypothesis import strategies as st

from voicestt.delivery.answers import LONGEST, Answers

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


@given(st.binary(max_size=2_000))
def test_whatever_comes_is_short_and_printable(body: bytes) -> None:
    shown = SHOWN(body)
    assert len(shown) <= 6 * LONGEST
    assert not any(each in shown for each in "\n\r\x00\x1b\u202e")
