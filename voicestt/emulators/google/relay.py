"""A TCP relay in front of the gRPC server: cuts, freezes and GOAWAYs one connection, which gRPC itself cannot.

It is there only when faults are. HTTP/2 is looked at just enough to put a GOAWAY between two frames.
"""

import asyncio
import socket
import struct
from collections.abc import Callable

_HEADER = 9
_CONTINUED = {1, 9}  # HEADERS, CONTINUATION: nothing may stand between them and their END_HEADERS
_END_HEADERS = 0x4
_GOAWAY = 7
_LAST_STREAM = 0x7FFF_FFFF


def goaway_frame() -> bytes:
    """Make an HTTP/2 GOAWAY with NO_ERROR that lets every stream live: RFC 9113, 6.8."""
    payload = struct.pack("!II", _LAST_STREAM, 0)
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", _GOAWAY, 0, 0) + payload


class FrameCursor:
    """Tracks the frame boundaries in a flow of HTTP/2 bytes."""

    def __init__(self) -> None:
        self._header = b""
        self._payload_left = 0
        self._is_continued = False

    @property
    def is_between_frames(self) -> bool:
        """True where another frame may be inserted."""
        return not self._header and not self._payload_left and not self._is_continued

    def feed(self, data: bytes) -> int | None:
        """Follow the frames in `data`; return the first position behind a whole frame in it, or None."""
        position, boundary = 0, None
        while position < len(data):
            position += self._some(data, position)
            if boundary is None and self.is_between_frames:
                boundary = position
        return boundary

    def _some(self, data: bytes, position: int) -> int:
        left = len(data) - position
        if self._payload_left:
            taken = min(self._payload_left, left)
            self._payload_left -= taken
            return taken
        taken = min(_HEADER - len(self._header), left)
        self._header += data[position : position + taken]
        if len(self._header) == _HEADER:
            self._read_header()
        return taken

    def _read_header(self) -> None:
        self._payload_left = int.from_bytes(self._header[:3], "big")
        if self._header[3] in _CONTINUED:
            self._is_continued = not self._header[4] & _END_HEADERS
        self._header = b""


class _Half(asyncio.Protocol):
    """One of a link's two connections; it forwards what it receives to the other."""

    transport: asyncio.Transport
    other: "_Half"

    def __init__(self, link: "Link", forward: Callable[[bytes], None]) -> None:
        self._link = link
        self._forward = forward

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._link.relay.halves.add(self)
        self._link.connected(self)

    def data_received(self, data: bytes) -> None:
        self._forward(data)

    def eof_received(self) -> bool:
        self._link.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.relay.halves.discard(self)
        self._link.close()

    def pause_writing(self) -> None:
        self._link.pause(self)

    def resume_writing(self) -> None:
        self._link.resume(self)


class Link:
    """A client's connection and the relay's own to the server behind it."""

    def __init__(self, relay: "Relay") -> None:
        self.relay = relay
        self.client = _Half(self, self._from_client)
        self.server = _Half(self, self._from_server)
        self._cursor = FrameCursor()
        self._is_frozen = False
        self._goaway_waits = False
        self._early: list[bytes] = []
        self._is_closed = False
        self._ready = False

    def connected(self, half: _Half) -> None:
        """Note that one connection is up; data passes once both are."""
        if half is self.client:
            self.relay.dial(self)
            return
        if self._is_closed:  # the client went while we were dialling
            half.transport.close()
            return
        self._ready = True
        self.relay.register(self, half.transport.get_extra_info("sockname")[1])
        for data in self._early:
            self.server.transport.write(data)
        self._early.clear()

    @property
    def peer(self) -> str:
        """The client's address, as gRPC writes it."""
        host, port = self.client.transport.get_extra_info("peername")[:2]
        return f"ipv4:{host}:{port}"

    def cut(self) -> None:
        """Reset the client's connection."""
        sock = self.client.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.transport.abort()
        self.close()

    def freeze(self) -> None:
        """Stop all forwarding; both connections stay open."""
        self._is_frozen = True

    def goaway(self) -> None:
        """Send GOAWAY to the client at the next boundary between frames."""
        if self._cursor.is_between_frames:
            self.client.transport.write(goaway_frame())
        else:
            self._goaway_waits = True

    def close(self) -> None:
        """Close both connections after their pending data was written."""
        if self._is_closed:
            return
        self._is_closed = True
        self.relay.forget(self)
        self.client.transport.close()
        if self._ready:
            self.server.transport.close()

    def pause(self, half: _Half) -> None:
        """Stop reading from the other connection: `half` cannot write more for now."""
        self._set_reading(half, reading=False)

    def resume(self, half: _Half) -> None:
        """Read from the other connection again: `half` can write."""
        self._set_reading(half, reading=True)

    def _set_reading(self, half: _Half, *, reading: bool) -> None:
        source = self.server if half is self.client else self.client
        if self._is_closed or not self._ready:
            return
        if reading:
            source.transport.resume_reading()
        else:
            source.transport.pause_reading()

    def _from_client(self, data: bytes) -> None:
        if not self._ready:
            self._early.append(data)
        elif not self._is_frozen and not self._is_closed:
            self.server.transport.write(data)

    def _from_server(self, data: bytes) -> None:
        if self._is_frozen or self._is_closed:
            return
        boundary = self._cursor.feed(data)
        if self._goaway_waits and boundary is not None:
            self._goaway_waits = False
            data = data[:boundary] + goaway_frame() + data[boundary:]
        self.client.transport.write(data)


class Relay:
    """Relays all connections of a service, on one loop."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.halves: set[_Half] = set()
        self._links: dict[int, Link] = {}
        self._dials: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Start listening and return the port; raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Link(self).client, host, port)
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    @property
    def links(self) -> tuple[Link, ...]:
        """The live links."""
        return tuple(self._links.values())

    def link_of(self, peer: str) -> Link | None:
        """Find the link behind a peer as the gRPC server names it ("ipv4:127.0.0.1:4711")."""
        return self._links.get(int(peer.rpartition(":")[2]))

    def dial(self, link: Link) -> None:
        """Connect a new link to the server."""
        task = asyncio.get_running_loop().create_task(self._connect(link))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    def register(self, link: Link, port: int) -> None:
        """File the link under its own port towards the server, by which the server knows it."""
        self._links[port] = link

    def forget(self, link: Link) -> None:
        """Remove a link that ended."""
        self._links = {port: other for port, other in self._links.items() if other is not link}

    async def close(self) -> None:
        """Stop listening and end all connections; data that cannot be written at once is lost."""
        if self._listener is not None:
            self._listener.close()
        for half in tuple(self.halves):
            half.transport.close()
        await _a_moment()
        for half in tuple(self.halves):
            half.transport.abort()
        await _a_moment()

    async def _connect(self, link: Link) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: link.server, "127.0.0.1", self._server_port)
        except OSError:
            link.close()


async def _a_moment() -> None:
    """Let the loop run the callbacks that closing a transport scheduled."""
    for _ in range(3):
        await asyncio.sleep(0)
