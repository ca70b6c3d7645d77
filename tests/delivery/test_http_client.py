"""However an answer is cut into pieces, the client gets the same."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport

from voicestt.delivery.http_client import LONGEST, LONGEST_HEAD, Answers, with_short_heads, without_host

REQUEST = [b"POST / HTTP/1.1\r\n", b"\r\n"]


class Client(Protocol):
    def __init__(self) -> None:
        self.got = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.got += data


class Clients(Factory):
    noisy = False

    def buildProtocol(self, addr: object) -> Client:  # noqa: N802
        return Client()


def passed_on(answer: bytes, cuts: list[int], *, is_lost: bool = True) -> bytes:
    wrapper = with_short_heads(Clients()).buildProtocol(None)
    client = wrapper.wrappedProtocol
    wrapper.makeConnection(StringTransport())
    wrapper.writeSequence(REQUEST)
    places = [0, *sorted(cut % (len(answer) + 1) for cut in cuts), len(answer)]
    for start, end in pairwise(places):
        if start < end:
            wrapper.dataReceived(answer[start:end])
    if is_lost:
        wrapper.connectionLost()
    got: bytes = client.got
    return got


CUTS = st.lists(st.integers(0, 2**20), max_size=8)


@given(st.binary(max_size=300), CUTS)
def test_what_is_short_goes_through_as_it_is(answer: bytes, cuts: list[int]) -> None:
    assert passed_on(answer, cuts) == answer
    whole = b"HTTP/1.1 200 OK\r\n\r\n" + answer
    assert passed_on(whole, cuts, is_lost=False) == whole
    early = b"HTTP/1.1 100 Continue\r\n\r\n" + whole
    assert passed_on(early, cuts, is_lost=False) == early


@given(st.integers(LONGEST_HEAD, 3 * LONGEST_HEAD), CUTS)
def test_a_long_head_becomes_its_first_line(size: int, cuts: list[int]) -> None:
    long = b"HTTP/1.1 204 No Content\r\nX: " + b"x" * size + b"\r\n\r\n"
    short = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert passed_on(long, cuts) == short


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
