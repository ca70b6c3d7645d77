import asyncio

import websockets
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from voicestt.ops.load.raw_call import (
    CLOSE,
    TEXT,
    masked,
    unmasked,
)


@given(st.lists(st.binary(max_size=300)), st.integers(1, 50))
def test_frames_of_a_server_are_taken_apart_whatever_the_pieces(payloads: list[bytes], step: int) -> None:
    wire = b"".join(
        bytes([TEXT, len(payload)]) + payload
        if len(payload) < 126
        else b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
        for payload in payloads
    )
    inbox, taken = bytearray(), list[bytes]()
    for at in range(0, len(wire), step):
        inbox += wire[at : at + step]
        while (frame := unmasked(inbox)) is not None:
            assert frame[0] == TEXT
            taken.append(frame[1])
    assert taken == payloads
    assert not inbox


@given(st.binary(max_size=1000), st.binary(min_size=4, max_size=4))
def test_a_mask_is_an_exclusive_or(payload: bytes, mask: bytes) -> None:
    frame = masked(TEXT, payload, mask)
    header = 2 if len(payload) < 126 else 4
    assert frame[header : header + 4] == mask
    assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(frame[header + 4 :])) == payload


def test_masks_are_by_chance_and_never_zero() -> None:
    masks = {masked(TEXT, b"")[2:6] for _ in range(50)}
    assert len(masks) == 50
    assert b"\0\0\0\0" not in masks


def test_a_foreign_server_understands_our_frames() -> None:
    async def talk() -> list[str | bytes]:
        got: list[str | bytes] = []

        async def serve(connection: ServerConnection) -> None:
            got.extend([message async for message in connection])

        async with websockets.serve(serve, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            writer.write(masked(TEXT, b"short") + masked(TEXT, b"l" * 400) + masked(CLOSE, b"\x03\xe8"))
            assert await reader.read() == b"\x88\x02\x03\xe8"
            writer.close()
            await writer.wait_closed()
        return got

    assert asyncio.run(talk()) == ["short", "l" * 400]
