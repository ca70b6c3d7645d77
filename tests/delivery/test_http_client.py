"""However an answer is cut into pieces, the client gets the same."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport

from voicestt.delivery.http_client import LONGEST_HEAD, with_short_heads

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
