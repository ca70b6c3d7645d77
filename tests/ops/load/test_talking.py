import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.emulators.twilio.twiml import StreamNoun
from voicestt.ops.load.raw_call import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawCall,
    masked,
    unmasked,
)
from voicestt.ops.load.talking import in_step, spread, talk

BYE = b"\x88\x02\x03\xe8"


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(3)]
        for near, far in pairs:
            stack.enter_context(near)
            stack.enter_context(far)
            near.setblocking(False)
        yield pairs


def call_on(line: socket.socket, number: int, frames: int = 3) -> RawCall:
    data = [masked(TEXT, b"%d.%d" % (number, frame)) for frame in range(frames)]
    last = masked(TEXT, b"stop") + masked(CLOSE, b"\x03\xe8")
    return RawCall(number, Sids(), b"", data, last, line, StreamNoun("wss://x/"))


def everything(line: socket.socket) -> list[bytes]:
    """The payloads that came, unmasked by hand."""
    line.settimeout(5)
    data = b""
    while chunk := line.recv(4_096):
        data += chunk
    payloads = []
    while data:
        size = data[1] & 0x7F
        mask, body, data = data[2:6], data[6 : 6 + size], data[6 + size :]
        payloads.append(bytes(byte ^ mask[at % 4] for at, byte in enumerate(body)))
    return payloads


def test_each_call_says_all_its_frames_in_order_and_its_last_words(pairs: Any) -> None:
    calls = [call_on(near, number) for number, (near, _) in enumerate(pairs)]
    for _, far in pairs:
        far.sendall(BYE)
        far.shutdown(socket.SHUT_WR)
    seen: list[int] = []
    talked = talk(calls, {1: lambda: seen.append(1)}, [0, 7, 45])
    for number, (_, far) in enumerate(pairs):
        wanted = [b"%d.%d" % (number, frame) for frame in range(3)]
        assert everything(far)[: len(wanted)] == wanted or calls[number].closed
    assert seen == [1]
    assert [call.close_code for call in calls] == [1000] * 3
    assert talked.sent_at(2, 1) - talked.sent_at(0, 0) > 0.05
    assert talked.latest >= 0


def test_pings_are_answered(pairs: Any) -> None:
    near, far = pairs[0]
    call = call_on(near, 1)
    far.sendall(bytes([PING, 2]) + b"hi")
    call.receive()
    assert far.recv(100)[0] == PONG
    assert not call.closed


def test_bytes_that_the_socket_does_not_take_at_once_are_kept_in_order(pairs: Any) -> None:
    near, far = pairs[0]
    call = call_on(near, 1)
    sent = [bytes([number % 251]) * 20_000 for number in range(60)]
    for piece in sent:
        call.send(piece)
    assert call.outbox
    got = b""
    far.settimeout(5)
    while len(got) < 60 * 20_000:
        got += far.recv(1 << 20)
        call.send(b"")
    assert got == b"".join(sent)


def test_a_line_that_breaks_is_a_closed_call(pairs: Any) -> None:
    near, far = pairs[0]
    call = call_on(near, 1)
    far.close()
    call.receive()
    assert call.closed
    assert call.close_code is None
    call.send(b"nobody there")
    other = call_on(pairs[1][0], 2)
    pairs[1][1].close()
    for _ in range(3):
        other.send(b"nobody there")
    assert other.closed


def test_a_close_without_a_code_is_1005(pairs: Any) -> None:
    near, far = pairs[0]
    call = call_on(near, 1)
    far.sendall(b"\x88\x00")
    call.receive()
    assert call.close_code == 1005
    assert unmasked(bytearray(b"\x81")) is None


def test_phases_are_in_step_or_spread() -> None:
    assert in_step(45)[:21] == [*range(20), 0]
    phases = spread(100, 4.0)
    assert phases == spread(100, 4.0)
    assert 0 <= min(phases) < max(phases) < 4_000
    gaps = [later - earlier for earlier, later in zip(sorted(phases), sorted(phases)[1:], strict=False)]
    assert max(gaps) < 120
