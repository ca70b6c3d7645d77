import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from tests.bench import load
from tests.bench.raw_calls import CLOSE, TEXT, audio_of, masked, unmasked
from voicestt import mulaw


@given(st.lists(st.binary(max_size=300)), st.integers(1, 50))
def test_frames_of_a_server_are_taken_apart_whatever_the_pieces(payloads: list[bytes], step: int) -> None:
    short = [bytes([TEXT, len(payload)]) + payload for payload in payloads if len(payload) < 126]
    long = [b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload for payload in payloads if len(payload) > 125]
    wire, inbox, taken = b"".join(short + long), bytearray(), list[tuple[int, bytes]]()
    for at in range(0, len(wire), step):
        inbox += wire[at : at + step]
        while (frame := unmasked(inbox)) is not None:
            taken.append(frame)
    assert [payload for _, payload in taken] == sorted(payloads, key=lambda payload: len(payload) > 125)
    assert not inbox


def test_a_foreign_server_understands_our_frames() -> None:
    """The `websockets` library reads what is masked with zeros."""

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


class Sent:
    """What `byte_faults` looks at in a call."""

    def __init__(self, number: int) -> None:
        pcm = mulaw.decode(audio_of(number, 10))
        self.number, self.pcm_bytes, self.sha256 = number, len(pcm), hashlib.sha256(pcm).hexdigest()
        self.key = f"key{number}"


def stream(call: Any, **different: Any) -> dict[str, Any]:
    whole = {"sha256": call.sha256, "audio_bytes": call.pcm_bytes, "finals": [f"{call.key} 0 three"]}
    return whole | different


def test_every_kind_of_lost_byte_is_told() -> None:
    calls: list[Any] = [Sent(number) for number in range(4)]
    streams = [
        stream(calls[0]),
        stream(calls[1], sha256="x", audio_bytes=calls[1].pcm_bytes - 2),
        stream(calls[2], sha256="y"),
    ]
    assert load.byte_faults(calls, streams) == [
        "call 1: -2 bytes",
        "call 2: bytes misplaced",
        "call 3: no stream has it",
    ]


def test_audio_is_each_calls_own_and_the_same_again() -> None:
    assert audio_of(1, 2) == audio_of(1, 2) != audio_of(2, 2)
    assert len(audio_of(1, 2)) == 320


def test_lags_are_those_behind_the_script() -> None:
    heard = load.Heard()
    first = load.SPOKEN_FROM + (load.SPOKEN_TO - load.SPOKEN_FROM) / len(load.WORDS) - 0.02
    final = load.SPOKEN_TO + load.FINAL_DELAY - 0.02
    events = [
        {"kind": "partial", "text": "k", "t": 100 + first + 0.05},
        {"kind": "partial", "text": "k 0", "t": 100 + first + 0.25},
        {"kind": "final", "text": "k 0 three", "t": 100 + final + 0.03},
        {"kind": "partial", "text": "other", "t": 100 + load.ROUND + first + 0.07},
    ]
    heard.add("k", 100.0, events)
    assert (heard.partials, heard.finals, heard.strays) == (3, 1, 1)
    assert heard.partial_lags == pytest.approx([0.05, 0.07])
    assert heard.final_lags == pytest.approx([0.03])
    assert heard.gaps == pytest.approx([0.2])


def test_three_calls_lose_nothing(tmp_path: Path) -> None:
    cells, faults = load.run(3, 4.0, tmp_path)
    assert faults == []
    assert len(cells) == len(load.HEADINGS)
    assert cells[0] == "3"
