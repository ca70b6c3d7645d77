from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport

from tests.server.test_media_factory import twilios_request
from voicestt.server.fast_frames import FRAMES_AT_ONCE, FastFrameProtocol, text_spans, unmasked

LARGEST = 70_000
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
MASK = b"\x0f\xf0\xaa\x55"


def keeping(kind: Any) -> Any:
    """`kind`, with its messages kept."""

    class Keeping(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.kept: list[tuple[bytes, bool]] = []
            self.held = 0

        def hold(self, seconds: float) -> None:
            self.held += 1

        def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
            self.kept.append((bytes(payload), isBinary))

    return Keeping


OURS = keeping(FastFrameProtocol)
AUTOBAHNS = keeping(WebSocketServerProtocol)


@dataclass
class Seen:
    """The outcome of the bytes at a server: its messages, its answer, and whether it hung up."""

    messages: list[tuple[bytes, bool]]
    answer: bytes
    hung_up: bool


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, mask: bytes | None = MASK, reserved: int = 0, spare: int = 0
) -> bytes:
    """A frame by RFC 6455, section 5.2; `spare` bytes longer lengths than are needed, which is an error."""
    head = bytes([fin << 7 | reserved << 4 | opcode])
    masked = 0 if mask is None else 0x80
    size = len(payload)
    form = max(0 if size < 126 else 1 if size < 65_536 else 2, spare)
    if form == 0:
        head += bytes([masked | size])
    else:
        head += bytes([masked | (125 + form)]) + size.to_bytes(2 if form == 1 else 8, "big")
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def opened(kind: Any) -> tuple[Any, FakeTransport]:
    factory = WebSocketServerFactory()
    factory.setProtocolOptions(
        maxFramePayloadSize=LARGEST, maxMessagePayloadSize=LARGEST, utf8validateIncoming=False, webStatus=False
    )
    server = kind()
    server.factory = factory
    transport = FakeTransport(server, isServer=True)
    server.makeConnection(transport)
    server.dataReceived(twilios_request())
    transport.getOutBuffer()
    return server, transport


def serve(kind: Any, pieces: Sequence[bytes]) -> Seen:
    server, transport = opened(kind)
    for piece in pieces:
        server.dataReceived(piece)
    seen = Seen(server.kept, transport.getOutBuffer() or b"", bool(transport.disconnecting))
    server.connectionLost(connectionDone)
    return seen


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


SIZES = st.sampled_from([0, 1, 2, 5, 6, 7, 124, 125, 126, 127, 350, 65_535, 65_536, LARGEST, LARGEST + 1])
MESSAGES = st.builds(
    frame,
    st.sampled_from([TEXT, BINARY]),
    SIZES.map(lambda size: b"x" * size),
    mask=st.binary(min_size=4, max_size=4),
)
USUAL = st.builds(frame, st.just(TEXT), st.binary(max_size=300), mask=st.binary(min_size=4, max_size=4))
ANYTHING = st.builds(
    frame,
    st.sampled_from([TEXT, TEXT, BINARY, CONTINUATION, CONTINUATION, PING, PONG, CLOSE, 3]),
    st.binary(max_size=130),
    fin=st.booleans(),
    mask=st.just(MASK) | st.none(),
    reserved=st.sampled_from([0, 0, 0, 0, 4]),
    spare=st.sampled_from([0, 0, 0, 1, 2]),
)
FRAGMENTED = st.lists(st.binary(max_size=20), min_size=2, max_size=4).map(
    lambda parts: b"".join(
        frame(CONTINUATION if number else TEXT, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    )
)
STREAMS = st.lists(USUAL | USUAL | MESSAGES | FRAGMENTED | ANYTHING | st.binary(max_size=20), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200)
@given(frames=STREAMS, places=st.lists(st.integers(0, 10_000), max_size=6))
@example(frames=[frame(TEXT, b"a"), frame(TEXT, b"b", fin=False), frame(TEXT, b"c")], places=[])
@example(frames=[frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONTINUATION, b"b")], places=[3, 9])
@example(frames=[frame(CLOSE, b""), frame(TEXT, b"after")], places=[])
@example(frames=[frame(TEXT, b"short", spare=1)], places=[])
@example(frames=[frame(TEXT, b"short", spare=2)], places=[])
@example(frames=[frame(TEXT, b"x" * (LARGEST + 1)), frame(TEXT, b"after")], places=[70_001])
def test_it_does_what_autobahn_does(autobahn_clock: Clock, frames: list[bytes], places: list[int]) -> None:
    pieces = cut(b"".join(frames), places)
    assert serve(OURS, pieces) == serve(AUTOBAHNS, pieces)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 350, 65_535, 65_536])
def test_whole_frames_are_messages(autobahn_clock: Clock, size: int) -> None:
    payloads = [bytes([number]) * size for number in range(3)]
    seen = serve(OURS, [b"".join(frame(TEXT, payload) for payload in payloads)])
    assert seen == Seen([(payload, False) for payload in payloads], b"", hung_up=False)


FLOODS = {
    "text": frame(TEXT, b"x"),
    "pings": frame(PING, b""),
    "fragments": frame(TEXT, b"", fin=False) + frame(CONTINUATION, b""),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_tiny_frames_gets_so_many_of_a_turn_and_no_more(autobahn_clock: Clock, flood: bytes) -> None:
    server, _ = opened(OURS)
    server.dataReceived(flood * 5_000)
    left, turns = len(server.data), 0
    assert server.held == 1
    while server.data:
        server.go_on()
        turns += 1
        assert 0 < left - len(server.data) <= FRAMES_AT_ONCE * len(flood)
        left = len(server.data)
    assert turns + 1 >= 5_000 / FRAMES_AT_ONCE
    server.connectionLost(connectionDone)


def test_data_that_comes_during_a_hold_waits_in_order(autobahn_clock: Clock) -> None:
    server, _ = opened(OURS)
    for number in range(3):
        server.dataReceived(b"".join(frame(TEXT, b"%d" % (number * 100 + each)) for each in range(100)))
    assert len(server.kept) == FRAMES_AT_ONCE
    while server.data:
        server.go_on()
    assert server.kept == [(b"%d" % number, False) for number in range(300)]
    server.connectionLost(connectionDone)


WHOLE = b"".join(frame(TEXT, b"%d" % number) for number in range(9))


def acting_at(third: Any) -> Any:
    """A server that does something at its third message."""

    class Acting(OURS):  # type: ignore[misc,valid-type]
        def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
            super().onMessage(payload, isBinary)
            if payload == b"2":
                third(self)

    return Acting


def test_what_came_with_a_message_that_holds_the_rest_waits(autobahn_clock: Clock) -> None:
    server, _ = opened(acting_at(OURS.hold_the_rest))
    server.dataReceived(WHOLE)
    assert [payload for payload, _ in server.kept] == [b"0", b"1", b"2"]
    server.go_on()
    assert [payload for payload, _ in server.kept] == [b"%d" % number for number in range(9)]
    server.connectionLost(connectionDone)


def test_what_is_let_go_on_at_once_comes_once_and_in_order(autobahn_clock: Clock) -> None:
    def hold_and_go_on(server: Any) -> None:
        server.hold_the_rest()
        server.go_on()

    server, _ = opened(acting_at(hold_and_go_on))
    server.dataReceived(WHOLE + frame(TEXT, b"9", fin=False))
    server.dataReceived(frame(CONTINUATION, b"9"))
    assert [payload for payload, _ in server.kept] == [b"%d" % number for number in range(9)] + [b"99"]
    server.connectionLost(connectionDone)


def test_after_a_message_that_closes_the_socket_the_rest_is_autobahn_s(autobahn_clock: Clock) -> None:
    kept = []
    for kind in (OURS, AUTOBAHNS):

        class Closing(kind):  # type: ignore[misc,valid-type]
            def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
                super().onMessage(payload, isBinary)
                self.sendClose(1000)

        server, transport = opened(Closing)
        server.dataReceived(WHOLE + frame(CLOSE, b""))
        kept.append((server.kept, transport.getOutBuffer(), server.state))
        server.connectionLost(connectionDone)
    assert kept[0] == kept[1]


def taking_together(count: int) -> Any:
    """A server that takes so many messages together, and others one by one."""

    class Together(OURS):  # type: ignore[misc,valid-type]
        def onMessages(self, payloads: Sequence[bytes]) -> bool:  # noqa: N802
            if len(payloads) != count:
                return False
            self.kept += [(b"together", False), *[(payload, False) for payload in payloads]]
            return True

    return Together


def test_what_came_together_can_be_taken_together(autobahn_clock: Clock) -> None:
    server, _ = opened(taking_together(9))
    server.dataReceived(WHOLE + WHOLE[:3])
    assert [payload for payload, _ in server.kept[:10]] == [b"together", *[b"%d" % number for number in range(9)]]
    server.kept.clear()
    server.dataReceived(WHOLE[3:40])
    assert b"together" not in [payload for payload, _ in server.kept], "there were fewer, and each came alone"
    assert [payload for payload, _ in server.kept][-1] == b"4"
    server.connectionLost(connectionDone)


def test_messages_taken_together_count_towards_a_turn(autobahn_clock: Clock) -> None:
    server, _ = opened(taking_together(FRAMES_AT_ONCE))
    server.dataReceived(b"".join(frame(TEXT, b"%d" % number) for number in range(FRAMES_AT_ONCE + 3)))
    assert len(server.kept) == FRAMES_AT_ONCE + 1
    assert server.held == 1
    server.go_on()
    assert [payload for payload, _ in server.kept[1:]] == [b"%d" % number for number in range(FRAMES_AT_ONCE + 3)]
    server.connectionLost(connectionDone)


PAYLOADS = st.lists(st.tuples(st.binary(max_size=400), st.binary(min_size=4, max_size=4)), min_size=1, max_size=9)


@given(PAYLOADS)
def test_unmasking_is_by_the_rfc(frames: list[tuple[bytes, bytes]]) -> None:
    data = b"".join(frame(TEXT, payload, mask=mask) for payload, mask in frames)
    spans = text_spans(data, 64, LARGEST)
    assert unmasked(data, spans) == [payload for payload, _ in frames]


@given(PAYLOADS, st.integers(1, 9), st.integers(0, 400), st.binary(max_size=20))
def test_so_many_whole_frames_are_found_and_no_longer_ones(
    frames: list[tuple[bytes, bytes]], most: int, largest: int, more: bytes
) -> None:
    whole = [frame(TEXT, payload, mask=mask) for payload, mask in frames]
    spans = text_spans(b"".join(whole) + frame(BINARY, more), most, largest)
    short = list(takewhile(lambda each: len(each[0]) <= largest, frames))
    assert [end - start for start, end in spans] == [len(payload) for payload, _ in short][:most]
    cut_off = text_spans(b"".join(whole)[:-1], most, largest)
    assert cut_off == spans[: len(whole) - 1]
