import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.google.relay import FrameCursor, Relay, goaway_frame


def frame(length: int, kind: int = 0, flags: int = 0) -> bytes:
    return struct.pack("!I", length)[1:] + struct.pack("!BBI", kind, flags, 1) + bytes(length)


def test_goaway_is_a_frame_of_http2() -> None:
    assert goaway_frame() == bytes.fromhex("000008 07 00 00000000 7fffffff 00000000")


@given(st.lists(st.integers(0, 300), min_size=1), st.lists(st.integers(1, 100)))
def test_it_knows_where_frames_end_however_they_come(lengths: list[int], sizes: list[int]) -> None:
    flow = b"".join(map(frame, lengths))
    ends = {sum(9 + length for length in lengths[: count + 1]) for count in range(len(lengths))}
    cursor, position = FrameCursor(), 0
    for size in [*sizes, len(flow)]:
        piece = flow[position : position + size]
        boundary = cursor.feed(piece)
        within = sorted(end - position for end in ends if position < end <= position + len(piece))
        assert boundary == (within[0] if within else None)
        position += len(piece)
        assert cursor.is_between_frames == (position in ends or position == 0)


def test_nothing_comes_between_headers_and_their_continuation() -> None:
    cursor = FrameCursor()
    headers, continuation = frame(5, kind=1), frame(5, kind=9, flags=4)
    assert cursor.feed(headers) is None
    assert cursor.feed(continuation) == len(continuation)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def relayed() -> AsyncIterator[tuple[Relay, int]]:
    """A relay in front of a server that says back what it hears."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname()[1])
    try:
        yield relay, await relay.listen("127.0.0.1", 0)
    finally:
        await relay.close()
        server.close()
        await asyncio.sleep(0.01)  # the server's own ends


@contextlib.asynccontextmanager
async def connected(
    port: int, limit: int = 65_536
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def test_much_passes_however_slowly_it_is_read() -> None:
    flow = b"".join(frame(size) for size in range(4_000)) * 2

    async def main() -> None:
        async with relayed() as (_relay, port), connected(port, limit=1_024) as (reader, writer):
            sending = asyncio.create_task(send(writer, flow))
            await asyncio.sleep(0.05)  # everything on the way is full by now
            assert await reader.readexactly(len(flow)) == flow
            await sending

    asyncio.run(main())


def test_goaway_waits_for_the_end_of_a_frame() -> None:
    async def main() -> None:
        whole = frame(20)
        async with relayed() as (relay, port), connected(port) as (reader, writer):
            writer.write(whole[:12])
            assert await reader.readexactly(12) == whole[:12]
            (link,) = relay.links
            link.goaway()
            writer.write(whole[12:] + whole)
            assert await reader.readexactly(17 + 17 + 29) == whole[12:] + goaway_frame() + whole
            link.goaway()
            assert await reader.readexactly(17) == goaway_frame()

    asyncio.run(main())


def test_a_client_whose_server_is_gone_is_let_go() -> None:
    async def main() -> None:
        relay = Relay(1)  # nobody listens there
        async with connected(await relay.listen("127.0.0.1", 0)) as (reader, _writer):
            assert await reader.read() == b""
        assert relay.links == ()
        await relay.close()

    asyncio.run(main())


def test_links_are_forgotten_when_they_end() -> None:
    async def main() -> None:
        async with relayed() as (relay, port):
            async with connected(port) as (reader, writer):
                writer.write(b"x")
                await reader.readexactly(1)
                assert len(relay.links) == 1
                assert relay.link_of("ipv4:127.0.0.1:0") is None
            await asyncio.sleep(0.05)
            assert (len(relay.links), len(relay.halves)) == (0, 0)

    asyncio.run(main())
